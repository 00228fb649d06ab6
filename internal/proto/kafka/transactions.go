package kafka

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/broker"
	"weir/internal/clock"
	"weir/internal/record"
)

const (
	// transactionTimeoutMax is the longest a client may keep a transaction open.
	transactionTimeoutMax = 15 * time.Minute
	// A transactional id that was not used for so long is forgotten.
	transactionKept  = 7 * 24 * time.Hour
	transactionSweep = time.Hour
	// Ids share so many ledgers.
	transactionLedgers = 32
)

// transactions keeps the transactional ids of a namespace. What is decided stands
// in ledgers; a transaction ends by one change of its id's note, the markers in
// its partitions and the positions of its groups.
type transactions struct {
	session *broker.Session
	clock   clock.Clock
	log     *slog.Logger
	ids     *producerIDs
	sweep   clock.Timer

	mu struct {
		sync.Mutex
		byID map[string]*transaction
		// Open transactions that may set a group's positions.
		byGroup map[string]map[*transaction]struct{}
	}
}

func transactionLedger(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	return ledgerNumber(h.Sum32() % transactionLedgers)
}

func ledgerNumber(n uint32) string { return fmt.Sprintf("transactions/%d", n) }

// newTransactions remembers the ids there are and times the transactions that were
// open.
func newTransactions(s *broker.Session, c clock.Clock, log *slog.Logger) (*transactions, error) {
	k := &transactions{session: s, clock: c, log: log, ids: &producerIDs{session: s}}
	k.mu.byID, k.mu.byGroup = map[string]*transaction{}, map[string]map[*transaction]struct{}{}
	byProducer := map[record.ProducerID]*transaction{}
	for n := range uint32(transactionLedgers) {
		notes, err := s.Ledger(ledgerNumber(n))
		if err != nil {
			return nil, err
		}
		for _, note := range notes {
			t := k.newTransaction(note.Key)
			if err := json.Unmarshal(note.Value, &t.note); err != nil {
				return nil, fmt.Errorf("transactional id %q: %w", note.Key, err)
			}
			k.mu.byID[note.Key] = t
			byProducer[t.note.ID] = t
			t.adopt(k)
		}
	}
	now := c.Millis()
	for _, o := range s.OpenTransactions() {
		t := byProducer[o.ID]
		if t == nil {
			log.Warn("kafka: open transaction of an unknown producer", "topic", o.Partition.Topic, "partition", o.Partition.Number, "producer", o.ID)
			continue
		}
		t.partitions[o.Partition] = struct{}{}
		t.note.Begun = cmp.Or(t.note.Begun, now)
	}
	for _, t := range k.mu.byID {
		if t.open() {
			t.last.Reset(time.Duration(t.note.Timeout) * time.Millisecond)
		}
	}
	k.sweep = c.AfterFunc(transactionSweep, k.forgetOld)
	return k, nil
}

func (k *transactions) newTransaction(id string) *transaction {
	t := &transaction{id: id, partitions: map[broker.Partition]struct{}{}}
	t.last = k.clock.AfterFunc(time.Hour, func() { go k.expire(t) })
	t.last.Stop()
	return t
}

func (k *transactions) close() { k.sweep.Stop() }

// find returns a transactional id, locked, or nil.
func (k *transactions) find(id string) *transaction {
	k.mu.Lock()
	t := k.mu.byID[id]
	k.mu.Unlock()
	if t == nil {
		return nil
	}
	if t.mu.Lock(); t.gone {
		t.mu.Unlock()
		return nil
	}
	return t
}

// findOrAdd returns a transactional id, locked.
func (k *transactions) findOrAdd(id string) *transaction {
	for {
		if t := k.find(id); t != nil {
			return t
		}
		k.mu.Lock()
		if t := k.mu.byID[id]; t == nil || t.gone {
			k.mu.byID[id] = k.newTransaction(id)
		}
		k.mu.Unlock()
	}
}

// all returns the transactional ids in order.
func (k *transactions) all() []*transaction {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := slices.Collect(maps.Values(k.mu.byID))
	slices.SortFunc(all, func(a, b *transaction) int { return cmp.Compare(a.id, b.id) })
	return all
}

