package shard

import (
	"cmp"
	"encoding/binary"
	"slices"

	"weir/internal/record"
)

// A change of several shards is decided by one entry of one of them: its own part
// and, as an intent, the parts of the others. Once that entry is applied the others
// follow, after a crash as well; each remembers what it has enacted until the
// intent is finished, so that no part happens twice.

// IntentID names an intent among all of its shard's. Owners choose it at random.
type IntentID uint64

// Intent is a decided change of other shards.
type Intent struct {
	ID    IntentID
	Parts []IntentPart
}

// IntentPart is what happens on one of them.
type IntentPart struct {
	Shard    record.ShardID
	Commands []byte
}

// Enacted names a part that has happened on this shard and the shard that decided.
type Enacted struct {
	Shard record.ShardID
	ID    IntentID
}

// AppendIntent adds a command that decides on the parts.
func AppendIntent(dst []byte, i *Intent) []byte {
	dst = append(dst, commandIntent)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(i.ID))
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, p := range i.Parts {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(p.Shard))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p.Commands)))
		dst = append(dst, p.Commands...)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// AppendEnact adds a command that carries out one part of an intent of shard from.
func AppendEnact(dst []byte, id IntentID, from record.ShardID, commands []byte) []byte {
	dst = append(dst, commandEnact)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(id))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(from))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(commands)))
	return append(dst, commands...)
}

// AppendFinish adds a command that ends an intent whose parts have all happened.
func AppendFinish(dst []byte, id IntentID) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, commandFinish), uint64(id))
}

// AppendForget adds a command that forgets a part of an intent that has ended.
func AppendForget(dst []byte, id IntentID, from record.ShardID) []byte {
	dst = binary.LittleEndian.AppendUint64(append(dst, commandForget), uint64(id))
	return binary.LittleEndian.AppendUint32(dst, uint32(from))
}

func (c *command) nextIntent(b []byte, p int) (int, error) {
	c.intent = IntentID(binary.LittleEndian.Uint64(b[p+1:]))
	p += 9
	if c.kind == commandEnact || c.kind == commandForget {
		if len(b)-p < 4 {
			return 0, errEntry
		}
		c.shard = record.ShardID(binary.LittleEndian.Uint32(b[p:]))
		p += 4
	}
	if c.kind == commandFinish || c.kind == commandForget {
		return p, nil
	}
	if len(b)-p < 4 {
		return 0, errEntry
	}
	n := int(binary.LittleEndian.Uint32(b[p:]))
	p += 4
	if n > len(b)-p {
		return 0, errEntry
	}
	c.body, c.at = b[p:p+n], p
	return p + n, nil
}

// decodeParts is the opposite of the parts in AppendIntent.
func decodeParts(b []byte) ([]IntentPart, error) {
	var parts []IntentPart
	for len(b) > 0 {
		if len(b) < 8 {
			return nil, errEntry
		}
		id, n := record.ShardID(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))
		if n > len(b)-8 {
			return nil, errEntry
		}
		parts = append(parts, IntentPart{id, b[8 : 8+n]})
		b = b[8+n:]
	}
	return parts, nil
}

// Gather returns the commands that f, which calls Settled and Released, would have
// the leader propose. They have to be proposed by the caller.
func (m *Machine) Gather(f func()) []byte {
	out, last, urgent := m.out, m.last, m.urgent
	m.out, m.last.at = nil, -1
	f()
	gathered := m.out
	m.out, m.last, m.urgent = out, last, urgent
	return gathered
}

// Intents lists what is decided and not finished, by id.
func (m *Machine) Intents() []Intent {
	all := make([]Intent, 0, len(m.intents))
	for _, i := range m.intents {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b Intent) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Enacted lists what happened here for intents that may not be finished.
func (m *Machine) Enacted() []Enacted {
	all := make([]Enacted, 0, len(m.enacted))
	for e := range m.enacted {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Enacted) int {
		return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.ID, b.ID))
	})
	return all
}

func (m *Machine) applyIntent(c *command) error {
	parts, err := decodeParts(slices.Clone(c.body))
	if err == nil {
		m.intents[c.intent] = Intent{c.intent, parts}
		m.dirtyKeys[string(intentKey(c.intent))] = true
	}
	return err
}

func (m *Machine) applyFinish(c *command) {
	delete(m.intents, c.intent)
	m.dirtyKeys[string(intentKey(c.intent))] = true
}

// enacting notes that a part happens; false says that it has already.
func (m *Machine) enacting(e Enacted) bool {
	if m.enacted[e] {
		return false
	}
	m.enacted[e] = true
	m.dirtyKeys[string(enactedKey(e))] = true
	return true
}

func (m *Machine) applyForget(e Enacted) {
	delete(m.enacted, e)
	m.dirtyKeys[string(enactedKey(e))] = true
}

func intentKey(id IntentID) []byte {
	return binary.BigEndian.AppendUint64([]byte{'i'}, uint64(id))
}

func enactedKey(e Enacted) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32([]byte{'e'}, uint32(e.Shard)), uint64(e.ID))
}

// keyState returns the checkpoint's value of a key, nil where it is gone.
func (m *Machine) keyState(key string) []byte {
	switch key[0] {
	case 'n':
		return m.noteState(key)
	case 'i':
		i, ok := m.intents[IntentID(binary.BigEndian.Uint64([]byte(key[1:])))]
		if !ok {
			return nil
		}
		return AppendIntent(nil, &i)[1+8+4:]
	}
	e := Enacted{record.ShardID(binary.BigEndian.Uint32([]byte(key[1:]))), IntentID(binary.BigEndian.Uint64([]byte(key[5:])))}
	if !m.enacted[e] {
		return nil
	}
	return []byte{1}
}

// restoreKey takes in a checkpoint's key of kind 'i', 'e' or 'n'.
func (m *Machine) restoreKey(key, value []byte) error {
	switch {
	case key[0] == 'n':
		return m.restoreNote(key, value)
	case key[0] == 'i' && len(key) == 9:
		id := IntentID(binary.BigEndian.Uint64(key[1:]))
		parts, err := decodeParts(slices.Clone(value))
		if err != nil {
			return errState
		}
		m.intents[id] = Intent{id, parts}
	case key[0] == 'e' && len(key) == 13:
		m.enacted[Enacted{record.ShardID(binary.BigEndian.Uint32(key[1:])), IntentID(binary.BigEndian.Uint64(key[5:]))}] = true
	default:
		return errState
	}
	return nil
}
