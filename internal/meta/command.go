package meta

import (
	"encoding/json"
	"fmt"

	"weir/internal/auth"
)

// Op names a command. The names are on disk.
type Op string

// The commands.
const (
	OpNamespacePut     Op = "namespace.put"
	OpNamespaceDelete  Op = "namespace.delete"
	OpQueuePut         Op = "queue.put"
	OpQueueDelete      Op = "queue.delete"
	OpExchangePut      Op = "exchange.put"
	OpExchangeDelete   Op = "exchange.delete"
	OpBind             Op = "bind"
	OpUnbind           Op = "unbind"
	OpUserPut          Op = "user.put"
	OpUserDelete       Op = "user.delete"
	OpScramPut         Op = "scram.put" // of a user, who is made if he is not there
	OpScramDelete      Op = "scram.delete"
	OpGrantsPut        Op = "grants.put"
	OpGrantsDelete     Op = "grants.delete"
	OpPermissionPut    Op = "permission.put"
	OpPermissionDelete Op = "permission.delete"
	OpTopicsPut        Op = "topics.put"
	OpTopicsDelete     Op = "topics.delete"
	OpPolicyPut        Op = "policy.put"
	OpPolicyDelete     Op = "policy.delete"
	OpLimits           Op = "limits"        // of a namespace or a user
	OpParameterPut     Op = "parameter.put" // a value the state keeps for others
	OpParameterDelete  Op = "parameter.delete"
	OpTopicPut         Op = "topic.put"
	OpTopicDelete      Op = "topic.delete"
	OpTopicAlter       Op = "topic.alter" // its settings, and partitions behind those it has
	OpSharePut         Op = "share.put"
	OpShareDelete      Op = "share.delete"  // On is the topic, Name the group
	OpDropVolatile     Op = "volatile.drop" // a node starts: what was not durable is gone
)

// Command is one change. Version lets later releases read older logs.
type Command struct {
	Version    int         `json:"v"`
	Op         Op          `json:"op"`
	Namespace  *Namespace  `json:"namespace,omitempty"`
	Queue      *Queue      `json:"queue,omitempty"`
	Exchange   *Exchange   `json:"exchange,omitempty"`
	Topic      *Topic      `json:"topic,omitempty"`
	Binding    *Binding    `json:"binding,omitempty"`
	User       *User       `json:"user,omitempty"`
	Space      string      `json:"space,omitempty"` // for deletes and permissions
	Name       string      `json:"name,omitempty"`
	IfUnused   bool        `json:"if_unused,omitempty"`
	Permission *Permission `json:"permission,omitempty"`
	// Of topic permissions: without On, a delete takes them all.
	Topics   *TopicPermission `json:"topics,omitempty"`
	On       *string          `json:"on,omitempty"` // the exchange
	Policy   *Policy          `json:"policy,omitempty"`
	Operator bool             `json:"operator,omitempty"`
	Limits   *Limits          `json:"limits,omitempty"`
	Value    json.RawMessage  `json:"value,omitempty"`
	Scram    *auth.ScramKeys  `json:"scram,omitempty"`
	Grants   []auth.Grant     `json:"grants,omitempty"`
}

const commandVersion = 1

// Encode returns the replicated form of commands that are applied together.
func Encode(commands []Command) ([]byte, error) {
	for i := range commands {
		commands[i].Version = commandVersion
	}
	b, err := json.Marshal(commands)
	if err != nil {
		return nil, fmt.Errorf("encode commands: %w", err)
	}
	return b, nil
}

// Decode is the opposite of Encode.
func Decode(b []byte) ([]Command, error) {
	var commands []Command
	if err := json.Unmarshal(b, &commands); err != nil {
		return nil, fmt.Errorf("decode commands: %w", err)
	}
	for _, c := range commands {
		if c.Version != commandVersion {
			return nil, fmt.Errorf("command %q of version %d; this build knows %d", c.Op, c.Version, commandVersion)
		}
	}
	return commands, nil
}

// Outcome says what a command did.
type Outcome uint8

// The outcomes.
const (
	Done         Outcome = iota
	Existed              // put: the object was there; it is in Result
	Missing              // the object or one end of a binding is not there
	MissingSpace         // the namespace is not there
	InUse                // IfUnused and it is used
	Forbidden            // a predeclared or default object
	Invalid              // Name says why
	Limited              // a limit is reached, which is in Result
	Stale                // changed since the proposer looked at it
)

// Result is the outcome of one command and what it touched.
type Result struct {
	Outcome  Outcome
	Queue    *Queue    // put, delete; Existed: the present one
	Exchange *Exchange // likewise
	Topic    *Topic    // likewise
	Name     string    // Missing: which one
	Limit    int64     // Limited
	Effects  Effects
}

// Effects are what the owner has to do outside the state.
type Effects struct {
	Opened []*Queue // their logs have to exist
	Closed []*Queue // their logs are to be dropped
	// Changed are queues there were whose settings changed.
	Changed []*Queue
	// Widened are views that have got parts which nobody consumes yet.
	Widened []*Queue
}
