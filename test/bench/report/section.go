package report

import (
	"fmt"
	"slices"
)

// The groups of comparisons, in the document's order.
const (
	GroupRabbitMQ = "rabbitmq"
	GroupFeatures = "features"
	GroupKafka    = "kafka"
	GroupNATS     = "nats"
)

var groupTitles = []struct{ group, title string }{
	{GroupRabbitMQ, "RabbitMQ"},
	{GroupFeatures, "RabbitMQ: policies, routing, dead letters, priorities, transactions"},
	{GroupKafka, "Apache Kafka"},
	{GroupNATS, "NATS JetStream as the yardstick of a durable append"},
}

// groupNotes say what has to be known to read a group.
var groupNotes = map[string]string{
	GroupNATS: "**The tools differ**: JetStream is driven by its own `nats bench`, weir by RabbitMQ's PerfTest or by Kafka's producer test, " +
		"with the same size and the same number of unconfirmed messages. The ratio is of two systems with their clients.",
}

// section is a part of the document: comparisons of one group and one pair of classes.
type section struct {
	key, title, class string
	comparisons       []*Comparison
}

// sections are in order: the same class on both sides first.
func (r *Results) sections() []section {
	var all []section
	for _, g := range groupTitles {
		for _, classes := range []struct {
			key        string
			weir, peer Class
			says       string
		}{
			{"synced", Synced, Synced, "both synced"},
			{"cached", Synced, Cached, "weir synced, the peer in the OS cache"},
			{"relaxed", Cached, Cached, "relaxed: both in the OS cache"},
		} {
			s := section{key: g.group + "-" + classes.key, title: g.title + ": " + classes.says}
			s.class = classText(classes.weir, classes.peer)
			for i := range r.Comparisons {
				c := &r.Comparisons[i]
				if c.Group == g.group && c.WeirClass == classes.weir && c.PeerClass == classes.peer && len(c.Rounds) > 0 {
					s.comparisons = append(s.comparisons, c)
				}
			}
			if len(s.comparisons) > 0 {
				all = append(all, s)
			}
		}
	}
	return all
}

// classText is the sentence that every table carries.
func classText(weir, peer Class) string {
	switch {
	case weir == Synced && peer == Synced:
		return "Durability: weir **fsync** before each confirm, the peer **fsync** before each confirm."
	case weir == Synced:
		return "Durability: weir **fsync** before each confirm, the peer **OS cache**: it confirms what a power cut can take away."
	default:
		return "Durability: weir **OS cache** (`storage.sync: os`, not its default), the peer **OS cache**: a power cut can take away what either has confirmed."
	}
}

// peers are the brokers of a section with their settings.
func (s *section) peers() []string {
	var all []string
	for _, c := range s.comparisons {
		text := c.Peer
		if c.Setting != "" {
			text = fmt.Sprintf("%s (%s)", c.Peer, c.Setting)
		}
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}