// start gives a producer that begins its identity: a new one, or the next one of
// its transactional id, whose open transaction ends. want is who the client says
// it is, if it does.
func (k *transactions) start(id string, timeout time.Duration, want *identity) (identity, int16) {
	if timeout <= 0 || timeout > transactionTimeoutMax {
		return identity{}, kerr.InvalidTransactionTimeout.Code
	}
	t := k.findOrAdd(id)
	defer t.mu.Unlock()
	known := t.note.Updated != 0
	if known && want != nil {
		switch *want {
		case t.note.identity:
		case t.note.Last: // it has not heard of the answer
			return t.note.identity, errNone
		default:
			return identity{}, kerr.ProducerFenced.Code
		}
	}
	if t.open() {
		if code := k.end(t, false, true); code != errNone {
			return identity{}, code
		}
	}
	next, err := k.succeed(t, known)
	if err != nil {
		return identity{}, transactionCode(err)
	}
	n := t.note
	n.Last, n.identity, n.Timeout, n.Outcome, n.Bumped, n.Updated = n.identity, next, timeout.Milliseconds(), outcomeNone, false, k.clock.Millis()
	if err := k.session.NoteNow(transactionLedger(id), broker.Note{Key: id, Value: n.encode()}); err != nil {
		return identity{}, transactionCode(err)
	}
	t.note = n
	return next, errNone
}

// succeed returns who comes after the present producer of an id.
func (k *transactions) succeed(t *transaction, known bool) (identity, *broker.Error) {
	if known {
		if next, exhausted := t.note.next(); !exhausted {
			return next, nil
		}
	}
	id, err := k.ids.take()
	return identity{ID: id}, err
}

func transactionCode(err *broker.Error) int16 {
	if err == nil {
		return errNone
	}
	return kerr.CoordinatorNotAvailable.Code
}

// end commits or aborts the open transaction. With bump what its producer sends
// after that is fenced off; t is locked.
func (k *transactions) end(t *transaction, commit, bump bool) int16 {
	t.appending.Lock()
	defer t.appending.Unlock()
	t.last.Stop()
	n := t.note
	n.Updated, n.Bumped, n.Outcome = k.clock.Millis(), bump, outcomeAborted
	if commit {
		n.Outcome = outcomeCommitted
	}
	fence := n.identity
	if bump {
		next, exhausted := n.next()
		if fence = next; exhausted {
			id, err := k.ids.take()
			if err != nil {
				return transactionCode(err)
			}
			next = identity{ID: id}
		}
		n.Last, n.identity = n.identity, next
	}
	c := k.ending(t, fence, commit)
	n.closed()
	c.Notes[0].Notes[0].Value = n.encode()
	if err := k.session.Change(c); err != nil {
		return transactionCode(err)
	}
	k.leaveGroups(t)
	t.note = n
	clear(t.partitions)
	return errNone
}

// adopt takes in what the note says of the open transaction.
func (t *transaction) adopt(k *transactions) {
	for _, p := range t.note.Partitions {
		t.partitions[p] = struct{}{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, g := range t.note.Groups {
		if k.mu.byGroup[g] == nil {
			k.mu.byGroup[g] = map[*transaction]struct{}{}
		}
		k.mu.byGroup[g][t] = struct{}{}
	}
}

func (k *transactions) leaveGroups(t *transaction) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, g := range t.note.Groups {
		if delete(k.mu.byGroup[g], t); len(k.mu.byGroup[g]) == 0 {
			delete(k.mu.byGroup, g)
		}
	}
}

// pending says whether an open transaction will set the group's position.
func (k *transactions) pending(group string, topic [16]byte, partition int) bool {
	k.mu.Lock()
	open := slices.Collect(maps.Keys(k.mu.byGroup[group]))
	k.mu.Unlock()
	return slices.ContainsFunc(open, func(t *transaction) bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		return slices.ContainsFunc(t.note.Positions[group], func(p broker.GroupPosition) bool {
			return p.TopicID == topic && p.Partition == partition
		})
	})
}

// ending is the change that ends a transaction, but for the value of its note.
func (k *transactions) ending(t *transaction, fence identity, commit bool) *broker.Change {
	c := &broker.Change{Notes: []broker.LedgerNotes{{Ledger: transactionLedger(t.id), Notes: []broker.Note{{Key: t.id}}}}}
	for p := range t.partitions {
		c.Appends = append(c.Appends, broker.PartitionBlob{Partition: p, Blob: markerBlob(fence, commit, k.clock.Millis())})
	}
	slices.SortFunc(c.Appends, func(a, b broker.PartitionBlob) int {
		return cmp.Or(cmp.Compare(a.Partition.Topic, b.Partition.Topic), cmp.Compare(a.Partition.Number, b.Partition.Number))
	})
	if commit {
		for _, g := range slices.Sorted(maps.Keys(t.note.Positions)) {
			c.Notes = append(c.Notes, broker.LedgerNotes{Ledger: broker.PositionsLedger(g), Notes: broker.PositionNotes(t.note.Positions[g])})
		}
	}
	return c
}

