package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"weir/internal/invariant"
	"weir/internal/record"
	"weir/internal/vfs"
	"weir/internal/wal"
)

// The kinds of write-ahead log records a group writes. They are on disk.
const (
	KindEntry      uint8 = 1 // payload: the entry's data
	KindConfChange uint8 = 2 // payload: raftpb.ConfChangeV2
	KindHardState  uint8 = 3 // payload: term u64, vote u64
)

const (
	// bootIndex is where a new group's log begins: its first configuration is
	// a snapshot at index 1, so that no entry has to carry it.
	bootIndex = 1
	bootTerm  = 1

	// entriesKeptMax bounds the applied entries raft keeps in memory before they
	// are dropped together.
	entriesKeptMax = 16
)

// State is what a group needs to go on after a restart.
type State struct {
	Index     record.Index // of the checkpoint
	Term      record.Term
	HardTerm  record.Term // newest hard state
	HardVote  uint64
	ConfState []byte // raftpb.ConfState of the checkpoint
}

// Config opens a group.
type Config struct {
	Shard       record.ShardID
	Incarnation uint64
	NodeID      uint64
	WAL         *wal.WAL
	Machine     Machine
	State       State
	Entries     []wal.Record // read back from the log, beyond State.Index
	Wake        func()       // called from other goroutines: Step has work
	Observer    Observer     // nil: nobody looks
	// Skip are entries that are not applied, because the machine cannot.
	Skip []record.Index
	Log  *slog.Logger
}

// Group is one replication group on this node. See the package comment for who
// may call it.
type Group struct {
	config  Config
	node    *raft.RawNode
	storage *raft.MemoryStorage

	hardTerm uint64 // last handed to the write-ahead log
	hardVote uint64
	applied  uint64
	conf     *raftpb.ConfState
	inflight int               // appends handed to the write-ahead log, not yet done
	stalled  []*raftpb.Message // appends refused for want of room, oldest first
	waiting  atomic.Bool       // stalled is not empty

	token    uint64     // of the last proposal
	proposed []proposed // not yet in raft's hands, oldest first

	mu struct {
		sync.Mutex
		done []completion
	}
	completions []completion // swapped with mu.done
}

// tokenBytes is the size of a token; no real entry is that short.
const tokenBytes = 8

type proposed struct {
	token uint64
	data  []byte
}

type completion struct {
	message *raftpb.Message
	err     error
}

// Open builds the group from its checkpoint state and the log's records. The
// caller then calls Campaign (single node) and Step/Process.
func Open(c Config) (*Group, error) {
	g := &Group{config: c, storage: raft.NewMemoryStorage()}
	g.conf = &raftpb.ConfState{Voters: []uint64{c.NodeID}}
	st := c.State
	if st.Index == 0 {
		st.Index, st.Term, st.HardTerm = bootIndex, bootTerm, bootTerm
	} else if err := proto.Unmarshal(st.ConfState, g.conf); err != nil {
		return nil, fmt.Errorf("shard %d: configuration: %w", c.Shard, err)
	}
	index, term := uint64(st.Index), uint64(st.Term)
	snapshot := &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{ConfState: g.conf, Index: &index, Term: &term}}
	if err := g.storage.ApplySnapshot(snapshot); err != nil {
		return nil, err
	}
	g.hardTerm, g.hardVote, g.applied = uint64(st.HardTerm), st.HardVote, index
	if err := g.load(c.Entries); err != nil {
		return nil, err
	}
	commit := index
	hardTerm, hardVote := max(g.hardTerm, term), g.hardVote
	if err := g.storage.SetHardState(&raftpb.HardState{Term: &hardTerm, Vote: &hardVote, Commit: &commit}); err != nil {
		return nil, err
	}
	node, err := newNode(&raft.Config{
		ID: c.NodeID, ElectionTick: 10, HeartbeatTick: 2,
		Storage: g.storage, Applied: index, AsyncStorageWrites: true,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 256, MaxInflightBytes: 64 << 20,
		MaxCommittedSizePerReady: 64 << 20, MaxUncommittedEntriesSize: 1 << 30,
		CheckQuorum: true, PreVote: true, StepDownOnRemoval: true,
		DisableProposalForwarding: true,
		Logger:                    raftLogger{c.Log},
	})
	if err != nil {
		return nil, fmt.Errorf("shard %d: %w", c.Shard, err)
	}
	g.node = node
	return g, nil
}

