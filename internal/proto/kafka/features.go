package kafka

import "github.com/twmb/franz-go/pkg/kmsg"

// feature is one that clients look for beside the versions of keys.
type feature struct {
	name string
	high int16 // and from 0 on
}

// features that are switched on. Producers of transaction.version 2 get another
// epoch with every transaction, and enlist partitions by producing to them.
var features = []feature{
	{"transaction.version", 2},
	{"group.version", 1},
	{"share.version", 1},
}

// featuresFromZero is the version of ApiVersions from which on clients understand
// that a feature begins at 0.
const featuresFromZero = 4

func addFeatures(answer *kmsg.ApiVersionsResponse, version int16) {
	answer.FinalizedFeaturesEpoch = 1
	for _, f := range features {
		if version >= featuresFromZero {
			s := kmsg.NewApiVersionsResponseSupportedFeature()
			s.Name, s.MaxVersion = f.name, f.high
			answer.SupportedFeatures = append(answer.SupportedFeatures, s)
		}
		l := kmsg.NewApiVersionsResponseFinalizedFeature()
		l.Name, l.MaxVersionLevel, l.MinVersionLevel = f.name, f.high, f.high
		answer.FinalizedFeatures = append(answer.FinalizedFeatures, l)
	}
}
