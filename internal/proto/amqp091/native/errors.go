package native

import (
	"fmt"
	"strings"

	"weir/internal/broker"
)

// Error is a declaration or a message that cannot be taken.
type Error struct {
	// NotImplemented: RabbitMQ would take it.
	NotImplemented bool
	// Late errors of a queue's declaration count only where the queue is not
	// there yet: otherwise the declarations are compared first.
	Late bool
	// Text is RabbitMQ's, without the name of the reply code.
	Text string
}

func refuse(format string, arguments ...any) *Error {
	return &Error{Text: fmt.Sprintf(format, arguments...)}
}

func notImplemented(format string, arguments ...any) *Error {
	return &Error{NotImplemented: true, Text: fmt.Sprintf(format, arguments...)}
}

// Broker is the error as the waist tells it later.
func (e *Error) Broker() *broker.Error {
	code := broker.CodeInvalid
	if e.NotImplemented {
		code = broker.CodeNotImplemented
	}
	return &broker.Error{Code: code, Text: e.Text}
}

// Inequivalent is RabbitMQ's text about something declared otherwise before.
func Inequivalent(e *broker.Error, what string) string {
	return fmt.Sprintf("inequivalent arg '%s' for %s: received %s but current is %s", e.Field, what, quoteValue(e.Received), quoteValue(e.Current))
}

// quoteValue quotes a plain value; texts of arguments come quoted already.
func quoteValue(s string) string {
	if s == "none" || strings.HasPrefix(s, "the value ") || strings.HasPrefix(s, "'") {
		return s
	}
	return "'" + s + "'"
}

// LimitReached is RabbitMQ's text about a limit that the user met.
func LimitReached(e *broker.Error, user string) string {
	switch {
	case e.Object == broker.ObjectNamespace:
		return fmt.Sprintf("access to vhost '%s' refused for user '%s': connection limit (%s) is reached", e.Name, user, e.Current)
	case e.Object == broker.ObjectUser && e.Field == "parts":
		return fmt.Sprintf("number of channels opened for user '%s' has reached the maximum allowed user limit of (%s)", e.Name, e.Current)
	case e.Object == broker.ObjectUser:
		return fmt.Sprintf("connection refused for user '%s': user connection limit (%s) is reached", e.Name, e.Current)
	}
	return fmt.Sprintf("cannot declare queue '%s': queue limit in vhost '%s' (%s) is reached", e.Name, e.Space, e.Current)
}

// Resource is how RabbitMQ names a thing in its texts.
func Resource(kind, name, space string) string {
	return fmt.Sprintf("%s '%s' in vhost '%s'", kind, name, space)
}
