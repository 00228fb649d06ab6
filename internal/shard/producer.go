package shard

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"weir/internal/record"
)

const (
	// recentMax is how many appends of a producer a log knows again.
	recentMax = 5
	// A producer that has sent nothing for so long is forgotten, unless it has a
	// transaction open; milliseconds.
	producerKept   = 24 * 3600 * 1000
	producerSweeps = 3600 * 1000
	// sequenceMax is the last sequence before they start again from 0.
	sequenceMax = 1<<31 - 1
)

// Verdict says what became of an append.
type Verdict uint8

// The verdicts.
const (
	Stored        Verdict = iota
	Duplicate             // stored before, at the offset told
	OutOfSequence         // something the producer sent before is missing
	Fenced                // a later epoch of the producer has been here
)

// producer is what a log knows of one that numbers what it sends.
type producer struct {
	epoch  uint16
	recent []recentAppend // the latest last, at most recentMax, all of this epoch
	seen   int64          // when it last sent something
	open   bool           // a transaction
	first  record.Offset  // of it
}

type recentAppend struct {
	first, last uint32 // sequences
	at          record.Offset
}

// Aborted is a transaction whose messages never happened.
type Aborted struct {
	Producer    record.ProducerID
	First, Last record.Offset // its first message and its marker
}

// ProducerState is a producer as a log knows it.
type ProducerState struct {
	ID           record.ProducerID
	Epoch        uint16
	LastSequence int64 // -1: none
	Seen         int64 // unix ms
	Open         bool
	First        record.Offset // of the open transaction
}

// judge says whether the log takes an append of a producer, and where a duplicate
// stands.
func (l *Log) judge(e *record.Envelope) (Verdict, record.Offset) {
	p := l.producers[e.Producer.ID]
	switch {
	case p == nil:
		return Stored, 0 // or all that was known of it has been forgotten
	case e.Producer.Epoch < p.epoch:
		return Fenced, 0
	case e.Producer.Part.Marker():
		return Stored, 0
	case e.Producer.Epoch > p.epoch || len(p.recent) == 0:
		if e.Producer.Sequence != 0 {
			return OutOfSequence, 0
		}
		return Stored, 0
	}
	last := lastSequence(e)
	for _, r := range p.recent {
		if r.first == e.Producer.Sequence && r.last == last {
			return Duplicate, r.at
		}
	}
	if next := (p.recent[len(p.recent)-1].last + 1) & sequenceMax; e.Producer.Sequence != next {
		return OutOfSequence, 0
	}
	return Stored, 0
}

func lastSequence(e *record.Envelope) uint32 {
	return (e.Producer.Sequence + max(e.Count, 1) - 1) & sequenceMax
}

// remember notes an append of a producer at offset o.
func (l *Log) remember(e *record.Envelope, o record.Offset, now int64) {
	l.forgetProducers(now)
	p := l.producers[e.Producer.ID]
	if p == nil {
		if l.producers == nil {
			l.producers = map[record.ProducerID]*producer{}
		}
		p = &producer{}
		l.producers[e.Producer.ID] = p
	}
	if p.epoch != e.Producer.Epoch {
		p.epoch, p.recent = e.Producer.Epoch, p.recent[:0]
	}
	p.seen = now
	if e.Producer.Part.Marker() {
		l.end(p, e, o)
		return
	}
	if len(p.recent) == recentMax {
		p.recent = append(p.recent[:0], p.recent[1:]...)
	}
	p.recent = append(p.recent, recentAppend{e.Producer.Sequence, lastSequence(e), o})
	if e.Producer.Part == record.PartTransaction && !p.open {
		p.open, p.first = true, o
		l.opens = append(l.opens, e.Producer.ID)
	}
}

// end closes the producer's open transaction; its marker is at o.
func (l *Log) end(p *producer, e *record.Envelope, o record.Offset) {
	if !p.open {
		return
	}
	p.open = false
	l.opens = slices.DeleteFunc(l.opens, func(id record.ProducerID) bool { return id == e.Producer.ID })
	if e.Producer.Part == record.PartAbort {
		l.aborted = append(l.aborted, Aborted{e.Producer.ID, p.first, o})
	}
}

// forgetProducers lets go, now and then, of those that have been silent for long.
func (l *Log) forgetProducers(now int64) {
	if now < l.swept+producerSweeps {
		return
	}
	l.swept = now
	maps.DeleteFunc(l.producers, func(_ record.ProducerID, p *producer) bool {
		return !p.open && p.seen < now-producerKept
	})
}

// stable is the offset below which every transaction has ended.
func (l *Log) stable() record.Offset {
	if len(l.opens) > 0 {
		return l.producers[l.opens[0]].first // they opened in order
	}
	return l.next
}

