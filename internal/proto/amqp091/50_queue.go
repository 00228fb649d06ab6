package amqp091

import (
	"crypto/rand"
	"encoding/base64"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
)

func (ch *channel) queueMethod(id codec.ID, arguments []byte) *exception {
	switch id {
	case codec.IDQueueDeclare:
		return ch.queueDeclare(arguments)
	case codec.IDQueueBind:
		return ch.queueBind(arguments)
	case codec.IDQueueUnbind:
		return ch.queueUnbind(arguments)
	case codec.IDQueuePurge:
		return ch.queuePurge(arguments)
	case codec.IDQueueDelete:
		return ch.queueDelete(arguments)
	}
	return unexpectedMethod(id)
}

// generated makes a name nobody can guess.
func generated(prefix string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return prefix + "-" + base64.RawURLEncoding.EncodeToString(b[:])
}

// queueName resolves the empty name, which means the queue declared last.
func (ch *channel) queueName(name string) (string, *exception) {
	if name != "" {
		return name, nil
	}
	if ch.lastQueue == "" {
		return "", raise(codeNotFound, "no previously declared queue")
	}
	return ch.lastQueue, nil
}

func (ch *channel) queueDeclare(arguments []byte) *exception {
	var m codec.QueueDeclare
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	name := stripLines(m.Queue)
	if isReplyName(name) {
		return ch.replyDeclare(name, m.NoWait)
	}
	spec := broker.QueueSpec{
		Name: name, Passive: m.Passive, Durable: m.Durable && !m.Exclusive,
		Exclusive: m.Exclusive, AutoDelete: m.AutoDelete,
	}
	if !m.Passive {
		if e := reservedName("queue", name); e != nil {
			return e
		}
		if name == "" {
			spec.Name = generated("amq.gen")
		}
		t := native.DefaultType(&spec, ch.conn.server.options.Broker.QueueClass(ch.conn.vhost), m.Arguments)
		e := native.ReadQueue(&spec, ch.conn.vhost, t, name == "")
		if e != nil && !e.Late {
			return raiseNative(e)
		}
		if e != nil {
			spec.Invalid = e.Broker()
		}
		if e := ch.beginView(&spec, m.Arguments); e != nil {
			return e
		}
	}
	ch.conn.waitForPublishes()
	ch.conn.session.AwaitRejected()
	info, _, err := ch.conn.session.DeclareQueue(spec)
	if err != nil {
		return ch.exception(err)
	}
	ch.lastQueue = spec.Name
	ch.answer(m.NoWait, &codec.QueueDeclareOk{
		Queue: spec.Name, MessageCount: clip32(info.Ready),
		ConsumerCount: clip32(uint64(info.Consumers)),
	})
	return nil
}

// beginView reads where a queue begins that is a cursor over a topic.
func (ch *channel) beginView(spec *broker.QueueSpec, arguments codec.Table) *exception {
	if !ch.conn.session.Views(spec.Name) {
		return nil
	}
	begin, e := native.ViewBegin(native.Resource("queue", spec.Name, ch.conn.vhost), arguments, ch.conn.server.options.Clock.Millis())
	if e != nil {
		return raiseNative(e)
	}
	spec.Begin = begin
	return nil
}

// declareView makes the cursor over a topic that a consumer names, if it is not
// there.
func (ch *channel) declareView(name string, arguments codec.Table) *exception {
	s := ch.conn.session
	if !s.Views(name) {
		return nil
	}
	if _, err := s.Look(name); err == nil || err.Code != broker.CodeNotFound {
		return ch.exception(err)
	}
	spec := broker.QueueSpec{Name: name, Durable: true}
	if e := native.ReadQueue(&spec, ch.conn.vhost, nil, false); e != nil {
		return raiseNative(e)
	}
	if e := ch.beginView(&spec, arguments); e != nil {
		return e
	}
	_, _, err := s.DeclareQueue(spec)
	return ch.exception(err)
}

func clip32(n uint64) uint32 { return uint32(min(n, 1<<32-1)) }

func (ch *channel) queueBind(arguments []byte) *exception {
	var m codec.QueueBind
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	if e := ch.bindQueue(false, m.Queue, m.Exchange, m.RoutingKey, m.Arguments); e != nil {
		return e
	}
	ch.answer(m.NoWait, &codec.QueueBindOk{})
	return nil
}

func (ch *channel) queueUnbind(arguments []byte) *exception {
	var m codec.QueueUnbind
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	if e := ch.bindQueue(true, m.Queue, m.Exchange, m.RoutingKey, m.Arguments); e != nil {
		return e
	}
	ch.answer(false, &codec.QueueUnbindOk{})
	return nil
}

// bindQueue binds or unbinds a queue. Without a name and key, the key is the name
// of the queue declared last.
func (ch *channel) bindQueue(remove bool, name, source, key string, arguments codec.Table) *exception {
	queue, e := ch.queueName(name)
	if e != nil {
		return e
	}
	if name == "" && key == "" {
		key = queue
	}
	return ch.bind(remove, "queue", queue, source, key, arguments)
}

func (ch *channel) queuePurge(arguments []byte) *exception {
	var m codec.QueuePurge
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	queue, e := ch.queueName(m.Queue)
	if e != nil {
		return e
	}
	ch.conn.waitForPublishes()
	n, err := ch.conn.session.PurgeQueue(stripLines(queue))
	if err != nil && err.Code == broker.CodeNotImplemented {
		return raise(codeNotImplemented, "queue.purge not supported by stream queues %s",
			native.Resource("queue", err.Name, ch.conn.vhost))
	}
	if err != nil {
		return ch.exception(err)
	}
	ch.answer(m.NoWait, &codec.QueuePurgeOk{MessageCount: clip32(n)})
	return nil
}

func (ch *channel) queueDelete(arguments []byte) *exception {
	var m codec.QueueDelete
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	queue, e := ch.queueName(m.Queue)
	if e != nil {
		return e
	}
	ch.conn.waitForPublishes()
	ch.holdCancels()
	defer ch.sendCancels()
	n, err := ch.conn.session.DeleteQueue(stripLines(queue), broker.DeleteOptions{IfUnused: m.IfUnused, IfEmpty: m.IfEmpty})
	if err != nil && err.Code != broker.CodeNotFound { // deleting what is not there succeeds
		return ch.exception(err)
	}
	ch.answer(m.NoWait, &codec.QueueDeleteOk{MessageCount: clip32(n)})
	return nil
}
