package amqp091

import (
	"fmt"
	"strings"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
)

// Reply codes. Those of the 300s and 403 to 406 close a channel, the others a
// connection.
const (
	codeNoRoute            = 312
	codeConnectionForced   = 320
	codeAccessRefused      = 403
	codeNotFound           = 404
	codeResourceLocked     = 405
	codePreconditionFailed = 406
	codeFrameError         = 501
	codeSyntaxError        = 502
	codeCommandInvalid     = 503
	codeChannelError       = 504
	codeUnexpectedFrame    = 505
	codeNotAllowed         = 530
	codeNotImplemented     = 540
	codeInternalError      = 541
)

var codeNames = map[uint16]string{
	codeNoRoute: "NO_ROUTE", codeConnectionForced: "CONNECTION_FORCED", codeAccessRefused: "ACCESS_REFUSED",
	codeNotFound: "NOT_FOUND", codeResourceLocked: "RESOURCE_LOCKED", codePreconditionFailed: "PRECONDITION_FAILED",
	codeFrameError: "FRAME_ERROR", codeSyntaxError: "SYNTAX_ERROR", codeCommandInvalid: "COMMAND_INVALID",
	codeChannelError: "CHANNEL_ERROR", codeUnexpectedFrame: "UNEXPECTED_FRAME", codeNotAllowed: "NOT_ALLOWED",
	codeNotImplemented: "NOT_IMPLEMENTED", codeInternalError: "INTERNAL_ERROR",
}

// exception is what closes a channel or the connection, with RabbitMQ's text.
type exception struct {
	code   uint16
	text   string
	method codec.ID // that caused it; 0 where none did
	desync bool     // input can no longer be parsed
}

func raise(code uint16, format string, arguments ...any) *exception {
	text := codeNames[code] + " - " + fmt.Sprintf(format, arguments...)
	if len(text) > codec.ShortBytesMax {
		text = strings.ToValidUTF8(text[:codec.ShortBytesMax-3], "") + "..."
	}
	return &exception{code: code, text: text}
}

// hard says whether the exception closes the connection.
func (e *exception) hard() bool {
	switch e.code {
	case codeNoRoute, codeAccessRefused, codeNotFound, codeResourceLocked, codePreconditionFailed:
		return false
	}
	return true
}

// caused names the method, unless something closer to the cause has.
func (e *exception) caused(by codec.ID) *exception {
	if e != nil && e.method == 0 {
		e.method = by
	}
	return e
}

// raiseNative phrases what a declaration or message was refused for.
func raiseNative(e *native.Error) *exception {
	if e.NotImplemented {
		return raise(codeNotImplemented, "%s", e.Text)
	}
	return raise(codePreconditionFailed, "%s", e.Text)
}

// exception maps every code of the waist onto a reply code and RabbitMQ's words.
func (c *conn) exception(e *broker.Error) *exception {
	what := native.Resource(e.Object.String(), e.Name, c.vhost)
	switch e.Code {
	case broker.CodeNotFound:
		if e.Object == broker.ObjectNamespace {
			return raise(codeNotAllowed, "vhost %s not found", e.Name)
		}
		return raise(codeNotFound, "no %s", what)
	case broker.CodeAccessRefused:
		switch e.Field {
		case "exclusive":
			return raise(codeAccessRefused, "%s in exclusive use", what)
		case "internal":
			return raise(codeAccessRefused, "cannot publish to internal %s", what)
		case "configure", "write", "read":
			if e.Object == broker.ObjectRoutingKey {
				return raise(codeAccessRefused, "%s access to topic '%s' in exchange '%s' in vhost '%s' refused for user '%s'",
					e.Field, e.Name, e.Current, c.vhost, c.principal.User)
			}
			return raise(codeAccessRefused, "%s access to %s refused for user '%s'", e.Field, what, c.principal.User)
		}
		return raise(codeAccessRefused, "%s", orText(e, "access to "+what+" refused for user '"+c.principal.User+"'"))
	case broker.CodeLocked, broker.CodeMismatch:
		if e.Code == broker.CodeMismatch && e.Field != "exclusive" {
			return raise(codePreconditionFailed, "%s", native.Inequivalent(e, what))
		}
		if e.Object == broker.ObjectConsumer {
			return raise(codeAccessRefused, "%s in exclusive use", native.Resource("queue", e.Name, c.vhost))
		}
		return raise(codeResourceLocked, "cannot obtain exclusive access to locked %s. It could be originally "+
			"declared on another connection or the exclusive property value does not match that of the original "+
			"declaration.", what)
	case broker.CodeInUse:
		return raise(codePreconditionFailed, "%s in use", what)
	case broker.CodeNotEmpty:
		return raise(codePreconditionFailed, "%s not empty", what)
	case broker.CodeInvalid:
		if e.Field != "" {
			return raise(codePreconditionFailed, "invalid arg '%s' for %s: %s", e.Field, what, e.Text)
		}
		return raise(codePreconditionFailed, "%s", orText(e, "invalid "+what))
	case broker.CodeNotAllowed:
		if e.Object == broker.ObjectNamespace {
			return raise(codeNotAllowed, "%s", orText(e, "access refused"))
		}
		return raise(codePreconditionFailed, "%s", orText(e, "operation not allowed on "+what))
	case broker.CodeNotImplemented:
		return raise(codeNotImplemented, "%s", orText(e, what))
	case broker.CodeLimit:
		return c.limited(e)
	case broker.CodeTooLarge, broker.CodeFull, broker.CodeBusy, broker.CodeExpired:
		return raise(codePreconditionFailed, "%s", orText(e, what+": limit is reached"))
	case broker.CodeUnavailable:
		return raise(codeConnectionForced, "%s", orText(e, "broker is shutting down"))
	case broker.CodeUnknownLease:
		return raise(codePreconditionFailed, "unknown delivery tag")
	case broker.CodeGone:
		return raise(codeNotFound, "no %s", what)
	case broker.CodeInternal, broker.CodeOutOfSequence, broker.CodeFenced: // the last two: nothing here is numbered
		return raise(codeInternalError, "%s", orText(e, "internal error"))
	}
	return raise(codeInternalError, "unknown error code %d", e.Code)
}

// limited phrases a limit that is reached: of queues costs the channel, all
// others the connection.
func (c *conn) limited(e *broker.Error) *exception {
	code := uint16(codeNotAllowed)
	if e.Object == broker.ObjectQueue {
		code = codePreconditionFailed
	}
	return raise(code, "%s", native.LimitReached(e, c.principal.User))
}

func orText(e *broker.Error, otherwise string) string {
	if e.Text != "" {
		return e.Text
	}
	return otherwise
}
