package broker

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/auth"
	"weir/internal/checkpoint"
	"weir/internal/clock"
	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/replica"
	"weir/internal/shard"
	"weir/internal/store"
	"weir/internal/vfs"
	"weir/internal/wal"
)

const (
	// incarnation of every shard until shards can be moved between nodes.
	incarnation = 1
	// nodeID of a node that has not joined others.
	nodeID = 1
	// A checked password is remembered this long, so that a reconnect storm
	// does not hash; a few hashes at once are enough for the rest.
	passwordsRemembered = 1024
	passwordMemory      = 5 * time.Minute
	passwordsAtOnce     = 2
	// volatileShard holds what does not survive a restart.
	volatileShard record.ShardID = 1 << 31
)

// Options open a broker.
type Options struct {
	FS    vfs.FS
	Dir   string
	Clock clock.Clock
	Log   *slog.Logger
	// Fatal is called when the disk has failed: the process must exit.
	Fatal func(error)
	// Shards is the number of durable shards of a new store.
	Shards int
	// TailBytes is the memory budget of messages not on the shelf, 128 MiB if 0.
	TailBytes int64
	// WALFileBytes is the size of one log file, 64 MiB if 0.
	WALFileBytes int64
	SyncMode     wal.SyncMode
	SyncInterval time.Duration
	// MessageBytesMax is the largest message taken, 16 MiB if 0.
	MessageBytesMax int64
	// DeadLetter rewrites messages on their way to a dead-letter exchange, by
	// the dialect of their native bytes.
	DeadLetter map[record.Dialect]DeadLetterFunc
	// Converters translate messages for who reads another dialect.
	Converters record.Converters
	// DeadLetterAs is the dialect that messages are converted to on their way to a
	// dead-letter exchange where DeadLetter has nothing for their own.
	DeadLetterAs record.Dialect
	// DeadTopic makes what groups that read together store of messages they gave
	// up, of messages in the dialect DeadTopicAs.
	DeadTopic   DeadTopicFunc
	DeadTopicAs record.Dialect
	// Published tells what a stored message was published with, by dialect.
	Published map[record.Dialect]PublishedFunc
	// Openers look into records that hold several messages, by dialect.
	Openers map[record.Dialect]record.Opener
	// Skip are entries of durable shards that are not applied: with them the process
	// would not start. What they held is lost.
	Skip map[record.ShardID][]record.Index
	// Observer sees every entry of a durable shard that is applied, if it is set.
	Observer replica.Observer
}

// Broker is the waist. See the package comment.
type Broker struct{ engine *engine }

type engine struct {
	keepers            sync.Map // of groups, by namespace
	transactionKeepers sync.Map // likewise
	options            Options
	lock               io.Closer
	wal                *wal.WAL
	control            *control
	hosts              map[record.ShardID]*host
	durable            []record.ShardID

	checkpoints map[record.ShardID]*checkpoint.Store

	version      atomic.Uint64 // of the control state
	nextSession  atomic.Uint64
	nextConsumer atomic.Uint32
	nextShard    atomic.Uint32
	closing      atomic.Bool
	failed       sync.Once

	gate        gate
	compactions compactions
	ballast     ballast
	sessions    registry[*Session]
	census      census
	churn       churn
	attachments consumers
	mailboxes   mailboxes
	deadLetters deadLetters
	expiry      expiries
	quotas      quotas
	changes     changes
	verifier    *auth.Verifier
	decoy       [32]byte // makes keys for users that there are not
	jobs        sync.WaitGroup
	blockPool   sync.Pool
	reads       chan struct{} // bounds concurrent reads of the shelf

	logs logs
}

// logs tell whose a log is.
type logs struct {
	sync.RWMutex
	queues map[record.LogID]*meta.Queue
}

func (l *logs) note(queues []*meta.Queue) {
	for _, q := range queues {
		l.queues[q.Log] = q
	}
}

