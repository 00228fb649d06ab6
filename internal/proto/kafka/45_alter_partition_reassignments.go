package kafka

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// alterReassignments takes what changes nothing: partitions are on the only node.
func (c *conn) alterReassignments(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrAlterPartitionAssignmentsResponse()
	answer.AllowReplicationFactorChange = m.AllowReplicationFactorChange
	for i := range m.Topics {
		t := &m.Topics[i]
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic = t.Topic
		for k := range t.Partitions {
			p := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			p.Partition = t.Partitions[k].Partition
			no := reassigned(t.Partitions[k].Replicas)
			if code := c.partitionCode(t.Topic, p.Partition); code != errNone {
				no = refusal{code: code}
			}
			p.ErrorCode, p.ErrorMessage = no.code, no.message()
			out.Partitions = append(out.Partitions, p)
		}
		answer.Topics = append(answer.Topics, out)
	}
	return answer, nil
}

func reassigned(replicas []int32) refusal {
	if replicas == nil {
		return refusal{kerr.NoReassignmentInProgress.Code, "No partition reassignment is in progress."}
	}
	if len(replicas) == 0 {
		return refusal{kerr.InvalidReplicaAssignment.Code, "The manual partition assignment includes an empty replica list."}
	}
	if i := slices.IndexFunc(replicas, func(id int32) bool { return id != nodeID }); i >= 0 {
		text := fmt.Sprintf("The manual partition assignment includes broker %d, but no such broker is registered.", replicas[i])
		return refusal{kerr.InvalidReplicaAssignment.Code, text}
	}
	if len(replicas) > 1 {
		text := fmt.Sprintf("The manual partition assignment includes the broker %d more than once.", nodeID)
		return refusal{kerr.InvalidReplicaAssignment.Code, text}
	}
	return refusal{}
}

// listReassignments lists those under way: none ever is.
func (c *conn) listReassignments(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrListPartitionReassignmentsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	return kmsg.NewPtrListPartitionReassignmentsResponse(), nil
}
