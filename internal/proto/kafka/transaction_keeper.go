package kafka

import (
	"cmp"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/broker"
	"weir/internal/record"
)

var _ broker.TransactionKeeper = (*transactions)(nil)

// Open implements broker.TransactionKeeper.
func (k *transactions) Open() []broker.TransactionInfo {
	var all []broker.TransactionInfo
	for _, t := range k.all() {
		if info, open := t.info(); open {
			all = append(all, info)
		}
	}
	return all
}

// info describes the open transaction, if one is.
func (t *transaction) info() (broker.TransactionInfo, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return broker.TransactionInfo{
		ID: t.id, Producer: t.note.ID, Epoch: uint16(t.note.Epoch), State: t.state(), Begun: t.note.Begun, Timeout: t.note.Timeout,
		Partitions: t.enlisted(),
	}, t.open() && !t.gone
}

// enlisted are the partitions of the open transaction in order.
func (t *transaction) enlisted() []broker.Partition {
	return slices.SortedFunc(maps.Keys(t.partitions), func(a, b broker.Partition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Number, b.Number))
	})
}

// Abort implements broker.TransactionKeeper. Its producer is fenced off, as when a
// transaction takes too long.
func (k *transactions) Abort(id string) *broker.Error {
	t := k.find(id)
	if t == nil {
		return &broker.Error{Code: broker.CodeNotFound, Object: broker.ObjectTransaction, Name: id, Text: "no such transactional id"}
	}
	defer t.mu.Unlock()
	if !t.open() {
		return &broker.Error{Code: broker.CodeNotFound, Object: broker.ObjectTransaction, Name: id, Text: "no transaction is open"}
	}
	if code := k.end(t, false, true); code != errNone {
		return &broker.Error{Code: broker.CodeUnavailable, Object: broker.ObjectTransaction, Name: id, Text: kerr.TypedErrorForCode(code).Description}
	}
	k.log.Info("kafka: transaction aborted by an administrator", "id", id, "producer", t.note.ID)
	return nil
}

// AbortIn implements broker.TransactionKeeper.
func (k *transactions) AbortIn(producer record.ProducerID, epoch uint16, partitions []broker.Partition) *broker.Error {
	var c broker.Change
	for _, p := range partitions {
		marker := markerBlob(identity{producer, int16(epoch)}, false, k.clock.Millis())
		c.Appends = append(c.Appends, broker.PartitionBlob{Partition: p, Blob: marker})
	}
	if err := k.session.Change(&c); err != nil {
		return err
	}
	k.log.Info("kafka: hanging transaction aborted by an administrator", "producer", producer, "partitions", len(partitions))
	return nil
}
