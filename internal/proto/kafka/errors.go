package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/broker"
)

// errNone is success in the place of an error code.
const errNone = 0

// code maps a refusal of the waist.
func code(e *broker.Error) int16 {
	if e == nil {
		return errNone
	}
	switch e.Code {
	case broker.CodeNotFound, broker.CodeGone:
		return kerr.UnknownTopicOrPartition.Code
	case broker.CodeAccessRefused:
		return kerr.TopicAuthorizationFailed.Code
	case broker.CodeMismatch:
		return kerr.TopicAlreadyExists.Code
	case broker.CodeTooLarge:
		return kerr.MessageTooLarge.Code
	case broker.CodeInvalid:
		switch e.Field {
		case "offset":
			return kerr.OffsetOutOfRange.Code
		case "partitions":
			return kerr.InvalidPartitions.Code
		}
		return kerr.InvalidTopicException.Code
	case broker.CodeUnavailable, broker.CodeBusy, broker.CodeFull, broker.CodeExpired:
		return kerr.NotLeaderForPartition.Code // clients ask again
	case broker.CodeLocked, broker.CodeInUse, broker.CodeNotEmpty, broker.CodeNotAllowed, broker.CodeNotImplemented,
		broker.CodeLimit, broker.CodeUnknownLease:
		return kerr.InvalidRequest.Code
	case broker.CodeOutOfSequence:
		return kerr.OutOfOrderSequenceNumber.Code
	case broker.CodeFenced:
		return kerr.InvalidProducerEpoch.Code
	case broker.CodeInternal:
		return kerr.KafkaStorageError.Code
	}
	return kerr.UnknownServerError.Code
}
