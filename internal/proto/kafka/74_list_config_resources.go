package kafka

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// listConfigResources names what has settings. Version 0 is about the metrics of
// clients only, of which there are none.
func (c *conn) listConfigResources(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrListConfigResourcesRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrListConfigResourcesResponse()
	kinds := m.ResourceTypes
	switch {
	case r.version == 0:
		return answer, nil
	case len(kinds) == 0:
		kinds = []int8{int8(kmsg.ConfigResourceTypeTopic), int8(kmsg.ConfigResourceTypeBroker), int8(kmsg.ConfigResourceTypeGroupConfig)}
	}
	add := func(kind kmsg.ConfigResourceType, name string) {
		out := kmsg.NewListConfigResourcesResponseConfigResource()
		out.Type, out.Name = int8(kind), name
		answer.ConfigResources = append(answer.ConfigResources, out)
	}
	slices.Sort(kinds)
	for _, kind := range slices.Compact(kinds) {
		switch k := kmsg.ConfigResourceType(kind); k {
		case kmsg.ConfigResourceTypeTopic:
			for _, t := range c.session.Topics() {
				add(k, t.Name)
			}
		case kmsg.ConfigResourceTypeBroker:
			add(k, strconv.Itoa(nodeID))
		case kmsg.ConfigResourceTypeGroupConfig:
			for _, group := range c.groupsWithSettings() {
				add(k, group)
			}
		case kmsg.ConfigResourceTypeBrokerLogger, kmsg.ConfigResourceTypeClientMetrics:
		default:
			answer.ErrorCode = kerr.UnsupportedVersion.Code
			answer.ConfigResources = nil
			return answer, nil
		}
	}
	return answer, nil
}
