package group

import (
	"bytes"
	"cmp"
	"slices"
)

// TopicID is a topic's, unlike its name, for ever.
type TopicID [16]byte

// Topic is what an assignment has to know of one.
type Topic struct {
	Name       string
	ID         TopicID
	Partitions int32
}

// Catalog tells which topics there are that the sender of a request may read.
type Catalog interface {
	Topic(name string) (Topic, bool)
	All() []Topic
	// Gone says that a topic is not there any more, or has other partitions,
	// whoever asks.
	Gone(t Topic) bool
}

// Part is one partition.
type Part struct {
	Topic  TopicID
	Number int32
}

func (p Part) compare(o Part) int {
	return cmp.Or(bytes.Compare(p.Topic[:], o.Topic[:]), cmp.Compare(p.Number, o.Number))
}

// Parts are partitions in order, each once.
type Parts []Part

// NewParts puts partitions in order.
func NewParts(all []Part) Parts {
	all = slices.Clone(all)
	slices.SortFunc(all, Part.compare)
	return slices.Compact(all)
}

// Has says whether p is one of them.
func (ps Parts) Has(p Part) bool {
	_, ok := slices.BinarySearchFunc(ps, p, Part.compare)
	return ok
}

// filter returns those for which keep is true.
func (ps Parts) filter(keep func(Part) bool) Parts {
	var out Parts
	for _, p := range ps {
		if keep(p) {
			out = append(out, p)
		}
	}
	return out
}

func (ps Parts) within(o Parts) bool {
	return !slices.ContainsFunc(ps, func(p Part) bool { return !o.Has(p) })
}
