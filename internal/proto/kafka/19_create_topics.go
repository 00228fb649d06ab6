package kafka

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/kafka/config"
)

const topicNameBytesMax = 249

// topicNameError has Kafka's rule: letters, digits, dots, underscores and dashes.
func topicNameError(name string) string {
	switch {
	case name == "":
		return "Topic name is invalid: the empty string is not allowed"
	case name == "." || name == "..":
		return "Topic name is invalid: '" + name + "' is not allowed"
	case len(name) > topicNameBytesMax:
		return fmt.Sprintf("Topic name is invalid: the length of '%s' is longer than the max allowed length %d", name, topicNameBytesMax)
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
		default:
			return "Topic name is invalid: '" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
		}
	}
	return ""
}

// checkTopicName says whether a topic may have the name.
func checkTopicName(name string) int16 {
	if topicNameError(name) != "" {
		return kerr.InvalidTopicException.Code
	}
	return errNone
}

// refusal is an error code and what to say about it.
type refusal struct {
	code int16
	text string
}

func (r refusal) message() *string {
	if r.text == "" {
		return nil
	}
	return &r.text
}

// refusalOf is what to answer where the waist refused.
func refusalOf(err *broker.Error) refusal {
	if err == nil {
		return refusal{}
	}
	return refusal{code(err), err.Error()}
}

func (c *conn) createTopics(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrCreateTopicsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrCreateTopicsResponse()
	name := func(t *kmsg.CreateTopicsRequestTopic) string { return t.Topic }
	twice, partitions := repeated(m.Topics, name), 0
	m.Topics = distinct(m.Topics, name)
	answer.Topics = make([]kmsg.CreateTopicsResponseTopic, len(m.Topics))
	var specs []broker.TopicSpec
	var which []int
	for i := range m.Topics {
		t, out := &m.Topics[i], &answer.Topics[i]
		*out = kmsg.NewCreateTopicsResponseTopic()
		out.Topic, out.NumPartitions, out.ReplicationFactor = t.Topic, -1, -1
		out.Configs = []kmsg.CreateTopicsResponseTopicConfig{} // null says that they may not be seen
		spec, no := c.topicSpec(t)
		switch {
		case t.Topic == clusterTopic:
			no = refusal{kerr.InvalidRequest.Code, "Creation of internal topic " + clusterTopic + " is prohibited."}
		case twice[t.Topic]:
			no = refusal{kerr.InvalidRequest.Code, "Duplicate topic name."}
		}
		if partitions += spec.Partitions; no.code == errNone && partitions > broker.PartitionsMax {
			no = refusal{kerr.PolicyViolation.Code, "Excessively large number of partitions per request."}
		}
		if no.code == errNone && m.ValidateOnly {
			if _, err := c.session.Topic(t.Topic); err == nil {
				no = topicExists(t.Topic)
			} else if !c.session.MayCluster(auth.Create) && !c.session.MayTopic(auth.Create, t.Topic) {
				no.code = kerr.TopicAuthorizationFailed.Code
			}
		}
		if out.ErrorCode, out.ErrorMessage = no.code, no.message(); no.code != errNone {
			continue
		}
		described(out, &spec)
		if !m.ValidateOnly {
			specs, which = append(specs, spec), append(which, i)
		}
	}
	for k, result := range c.session.CreateTopics(specs) {
		created(&answer.Topics[which[k]], &result)
	}
	return answer, nil
}

// described tells what a topic will be like.
func described(out *kmsg.CreateTopicsResponseTopic, spec *broker.TopicSpec) {
	out.NumPartitions, out.ReplicationFactor = int32(spec.Partitions), 1
	own := config.Read(spec.Arguments)
	for _, k := range config.Keys() {
		e := describeKey(&k, own)
		out.Configs = append(out.Configs, kmsg.CreateTopicsResponseTopicConfig{Name: k.Name, Value: e.Value, Source: int8(e.Source)})
	}
}

func topicExists(name string) refusal {
	return refusal{kerr.TopicAlreadyExists.Code, fmt.Sprintf("Topic '%s' already exists.", name)}
}

