package replica

import "weir/internal/record"

// Volatile is a group of one without storage: what is proposed is applied by the
// next Process and gone with the process.
type Volatile struct {
	machine Machine
	pending [][]byte
	applied record.Index
}

// NewVolatile returns a volatile group feeding m.
func NewVolatile(m Machine) *Volatile { return &Volatile{machine: m} }

// Propose implements Log.
func (v *Volatile) Propose(data []byte) error {
	v.pending = append(v.pending, data)
	return nil
}

// Busy implements Log: nothing is ever on its way to storage.
func (v *Volatile) Busy() bool { return false }

// Step implements Log.
func (v *Volatile) Step() {}

// Process implements Log.
func (v *Volatile) Process() {
	for i, data := range v.pending {
		v.pending[i] = nil
		v.applied++
		v.machine.Apply(Entry{Index: v.applied, Term: 1, Data: data})
	}
	v.pending = v.pending[:0]
}

// Applied implements Log.
func (v *Volatile) Applied() record.Index { return v.applied }

// Term implements Log.
func (v *Volatile) Term() record.Term { return 1 }
