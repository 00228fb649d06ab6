package meta

import (
	"sync/atomic"

	"weir/internal/auth"
	"weir/internal/record"
	"weir/internal/route"
)

// Namespace is a tenant.
type Namespace struct {
	Name        string               `json:"name"`
	Description string               `json:"description,omitempty"`
	Tags        []string             `json:"tags,omitempty"`
	Class       string               `json:"class,omitempty"` // of queues whose declaration names none
	Limits      *Limits              `json:"limits,omitempty"`
	Grants      []auth.Grant         `json:"grants,omitempty"`
	Queues      map[string]*Queue    `json:"-"`
	Exchanges   map[string]*Exchange `json:"-"`
	Topics      map[string]*Topic    `json:"-"`
	TopicIDs    map[TopicID]*Topic   `json:"-"` // the same ones

	policies policies
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
	Settings   Settings       `json:"settings"`        // as declared
	Arguments  Arguments      `json:"arguments,omitempty"`
	// Class is the dialect's name for queues like this one, which policies may
	// select by.
	Class string `json:"class,omitempty"`
	// Defaults are what holds where neither the declaration nor a policy says
	// anything.
	Defaults *Settings `json:"defaults,omitempty"`
	// PolicyFirst says that a policy goes before the declaration where both have
	// a value and neither is the lower one.
	PolicyFirst bool `json:"policy_first,omitempty"`

	// View is what makes the queue one over a topic; nil of others.
	View *View `json:"view,omitempty"`

	effective atomic.Pointer[Effective]
	parts     atomic.Pointer[[]*Queue] // nil where it is alone
	target    route.Target
	sources   map[*Exchange]int // bindings per source exchange
}

// Effective is what holds for the queue at this moment: its declaration, the
// policies that apply to it and its defaults, taken together. It may be called
// from any goroutine for a queue that is or was in the state.
func (q *Queue) Effective() *Effective { return q.effective.Load() }

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
	Alternate  *string      `json:"alternate,omitempty"` // as declared
	HashBy     route.HashBy `json:"hash_by,omitzero"`
	Arguments  Arguments    `json:"arguments,omitempty"`
	// Memory keeps what was published last, for queues that are bound later. It is
	// no destination: nobody can name it.
	Memory *Queue `json:"memory,omitempty"`

	table    *route.Table
	bindings map[string]*Binding
	hops     int // bindings to other exchanges
	target   route.Target
	sources  map[*Exchange]int

	alternate        *string // declared, or by policy
	policy, operator string
	definition       Arguments
}

// AlternateTo is where the exchange sends what it routes nowhere, by declaration
// or by policy; nil if it does not.
func (e *Exchange) AlternateTo() *string { return e.alternate }

// Policies returns the names of the policy and of the operator's policy that
// apply, and the definition of both together.
func (e *Exchange) Policies() (policy, operator string, definition Arguments) {
	return e.policy, e.operator, e.definition
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
	queue    *Queue // the destination, one of the three
	topic    *Topic
	exchange *Exchange
}

// User is somebody who may log in.
type User struct {
	Name        string                `json:"name"`
	Password    string                `json:"password,omitempty"` // encoded hash; empty: no password login
	Tags        []string              `json:"tags,omitempty"`
	Permissions map[string]Permission `json:"permissions,omitempty"` // by namespace
	Limits      *Limits               `json:"limits,omitempty"`
	// Topics are further rights by namespace and exchange. Where there are none
	// for an exchange, every routing key is allowed.
	Topics map[string]map[string]*TopicPermission `json:"topics,omitempty"`
	// Scram are the keys of mechanisms that prove a password without showing it.
	Scram []auth.ScramKeys `json:"scram,omitempty"`
}

// ScramKeys returns the user's keys of a mechanism.
func (u *User) ScramKeys(m auth.ScramMechanism) (auth.ScramKeys, bool) {
	for _, k := range u.Scram {
		if k.Mechanism == m {
			return k, true
		}
	}
	return auth.ScramKeys{}, false
}

// TopicPermission holds the patterns of routing keys that a user may publish to
// an exchange with, and bind to it with.
type TopicPermission struct {
	Write string `json:"write"`
	Read  string `json:"read"`

	compiled *auth.TopicPermission
}

// Patterns are the compiled patterns. Those that do not compile are empty: they
// are refused before they are proposed.
func (p *TopicPermission) Patterns() *auth.TopicPermission { return p.compiled }

func (p *TopicPermission) compile() {
	c, err := auth.NewTopicPermission(p.Write, p.Read)
	if err != nil {
		c = auth.TopicPermission{}
	}
	p.compiled = &c
}

// forget takes away what the user may do in a namespace.
func (u *User) forget(space string) bool {
	_, had := u.Permissions[space]
	_, topics := u.Topics[space]
	delete(u.Permissions, space)
	delete(u.Topics, space)
	return had || topics
}

// keep takes over from the user as he was what a change of him leaves alone.
func (u *User) keep(was *User) {
	if u.Permissions == nil {
		u.Permissions = was.Permissions
	}
	if u.Topics == nil {
		u.Topics = was.Topics
	}
	if u.Limits == nil {
		u.Limits = was.Limits
	}
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
