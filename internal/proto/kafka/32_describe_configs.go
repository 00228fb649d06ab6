package kafka

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/proto/kafka/config"
)

func (c *conn) describeConfigs(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeConfigsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDescribeConfigsResponse()
	for i := range m.Resources {
		asked := &m.Resources[i]
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		configs, no := c.configsOf(asked.ResourceType, asked.ResourceName)
		out.ErrorCode, out.ErrorMessage = no.code, no.message()
		for _, k := range configs {
			if len(asked.ConfigNames) > 0 && !slices.Contains(asked.ConfigNames, k.Name) {
				continue
			}
			if !m.IncludeSynonyms {
				k.ConfigSynonyms = nil
			}
			if !m.IncludeDocumentation {
				k.Documentation = nil
			}
			out.Configs = append(out.Configs, k)
		}
		answer.Resources = append(answer.Resources, out)
	}
	return answer, nil
}

// configsOf lists the settings of a resource.
func (c *conn) configsOf(kind kmsg.ConfigResourceType, name string) ([]kmsg.DescribeConfigsResponseResourceConfig, refusal) {
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		if name == "" {
			return nil, refusal{kerr.InvalidRequest.Code, noDefaultTopic}
		}
		if text := topicNameError(name); text != "" {
			return nil, refusal{kerr.InvalidTopicException.Code, text}
		}
		info, err := c.session.Topic(name)
		if err != nil {
			return nil, refusal{code(err), ""}
		}
		return describeTopicConfigs(&info), refusal{}
	case kmsg.ConfigResourceTypeGroupConfig:
		return c.describeGroupSettings(name)
	case kmsg.ConfigResourceTypeBroker:
		if no := thisNode(name); no.code != errNone {
			return nil, no
		}
		if name == "" { // what was set for all nodes: nothing can be
			return nil, refusal{}
		}
		return c.serverConfigs(), refusal{}
	}
	return nil, refusal{kerr.InvalidRequest.Code, "Unsupported resource type: " + kind.String()}
}

// thisNode checks the name of a broker, which is its id or nothing.
func thisNode(name string) refusal {
	if name == "" {
		return refusal{}
	}
	id, err := strconv.Atoi(name)
	switch {
	case err != nil:
		return refusal{kerr.InvalidRequest.Code, "Broker id must be an integer, but it is: " + name}
	case id != nodeID:
		return refusal{kerr.InvalidRequest.Code, fmt.Sprintf("Unexpected broker id, expected %d or empty string, but received %s", nodeID, name)}
	}
	return refusal{}
}

func describeTopicConfigs(info *broker.TopicInfo) []kmsg.DescribeConfigsResponseResourceConfig {
	own := config.Read(info.Arguments)
	all := make([]kmsg.DescribeConfigsResponseResourceConfig, 0, len(config.Keys()))
	for _, k := range config.Keys() {
		all = append(all, describeKey(&k, own))
	}
	return all
}

// describeKey tells a topic's setting, and where it comes from.
func describeKey(k *config.Key, own config.Values) kmsg.DescribeConfigsResponseResourceConfig {
	out := kmsg.NewDescribeConfigsResponseResourceConfig()
	out.Name, out.Value, out.Source, out.IsDefault = k.Name, kmsg.StringPtr(k.Default), kmsg.ConfigSourceDefaultConfig, true
	out.ConfigType, out.Documentation = kmsg.ConfigType(k.Kind), kmsg.StringPtr(k.Doc)
	if value, ok := own[k.Name]; ok {
		out.Value, out.Source, out.IsDefault = kmsg.StringPtr(value), kmsg.ConfigSourceDynamicTopicConfig, false
		out.ConfigSynonyms = append(out.ConfigSynonyms, synonym(k.Name, value, out.Source))
	}
	if k.Server != "" {
		out.ConfigSynonyms = append(out.ConfigSynonyms, synonym(k.Server, k.Default, kmsg.ConfigSourceDefaultConfig))
	}
	return out
}

func synonym(name, value string, source kmsg.ConfigSource) kmsg.DescribeConfigsResponseResourceConfigConfigSynonym {
	s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
	s.Name, s.Value, s.Source = name, kmsg.StringPtr(value), source
	return s
}

// serverConfigs are the settings of this node that Kafka has as well. None can be
// changed through Kafka's interface.
func (c *conn) serverConfigs() []kmsg.DescribeConfigsResponseResourceConfig {
	o := &c.server.options
	host, port := c.address()
	var all []kmsg.DescribeConfigsResponseResourceConfig
	add := func(name, value string, kind config.Kind, source kmsg.ConfigSource, doc string) {
		out := kmsg.NewDescribeConfigsResponseResourceConfig()
		out.Name, out.Value, out.ReadOnly, out.Source = name, kmsg.StringPtr(value), true, source
		out.IsDefault = source == kmsg.ConfigSourceDefaultConfig
		out.ConfigType, out.Documentation = kmsg.ConfigType(kind), kmsg.StringPtr(doc)
		out.ConfigSynonyms = append(out.ConfigSynonyms, synonym(name, value, source))
		all = append(all, out)
	}
	own := kmsg.ConfigSourceStaticBrokerConfig
	add("advertised.listeners", fmt.Sprintf("PLAINTEXT://%s:%d", host, port), config.List, own, "Where clients are told this node is.")
	add("auto.create.topics.enable", strconv.FormatBool(!o.NoAutoCreate), config.Boolean, own, "Whether a topic is made that a client names and that is not there.")
	add("broker.id", strconv.Itoa(nodeID), config.Int, own, "The number of this node.")
	add("default.replication.factor", "1", config.Int, own, "How many copies a topic has whose maker does not say.")
	add("delete.topic.enable", "true", config.Boolean, kmsg.ConfigSourceDefaultConfig, "Whether topics can be deleted.")
	add("node.id", strconv.Itoa(nodeID), config.Int, own, "The number of this node.")
	add("num.partitions", strconv.Itoa(o.Partitions), config.Int, own, "How many partitions a topic has whose maker does not say.")
	add("socket.request.max.bytes", strconv.FormatInt(o.Broker.MessageBytesMax()+frameMore, 10), config.Int, own, "The largest request that is read.")
	for _, k := range config.Keys() {
		if k.Server != "" {
			add(k.Server, k.Default, k.Kind, kmsg.ConfigSourceDefaultConfig, k.Doc)
		}
	}
	return all
}
