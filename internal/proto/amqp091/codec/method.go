package codec

import "strconv"

// ID is a method: its class in the upper half, its number in the lower.
type ID uint32

// The methods of AMQP 0-9-1 with RabbitMQ's extensions.
const (
	IDConnectionStart          ID = 10<<16 | 10
	IDConnectionStartOk        ID = 10<<16 | 11
	IDConnectionSecure         ID = 10<<16 | 20
	IDConnectionSecureOk       ID = 10<<16 | 21
	IDConnectionTune           ID = 10<<16 | 30
	IDConnectionTuneOk         ID = 10<<16 | 31
	IDConnectionOpen           ID = 10<<16 | 40
	IDConnectionOpenOk         ID = 10<<16 | 41
	IDConnectionClose          ID = 10<<16 | 50
	IDConnectionCloseOk        ID = 10<<16 | 51
	IDConnectionBlocked        ID = 10<<16 | 60
	IDConnectionUnblocked      ID = 10<<16 | 61
	IDConnectionUpdateSecret   ID = 10<<16 | 70
	IDConnectionUpdateSecretOk ID = 10<<16 | 71
	IDChannelOpen              ID = 20<<16 | 10
	IDChannelOpenOk            ID = 20<<16 | 11
	IDChannelFlow              ID = 20<<16 | 20
	IDChannelFlowOk            ID = 20<<16 | 21
	IDChannelClose             ID = 20<<16 | 40
	IDChannelCloseOk           ID = 20<<16 | 41
	IDAccessRequest            ID = 30<<16 | 10
	IDAccessRequestOk          ID = 30<<16 | 11
	IDExchangeDeclare          ID = 40<<16 | 10
	IDExchangeDeclareOk        ID = 40<<16 | 11
	IDExchangeDelete           ID = 40<<16 | 20
	IDExchangeDeleteOk         ID = 40<<16 | 21
	IDExchangeBind             ID = 40<<16 | 30
	IDExchangeBindOk           ID = 40<<16 | 31
	IDExchangeUnbind           ID = 40<<16 | 40
	IDExchangeUnbindOk         ID = 40<<16 | 51
	IDQueueDeclare             ID = 50<<16 | 10
	IDQueueDeclareOk           ID = 50<<16 | 11
	IDQueueBind                ID = 50<<16 | 20
	IDQueueBindOk              ID = 50<<16 | 21
	IDQueuePurge               ID = 50<<16 | 30
	IDQueuePurgeOk             ID = 50<<16 | 31
	IDQueueDelete              ID = 50<<16 | 40
	IDQueueDeleteOk            ID = 50<<16 | 41
	IDQueueUnbind              ID = 50<<16 | 50
	IDQueueUnbindOk            ID = 50<<16 | 51
	IDBasicQos                 ID = 60<<16 | 10
	IDBasicQosOk               ID = 60<<16 | 11
	IDBasicConsume             ID = 60<<16 | 20
	IDBasicConsumeOk           ID = 60<<16 | 21
	IDBasicCancel              ID = 60<<16 | 30
	IDBasicCancelOk            ID = 60<<16 | 31
	IDBasicPublish             ID = 60<<16 | 40
	IDBasicReturn              ID = 60<<16 | 50
	IDBasicDeliver             ID = 60<<16 | 60
	IDBasicGet                 ID = 60<<16 | 70
	IDBasicGetOk               ID = 60<<16 | 71
	IDBasicGetEmpty            ID = 60<<16 | 72
	IDBasicAck                 ID = 60<<16 | 80
	IDBasicReject              ID = 60<<16 | 90
	IDBasicRecoverAsync        ID = 60<<16 | 100
	IDBasicRecover             ID = 60<<16 | 110
	IDBasicRecoverOk           ID = 60<<16 | 111
	IDBasicNack                ID = 60<<16 | 120
	IDConfirmSelect            ID = 85<<16 | 10
	IDConfirmSelectOk          ID = 85<<16 | 11
	IDTxSelect                 ID = 90<<16 | 10
	IDTxSelectOk               ID = 90<<16 | 11
	IDTxCommit                 ID = 90<<16 | 20
	IDTxCommitOk               ID = 90<<16 | 21
	IDTxRollback               ID = 90<<16 | 30
	IDTxRollbackOk             ID = 90<<16 | 31
)

// Class returns the class number.
func (i ID) Class() uint16 { return uint16(i >> 16) }

// Number returns the method number within its class.
func (i ID) Number() uint16 { return uint16(i) }

// Method is one AMQP method and its arguments.
type Method interface {
	ID() ID
	// Decode reads the arguments and refuses trailing bytes.
	Decode(b []byte) error
	// Append writes the arguments behind dst.
	Append(dst []byte) []byte
}