// Open recovers the store in o.Dir, or makes a new one, and serves it.
func Open(o Options) (*Broker, error) {
	o.setDefaults()
	e := &engine{options: o, hosts: map[record.ShardID]*host{}, checkpoints: map[record.ShardID]*checkpoint.Store{}}
	e.reads = make(chan struct{}, 8)
	e.logs.queues = map[record.LogID]*meta.Queue{}
	e.sessions.init()
	e.attachments.init()
	e.gate.init()
	e.compactions.init()
	e.ballast.init(o.FS, o.Dir)
	var key [32]byte
	rand.Read(key[:]) // never fails
	rand.Read(e.decoy[:])
	e.verifier = auth.NewVerifier(key, passwordsRemembered, passwordMemory.Milliseconds(), passwordsAtOnce)
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := o.FS.Lock(path.Join(o.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", o.Dir, err)
	}
	e.lock = lock
	if err := e.recover(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := e.start(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	e.churn.deleted.Store(0) // what was replayed happened before
	return &Broker{e}, nil
}

func (o *Options) setDefaults() {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Shards <= 0 {
		o.Shards = 1
	}
	if o.TailBytes <= 0 {
		o.TailBytes = 128 << 20
	}
	if o.WALFileBytes <= 0 {
		o.WALFileBytes = 64 << 20
	}
	if o.MessageBytesMax <= 0 {
		o.MessageBytesMax = 16 << 20
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) { panic(err) }
	}
}

// recover loads checkpoints and replays the write-ahead log into groups.
func (e *engine) recover() error {
	o := &e.options
	loader := meta.NewLoader()
	controlMeta, err := e.openCheckpoint(controlShard, loader.Load)
	if err != nil {
		return err
	}
	e.control = newControl(e)
	if e.control.state, err = loader.Finish(); err != nil {
		return fmt.Errorf("control state: %w", err)
	}
	states := map[record.ShardID]replica.State{}
	if states[controlShard], err = groupState(controlMeta); err != nil {
		return err
	}
	shards, err := e.shardCount()
	if err != nil {
		return err
	}
	for i := range shards {
		id := record.ShardID(i + 1)
		st, err := e.recoverShard(id)
		if err != nil {
			return fmt.Errorf("shard %d: %w", id, err)
		}
		states[id] = st
		e.durable = append(e.durable, id)
	}
	records := map[record.ShardID][]wal.Record{}
	e.wal, err = wal.Open(wal.Options{
		FS: o.FS, Dir: path.Join(o.Dir, "wal"), FileBytes: o.WALFileBytes, Clock: o.Clock,
		Mode: o.SyncMode, Interval: o.SyncInterval, Fatal: e.fail,
	}, func(r wal.Record) error {
		if _, ok := states[r.Shard]; !ok {
			return fmt.Errorf("log record of shard %d, which this node does not hold", r.Shard)
		}
		records[r.Shard] = append(records[r.Shard], r)
		return nil
	})
	if err != nil {
		return fmt.Errorf("write-ahead log: %w", err)
	}
	if err := e.whole(states, records); err != nil {
		return err
	}
	if err := e.openGroups(states, records); err != nil {
		return err
	}
	for _, id := range e.durable {
		if err := e.hosts[id].shelf.Sweep(); err != nil {
			return fmt.Errorf("shard %d: %w", id, err)
		}
	}
	return nil
}

// whole refuses a store that lacks a shard's state while there is something that
// belongs to it: without it that would be taken for garbage, and dropped.
func (e *engine) whole(states map[record.ShardID]replica.State, records map[record.ShardID][]wal.Record) error {
	missing := func(id record.ShardID) error {
		return &vfs.CorruptError{File: path.Join(e.shardDir(id), "checkpoint"), Reason: "the checkpoint is missing"}
	}
	begun := map[record.ShardID]bool{} // there is a checkpoint, or entries from the beginning on
	for id, s := range states {
		entry := func(r wal.Record) bool { return r.Kind != replica.KindHardState }
		begun[id] = s.Index > 0 || slices.ContainsFunc(records[id], entry)
	}
	for _, id := range e.durable {
		if begun[id] && !begun[controlShard] {
			return missing(controlShard)
		}
		if !begun[id] && len(e.hosts[id].shelf.Unnamed()) > 0 {
			return missing(id)
		}
	}
	return nil
}

// shardCount is what the store has, or what was asked for if that is more: queues
// stay on the shard they were placed on.
func (e *engine) shardCount() (int, error) {
	names, err := e.options.FS.List(e.options.Dir)
	if err != nil {
		return 0, fmt.Errorf("data directory: %w", err)
	}
	n := e.options.Shards
	for _, name := range names {
		var id int
		if _, err := fmt.Sscanf(name, shardDirFormat, &id); err == nil {
			n = max(n, id)
		}
	}
	return n, nil
}

// shardDirFormat names a shard's directory.
const shardDirFormat = "shard-%04d"

func (e *engine) openCheckpoint(id record.ShardID, load func(k, v []byte) error) (checkpoint.Meta, error) {
	dir := path.Join(e.shardDir(id), "checkpoint")
	if err := e.options.FS.MkdirAll(dir); err != nil {
		return checkpoint.Meta{}, err
	}
	c, m, err := checkpoint.Open(e.options.FS, dir, load)
	if err != nil {
		return m, fmt.Errorf("checkpoint of shard %d: %w", id, err)
	}
	e.checkpoints[id] = c
	return m, nil
}

func (e *engine) shardDir(id record.ShardID) string {
	return path.Join(e.options.Dir, fmt.Sprintf(shardDirFormat, id))
}

func groupState(m checkpoint.Meta) (replica.State, error) {
	if m.Index == 0 {
		return replica.State{}, nil
	}
	return replica.DecodeState(m.Index, m.Term, m.ConfState)
}

func (e *engine) recoverShard(id record.ShardID) (replica.State, error) {
	machine := shard.New(nil)
	var names []string
	m, err := e.openCheckpoint(id, func(k, v []byte) error {
		name, err := machine.Restore(k, v)
		if name != "" {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return replica.State{}, err
	}
	shelf, err := store.OpenShelf(e.options.FS, path.Join(e.shardDir(id), "segments"), names)
	if err != nil {
		return replica.State{}, err
	}
	if err := machine.Restored(shelf); err != nil {
		return replica.State{}, err
	}
	h := newHost(e, id, machine)
	h.shelf = shelf
	e.hosts[id] = h
	return groupState(m)
}

func (e *engine) openGroups(states map[record.ShardID]replica.State, records map[record.ShardID][]wal.Record) error {
	config := func(id record.ShardID, m replica.Machine, wake func()) replica.Config {
		return replica.Config{
			Shard: id, Incarnation: incarnation, NodeID: nodeID, WAL: e.wal, Machine: m,
			State: states[id], Entries: records[id], Wake: wake, Log: e.options.Log, Observer: e.options.Observer,
			Skip: e.options.Skip[id],
		}
	}
	group, err := replica.Open(config(controlShard, e.control, e.control.poke))
	if err != nil {
		return err
	}
	e.control.group = group
	if err := group.Campaign(); err != nil {
		return err
	}
	for _, id := range e.durable {
		h := e.hosts[id]
		if h.group, err = replica.Open(config(id, h, h.poke)); err != nil {
			return err
		}
		h.log = h.group
		if err := h.group.Campaign(); err != nil {
			return err
		}
	}
	v := newHost(e, volatileShard, shard.New(nil))
	v.log = replica.NewVolatile(v)
	e.hosts[volatileShard] = v
	return nil
}

// start begins the goroutines, waits until every shard leads and brings the
// shards in line with the control state.
func (e *engine) start() error {
	e.control.lead()
	go e.control.loop()
	for _, h := range e.hosts {
		go h.loop()
		h.poke()
	}
	if _, err := e.control.propose(meta.Command{Op: meta.OpDropVolatile}); err != nil {
		return err
	}
	if err := e.bootstrapUsers(); err != nil {
		return err
	}
	for _, id := range e.durable {
		<-e.hosts[id].led // only then is its state whole
	}
	e.resumeIntents()
	e.reconcile()
	go e.deadLetters.loop(e)
	go e.gate.loop(e)
	go e.compactions.loop(e)
	return nil
}

// reconcile opens logs that the control state has and a shard lacks, and drops
// those that only a shard has: a crash may come between the two.
func (e *engine) reconcile() {
	e.control.mu.RLock()
	defer e.control.mu.RUnlock()
	state := e.control.state
	for _, space := range state.Namespaces() {
		for _, q := range state.Namespace(space).Queues {
			e.logs.note(q.Parts())
		}
		for _, t := range state.Namespace(space).Topics {
			e.logs.note(t.Partitions)
			for _, q := range t.Shares {
				e.logs.note(q.Parts())
			}
		}
		for _, x := range state.Namespace(space).Exchanges {
			if x.Memory != nil {
				e.logs.queues[x.Memory.Log] = x.Memory
			}
		}
	}
	for _, id := range e.durable {
		var queues []*meta.Queue
		known := map[record.LogID]bool{}
		for _, q := range e.logs.queues {
			if q.Shard == id {
				queues = append(queues, q)
				known[q.Log] = true
			}
		}
		// In the order of their making: a view comes after what it is over.
		slices.SortFunc(queues, func(a, b *meta.Queue) int { return cmp.Compare(a.Log, b.Log) })
		e.hosts[id].submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) {
			for _, q := range queues {
				if now := shardConfig(q); !m.Configured(q.Log, now) {
					m.Open(q.Log, now)
				}
			}
			m.Logs(func(log record.LogID) bool {
				if !known[log] {
					m.Command(func(dst []byte) []byte { return shard.AppendDrop(dst, log) })
				}
				return true
			})
		}}})
		for _, q := range queues {
			e.expiry.watch(e, q)
		}
		e.compactions.watch(&meta.Effects{Opened: queues})
	}
}

