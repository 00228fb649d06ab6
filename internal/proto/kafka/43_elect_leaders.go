package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// electUnclean is the last kind of election there is.
const electUnclean = 1

// electLeaders has nothing to do: every partition is led by its only copy.
func (c *conn) electLeaders(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrElectLeadersRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrElectLeadersResponse()
	if m.ElectionType < 0 || m.ElectionType > electUnclean {
		answer.ErrorCode = kerr.InvalidRequest.Code
	}
	for i := range m.Topics {
		t := &m.Topics[i]
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = t.Topic
		for _, number := range t.Partitions {
			p := kmsg.NewElectLeadersResponseTopicPartition()
			p.Partition = number
			no := refusal{kerr.ElectionNotNeeded.Code, "Leader election not needed for topic partition."}
			if answer.ErrorCode != errNone {
				no = refusal{code: answer.ErrorCode}
			} else if code := c.partitionCode(t.Topic, number); code != errNone {
				no = refusal{code: code}
			}
			p.ErrorCode, p.ErrorMessage = no.code, no.message()
			out.Partitions = append(out.Partitions, p)
		}
		answer.Topics = append(answer.Topics, out)
	}
	return answer, nil
}

// partitionCode says whether there is a partition.
func (c *conn) partitionCode(topic string, number int32) int16 {
	t, err := c.session.Topic(topic)
	switch {
	case err != nil:
		return code(err)
	case number < 0 || int(number) >= t.Partitions:
		return kerr.UnknownTopicOrPartition.Code
	}
	return errNone
}