// New returns an empty method, or nil where there is none of that id.
func New(id ID) Method {
	if empty := makers[id]; empty != nil {
		return empty()
	}
	return nil
}

var makers = map[ID]func() Method{
	IDConnectionStart:          func() Method { return new(ConnectionStart) },
	IDConnectionStartOk:        func() Method { return new(ConnectionStartOk) },
	IDConnectionSecure:         func() Method { return new(ConnectionSecure) },
	IDConnectionSecureOk:       func() Method { return new(ConnectionSecureOk) },
	IDConnectionTune:           func() Method { return new(ConnectionTune) },
	IDConnectionTuneOk:         func() Method { return new(ConnectionTuneOk) },
	IDConnectionOpen:           func() Method { return new(ConnectionOpen) },
	IDConnectionOpenOk:         func() Method { return new(ConnectionOpenOk) },
	IDConnectionClose:          func() Method { return new(ConnectionClose) },
	IDConnectionCloseOk:        func() Method { return new(ConnectionCloseOk) },
	IDConnectionBlocked:        func() Method { return new(ConnectionBlocked) },
	IDConnectionUnblocked:      func() Method { return new(ConnectionUnblocked) },
	IDConnectionUpdateSecret:   func() Method { return new(ConnectionUpdateSecret) },
	IDConnectionUpdateSecretOk: func() Method { return new(ConnectionUpdateSecretOk) },
	IDChannelOpen:              func() Method { return new(ChannelOpen) },
	IDChannelOpenOk:            func() Method { return new(ChannelOpenOk) },
	IDChannelFlow:              func() Method { return new(ChannelFlow) },
	IDChannelFlowOk:            func() Method { return new(ChannelFlowOk) },
	IDChannelClose:             func() Method { return new(ChannelClose) },
	IDChannelCloseOk:           func() Method { return new(ChannelCloseOk) },
	IDAccessRequest:            func() Method { return new(AccessRequest) },
	IDAccessRequestOk:          func() Method { return new(AccessRequestOk) },
	IDExchangeDeclare:          func() Method { return new(ExchangeDeclare) },
	IDExchangeDeclareOk:        func() Method { return new(ExchangeDeclareOk) },
	IDExchangeDelete:           func() Method { return new(ExchangeDelete) },
	IDExchangeDeleteOk:         func() Method { return new(ExchangeDeleteOk) },
	IDExchangeBind:             func() Method { return new(ExchangeBind) },
	IDExchangeBindOk:           func() Method { return new(ExchangeBindOk) },
	IDExchangeUnbind:           func() Method { return new(ExchangeUnbind) },
	IDExchangeUnbindOk:         func() Method { return new(ExchangeUnbindOk) },
	IDQueueDeclare:             func() Method { return new(QueueDeclare) },
	IDQueueDeclareOk:           func() Method { return new(QueueDeclareOk) },
	IDQueueBind:                func() Method { return new(QueueBind) },
	IDQueueBindOk:              func() Method { return new(QueueBindOk) },
	IDQueuePurge:               func() Method { return new(QueuePurge) },
	IDQueuePurgeOk:             func() Method { return new(QueuePurgeOk) },
	IDQueueDelete:              func() Method { return new(QueueDelete) },
	IDQueueDeleteOk:            func() Method { return new(QueueDeleteOk) },
	IDQueueUnbind:              func() Method { return new(QueueUnbind) },
	IDQueueUnbindOk:            func() Method { return new(QueueUnbindOk) },
	IDBasicQos:                 func() Method { return new(BasicQos) },
	IDBasicQosOk:               func() Method { return new(BasicQosOk) },
	IDBasicConsume:             func() Method { return new(BasicConsume) },
	IDBasicConsumeOk:           func() Method { return new(BasicConsumeOk) },
	IDBasicCancel:              func() Method { return new(BasicCancel) },
	IDBasicCancelOk:            func() Method { return new(BasicCancelOk) },
	IDBasicPublish:             func() Method { return new(BasicPublish) },
	IDBasicReturn:              func() Method { return new(BasicReturn) },
	IDBasicDeliver:             func() Method { return new(BasicDeliver) },
	IDBasicGet:                 func() Method { return new(BasicGet) },
	IDBasicGetOk:               func() Method { return new(BasicGetOk) },
	IDBasicGetEmpty:            func() Method { return new(BasicGetEmpty) },
	IDBasicAck:                 func() Method { return new(BasicAck) },
	IDBasicReject:              func() Method { return new(BasicReject) },
	IDBasicRecoverAsync:        func() Method { return new(BasicRecoverAsync) },
	IDBasicRecover:             func() Method { return new(BasicRecover) },
	IDBasicRecoverOk:           func() Method { return new(BasicRecoverOk) },
	IDBasicNack:                func() Method { return new(BasicNack) },
	IDConfirmSelect:            func() Method { return new(ConfirmSelect) },
	IDConfirmSelectOk:          func() Method { return new(ConfirmSelectOk) },
	IDTxSelect:                 func() Method { return new(TxSelect) },
	IDTxSelectOk:               func() Method { return new(TxSelectOk) },
	IDTxCommit:                 func() Method { return new(TxCommit) },
	IDTxCommitOk:               func() Method { return new(TxCommitOk) },
	IDTxRollback:               func() Method { return new(TxRollback) },
	IDTxRollbackOk:             func() Method { return new(TxRollbackOk) },
}