// abortedIn returns the aborted transactions that have messages in [from, end).
func (l *Log) abortedIn(from, end record.Offset) []Aborted {
	i, _ := slices.BinarySearchFunc(l.aborted, from, func(a Aborted, o record.Offset) int { return cmp.Compare(a.Last, o) })
	var all []Aborted
	for _, a := range l.aborted[i:] {
		if a.First < end {
			all = append(all, a)
		}
	}
	return all
}

// forgetAborted lets go of those that have no message left.
func (l *Log) forgetAborted() {
	n := 0
	for n < len(l.aborted) && l.aborted[n].Last < l.retained {
		n++
	}
	l.aborted = append(l.aborted[:0], l.aborted[n:]...)
}

// Producers lists who has sent numbered messages to a log, by id.
func (m *Machine) Producers(log record.LogID) []ProducerState {
	l := m.logs[log]
	if l == nil {
		return nil
	}
	all := make([]ProducerState, 0, len(l.producers))
	for _, id := range slices.Sorted(maps.Keys(l.producers)) {
		p := l.producers[id]
		s := ProducerState{ID: id, Epoch: p.epoch, LastSequence: -1, Seen: p.seen, Open: p.open, First: p.first}
		if n := len(p.recent); n > 0 {
			s.LastSequence = int64(p.recent[n-1].last)
		}
		all = append(all, s)
	}
	return all
}

// EachOpen calls yield with every open transaction of the shard's logs.
func (m *Machine) EachOpen(yield func(log record.LogID, p ProducerState)) {
	for _, id := range slices.Sorted(maps.Keys(m.logs)) {
		l := m.logs[id]
		for _, producer := range l.opens {
			p := l.producers[producer]
			yield(id, ProducerState{ID: producer, Epoch: p.epoch, LastSequence: -1, Seen: p.seen, Open: true, First: p.first})
		}
	}
}

// encodeProducers writes, little endian:
//
//	swept i64 | producers n u32, n × (id u64, epoch u16, seen i64, open u8, first u64,
//	  k u8, k × (first u32, last u32, at u64)) | open n u32, n × id u64
//	aborted n u32, n × (id u64, first u64, last u64)
func (l *Log) encodeProducers(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(l.swept))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(l.producers)))
	for _, id := range slices.Sorted(maps.Keys(l.producers)) {
		p := l.producers[id]
		dst = binary.LittleEndian.AppendUint64(dst, uint64(id))
		dst = binary.LittleEndian.AppendUint16(dst, p.epoch)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(p.seen))
		dst = append(dst, flag(p.open))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(p.first))
		dst = append(dst, byte(len(p.recent)))
		for _, r := range p.recent {
			dst = binary.LittleEndian.AppendUint32(dst, r.first)
			dst = binary.LittleEndian.AppendUint32(dst, r.last)
			dst = binary.LittleEndian.AppendUint64(dst, uint64(r.at))
		}
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(l.opens)))
	for _, id := range l.opens {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(id))
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(l.aborted)))
	for _, a := range l.aborted {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(a.Producer))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(a.First))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(a.Last))
	}
	return dst
}

// decodeProducers is the opposite of encodeProducers.
func (l *Log) decodeProducers(b []byte) ([]byte, error) {
	d := fields{b: b}
	l.swept = int64(d.uint64())
	l.producers = map[record.ProducerID]*producer{}
	for range d.count(8 + 2 + 8 + 1 + 8 + 1) {
		id := record.ProducerID(d.uint64())
		p := &producer{epoch: d.uint16(), seen: int64(d.uint64()), open: d.uint8() == 1, first: record.Offset(d.uint64())}
		for range d.uint8() {
			p.recent = append(p.recent, recentAppend{d.uint32(), d.uint32(), record.Offset(d.uint64())})
		}
		l.producers[id] = p
	}
	for range d.count(8) {
		id := record.ProducerID(d.uint64())
		if p := l.producers[id]; p == nil || !p.open {
			return nil, errState
		}
		l.opens = append(l.opens, id)
	}
	for range d.count(24) {
		l.aborted = append(l.aborted, Aborted{record.ProducerID(d.uint64()), record.Offset(d.uint64()), record.Offset(d.uint64())})
	}
	if d.bad {
		return nil, errState
	}
	return d.b, nil
}

// fields reads little-endian numbers; past the end it reads zeros and bad is set.
type fields struct {
	b   []byte
	bad bool
}

func (d *fields) take(n int) []byte {
	if n > len(d.b) {
		d.b, d.bad = nil, true
		return make([]byte, 8)
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *fields) uint8() uint8   { return d.take(1)[0] }
func (d *fields) uint16() uint16 { return binary.LittleEndian.Uint16(d.take(2)) }
func (d *fields) uint32() uint32 { return binary.LittleEndian.Uint32(d.take(4)) }
func (d *fields) uint64() uint64 { return binary.LittleEndian.Uint64(d.take(8)) }

// count reads how many elements of at least so many bytes follow.
func (d *fields) count(least int) int {
	n := int(d.uint32())
	if n > len(d.b)/least {
		d.b, d.bad = nil, true
		return 0
	}
	return n
}
