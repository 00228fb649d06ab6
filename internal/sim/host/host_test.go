package host_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"weir/internal/sim"
	"weir/internal/sim/host"
)

// TestWorlds builds the guest, which takes a minute of CPU: the same seed has the
// same history, another one another, and a disk that lies is found out.
func TestWorlds(t *testing.T) {
	if os.Getenv("WEIR_LONG") == "" {
		t.Skip("WEIR_LONG is not set; make sim runs worlds as well")
	}
	h, err := host.New(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	run := func(w host.World) (string, error) {
		var history bytes.Buffer
		err := h.Run(t.Context(), w, &history)
		return history.String(), err
	}
	histories := map[string]bool{}
	for _, seed := range []uint64{1, 2, 1} {
		history, err := run(host.World{Seed: seed, Length: 5 * time.Second})
		if err != nil {
			t.Fatalf("%v\n%s", err, history)
		}
		histories[history] = true
	}
	if len(histories) != 2 {
		t.Errorf("%d histories of two seeds", len(histories))
	}
	history, err := run(host.World{Seed: 1, Length: 5 * time.Second, Faults: []string{sim.Lies, "power"}})
	if !errors.Is(err, host.ErrFailed) || !strings.Contains(history, "is confirmed, and on stable storage of 0 nodes") {
		t.Errorf("a disk that lies: %v", err)
	}
}
