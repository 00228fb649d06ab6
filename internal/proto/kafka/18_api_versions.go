package kafka

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (c *conn) apiVersions(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrApiVersionsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	if r.version >= apiVersionsNamed && !(isSoftware(m.ClientSoftwareName) && isSoftware(m.ClientSoftwareVersion)) {
		answer := kmsg.NewPtrApiVersionsResponse()
		answer.ErrorCode = kerr.InvalidRequest.Code
		return answer, nil
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

// apiVersionsNamed is from where on clients name their software.
const apiVersionsNamed = 3

// isSoftware has Kafka's rule for the names and versions of clients (KIP-511):
// letters, digits, dots and dashes, neither of the two at an end.
func isSoftware(name string) bool {
	for i := range len(name) {
		switch b := name[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9':
		case (b == '.' || b == '-') && i > 0 && i < len(name)-1:
		default:
			return false
		}
	}
	return name != ""
}

// unsupportedVersions answers a version of ApiVersions that is not known, in the
// oldest form: with the versions of this key alone, so that the client asks again.
func (c *conn) unsupportedVersions() kmsg.Response {
	answer := kmsg.NewPtrApiVersionsResponse()
	k, own := kmsg.NewApiVersionsResponseApiKey(), c.server.apis[keyAPIVersions]
	k.ApiKey, k.MinVersion, k.MaxVersion = keyAPIVersions, own.low, own.high
	answer.ApiKeys = append(answer.ApiKeys, k)
	answer.ErrorCode = kerr.UnsupportedVersion.Code
	answer.SetVersion(0)
	return answer
}
