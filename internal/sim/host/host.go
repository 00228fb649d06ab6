package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

const (
	guestPackage = "weir/internal/sim/guest"
	// What the guest's clock shows at first, and by how much it moves per look.
	began = 1_800_000_000 * int64(time.Second)
	tick  = 100 * int64(time.Nanosecond)
	// A world that has not ended so long after its troubles is one that hangs.
	endMax = 5 * int64(time.Minute)
)

// ErrFailed says that a world ended with a broken promise or a panic; its history
// says which.
var ErrFailed = errors.New("the world failed")

// World is what to run.
type World struct {
	Seed   uint64
	Nodes  int
	Length time.Duration // of the troubles, in the world's time
	Faults []string      // nil: all
}

// Host runs worlds.
type Host struct {
	runtime wazero.Runtime
	guest   wazero.CompiledModule
}

// New builds the guest and compiles it, which takes some ten seconds of CPU; in a
// directory that is kept, a second time takes none.
func New(ctx context.Context, dir string) (*Host, error) {
	path := filepath.Join(dir, "guest.wasm")
	// Neither the directory nor the commit may change a world.
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", path, guestPackage)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w\n%s", guestPackage, err, out)
	}
	code, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, err
	}
	h := &Host{runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache))}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, h.runtime); err != nil {
		return nil, errors.Join(err, h.Close(ctx))
	}
	if h.guest, err = h.runtime.CompileModule(ctx, code); err != nil {
		return nil, errors.Join(fmt.Errorf("compile the guest: %w", err), h.Close(ctx))
	}
	return h, nil
}

// Close frees what the host holds.
func (h *Host) Close(ctx context.Context) error { return h.runtime.Close(ctx) }

// Run runs a world and writes its history. The error wraps ErrFailed where a
// promise was broken.
func (h *Host) Run(ctx context.Context, w World, history io.Writer) error {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], w.Seed)
	now := began
	look := func() int64 {
		if now += tick; now > began+int64(w.Length)+endMax {
			panic("the world does not end") // the runtime turns it into an error with the guest's stack
		}
		return now
	}
	args := []string{"sim", strconv.FormatUint(w.Seed, 10), strconv.Itoa(max(w.Nodes, 1)), w.Length.String()}
	if w.Faults != nil {
		args = append(args, strings.Join(w.Faults, ","))
	}
	config := wazero.NewModuleConfig().WithName("").WithArgs(args...).WithStdout(history).WithStderr(history).
		WithRandSource(rand.NewChaCha8(seed)).
		WithWalltime(func() (int64, int32) {
			t := look()
			return t / int64(time.Second), int32(t % int64(time.Second))
		}, sys.ClockResolution(1)).
		WithNanotime(look, sys.ClockResolution(1)).
		WithNanosleep(func(d int64) { now += max(d, 0) })
	m, err := h.runtime.InstantiateModule(ctx, h.guest, config)
	if m != nil {
		err = errors.Join(err, m.Close(ctx))
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		if exit.ExitCode() == 0 {
			return nil
		}
		return fmt.Errorf("%w: seed %d, exit status %d", ErrFailed, w.Seed, exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("%w: seed %d: %w", ErrFailed, w.Seed, err)
	}
	return nil
}