func markerBlob(i identity, commit bool, now int64) broker.Blob {
	part := record.PartAbort
	if commit {
		part = record.PartCommit
	}
	return broker.Blob{
		Dialect: record.DialectKafka, Count: 1, Timestamp: now, Native: marker(i, commit, now),
		Producer: record.Producer{ID: i.ID, Epoch: uint16(i.Epoch), Part: part},
	}
}

// finish is a client's wish to end its transaction. With bump, of clients that know
// of it, every end gives the producer another epoch.
func (k *transactions) finish(id string, who identity, commit, bump bool) (identity, int16) {
	t := k.find(id)
	if t == nil {
		return who, kerr.InvalidProducerIDMapping.Code
	}
	defer t.mu.Unlock()
	wanted := outcomeAborted
	if commit {
		wanted = outcomeCommitted
	}
	if bump && !t.open() && t.note.Bumped && who == t.note.Last && t.note.Outcome == wanted {
		return t.note.identity, errNone // it has not heard of the answer
	}
	if code := t.check(who, kerr.ProducerFenced.Code); code != errNone {
		return who, code
	}
	if !t.open() && (bump && commit || !bump && t.note.Outcome != wanted) {
		return who, kerr.InvalidTxnState.Code
	}
	if !t.open() && !bump {
		return who, errNone
	}
	code := k.end(t, commit, bump)
	return t.note.identity, code
}

// expire aborts a transaction that has taken too long.
func (k *transactions) expire(t *transaction) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open() && k.clock.Millis() >= t.note.Begun+t.note.Timeout {
		k.log.Info("kafka: transaction took too long and is aborted", "id", t.id, "producer", t.note.ID)
		if code := k.end(t, false, true); code != errNone {
			t.last.Reset(time.Second)
		}
	}
}

// enlist makes partitions part of the id's open transaction, which begins with
// the first. It is durable before any message is.
func (k *transactions) enlist(id string, who identity, fenced int16, partitions []broker.Partition) int16 {
	return k.change(id, who, fenced, func(n *transactionNote) int16 {
		n.Partitions = slices.Clone(n.Partitions)
		for _, p := range partitions {
			if !slices.Contains(n.Partitions, p) {
				n.Partitions = append(n.Partitions, p)
			}
		}
		return errNone
	})
}

// change makes f's changes to the note of an open transaction, which may begin
// with them.
func (k *transactions) change(id string, who identity, fenced int16, f func(n *transactionNote) int16) int16 {
	t := k.find(id)
	if t == nil {
		return kerr.InvalidProducerIDMapping.Code
	}
	defer t.mu.Unlock()
	if code := t.check(who, fenced); code != errNone {
		return code
	}
	n := t.note
	n.Begun = cmp.Or(n.Begun, k.clock.Millis())
	if code := f(&n); code != errNone {
		return code
	}
	return k.amend(t, &n)
}

// amend makes a note of an open transaction the present one, durably.
func (k *transactions) amend(t *transaction, n *transactionNote) int16 {
	if err := k.session.NoteNow(transactionLedger(t.id), broker.Note{Key: t.id, Value: n.encode()}); err != nil {
		return transactionCode(err)
	}
	t.begin(n.Begun)
	t.note = *n
	t.adopt(k)
	return errNone
}

// produce admits an append to a partition under an open transaction; done is to be
// called when it is over. With implicit the partition becomes part of it.
func (k *transactions) produce(id string, who identity, p broker.Partition, implicit bool) (done func(), code int16) {
	t := k.find(id)
	if t == nil {
		return nil, kerr.InvalidProducerIDMapping.Code
	}
	defer t.mu.Unlock()
	if code := t.check(who, kerr.InvalidProducerEpoch.Code); code != errNone {
		return nil, code
	}
	if _, enlisted := t.partitions[p]; !enlisted {
		if !implicit {
			return nil, kerr.InvalidTxnState.Code
		}
		t.begin(k.clock.Millis())
		t.partitions[p] = struct{}{}
	}
	t.appending.RLock()
	return t.appending.RUnlock, errNone
}

// forgetOld forgets the ids that nobody has used for long.
func (k *transactions) forgetOld() {
	go func() {
		defer k.sweep.Reset(transactionSweep)
		before := k.clock.Millis() - transactionKept.Milliseconds()
		for _, t := range k.all() {
			k.forget(t, before)
		}
	}()
}

func (k *transactions) forget(t *transaction, before int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open() || t.gone || t.note.Updated >= before {
		return
	}
	if k.session.NoteNow(transactionLedger(t.id), broker.Note{Key: t.id}) != nil {
		return
	}
	t.gone = true
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.mu.byID, t.id)
}
