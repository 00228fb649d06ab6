package kafka

import (
	"sync"

	"weir/internal/broker"
	"weir/internal/proto/kafka/config"
)

// The topics that tools expect where there are groups and transactions. Clients
// may read them and find nothing: what they stand for is in ledgers.
const (
	offsetsTopic      = "__consumer_offsets"
	transactionsTopic = "__transaction_state"

	// clusterTopic is a name that Kafka keeps for its own log of definitions.
	clusterTopic = "__cluster_metadata"

	internalPartitions = 50
)

func isInternal(topic string) bool { return topic == offsetsTopic || topic == transactionsTopic }

// internalTopics are made when a coordinator is first looked for.
type internalTopics struct {
	mu   sync.Mutex
	made map[string]bool
}

// ensure makes a topic unless it is there. A failure is the next one's to mend.
func (i *internalTopics) ensure(s *broker.Session, name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.made[name] {
		return
	}
	values := config.Values{"cleanup.policy": "compact"}
	_, err := s.CreateTopic(broker.TopicSpec{
		Name: name, Partitions: internalPartitions, Settings: values.Settings(), Arguments: values.Arguments(),
	})
	if err == nil || err.Code == broker.CodeMismatch {
		if i.made == nil {
			i.made = map[string]bool{}
		}
		i.made[name] = true
	}
}
