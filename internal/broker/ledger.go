package broker

import (
	"hash/fnv"
	"strings"

	"weir/internal/shard"
)

// noteBytesMax bounds the notes written together.
const noteBytesMax = 8 << 20

// Note is a small value by key in a ledger; a nil Value removes it. Keys and
// ledgers' names have at most 65,535 bytes.
type Note = shard.Note

// Note writes notes of one ledger together. done runs on another goroutine when
// they are durable and seen by Ledger, or never will be.
//
// Ledgers are what those who coordinate remember: positions, memberships,
// transactions. Whoever writes one has checked the session's rights.
func (s *Session) Note(ledger string, notes []Note, done func(*Error)) *Error {
	wait, err := s.beginNotes(ledger, notes)
	if err != nil {
		return err
	}
	go func() {
		if wait() {
			done(nil)
		} else {
			done(unavailable())
		}
	}()
	return nil
}

// NoteNow is Note and returns when the notes are durable.
func (s *Session) NoteNow(ledger string, notes ...Note) *Error {
	wait, err := s.beginNotes(ledger, notes)
	if err == nil && !wait() {
		err = unavailable()
	}
	return err
}

// beginNotes proposes notes; wait returns when they are durable, or reports false.
func (s *Session) beginNotes(ledger string, notes []Note) (wait func() bool, err *Error) {
	size := 0
	for i := range notes {
		size += len(notes[i].Key) + len(notes[i].Value)
		if len(notes[i].Key) > 1<<16-1 {
			return nil, tooLarge()
		}
	}
	name := s.ledger(ledger)
	if len(name) > 1<<16-1 || size > noteBytesMax {
		return nil, tooLarge()
	}
	h := s.engine.hostOfLedger(name)
	return h.begin(func(dst []byte) []byte { return appendNotes(dst, name, notes) }), nil
}

func tooLarge() *Error {
	return &Error{Code: CodeTooLarge, Object: ObjectMessage, Text: "note too large"}
}

func unavailable() *Error { return &Error{Code: CodeUnavailable, Text: "shutting down"} }

func appendNotes(dst []byte, ledger string, notes []Note) []byte {
	for i := range notes {
		dst = shard.AppendNote(dst, ledger, &notes[i])
	}
	return dst
}

// ledger is the engine's name of a ledger of the session's namespace.
func (s *Session) ledger(name string) string { return s.namespace + "\x00" + name }

// hostOfLedger is where a ledger is kept.
func (e *engine) hostOfLedger(name string) *host {
	h := fnv.New32a()
	h.Write([]byte(name))
	return e.hosts[e.durable[h.Sum32()%uint32(len(e.durable))]]
}

// Ledger returns all notes of a ledger by key. The values must not be changed.
func (s *Session) Ledger(ledger string) ([]Note, *Error) {
	name := s.ledger(ledger)
	var notes []Note
	if !s.engine.hostOfLedger(name).call(func(m *shard.Machine) { notes = m.Ledger(name) }) {
		return nil, unavailable()
	}
	return notes, nil
}

// Noted returns the value of one note, nil where there is none.
func (s *Session) Noted(ledger, key string) ([]byte, *Error) {
	name := s.ledger(ledger)
	var value []byte
	if !s.engine.hostOfLedger(name).call(func(m *shard.Machine) { value = m.Noted(name, key) }) {
		return nil, unavailable()
	}
	return value, nil
}

// Ledgers lists the ledgers of the session's namespace whose names begin with
// prefix, in no order.
func (s *Session) Ledgers(prefix string) []string {
	space := s.ledger("")
	var all []string
	for _, id := range s.engine.durable {
		s.engine.hosts[id].call(func(m *shard.Machine) {
			for _, name := range m.Ledgers(space + prefix) {
				all = append(all, strings.TrimPrefix(name, space))
			}
		})
	}
	return all
}
