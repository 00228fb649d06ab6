package kafka

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
)

func (c *conn) createPartitions(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrCreatePartitionsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrCreatePartitionsResponse()
	name := func(t *kmsg.CreatePartitionsRequestTopic) string { return t.Topic }
	twice := repeated(m.Topics, name)
	m.Topics = distinct(m.Topics, name)
	for i := range m.Topics {
		t := &m.Topics[i]
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic = t.Topic
		no := refusal{kerr.InvalidRequest.Code, "Duplicate topic in request."}
		if !twice[t.Topic] {
			no = c.addPartitions(t, m.ValidateOnly)
		}
		out.ErrorCode, out.ErrorMessage = no.code, no.message()
		answer.Topics = append(answer.Topics, out)
	}
	return answer, nil
}

func (c *conn) addPartitions(t *kmsg.CreatePartitionsRequestTopic, validateOnly bool) refusal {
	var no refusal
	stop := &broker.Error{Code: broker.CodeInvalid}
	err := c.session.AlterTopic(t.Topic, auth.Alter, func(now broker.TopicInfo) (broker.TopicSpec, *broker.Error) {
		if no = checkCount(t, now.Partitions); no.code != errNone || validateOnly {
			return broker.TopicSpec{}, stop
		}
		return broker.TopicSpec{Partitions: int(t.Count), Settings: now.Settings, Arguments: now.Arguments}, nil
	})
	switch {
	case err == stop || err == nil:
		return no
	case err.Code == broker.CodeNotFound:
		return refusal{kerr.UnknownTopicOrPartition.Code, "This server does not host this topic-partition."}
	}
	return refusalOf(err)
}

// checkCount says what is wrong with a number of partitions to have.
func checkCount(t *kmsg.CreatePartitionsRequestTopic, have int) refusal {
	switch {
	case int(t.Count) == have:
		return refusal{kerr.InvalidPartitions.Code, fmt.Sprintf("Topic already has %d partition(s).", have)}
	case int(t.Count) < have:
		return refusal{kerr.InvalidPartitions.Code, fmt.Sprintf("The topic %s currently has %d partition(s); %d would not be an increase.", t.Topic, have, t.Count)}
	case int(t.Count) > broker.PartitionsMax:
		return refusal{kerr.InvalidPartitions.Code, fmt.Sprintf("A topic has at most %d partitions.", broker.PartitionsMax)}
	case t.Assignment == nil:
		return refusal{}
	case len(t.Assignment) != int(t.Count)-have:
		return refusal{kerr.InvalidReplicaAssignment.Code, fmt.Sprintf("Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", int(t.Count)-have, len(t.Assignment))}
	}
	for _, a := range t.Assignment {
		if !slices.Equal(a.Replicas, []int32{nodeID}) {
			return refusal{kerr.InvalidReplicaAssignment.Code, "The manual partition assignment includes an empty replica list, or a broker that is not registered."}
		}
	}
	return refusal{}
}
