package native

import "fmt"

// Error is a declaration or a message that cannot be taken.
type Error struct {
	// NotImplemented: RabbitMQ would take it.
	NotImplemented bool
	// Text is RabbitMQ's, without the name of the reply code.
	Text string
}

func (e *Error) Error() string {
	if e.NotImplemented {
		return "NOT_IMPLEMENTED - " + e.Text
	}
	return "PRECONDITION_FAILED - " + e.Text
}

func refuse(format string, arguments ...any) *Error {
	return &Error{Text: fmt.Sprintf(format, arguments...)}
}

func notImplemented(format string, arguments ...any) *Error {
	return &Error{NotImplemented: true, Text: fmt.Sprintf(format, arguments...)}
}

// Resource is how RabbitMQ names a thing in its texts.
func Resource(kind, name, space string) string {
	return fmt.Sprintf("%s '%s' in vhost '%s'", kind, name, space)
}
