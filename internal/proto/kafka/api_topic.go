package kafka

// The keys about topics, their settings and the cluster.
const (
	keyCreateTopics            = 19
	keyDeleteTopics            = 20
	keyDeleteRecords           = 21
	keyDescribeConfigs         = 32
	keyAlterConfigs            = 33
	keyCreatePartitions        = 37
	keyIncrementalAlterConfigs = 44
	keyListConfigResources     = 74
)

func topicAPIs() map[int16]*api {
	return map[int16]*api{
		keyCreateTopics:            {2, 7, true, (*conn).createTopics},
		keyDeleteTopics:            {1, 6, true, (*conn).deleteTopics},
		keyDeleteRecords:           {0, 2, true, (*conn).deleteRecords},
		keyDescribeConfigs:         {1, 4, true, (*conn).describeConfigs},
		keyAlterConfigs:            {0, 2, true, (*conn).alterConfigs},
		keyCreatePartitions:        {0, 3, true, (*conn).createPartitions},
		keyIncrementalAlterConfigs: {0, 1, true, (*conn).incrementalAlterConfigs},
		keyListConfigResources:     {0, 1, true, (*conn).listConfigResources},
	}
}