func created(out *kmsg.CreateTopicsResponseTopic, result *broker.TopicResult) {
	if result.Err == nil {
		out.TopicID = result.ID
		return
	}
	no := refusalOf(result.Err)
	if no.code == kerr.TopicAlreadyExists.Code {
		no = topicExists(out.Topic)
	}
	*out = kmsg.CreateTopicsResponseTopic{Topic: out.Topic, ErrorCode: no.code, ErrorMessage: no.message(), NumPartitions: -1, ReplicationFactor: -1, Configs: []kmsg.CreateTopicsResponseTopicConfig{}}
}

// topicSpec reads what a client asks for.
func (c *conn) topicSpec(t *kmsg.CreateTopicsRequestTopic) (broker.TopicSpec, refusal) {
	spec := broker.TopicSpec{Name: t.Topic, Partitions: int(t.NumPartitions)}
	if text := topicNameError(t.Topic); text != "" {
		return spec, refusal{kerr.InvalidTopicException.Code, text}
	}
	if len(t.ReplicaAssignment) > 0 {
		if no := assigned(&spec, t); no.code != errNone {
			return spec, no
		}
	} else {
		switch {
		case t.ReplicationFactor == 0 || t.ReplicationFactor < -1:
			return spec, refusal{kerr.InvalidReplicationFactor.Code, "Replication factor must be larger than 0, or -1 to use the default value."}
		case t.ReplicationFactor > 1:
			return spec, refusal{kerr.InvalidReplicationFactor.Code, fmt.Sprintf("Unable to replicate the partition %d time(s): The target replication factor of %d cannot be reached because only 1 broker(s) are registered.", t.ReplicationFactor, t.ReplicationFactor)}
		case t.NumPartitions == 0 || t.NumPartitions < -1:
			return spec, refusal{kerr.InvalidPartitions.Code, "Number of partitions was set to an invalid non-positive value."}
		case t.NumPartitions == -1:
			spec.Partitions = c.server.options.Partitions
		}
	}
	if spec.Partitions > broker.PartitionsMax {
		return spec, refusal{kerr.PolicyViolation.Code, "Excessively large number of partitions per request."}
	}
	values := config.Values{}
	for i := range t.Configs {
		k := &t.Configs[i]
		if k.Value == nil {
			return spec, refusal{kerr.InvalidConfig.Code, "Null value not supported for topic configs: " + k.Name}
		}
		values[k.Name] = *k.Value
	}
	return spec, configured(&spec, values)
}

// configured gives a topic its settings.
func configured(spec *broker.TopicSpec, values config.Values) refusal {
	if err := values.Check(); err != nil {
		return refusal{kerr.InvalidConfig.Code, err.Error()}
	}
	spec.Settings, spec.Arguments = values.Settings(), values.Arguments()
	return refusal{}
}

// assigned reads a topic whose client says where its partitions are to be.
func assigned(spec *broker.TopicSpec, t *kmsg.CreateTopicsRequestTopic) refusal {
	if t.ReplicationFactor != -1 {
		return refusal{kerr.InvalidRequest.Code, "A manual partition assignment was specified, but replication factor was not set to -1."}
	}
	if t.NumPartitions != -1 {
		return refusal{kerr.InvalidRequest.Code, "A manual partition assignment was specified, but numPartitions was not set to -1."}
	}
	numbers := map[int32]bool{}
	for _, a := range t.ReplicaAssignment {
		if !slices.Equal(a.Replicas, []int32{nodeID}) {
			return refusal{kerr.InvalidReplicaAssignment.Code, "The manual partition assignment includes an empty replica list, or a broker that is not registered."}
		}
		numbers[a.Partition] = true
	}
	spec.Partitions = len(t.ReplicaAssignment)
	for i := range spec.Partitions {
		if !numbers[int32(i)] {
			return refusal{kerr.InvalidReplicaAssignment.Code, "partitions should be a consecutive 0-based integer sequence"}
		}
	}
	return refusal{}
}
