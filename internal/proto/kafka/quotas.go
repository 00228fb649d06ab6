package kafka

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"weir/internal/broker"
)

// The quotas that are enforced.
const (
	quotaProduce = "producer_byte_rate"
	quotaConsume = "consumer_byte_rate"
)

const (
	// quotaLedger has a note per entity: its quotas by name.
	quotaLedger = "kafka quotas"
	// quotaBurst is how far ahead of its rate a client may be.
	quotaBurst = time.Second
	// quotaWaitMax bounds one wait.
	quotaWaitMax = 30 * time.Second
	// accountsMax bounds the clients that are counted at once.
	accountsMax = 10_000
)

// part is one half of who a quota is for: nobody in particular, those that no
// other quota names, or somebody.
type part struct {
	Set  bool   `json:"set,omitempty"`
	All  bool   `json:"all,omitempty"` // the default
	Name string `json:"name,omitempty"`
}

func (p part) order() int {
	switch {
	case !p.Set:
		return 2
	case p.All:
		return 1
	}
	return 0
}

// entity is who a quota is for.
type entity struct {
	User   part `json:"user"`
	Client part `json:"client"`
}

// closer says which of two entities that concern a client counts: the user's own
// before everybody's, and so for the client's id within that.
func closer(a, b entity) int {
	return cmp.Or(cmp.Compare(a.User.order(), b.User.order()), cmp.Compare(a.Client.order(), b.Client.order()))
}

func (e entity) concerns(user, client string) bool {
	return (!e.User.Set || e.User.All || e.User.Name == user) && (!e.Client.Set || e.Client.All || e.Client.Name == client)
}

// account is how much of a quota somebody has used, as the time from which on he
// is within it.
type account struct {
	entity             entity
	user, client, name string
}

// quotas are the rates that clients are held to.
type quotas struct {
	session *broker.Session
	mu      struct {
		sync.Mutex
		rules    map[entity]map[string]float64
		accounts map[account]time.Time
	}
}

func newQuotas(s *broker.Session) (*quotas, error) {
	q := &quotas{session: s}
	q.mu.rules, q.mu.accounts = map[entity]map[string]float64{}, map[account]time.Time{}
	notes, err := s.Ledger(quotaLedger)
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		var e entity
		values := map[string]float64{}
		if err := json.Unmarshal([]byte(n.Key), &e); err != nil {
			return nil, fmt.Errorf("quota: %w", err)
		}
		if err := json.Unmarshal(n.Value, &values); err != nil {
			return nil, fmt.Errorf("quota: %w", err)
		}
		q.mu.rules[e] = values
	}
	return q, nil
}

// all returns the entities in order, with their quotas.
func (q *quotas) all() ([]entity, []map[string]float64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	entities := slices.SortedFunc(maps.Keys(q.mu.rules), func(a, b entity) int {
		return cmp.Or(closer(a, b), cmp.Compare(a.User.Name, b.User.Name), cmp.Compare(a.Client.Name, b.Client.Name))
	})
	values := make([]map[string]float64, len(entities))
	for i, e := range entities {
		values[i] = maps.Clone(q.mu.rules[e])
	}
	return entities, values
}

// alter changes an entity's quotas, durably; a nil value removes one.
func (q *quotas) alter(e entity, change map[string]*float64) *broker.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	values := maps.Clone(q.mu.rules[e])
	if values == nil {
		values = map[string]float64{}
	}
	for name, v := range change {
		if delete(values, name); v != nil {
			values[name] = *v
		}
	}
	key, _ := json.Marshal(e) // texts and flags always marshal
	note := broker.Note{Key: string(key)}
	if len(values) > 0 {
		note.Value, _ = json.Marshal(values) // finite numbers always marshal
	}
	if err := q.session.NoteNow(quotaLedger, note); err != nil {
		return err
	}
	if q.mu.rules[e] = values; len(values) == 0 {
		delete(q.mu.rules, e)
	}
	clear(q.mu.accounts)
	return nil
}

// charge counts bytes of a client and returns how long it has to wait.
func (q *quotas) charge(user, client, name string, bytes int, now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.mu.rules) == 0 || bytes == 0 {
		return 0
	}
	var rule entity
	found := false
	for e, values := range q.mu.rules {
		if _, has := values[name]; has && e.concerns(user, client) && (!found || closer(e, rule) < 0) {
			rule, found = e, true
		}
	}
	if !found {
		return 0
	}
	a := account{entity: rule, name: name}
	if rule.User.Set {
		a.user = user
	}
	if rule.Client.Set {
		a.client = client
	}
	if len(q.mu.accounts) >= accountsMax {
		clear(q.mu.accounts)
	}
	from := q.mu.accounts[a]
	if earliest := now.Add(-quotaBurst); from.Before(earliest) {
		from = earliest
	}
	from = from.Add(time.Duration(float64(bytes) / q.mu.rules[rule][name] * float64(time.Second)))
	q.mu.accounts[a] = from
	return min(max(from.Sub(now), 0), quotaWaitMax)
}

// throttle charges the connection's client. The answer tells it to wait, and its
// next request is not read before.
func (c *conn) throttle(name string, bytes int) (millis int32) {
	wait := c.server.quotas.charge(c.user, c.client, name, bytes, c.server.options.Clock.Now())
	c.mute = max(c.mute, wait)
	return int32(wait.Milliseconds())
}

// muted waits as long as the client was told to.
func (c *conn) muted() {
	if c.mute == 0 {
		return
	}
	over := make(chan struct{})
	t := c.server.options.Clock.AfterFunc(c.mute, func() { close(over) })
	defer t.Stop()
	c.mute = 0
	select {
	case <-over:
	case <-c.ended:
	}
}
