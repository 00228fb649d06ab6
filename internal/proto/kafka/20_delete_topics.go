package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// deleteTopics takes names or, from version 6 on, names and ids.
func (c *conn) deleteTopics(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDeleteTopicsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	for i := range m.TopicNames {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = &m.TopicNames[i]
		m.Topics = append(m.Topics, t)
	}
	key := func(t *kmsg.DeleteTopicsRequestTopic) topicKey { return topicKeyOf(t.Topic, t.TopicID) }
	twice := repeated(m.Topics, key)
	m.Topics = distinct(m.Topics, key)
	answer := kmsg.NewPtrDeleteTopicsResponse()
	answer.Topics = make([]kmsg.DeleteTopicsResponseTopic, len(m.Topics))
	var names []string
	var which []int
	seen := map[string]bool{}
	for i := range m.Topics {
		t, out := &m.Topics[i], &answer.Topics[i]
		*out = kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.TopicID = t.Topic, t.TopicID
		switch {
		case t.Topic == nil && t.TopicID == [16]byte{}:
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr("Neither topic name nor id were specified.")
			continue
		case twice[key(t)]:
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr("Duplicate topic name or id.")
			continue
		case t.Topic == nil:
			info, err := c.session.TopicByID(t.TopicID)
			if err != nil {
				out.ErrorCode = kerr.UnknownTopicID.Code
				continue
			}
			out.Topic = &info.Name
		case t.TopicID != [16]byte{}:
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr("Topic name and topic ID can not both be specified.")
			continue
		}
		if seen[*out.Topic] {
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr("Duplicate topic name.")
			continue
		}
		seen[*out.Topic] = true
		if info, err := c.session.Topic(*out.Topic); err == nil {
			out.TopicID = info.ID
		}
		names, which = append(names, *out.Topic), append(which, i)
	}
	for k, err := range c.session.DeleteTopics(names) {
		no := refusalOf(err)
		if no.code == kerr.UnknownTopicOrPartition.Code {
			no.text = "This server does not host this topic-partition."
		}
		out := &answer.Topics[which[k]]
		out.ErrorCode, out.ErrorMessage = no.code, no.message()
	}
	return answer, nil
}