// String returns the name the specification gives the method: "basic.publish".
func (i ID) String() string {
	if name := names[i]; name != "" {
		return name
	}
	return strconv.Itoa(int(i.Class())) + "." + strconv.Itoa(int(i.Number()))
}

var names = map[ID]string{
	IDConnectionStart:          "connection.start",
	IDConnectionStartOk:        "connection.start-ok",
	IDConnectionSecure:         "connection.secure",
	IDConnectionSecureOk:       "connection.secure-ok",
	IDConnectionTune:           "connection.tune",
	IDConnectionTuneOk:         "connection.tune-ok",
	IDConnectionOpen:           "connection.open",
	IDConnectionOpenOk:         "connection.open-ok",
	IDConnectionClose:          "connection.close",
	IDConnectionCloseOk:        "connection.close-ok",
	IDConnectionBlocked:        "connection.blocked",
	IDConnectionUnblocked:      "connection.unblocked",
	IDConnectionUpdateSecret:   "connection.update-secret",
	IDConnectionUpdateSecretOk: "connection.update-secret-ok",
	IDChannelOpen:              "channel.open",
	IDChannelOpenOk:            "channel.open-ok",
	IDChannelFlow:              "channel.flow",
	IDChannelFlowOk:            "channel.flow-ok",
	IDChannelClose:             "channel.close",
	IDChannelCloseOk:           "channel.close-ok",
	IDAccessRequest:            "access.request",
	IDAccessRequestOk:          "access.request-ok",
	IDExchangeDeclare:          "exchange.declare",
	IDExchangeDeclareOk:        "exchange.declare-ok",
	IDExchangeDelete:           "exchange.delete",
	IDExchangeDeleteOk:         "exchange.delete-ok",
	IDExchangeBind:             "exchange.bind",
	IDExchangeBindOk:           "exchange.bind-ok",
	IDExchangeUnbind:           "exchange.unbind",
	IDExchangeUnbindOk:         "exchange.unbind-ok",
	IDQueueDeclare:             "queue.declare",
	IDQueueDeclareOk:           "queue.declare-ok",
	IDQueueBind:                "queue.bind",
	IDQueueBindOk:              "queue.bind-ok",
	IDQueuePurge:               "queue.purge",
	IDQueuePurgeOk:             "queue.purge-ok",
	IDQueueDelete:              "queue.delete",
	IDQueueDeleteOk:            "queue.delete-ok",
	IDQueueUnbind:              "queue.unbind",
	IDQueueUnbindOk:            "queue.unbind-ok",
	IDBasicQos:                 "basic.qos",
	IDBasicQosOk:               "basic.qos-ok",
	IDBasicConsume:             "basic.consume",
	IDBasicConsumeOk:           "basic.consume-ok",
	IDBasicCancel:              "basic.cancel",
	IDBasicCancelOk:            "basic.cancel-ok",
	IDBasicPublish:             "basic.publish",
	IDBasicReturn:              "basic.return",
	IDBasicDeliver:             "basic.deliver",
	IDBasicGet:                 "basic.get",
	IDBasicGetOk:               "basic.get-ok",
	IDBasicGetEmpty:            "basic.get-empty",
	IDBasicAck:                 "basic.ack",
	IDBasicReject:              "basic.reject",
	IDBasicRecoverAsync:        "basic.recover-async",
	IDBasicRecover:             "basic.recover",
	IDBasicRecoverOk:           "basic.recover-ok",
	IDBasicNack:                "basic.nack",
	IDConfirmSelect:            "confirm.select",
	IDConfirmSelectOk:          "confirm.select-ok",
	IDTxSelect:                 "tx.select",
	IDTxSelectOk:               "tx.select-ok",
	IDTxCommit:                 "tx.commit",
	IDTxCommitOk:               "tx.commit-ok",
	IDTxRollback:               "tx.rollback",
	IDTxRollbackOk:             "tx.rollback-ok",
}
