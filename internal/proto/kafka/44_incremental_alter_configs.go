package kafka

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/kafka/config"
)

// resource is what settings belong to.
type resource struct {
	kind kmsg.ConfigResourceType
	name string
}

// change says what the settings of a resource shall be.
type change func(own config.Values) (config.Values, refusal)

func (c *conn) incrementalAlterConfigs(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrIncrementalAlterConfigsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrIncrementalAlterConfigsResponse()
	seen := map[resource]int{}
	for i := range m.Resources {
		seen[resource{m.Resources[i].ResourceType, m.Resources[i].ResourceName}]++
	}
	for i := range m.Resources {
		asked := &m.Resources[i]
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		no := checkOperations(asked.Configs)
		at := resource{asked.ResourceType, asked.ResourceName}
		if seen[at] > 1 {
			no = refusal{kerr.InvalidRequest.Code, "Each resource must appear at most once."}
		}
		if no.code == errNone {
			no = c.alter(at, m.ValidateOnly, func(own config.Values) (config.Values, refusal) { return operate(own, asked.Configs) })
		}
		out.ErrorCode, out.ErrorMessage = no.code, no.message()
		answer.Resources = append(answer.Resources, out)
	}
	return answer, nil
}

// checkOperations says what is wrong with a resource's changes whatever it is.
func checkOperations(configs []kmsg.IncrementalAlterConfigsRequestResourceConfig) refusal {
	seen := map[string]bool{}
	var null []string
	for i := range configs {
		k := &configs[i]
		if seen[k.Name] {
			return refusal{kerr.InvalidRequest.Code, "Error due to duplicate config keys"}
		}
		seen[k.Name] = true
		if k.Value == nil && k.Op != kmsg.IncrementalAlterConfigOpDelete {
			null = append(null, k.Name)
		}
	}
	if null != nil {
		return refusal{kerr.InvalidRequest.Code, "Null value not supported for : " + strings.Join(null, ", ")}
	}
	return refusal{}
}

// operate carries out changes one by one.
func operate(own config.Values, configs []kmsg.IncrementalAlterConfigsRequestResourceConfig) (config.Values, refusal) {
	own = maps.Clone(own)
	for i := range configs {
		k := &configs[i]
		switch k.Op {
		case kmsg.IncrementalAlterConfigOpSet:
			own[k.Name] = *k.Value
		case kmsg.IncrementalAlterConfigOpDelete:
			delete(own, k.Name)
		case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
			key := config.Find(k.Name)
			if key == nil || key.Kind != config.List {
				return nil, refusal{kerr.InvalidConfig.Code, fmt.Sprintf("Can't %s to key %s because its type is not LIST.", k.Op, k.Name)}
			}
			have, ok := own[k.Name]
			if !ok {
				have = key.Default
			}
			own[k.Name] = strings.Join(operateList(config.Split(have), config.Split(*k.Value), k.Op), ",")
		default:
			return nil, refusal{kerr.InvalidRequest.Code, fmt.Sprintf("Unknown operations type %d", k.Op)}
		}
	}
	return own, refusal{}
}

func operateList(have, values []string, op kmsg.IncrementalAlterConfigOp) []string {
	for _, v := range values {
		at := slices.Index(have, v)
		switch {
		case op == kmsg.IncrementalAlterConfigOpAppend && at < 0:
			have = append(have, v)
		case op == kmsg.IncrementalAlterConfigOpSubtract && at >= 0:
			have = slices.Delete(have, at, at+1)
		}
	}
	return have
}

const noDefaultTopic = "Default topic resources are not allowed."

// alter changes the settings of a resource, or only says whether it could.
func (c *conn) alter(at resource, validateOnly bool, change change) refusal {
	switch at.kind {
	case kmsg.ConfigResourceTypeTopic:
		if at.name == "" {
			return refusal{kerr.InvalidRequest.Code, noDefaultTopic}
		}
		return c.alterTopic(at.name, validateOnly, change)
	case kmsg.ConfigResourceTypeGroupConfig:
		return c.alterGroupSettings(at.name, validateOnly, change)
	case kmsg.ConfigResourceTypeBroker:
		if no := thisNode(at.name); no.code != errNone {
			return no
		}
		now, no := change(config.Values{})
		if no.code != errNone || len(now) == 0 {
			return no
		}
		return refusal{kerr.InvalidRequest.Code, "Cannot update these configs dynamically: " + strings.Join(slices.Sorted(maps.Keys(now)), ", ")}
	}
	return refusal{kerr.InvalidRequest.Code, "Unsupported resource type: " + at.kind.String()}
}

func (c *conn) alterTopic(name string, validateOnly bool, change change) refusal {
	if text := topicNameError(name); text != "" {
		return refusal{kerr.InvalidTopicException.Code, text}
	}
	var no refusal
	stop := &broker.Error{Code: broker.CodeInvalid}
	err := c.session.AlterTopic(name, auth.AlterConfigs, func(now broker.TopicInfo) (broker.TopicSpec, *broker.Error) {
		spec := broker.TopicSpec{Partitions: now.Partitions}
		var values config.Values
		if values, no = change(config.Read(now.Arguments)); no.code == errNone {
			no = configured(&spec, values)
		}
		if no.code != errNone || validateOnly {
			return spec, stop
		}
		return spec, nil
	})
	switch {
	case err == stop || err == nil:
		return no
	case err.Code == broker.CodeNotFound:
		return refusal{kerr.UnknownTopicOrPartition.Code, fmt.Sprintf("The topic '%s' does not exist.", name)}
	}
	return refusalOf(err)
}
