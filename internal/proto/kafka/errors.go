package kafka

import "weir/internal/broker"

// The protocol's error codes.
const (
	errNone                    = 0
	errUnknown                 = -1
	errOffsetOutOfRange        = 1
	errCorruptMessage          = 2
	errUnknownTopicOrPartition = 3
	errNotLeaderForPartition   = 6
	errMessageTooLarge         = 10
	errInvalidTopic            = 17
	errInvalidRequiredAcks     = 21
	errTopicAuthorization      = 29
	errUnsupportedVersion      = 35
	errTopicAlreadyExists      = 36
	errInvalidPartitions       = 37
	errInvalidReplication      = 38
	errInvalidConfig           = 40
	errInvalidRequest          = 42
	errUnsupportedFormat       = 43
	errStorage                 = 56
	errInvalidRecord           = 87
)

// code maps a refusal of the waist.
func code(e *broker.Error) int16 {
	if e == nil {
		return errNone
	}
	switch e.Code {
	case broker.CodeNotFound, broker.CodeGone:
		return errUnknownTopicOrPartition
	case broker.CodeAccessRefused:
		return errTopicAuthorization
	case broker.CodeMismatch:
		return errTopicAlreadyExists
	case broker.CodeTooLarge:
		return errMessageTooLarge
	case broker.CodeInvalid:
		switch e.Field {
		case "offset":
			return errOffsetOutOfRange
		case "partitions":
			return errInvalidPartitions
		}
		return errInvalidTopic
	case broker.CodeUnavailable, broker.CodeBusy, broker.CodeFull, broker.CodeExpired:
		return errNotLeaderForPartition // clients ask again
	case broker.CodeLocked, broker.CodeInUse, broker.CodeNotEmpty, broker.CodeNotAllowed, broker.CodeNotImplemented,
		broker.CodeLimit, broker.CodeUnknownLease:
		return errInvalidRequest
	case broker.CodeInternal:
		return errStorage
	}
	return errUnknown
}
