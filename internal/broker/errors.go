package broker

import "strconv"

// Code says what kind of mistake or refusal an Error is. Each protocol maps all
// of them onto its own errors in one exhaustive switch.
type Code uint8

// The codes.
const (
	CodeInternal       Code = iota + 1 // nothing the client did
	CodeNotFound                       // Kind and Name say what is missing
	CodeAccessRefused                  // permission, login or reserved name
	CodeLocked                         // exclusive to another session or consumer
	CodeMismatch                       // declared again with another Field
	CodeInUse                          // delete refused: has consumers or bindings
	CodeNotEmpty                       // delete refused: has messages
	CodeInvalid                        // argument of a wrong type or range
	CodeNotAllowed                     // well-formed but forbidden here
	CodeNotImplemented                 // known, not offered
	CodeTooLarge                       // message over the configured limit
	CodeLimit                          // a quota or count limit is reached
	CodeFull                           // queue limit with reject policy
	CodeBusy                           // memory or disk pressure; try later
	CodeExpired                        // the caller's deadline passed
	CodeUnavailable                    // shutting down, no leader
	CodeUnknownLease                   // settled something not leased
	CodeGone                           // destination deleted under an attachment
	CodeOutOfSequence                  // a numbered message before this one is missing
	CodeFenced                         // a later epoch of the producer has been here
)

// Object is the kind of thing an Error is about.
type Object uint8

// The objects.
const (
	ObjectNone Object = iota
	ObjectNamespace
	ObjectQueue
	ObjectExchange
	ObjectBinding
	ObjectUser
	ObjectConsumer
	ObjectMessage
	ObjectPolicy
	ObjectRoutingKey // of an exchange
	ObjectTopic
	ObjectGroup
	ObjectTransaction // by its id
	ObjectCluster
)

// String returns the object's name in lower case, as error texts use it.
func (o Object) String() string {
	names := [...]string{"", "namespace", "queue", "exchange", "binding", "user", "consumer", "message", "policy", "topic", "topic", "group", "transactional id", "cluster"}
	if int(o) < len(names) {
		return names[o]
	}
	return "object " + strconv.Itoa(int(o))
}

// Error is a client's or peer's mistake, or a refusal. It never reports a fault
// of this node's disk: those stop the process.
type Error struct {
	Code   Code
	Object Object
	Name   string // of the object
	Space  string // its namespace
	Field  string // CodeMismatch, CodeInvalid: which field or argument
	// Received and Current are CodeMismatch's two values, as texts. Current is
	// CodeLimit's limit, and the exchange of a topic.
	Received, Current string
	// Text is a plain sentence for people; dialects that have a wording of
	// their own build it from the fields above.
	Text string
}

func (e *Error) Error() string {
	s := e.Text
	if s == "" {
		s = "code " + strconv.Itoa(int(e.Code))
	}
	if e.Name != "" {
		s += " (" + e.Object.String() + " " + strconv.Quote(e.Name) + ")"
	}
	return s
}
