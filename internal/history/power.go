package history

import (
	"math/rand/v2"
	"sync"

	"weir/internal/vfs"
)

// Power is a disk whose power fails at a sync of its writing, which ends a life of
// the history. What ran on it goes on, on a disk that nobody sees any more.
type Power struct {
	history *History
	rng     *rand.Rand

	mu   sync.Mutex
	disk *vfs.Mem
	left *vfs.Mem // what the cut left
	wait int      // syncs until then; negative is never
}

// NewPower returns an empty disk.
func NewPower(h *History, seed uint64) *Power {
	return &Power{history: h, rng: rand.New(rand.NewPCG(seed, 7)), disk: vfs.NewMem(), wait: -1}
}

// FS returns the disk of this life.
func (p *Power) FS() vfs.FS {
	p.mu.Lock()
	defer p.mu.Unlock()
	return vfs.Inject(p.disk, func(op vfs.Op) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if op.Kind != vfs.OpSync || p.wait < 0 {
			return nil
		}
		if p.wait--; p.wait < 0 {
			p.cut()
		}
		return nil
	})
}

func (p *Power) cut() {
	p.history.Crash(func() { p.left = p.disk.CrashClone(func() bool { return p.rng.IntN(2) == 0 }) })
}

// CutAfter cuts at one of the next so many syncs.
func (p *Power) CutAfter(syncs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait = p.rng.IntN(syncs)
}

// Reboot goes on with what the cut left, or cuts now.
func (p *Power) Reboot() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == nil {
		p.cut()
	}
	p.disk, p.left, p.wait = p.left, nil, -1
}
