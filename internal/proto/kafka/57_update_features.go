package kafka

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// featureResults is the last version that has a result for each feature.
const featureResults = 1

// updateFeatures takes what changes nothing: features are those of the binary.
func (c *conn) updateFeatures(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrUpdateFeaturesRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrUpdateFeaturesResponse()
	for i := range m.FeatureUpdates {
		u := &m.FeatureUpdates[i]
		no := updated(u)
		if no.code != errNone {
			answer.ErrorCode, answer.ErrorMessage = no.code, no.message()
		}
		if r.version <= featureResults {
			result := kmsg.NewUpdateFeaturesResponseResult()
			result.Feature, result.ErrorCode, result.ErrorMessage = u.Feature, no.code, no.message()
			answer.Results = append(answer.Results, result)
		}
	}
	return answer, nil
}

func updated(u *kmsg.UpdateFeaturesRequestFeatureUpdate) refusal {
	i := slices.IndexFunc(features, func(f feature) bool { return f.name == u.Feature })
	switch {
	case i < 0:
		text := fmt.Sprintf("Could not apply finalized feature update because the provided feature %s is not supported.", u.Feature)
		return refusal{kerr.InvalidUpdateVersion.Code, text}
	case u.MaxVersionLevel != features[i].high:
		text := fmt.Sprintf("Invalid update version %d for feature %s. Local broker %d only supports version %d", u.MaxVersionLevel, u.Feature, nodeID, features[i].high)
		return refusal{kerr.InvalidUpdateVersion.Code, text}
	}
	return refusal{}
}
