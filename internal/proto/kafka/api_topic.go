package kafka

// The keys about topics, their settings and the cluster.
const (
	keyCreateTopics            = 19
	keyDeleteTopics            = 20
	keyDeleteRecords           = 21
	keyDescribeConfigs         = 32
	keyAlterConfigs            = 33
	keyAlterReplicaLogDirs     = 34
	keyDescribeLogDirs         = 35
	keyCreatePartitions        = 37
	keyElectLeaders            = 43
	keyIncrementalAlterConfigs = 44
	keyAlterReassignments      = 45
	keyListReassignments       = 46
	keyDescribeQuorum          = 55
	keyUpdateFeatures          = 57
	keyDescribeCluster         = 60
	keyListConfigResources     = 74
	keyDescribeTopicPartitions = 75
)

func topicAPIs() map[int16]*api {
	return map[int16]*api{
		keyCreateTopics:            {2, 7, true, (*conn).createTopics},
		keyDeleteTopics:            {1, 6, true, (*conn).deleteTopics},
		keyDeleteRecords:           {0, 2, true, (*conn).deleteRecords},
		keyDescribeConfigs:         {1, 4, true, (*conn).describeConfigs},
		keyAlterConfigs:            {0, 2, true, (*conn).alterConfigs},
		keyAlterReplicaLogDirs:     {1, 2, true, (*conn).alterReplicaLogDirs},
		keyDescribeLogDirs:         {1, 4, true, (*conn).describeLogDirs},
		keyCreatePartitions:        {0, 3, true, (*conn).createPartitions},
		keyElectLeaders:            {0, 2, true, (*conn).electLeaders},
		keyIncrementalAlterConfigs: {0, 1, true, (*conn).incrementalAlterConfigs},
		keyAlterReassignments:      {0, 1, true, (*conn).alterReassignments},
		keyListReassignments:       {0, 0, true, (*conn).listReassignments},
		keyDescribeQuorum:          {0, 2, true, (*conn).describeQuorum},
		keyUpdateFeatures:          {0, 2, true, (*conn).updateFeatures},
		keyDescribeCluster:         {0, 2, true, (*conn).describeCluster},
		keyDescribeTopicPartitions: {0, 0, true, (*conn).describeTopicPartitions},
		keyListConfigResources:     {0, 1, true, (*conn).listConfigResources},
	}
}
