package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/record"
)

// writeTxnMarkers ends transactions by hand: it is what administrators abort a
// hanging one with.
func (c *conn) writeTxnMarkers(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrWriteTxnMarkersRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrWriteTxnMarkersResponse()
	for i := range m.Markers {
		w := &m.Markers[i]
		out := kmsg.NewWriteTxnMarkersResponseMarker()
		out.ProducerID = w.ProducerID
		who := identity{record.ProducerID(w.ProducerID), w.ProducerEpoch}
		for _, t := range w.Topics {
			topic := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			topic.Topic = t.Topic
			for _, number := range t.Partitions {
				p := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
				p.Partition, p.ErrorCode = number, c.mark(t.Topic, number, who, w.Committed)
				topic.Partitions = append(topic.Partitions, p)
			}
			out.Topics = append(out.Topics, topic)
		}
		answer.Markers = append(answer.Markers, out)
	}
	return answer, nil
}

// mark ends the producer's transaction in one partition, if it is the producer's
// present epoch that has one open.
func (c *conn) mark(topic string, number int32, who identity, commit bool) int16 {
	if !c.session.MayCluster(auth.ClusterAction) && !c.session.MayCluster(auth.Alter) {
		return kerr.ClusterAuthorizationFailed.Code
	}
	info, err := c.session.Topic(topic)
	if err != nil || number < 0 || int(number) >= info.Partitions {
		return kerr.UnknownTopicOrPartition.Code
	}
	p := broker.Partition{Topic: topic, ID: info.ID, Number: int(number)}
	producers, err := c.session.Producers(&p)
	if err != nil {
		return code(err)
	}
	for _, x := range producers {
		if x.ID == who.ID && uint16(who.Epoch) < x.Epoch {
			return kerr.InvalidProducerEpoch.Code
		}
	}
	now := c.server.options.Clock.Millis()
	change := broker.Change{Appends: []broker.PartitionBlob{{Partition: p, Blob: markerBlob(who, commit, now)}}}
	return code(c.server.transactions.session.Change(&change))
}
