package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/broker"
	"weir/internal/proto/kafka/config"
)

// known is a topic a client uses, with what its settings mean.
type known struct {
	broker.TopicInfo
	config *config.Topic
}

// knownMax bounds the topics a connection remembers.
const knownMax = 20_000

// knownTopics remembers topics while nothing is declared, altered or deleted.
type knownTopics struct {
	definitions uint64
	names       map[string]*known
	ids         map[broker.TopicID]*known
}

// fresh forgets everything if something has changed.
func (k *knownTopics) fresh(s *broker.Session) {
	if now := s.Definitions(); k.names == nil || k.definitions != now || len(k.names) > knownMax {
		k.definitions, k.names, k.ids = now, map[string]*known{}, map[broker.TopicID]*known{}
	}
}

// knownTopic finds a topic by its name.
func (c *conn) knownTopic(name []byte) (*known, int16) {
	c.known.fresh(c.session)
	if k := c.known.names[string(name)]; k != nil {
		return k, errNone
	}
	info, err := c.session.Topic(string(name))
	if err != nil {
		return nil, code(err)
	}
	return c.remember(info), errNone
}

// knownTopicID finds a topic by its id.
func (c *conn) knownTopicID(id broker.TopicID) (*known, int16) {
	c.known.fresh(c.session)
	if k := c.known.ids[id]; k != nil {
		return k, errNone
	}
	info, err := c.session.TopicByID(id)
	if err != nil {
		return nil, kerr.UnknownTopicID.Code
	}
	return c.remember(info), errNone
}

func (c *conn) remember(info broker.TopicInfo) *known {
	k := &known{info, config.Read(info.Arguments).Topic()}
	c.known.names[info.Name], c.known.ids[info.ID] = k, k
	return k
}
