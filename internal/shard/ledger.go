package shard

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// A shard keeps small values beside its logs: ledgers, each a map of notes by key.
// They are the memory of those who coordinate: positions of groups, memberships,
// transactions. The machine does not look inside.

// Note is one value of a ledger; a nil Value is its absence.
type Note struct {
	Key   string // at most 65,535 bytes, like the ledger's name
	Value []byte
}

// noNote stands in the place of a value's length where there is none.
const noNote = 1<<32 - 1

// AppendNote adds a command that writes or removes a note.
func AppendNote(dst []byte, ledger string, n *Note) []byte {
	dst = append(dst, commandNote)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(ledger)))
	dst = append(dst, ledger...)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(n.Key)))
	dst = append(dst, n.Key...)
	if n.Value == nil {
		return binary.LittleEndian.AppendUint32(dst, noNote)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(n.Value)))
	return append(dst, n.Value...)
}

// nextNote decodes a note's command; it is behind the kind at p-1.
func (c *command) nextNote(b []byte, p int) (int, error) {
	for _, to := range []*[]byte{&c.ledger, &c.key} {
		if len(b)-p < 2 {
			return 0, errEntry
		}
		n := int(binary.LittleEndian.Uint16(b[p:]))
		if p += 2; n > len(b)-p {
			return 0, errEntry
		}
		*to = b[p : p+n]
		p += n
	}
	if len(b)-p < 4 {
		return 0, errEntry
	}
	n := binary.LittleEndian.Uint32(b[p:])
	if p += 4; n == noNote {
		c.body = nil
		return p, nil
	}
	if int64(n) > int64(len(b)-p) {
		return 0, errEntry
	}
	c.body = b[p : p+int(n) : p+int(n)]
	return p + int(n), nil
}

func (m *Machine) applyNote(c *command) {
	m.dirtyKeys[string(noteKey(c.ledger, c.key))] = true
	m.setNote(string(c.ledger), string(c.key), c.body)
}

func (m *Machine) setNote(ledger, key string, value []byte) {
	notes := m.ledgers[ledger]
	switch {
	case value == nil:
		if delete(notes, key); len(notes) == 0 {
			delete(m.ledgers, ledger)
		}
	case notes == nil:
		m.ledgers[ledger] = map[string][]byte{key: append([]byte{}, value...)}
	default:
		notes[key] = append([]byte{}, value...)
	}
}

// Ledger returns the notes of a ledger by key. The values must not be changed.
func (m *Machine) Ledger(name string) []Note {
	notes := m.ledgers[name]
	all := make([]Note, 0, len(notes))
	for _, key := range slices.Sorted(maps.Keys(notes)) {
		all = append(all, Note{key, notes[key]})
	}
	return all
}

// Noted returns the value of one note, nil where there is none.
func (m *Machine) Noted(ledger, key string) []byte { return m.ledgers[ledger][key] }

// Ledgers lists the names of the ledgers that begin with prefix.
func (m *Machine) Ledgers(prefix string) []string {
	var all []string
	for name := range m.ledgers {
		if strings.HasPrefix(name, prefix) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

func noteKey(ledger, key []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{'n'}, uint16(len(ledger)))
	return append(append(b, ledger...), key...)
}

// splitNoteKey is the opposite of noteKey.
func splitNoteKey(b string) (ledger, key string, ok bool) {
	if len(b) < 3 {
		return "", "", false
	}
	n := int(b[1])<<8 | int(b[2])
	if n > len(b)-3 {
		return "", "", false
	}
	return b[3 : 3+n], b[3+n:], true
}

// noteState returns the checkpoint's value of a note, nil where it is gone.
func (m *Machine) noteState(key string) []byte {
	ledger, key, _ := splitNoteKey(key)
	return m.ledgers[ledger][key]
}

func (m *Machine) restoreNote(key, value []byte) error {
	ledger, name, ok := splitNoteKey(string(key))
	if !ok {
		return errState
	}
	if value == nil {
		value = []byte{}
	}
	m.setNote(ledger, name, value)
	return nil
}