// fail stops the process: after a disk error nothing may be acknowledged.
func (e *engine) fail(err error) {
	e.failed.Do(func() { e.options.Fatal(err) })
}

// effects carries out what a control command asks of the shards.
func (e *engine) effects(f *meta.Effects) {
	e.churn.deleted.Add(uint64(len(f.Closed)))
	if len(f.Opened)+len(f.Closed)+len(f.Changed) == 0 {
		return
	}
	e.logs.Lock()
	for _, q := range f.Opened {
		e.logs.queues[q.Log] = q
	}
	for _, q := range f.Closed {
		delete(e.logs.queues, q.Log)
	}
	e.logs.Unlock()
	e.compactions.watch(f)
	for _, q := range f.Opened {
		if h := e.hosts[q.Shard]; h != nil {
			h.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) { m.Open(q.Log, shardConfig(q)) }}})
		}
	}
	for _, q := range f.Widened {
		e.endConsumers(q)
	}
	changed := map[record.ShardID][]*meta.Queue{}
	for _, q := range f.Changed {
		changed[q.Shard] = append(changed[q.Shard], q)
		e.expiry.watch(e, q)
	}
	for id, queues := range changed {
		if h := e.hosts[id]; h != nil {
			e.reconfigure(h, queues)
		}
	}
	for _, q := range f.Closed {
		if h := e.hosts[q.Shard]; h != nil {
			e.cutConsumers(h, q)
			h.command(func(dst []byte) []byte { return shard.AppendDrop(dst, q.Log) })
		}
	}
}

