package listen

import (
	"net"
	"net/netip"
	"sync"
)

// Addresses is how many connections each remote address may have open, over several
// doors. It is safe for concurrent use; nil is no limit.
type Addresses struct {
	max int
	mu  struct {
		sync.Mutex
		open map[netip.Addr]int // only those that have any
	}
}

// NewAddresses returns a limit of so many connections of one address; 0 is none.
func NewAddresses(connections int) *Addresses {
	if connections <= 0 {
		return nil
	}
	a := &Addresses{max: connections}
	a.mu.open = map[netip.Addr]int{}
	return a
}

// take reports whether there was room for one more of the connection's address.
func (a *Addresses) take(conn net.Conn) bool {
	address, known := remote(conn)
	if a == nil || !known {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.open[address] >= a.max {
		return false
	}
	a.mu.open[address]++
	return true
}

func (a *Addresses) give(conn net.Conn) {
	address, known := remote(conn)
	if a == nil || !known {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.open[address]--; a.mu.open[address] <= 0 {
		delete(a.mu.open, address)
	}
}

// remote is the address of the other end, the same one for IPv4 however it came.
func remote(conn net.Conn) (address netip.Addr, known bool) {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	return tcp.AddrPort().Addr().Unmap(), true
}