// newNode is raft.NewRawNode, which panics where what was stored contradicts itself.
func newNode(c *raft.Config) (node *raft.RawNode, err error) {
	defer func() {
		if p := recover(); p != nil {
			node, err = nil, fmt.Errorf("what is stored cannot be gone on with: %v", p)
		}
	}()
	return raft.NewRawNode(c)
}

// load appends the log's records to the raft storage. A record at index i
// discards everything from i on, as the leader that wrote it did.
func (g *Group) load(records []wal.Record) error {
	for _, r := range records {
		switch r.Kind {
		case KindHardState:
			if len(r.Payload) != 16 {
				return fmt.Errorf("shard %d: hard state of %d bytes", g.config.Shard, len(r.Payload))
			}
			g.hardTerm = binary.LittleEndian.Uint64(r.Payload)
			g.hardVote = binary.LittleEndian.Uint64(r.Payload[8:])
		case KindEntry, KindConfChange:
			if uint64(r.Index) <= g.applied {
				continue
			}
			kind := raftpb.EntryNormal
			if r.Kind == KindConfChange {
				kind = raftpb.EntryConfChangeV2
			}
			index, term := uint64(r.Index), uint64(r.Term)
			last, err := g.storage.LastIndex()
			if err != nil {
				return err
			}
			if index > last+1 {
				return fmt.Errorf("shard %d: log skips from entry %d to %d", g.config.Shard, last, index)
			}
			e := &raftpb.Entry{Index: &index, Term: &term, Type: &kind, Data: r.Payload}
			if err := g.storage.Append([]*raftpb.Entry{e}); err != nil {
				return err
			}
		default:
			return fmt.Errorf("shard %d: log record of unknown kind %d", g.config.Shard, r.Kind)
		}
	}
	return nil
}

// Campaign makes this node stand for election at once. With one voter it leads
// as soon as its vote is durable.
func (g *Group) Campaign() error { return g.node.Campaign() }

// Tick advances the election and heartbeat timers by one tick.
func (g *Group) Tick() { g.node.Tick() }

// Leading says that this node leads and has applied everything of earlier terms.
func (g *Group) Leading() bool {
	st := g.node.BasicStatus()
	return st.RaftState == raft.StateLeader && g.applied >= st.GetCommit() && g.termApplied() == g.Term()
}

func (g *Group) termApplied() record.Term {
	t, err := g.storage.Term(g.applied)
	if err != nil {
		return 0
	}
	return record.Term(t)
}

// Term implements Log.
func (g *Group) Term() record.Term { return record.Term(g.node.BasicStatus().GetTerm()) }

// Applied implements Log.
func (g *Group) Applied() record.Index { return record.Index(g.applied) }

// Busy implements Log.
func (g *Group) Busy() bool { return g.inflight > 0 || len(g.stalled) > 0 }

// State returns what a checkpoint at the applied index has to hold.
func (g *Group) State() (State, error) {
	term, err := g.storage.Term(g.applied)
	if err != nil {
		return State{}, err
	}
	conf, err := proto.Marshal(g.conf)
	if err != nil {
		return State{}, err
	}
	return State{
		Index: record.Index(g.applied), Term: record.Term(term),
		HardTerm: record.Term(g.hardTerm), HardVote: g.hardVote, ConfState: conf,
	}, nil
}

