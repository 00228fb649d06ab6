package kafka

import (
	"fmt"
	"maps"
	"sync"

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

// flexibleFrom is the first version of each key whose requests have tagged fields.
var flexibleFrom = sync.OnceValue(func() map[int16]int16 {
	all := map[int16]int16{}
	for key := range int16(kmsg.MaxKey + 1) {
		r := kmsg.RequestForKey(key)
		if r == nil {
			continue
		}
		for version := int16(0); version <= r.MaxVersion(); version++ {
			if r.SetVersion(version); r.IsFlexible() {
				all[key] = version
				break
			}
		}
	}
	return all
})

// flexible says whether requests of the key and version have tagged fields.
func flexible(key, version int16) bool {
	from, any := flexibleFrom()[key]
	return any && version >= from
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
