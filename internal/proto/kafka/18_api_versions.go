package kafka

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (c *conn) apiVersions(r *request) (kmsg.Response, error) {
	if err := r.decode(kmsg.NewPtrApiVersionsRequest()); err != nil {
		return nil, err
	}
	answer := c.versions()
	addFeatures(answer, r.version)
	return answer, nil
}

func (c *conn) versions() *kmsg.ApiVersionsResponse {
	answer := kmsg.NewPtrApiVersionsResponse()
	for _, key := range slices.Sorted(maps.Keys(c.server.apis)) {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = key, c.server.apis[key].low, c.server.apis[key].high
		answer.ApiKeys = append(answer.ApiKeys, k)
	}
	return answer
}

// unsupportedVersions answers a version of ApiVersions that is not known, in the
// oldest form.
func (c *conn) unsupportedVersions() kmsg.Response {
	answer := c.versions()
	answer.ErrorCode = kerr.UnsupportedVersion.Code
	answer.SetVersion(0)
	return answer
}
