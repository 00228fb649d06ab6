package kafka

import (
	"fmt"
	"maps"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// api is one request key: the versions that are answered, and who does it.
type api struct {
	low, high int16
	open      bool // needs a session
	handle    func(c *conn, r *request) (kmsg.Response, error)
}

// apis has an entry for every key that is answered.
func apis() map[int16]*api {
	all := map[int16]*api{}
	for _, some := range []map[int16]*api{
		dataAPIs(), groupAPIs(), topicAPIs(), transactionAPIs(), securityAPIs(), shareAPIs(),
	} {
		maps.Copy(all, some)
	}
	return all
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
	if m.IsFlexible() && !r.sound() {
		return fmt.Errorf("%w: request of key %d version %d", errFrame, r.key, r.version)
	}
	if err := m.ReadFrom(r.body); err != nil {
		return fmt.Errorf("kafka: request of key %d version %d: %w", r.key, r.version, err)
	}
	return nil
}