// Propose implements Log. Raft clones what it is given, so it gets a token; the
// data takes its place in the entry before anybody else sees it. The entry that
// is applied here therefore has the very data proposed.
func (g *Group) Propose(data []byte) error {
	invariant.Check(len(data) > tokenBytes, "shard %d: proposal of %d bytes", g.config.Shard, len(data))
	g.token++
	if err := g.node.Propose(binary.LittleEndian.AppendUint64(nil, g.token)); err != nil {
		return err
	}
	g.proposed = append(g.proposed, proposed{g.token, data})
	return nil
}

// substitute puts proposed data in the place of its token.
func (g *Group) substitute(entries []*raftpb.Entry) {
	for _, e := range entries {
		if len(g.proposed) == 0 {
			return
		}
		d := e.GetData()
		if len(d) == tokenBytes && binary.LittleEndian.Uint64(d) == g.proposed[0].token {
			e.Data = g.proposed[0].data
			g.proposed[0] = proposed{}
			g.proposed = g.proposed[1:]
		}
	}
}

// Step implements Log.
func (g *Group) Step() {
	g.mu.Lock()
	g.completions, g.mu.done = g.mu.done, g.completions[:0]
	g.mu.Unlock()
	for i := range g.completions {
		c := g.completions[i]
		g.completions[i] = completion{}
		g.inflight--
		g.finish(c)
	}
}

func (g *Group) finish(c completion) {
	switch {
	case c.err == nil && len(g.stalled) == 0:
		if len(c.message.GetEntries()) > 0 {
			err := g.storage.Append(c.message.GetEntries())
			invariant.Check(err == nil, "shard %d: raft storage: %v", g.config.Shard, err)
		}
		for _, r := range c.message.GetResponses() {
			g.respond(r)
		}
	case c.err == nil || errors.Is(c.err, vfs.ErrFull):
		// Appends keep their order: once one had no room, all later ones
		// are written again behind it.
		g.stalled = append(g.stalled, c.message)
		g.waiting.Store(true)
	default:
		// The log is closed or broken: nothing is acknowledged any more.
		g.config.Log.Debug("append abandoned", "shard", g.config.Shard, "err", c.err)
	}
}

func (g *Group) respond(m *raftpb.Message) {
	if m.GetTo() != g.config.NodeID {
		return // peers are reached by a transport, which a single voter has not
	}
	if err := g.node.Step(m); err != nil && !errors.Is(err, raft.ErrProposalDropped) {
		invariant.Check(false, "shard %d: storage response: %v", g.config.Shard, err)
	}
}

// Stalled says that appends wait for room. It may be called from any goroutine.
func (g *Group) Stalled() bool { return g.waiting.Load() }

// Retry writes again what had no room. The owner calls it when space may be back.
func (g *Group) Retry() {
	if g.inflight > 0 {
		return
	}
	again := g.stalled
	g.stalled = nil
	g.waiting.Store(false)
	for _, m := range again {
		g.write(m)
	}
}

// Process implements Log.
func (g *Group) Process() {
	for g.node.HasReady() {
		rd := g.node.Ready()
		g.substitute(rd.Entries)
		for _, m := range rd.Messages {
			switch m.GetTo() {
			case raft.LocalAppendThread:
				if len(g.stalled) > 0 {
					g.stalled = append(g.stalled, m)
				} else {
					g.write(m)
				}
			case raft.LocalApplyThread:
				g.apply(m)
			}
		}
	}
}

