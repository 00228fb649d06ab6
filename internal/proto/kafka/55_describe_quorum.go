package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// metadataLog is the name of Kafka's log of definitions. This node has one of its
// own, whose state is told under that name; nobody can read it.
const metadataLog = "__cluster_metadata"

func (c *conn) describeQuorum(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeQuorumRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDescribeQuorumResponse()
	for i := range m.Topics {
		t := &m.Topics[i]
		out := kmsg.NewDescribeQuorumResponseTopic()
		out.Topic = t.Topic
		for k := range t.Partitions {
			p := kmsg.NewDescribeQuorumResponseTopicPartition()
			if p.Partition = t.Partitions[k].Partition; t.Topic != metadataLog || p.Partition != 0 {
				p.ErrorCode = kerr.UnknownTopicOrPartition.Code
			} else {
				c.quorum(&p)
			}
			out.Partitions = append(out.Partitions, p)
		}
		answer.Topics = append(answer.Topics, out)
	}
	node := kmsg.NewDescribeQuorumResponseNode()
	node.NodeID = nodeID
	listener := kmsg.NewDescribeQuorumResponseNodeListener()
	host, port := c.address()
	listener.Name, listener.Host, listener.Port = "CONTROLLER", host, uint16(port)
	node.Listeners = append(node.Listeners, listener)
	answer.Nodes = append(answer.Nodes, node)
	return answer, nil
}

func (c *conn) quorum(p *kmsg.DescribeQuorumResponseTopicPartition) {
	term, end := c.server.options.Broker.ControlLog()
	now := c.server.options.Clock.Now().UnixMilli()
	p.LeaderID, p.LeaderEpoch, p.HighWatermark = nodeID, int32(term), int64(end)
	voter := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
	voter.ReplicaID, voter.LogEndOffset, voter.LastFetchTimestamp, voter.LastCaughtUpTimestamp = nodeID, int64(end), now, now
	p.CurrentVoters = append(p.CurrentVoters, voter)
}
