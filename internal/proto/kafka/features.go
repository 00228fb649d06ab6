package kafka

import "github.com/twmb/franz-go/pkg/kmsg"

// metadataVersion is the feature by which tools tell Kafka's release; 29 is 4.2-IV1.
const metadataVersion = "metadata.version"

// feature is one that clients look for beside the versions of keys.
type feature struct {
	name      string
	low, high int16 // levels there are; the highest is switched on
}

// features that are switched on. Producers of transaction.version 2 get another
// epoch with every transaction, and enlist partitions by producing to them.
var features = []feature{
	{metadataVersion, 7, 29},
	{"transaction.version", 0, 2},
	{"group.version", 0, 1},
	{"share.version", 0, 1},
}

// featuresFromZero is the version of ApiVersions from which on clients understand
// that a feature begins at 0.
const featuresFromZero = 4

func addFeatures(answer *kmsg.ApiVersionsResponse, version int16) {
	answer.FinalizedFeaturesEpoch = 1
	for _, f := range features {
		if f.low > 0 || version >= featuresFromZero {
			s := kmsg.NewApiVersionsResponseSupportedFeature()
			s.Name, s.MinVersion, s.MaxVersion = f.name, f.low, f.high
			answer.SupportedFeatures = append(answer.SupportedFeatures, s)
		}
		l := kmsg.NewApiVersionsResponseFinalizedFeature()
		l.Name, l.MaxVersionLevel, l.MinVersionLevel = f.name, f.high, f.high
		answer.FinalizedFeatures = append(answer.FinalizedFeatures, l)
	}
}