// command proposes an encoded command on the shard. Nobody waits for it.
func (h *host) command(encode func(dst []byte) []byte) {
	h.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) { m.Command(encode) }}})
}

// expected says whether the control state has the log.
func (e *engine) expected(id record.LogID) bool { return e.queueOf(id) != nil }

func (e *engine) queueOf(id record.LogID) *meta.Queue {
	e.logs.RLock()
	defer e.logs.RUnlock()
	return e.logs.queues[id]
}

// cutConsumers tells the attachments of a deleted queue.
func (e *engine) cutConsumers(h *host, q *meta.Queue) {
	gone := &Error{Code: CodeGone, Object: ObjectQueue, Name: q.Name, Space: q.Namespace, Text: "queue deleted"}
	h.submit(nil, []op{{kind: opCall, call: func(*shard.Machine) {
		for _, a := range e.attachments.on(q.Log) {
			if !a.hidden && !a.ended.Swap(true) {
				a.sink.Detached(a, gone)
				e.attachments.remove(a)
			}
		}
	}}})
}

func (e *engine) newBlock() *block {
	if b, ok := e.blockPool.Get().(*block); ok {
		return b
	}
	return &block{}
}

// walCrowded says that the write-ahead log holds more than restarts should replay.
func (e *engine) walCrowded() bool {
	return e.wal.Stats().Retained > int64(len(e.durable)+3)*flushBytes
}

// tailBudget is one shard's part of the memory for messages.
func (e *engine) tailBudget() int64 { return e.options.TailBytes / int64(len(e.durable)) }

// Close drains and stops the broker. Everything applied is checkpointed, so that
// the next start has nothing to replay.
func (b *Broker) Close() error {
	e := b.engine
	if e.closing.Swap(true) {
		return nil
	}
	e.gate.close()
	e.compactions.close()
	e.deadLetters.close()
	for _, id := range e.durable {
		e.hosts[id].finalFlush()
	}
	e.control.saveNow(finalFlushTimeout)
	e.control.close()
	for _, h := range e.hosts {
		h.close()
	}
	e.jobs.Wait()
	err := e.wal.Close()
	for _, id := range e.durable {
		err = errors.Join(err, e.hosts[id].shelf.Close())
	}
	for _, c := range e.checkpoints {
		err = errors.Join(err, c.Close())
	}
	return errors.Join(err, e.lock.Close())
}

// finalFlushTimeout bounds the checkpoint at shutdown: without it a restart only
// takes longer.
const finalFlushTimeout = 10 * time.Second

func (h *host) finalFlush() {
	done := make(chan struct{})
	h.submit(nil, []op{{kind: opCall, call: func(*shard.Machine) {
		if h.flushing || !h.leading {
			close(done)
			return
		}
		last := func() { h.flush(func(error) { close(done) }) }
		h.machine.Calm()
		if h.machine.Pending() == 0 {
			last()
			return
		}
		h.settleAt = 1 // settles that wait for company go now
		h.afterApplied(last)
	}}})
	late := make(chan struct{})
	t := h.clock.AfterFunc(finalFlushTimeout, func() { close(late) })
	defer t.Stop()
	select {
	case <-done:
	case <-h.done:
	case <-late:
	}
}