// write hands a storage append to the write-ahead log: entries first, then the
// hard state if term or vote changed (a changed commit index alone need not be
// durable).
func (g *Group) write(m *raftpb.Message) {
	entries := m.GetEntries()
	records := make([]wal.Record, 0, len(entries)+1)
	for _, e := range entries {
		kind := KindEntry
		if e.GetType() != raftpb.EntryNormal {
			kind = KindConfChange
		}
		records = append(records, g.walRecord(kind, e.GetTerm(), e.GetIndex(), e.GetData()))
	}
	if m.Vote != nil || m.GetTerm() > g.hardTerm {
		if term, vote := m.GetTerm(), m.GetVote(); term != 0 && (term != g.hardTerm || vote != g.hardVote) {
			g.hardTerm, g.hardVote = term, vote
			payload := binary.LittleEndian.AppendUint64(nil, term)
			payload = binary.LittleEndian.AppendUint64(payload, vote)
			records = append(records, g.walRecord(KindHardState, term, g.lastIndex(entries), payload))
		}
	}
	g.inflight++
	if len(records) == 0 && g.inflight == 1 {
		g.inflight--
		g.finish(completion{message: m})
		return
	}
	g.config.WAL.Append(records, func(err error) {
		g.mu.Lock()
		g.mu.done = append(g.mu.done, completion{m, err})
		g.mu.Unlock()
		g.config.Wake()
	})
}

func (g *Group) lastIndex(entries []*raftpb.Entry) uint64 {
	if n := len(entries); n > 0 {
		return entries[n-1].GetIndex()
	}
	last, err := g.storage.LastIndex()
	invariant.Check(err == nil, "raft storage: %v", err)
	return last
}

func (g *Group) walRecord(kind uint8, term, index uint64, payload []byte) wal.Record {
	return wal.Record{
		Kind: kind, Shard: g.config.Shard, Incarnation: g.config.Incarnation,
		Term: record.Term(term), Index: record.Index(index), Payload: payload,
	}
}

func (g *Group) apply(m *raftpb.Message) {
	for _, e := range m.GetEntries() {
		invariant.Check(e.GetIndex() == g.applied+1, "shard %d: entry %d applied after %d", g.config.Shard, e.GetIndex(), g.applied)
		switch e.GetType() {
		case raftpb.EntryNormal:
			if len(e.GetData()) > 0 {
				g.hand(Entry{Index: record.Index(e.GetIndex()), Term: record.Term(e.GetTerm()), Data: e.GetData()})
			}
		case raftpb.EntryConfChangeV2:
			cc := &raftpb.ConfChangeV2{}
			err := proto.Unmarshal(e.GetData(), cc)
			invariant.Check(err == nil, "shard %d: configuration change %d: %v", g.config.Shard, e.GetIndex(), err)
			g.conf = g.node.ApplyConfChange(cc)
		default:
			invariant.Check(false, "shard %d: entry %d of unknown type", g.config.Shard, e.GetIndex())
		}
		g.applied = e.GetIndex()
	}
	for _, r := range m.GetResponses() {
		g.respond(r)
	}
	g.compact()
}

// hand gives an entry to the machine. Where that cannot apply it, the process ends
// and says which one it is, so that an administrator can let it be skipped.
func (g *Group) hand(e Entry) {
	if slices.Contains(g.config.Skip, e.Index) {
		g.config.Log.Error("entry skipped, what it held is not there", "shard", g.config.Shard, "entry", e.Index, "bytes", len(e.Data))
		return
	}
	applied := false
	defer func() {
		if !applied {
			g.config.Log.Error("entry cannot be applied", "shard", g.config.Shard, "entry", e.Index, "bytes", len(e.Data),
				"skip", fmt.Sprintf("%d/%d", g.config.Shard, e.Index))
		}
	}()
	g.config.Machine.Apply(e)
	applied = true
	if g.config.Observer != nil {
		g.config.Observer.Applied(g.config.Shard, e, g.config.Machine)
	}
}

// compact drops applied entries from raft's memory: with one voter nobody asks for
// them again.
func (g *Group) compact() {
	first, err := g.storage.FirstIndex()
	if err != nil || g.applied < first+entriesKeptMax {
		return
	}
	err = g.storage.Compact(g.applied)
	invariant.Check(err == nil, "shard %d: raft storage: %v", g.config.Shard, err)
}
