package kafka

// The keys about topics, their settings and the cluster.
const (
	keyCreateTopics = 19
	keyDeleteTopics = 20
)

func topicAPIs() map[int16]*api {
	return map[int16]*api{
		keyCreateTopics: {2, 7, true, (*conn).createTopics},
		keyDeleteTopics: {1, 5, true, (*conn).deleteTopics},
	}
}
