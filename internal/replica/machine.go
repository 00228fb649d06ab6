package replica

import (
	"encoding/binary"
	"errors"

	"weir/internal/record"
)

// Entry is one committed entry. Data is immutable and may be kept.
type Entry struct {
	Index record.Index
	Term  record.Term
	Data  []byte
}

// Machine is a deterministic state machine.
type Machine interface {
	// Apply changes the state by e. It is called once per index, ascending.
	Apply(e Entry)
}

// Observer sees what a node's groups apply. Its methods run on the group's
// goroutine, must not keep it and change nothing.
type Observer interface {
	// Applied is called after m has applied e.
	Applied(shard record.ShardID, e Entry, m Machine)
}

// Log orders proposals and feeds a Machine: a Group, or a Volatile one.
type Log interface {
	// Propose hands over an entry, which becomes immutable. An error means that
	// it will not be applied.
	Propose(data []byte) error
	// Busy says that an earlier proposal is still on its way to stable storage,
	// so that what arrives meanwhile should become one later proposal.
	Busy() bool
	// Step takes in what storage and peers have finished. Cheap when idle.
	Step()
	// Process moves everything that can move: starts writes, applies entries.
	Process()
	// Applied is the index of the last applied entry.
	Applied() record.Index
	// Term is the current term.
	Term() record.Term
}

// Encode returns the state as bytes: hard term and vote, then the configuration.
func (s State) Encode() []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(s.HardTerm))
	b = binary.LittleEndian.AppendUint64(b, s.HardVote)
	return append(b, s.ConfState...)
}

// DecodeState is the opposite of State.Encode, at the given position.
func DecodeState(index record.Index, term record.Term, b []byte) (State, error) {
	if len(b) < 16 {
		return State{}, errors.New("replica: state of a checkpoint is too short")
	}
	return State{
		Index: index, Term: term, HardTerm: record.Term(binary.LittleEndian.Uint64(b)),
		HardVote: binary.LittleEndian.Uint64(b[8:]), ConfState: b[16:],
	}, nil
}
