package kafka

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The keys that are answered.
const (
	keyProduce      = 0
	keyFetch        = 1
	keyListOffsets  = 2
	keyMetadata     = 3
	keyAPIVersions  = 18
	keyCreateTopics = 19
	keyDeleteTopics = 20
)

// api is one request key: the versions that are answered, and who does it.
type api struct {
	low, high int16
	open      bool // needs a session
	handle    func(c *conn, r *request) (kmsg.Response, error)
}

// apis has an entry for every key that is answered.
func apis() map[int16]*api {
	return map[int16]*api{
		keyProduce:      {3, 12, true, (*conn).produce},
		keyFetch:        {4, 12, true, (*conn).fetch},
		keyListOffsets:  {1, 8, true, (*conn).listOffsets},
		keyMetadata:     {0, 12, true, (*conn).metadata},
		keyAPIVersions:  {0, 4, false, (*conn).apiVersions},
		keyCreateTopics: {2, 7, true, (*conn).createTopics},
		keyDeleteTopics: {1, 5, true, (*conn).deleteTopics},
	}
}

// flexible says whether requests of the key and version have tagged fields.
func flexible(key, version int16) bool {
	r := kmsg.RequestForKey(key)
	if r == nil {
		return false
	}
	r.SetVersion(version)
	return r.IsFlexible()
}

// decode reads the body of a request into m.
func (r *request) decode(m kmsg.Request) error {
	m.SetVersion(r.version)
	if err := m.ReadFrom(r.body); err != nil {
		return fmt.Errorf("kafka: request of key %d version %d: %w", r.key, r.version, err)
	}
	return nil
}
