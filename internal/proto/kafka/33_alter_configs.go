package kafka

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/proto/kafka/config"
)

// alterConfigs replaces all settings of a resource.
func (c *conn) alterConfigs(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrAlterConfigsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrAlterConfigsResponse()
	seen := map[resource]int{}
	for i := range m.Resources {
		seen[resource{m.Resources[i].ResourceType, m.Resources[i].ResourceName}]++
	}
	for i := range m.Resources {
		asked := &m.Resources[i]
		at := resource{asked.ResourceType, asked.ResourceName}
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		values, no := replaced(asked.Configs)
		if seen[at] > 1 {
			no = refusal{kerr.InvalidRequest.Code, "Each resource must appear at most once."}
		}
		if no.code == errNone {
			no = c.alter(at, m.ValidateOnly, func(config.Values) (config.Values, refusal) { return values, refusal{} })
		}
		out.ErrorCode, out.ErrorMessage = no.code, no.message()
		answer.Resources = append(answer.Resources, out)
	}
	return answer, nil
}

func replaced(configs []kmsg.AlterConfigsRequestResourceConfig) (config.Values, refusal) {
	values := config.Values{}
	var null []string
	for i := range configs {
		k := &configs[i]
		if _, again := values[k.Name]; again {
			return nil, refusal{kerr.InvalidRequest.Code, "Error due to duplicate config keys"}
		}
		if k.Value == nil {
			null = append(null, k.Name)
			continue
		}
		values[k.Name] = *k.Value
	}
	if null != nil {
		return nil, refusal{kerr.InvalidRequest.Code, "Null value not supported for : " + strings.Join(null, ", ")}
	}
	return values, refusal{}
}
