package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
)

// alterReplicaLogDirs takes what changes nothing: there is one directory.
func (c *conn) alterReplicaLogDirs(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrAlterReplicaLogDirsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	allowed := c.session.MayCluster(auth.Alter)
	answer := kmsg.NewPtrAlterReplicaLogDirsResponse()
	for i := range m.Dirs {
		here := m.Dirs[i].Dir == c.server.options.Broker.Dir()
		for k := range m.Dirs[i].Topics {
			t := &m.Dirs[i].Topics[k]
			out := kmsg.NewAlterReplicaLogDirsResponseTopic()
			out.Topic = t.Topic
			for _, number := range t.Partitions {
				p := kmsg.NewAlterReplicaLogDirsResponseTopicPartition()
				switch p.Partition = number; {
				case !allowed:
					p.ErrorCode = kerr.ClusterAuthorizationFailed.Code
				case !here:
					p.ErrorCode = kerr.LogDirNotFound.Code
				default:
					p.ErrorCode = c.partitionCode(t.Topic, number)
				}
				out.Partitions = append(out.Partitions, p)
			}
			answer.Topics = append(answer.Topics, out)
		}
	}
	return answer, nil
}
