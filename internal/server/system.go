//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"weir/internal/clock"
	"weir/internal/vfs"
)

// System is this machine.
func System() Environment {
	var lc net.ListenConfig
	return Environment{FS: vfs.OS(), Clock: clock.System(), Listen: lc.Listen, Log: os.Stderr, Exit: os.Exit}
}

// Start opens the store and the doors on this machine.
func Start(c Config) (*Server, error) { return StartOn(System(), c) }

// Run starts a node, prints a connection string per door and a line that begins
// with "ready", and serves until ctx ends; it then drains. A value on reload
// makes it read its certificates again.
func Run(ctx context.Context, c Config, out io.Writer, reload <-chan os.Signal) error {
	started := clock.System().Now()
	s, err := Start(c)
	if err != nil {
		return err
	}
	for _, d := range s.doors() {
		if _, err := fmt.Fprintf(out, "%-6s %s\n", d.Name(), s.url(d)); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	if _, err := fmt.Fprintf(out, "ready in %d ms, data in %s\n", clock.System().Now().Sub(started).Milliseconds(), c.Data); err != nil {
		return errors.Join(err, s.Close())
	}
	for {
		select {
		case <-ctx.Done():
			s.log.Info("draining")
			return s.Close()
		case <-reload:
			s.Reload()
		}
	}
}
