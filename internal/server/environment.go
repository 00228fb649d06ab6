package server

import (
	"context"
	"io"
	"net"

	"weir/internal/clock"
	"weir/internal/replica"
	"weir/internal/vfs"
)

// Environment is all that a node has of the machine it runs on. System is the real
// one; the simulator makes others. Certificates and the configuration file are read
// from the real one always.
type Environment struct {
	FS    vfs.FS
	Clock clock.Clock
	// Listen opens a listening socket, as net.ListenConfig.Listen does.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
	Log    io.Writer
	// Exit ends the process with a status; it does not return.
	Exit func(status int)
	// Observer sees every entry that is applied, if it is set.
	Observer replica.Observer
}
