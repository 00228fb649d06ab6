package meta

import (
	"weir/internal/auth"
	"weir/internal/record"
	"weir/internal/route"
)

// Namespace is a tenant.
type Namespace struct {
	Name        string               `json:"name"`
	Description string               `json:"description,omitempty"`
	Queues      map[string]*Queue    `json:"-"`
	Exchanges   map[string]*Exchange `json:"-"`
}

// Queue is a destination with a built-in settling cursor.
type Queue struct {
	Namespace  string         `json:"ns"`
	Name       string         `json:"name"`
	Log        record.LogID   `json:"log"`
	Shard      record.ShardID `json:"shard"`
	Durable    bool           `json:"durable,omitempty"`
	Exclusive  bool           `json:"exclusive,omitempty"`
	AutoDelete bool           `json:"auto_delete,omitempty"`
	Owner      string         `json:"owner,omitempty"` // session of an exclusive queue
	Settings   Settings       `json:"settings"`
	Arguments  Arguments      `json:"arguments,omitempty"`

	target  route.Target
	sources map[*Exchange]int // bindings per source exchange
}

// Target is the queue's handle in route tables.
func (q *Queue) Target() route.Target { return q.target }

// Exchange is a named router.
type Exchange struct {
	Namespace  string       `json:"ns"`
	Name       string       `json:"name"`
	Kind       string       `json:"kind"`
	Durable    bool         `json:"durable,omitempty"`
	AutoDelete bool         `json:"auto_delete,omitempty"`
	Internal   bool         `json:"internal,omitempty"`
	Alternate  *string      `json:"alternate,omitempty"`
	HashBy     route.HashBy `json:"hash_by,omitzero"`
	Arguments  Arguments    `json:"arguments,omitempty"`

	table    *route.Table
	bindings map[string]*Binding
	hops     int // bindings to other exchanges
	target   route.Target
	sources  map[*Exchange]int
}

// Table is the exchange's route table.
func (e *Exchange) Table() *route.Table { return e.table }

// Bindings calls yield for every binding of the exchange until it says false.
func (e *Exchange) Bindings(yield func(b *Binding) bool) {
	for _, b := range e.bindings {
		if !yield(b) {
			return
		}
	}
}

// BindingCount is the number of bindings from the exchange.
func (e *Exchange) BindingCount() int { return len(e.bindings) }

// Binding routes from a source exchange to a queue or another exchange.
type Binding struct {
	Namespace   string          `json:"ns"`
	Source      string          `json:"source"`
	Destination string          `json:"destination"`
	ToExchange  bool            `json:"to_exchange,omitempty"`
	Key         string          `json:"key"`
	Match       route.MatchMode `json:"match,omitempty"`
	Arguments   Arguments       `json:"arguments,omitempty"`
	Durable     bool            `json:"durable,omitempty"` // both ends are

	identity string
	queue    *Queue // the destination, one of the two
	exchange *Exchange
}

// User is somebody who may log in.
type User struct {
	Name        string                `json:"name"`
	Password    string                `json:"password,omitempty"` // encoded hash; empty: no password login
	Tags        []string              `json:"tags,omitempty"`
	Permissions map[string]Permission `json:"permissions,omitempty"` // by namespace
}

// Permission holds the patterns of a user's rights in a namespace.
type Permission struct {
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`

	compiled *auth.Permission
}

// compile makes the patterns ready. Patterns that do not compile allow nothing;
// they are refused before they are proposed.
func (p *Permission) compile() {
	if c, err := auth.NewPermission(p.Configure, p.Write, p.Read); err == nil {
		p.compiled = &c
	}
}

// Allows says whether the permission gives the right on the name.
func (p *Permission) Allows(verb auth.Verb, name string) bool {
	return p.compiled != nil && p.compiled.Allows(verb, name)
}
