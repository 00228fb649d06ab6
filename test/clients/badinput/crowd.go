package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"weir/test/clients/harness"
)

// neverReads consumes a backlog without ever reading a delivery, and publishes
// without reading a confirm.
func neverReads() error {
	const count = 40_000
	return tries(func(r *raw) error {
		if err := r.send(declare("unread", nil)); err != nil {
			return err
		}
		if err := r.until(50, 11); err != nil {
			return err
		}
		message := publish("unread", nil, repeated("x", 1024))
		var batch []byte
		for range 100 {
			batch = append(batch, message...)
		}
		for range count / 100 {
			if err := r.send(batch); err != nil {
				return err
			}
		}
		before := residentBytes()
		if err := r.send(declare("unread", nil)); err != nil {
			return err
		}
		if err := r.until(50, 11); err != nil {
			return err
		}
		// From here on nothing is read.
		if err := r.send(method(1, 85, 10, uint8(0)), method(1, 60, 20, uint16(0), "unread", "tag", uint8(2), long(nil))); err != nil {
			return err
		}
		_ = r.SetWriteDeadline(time.Now().Add(time.Second))
		for range count / 100 { // until the broker stops reading, or all was taken
			if r.send(batch) != nil {
				break
			}
		}
		for range 20 {
			if err := healthy(); err != nil {
				return fmt.Errorf("while another does not read: %w", err)
			}
		}
		fmt.Fprintf(os.Stderr, "never-reads: resident %d MiB before the consumer, %d MiB with it\n", before>>20, residentBytes()>>20)
		return cleanUp("unread")
	})
}

func cleanUp(queue string) error {
	return tries(func(r *raw) error {
		if err := r.send(method(1, 50, 40, uint16(0), queue, uint8(0))); err != nil {
			return err
		}
		return r.until(50, 41)
	})
}

const (
	idleCount          = 10_000
	idleBytesMax       = 24 << 10 // of resident memory per connection
	descriptorsForRest = 200
)

// idleConnections opens as many as descriptors allow, up to idleCount.
func idleConnections() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	count := min(idleCount, int(limit.Cur)-descriptorsForRest) // Go has raised the soft limit to the hard one
	before := residentBytes()
	conns, err := crowd(count)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	if err != nil {
		return err
	}
	each := (residentBytes() - before) / int64(count)
	fmt.Fprintf(os.Stderr, "idle-connections: %d connections, %d bytes of resident memory each\n", count, each)
	if each > idleBytesMax {
		return fmt.Errorf("%d bytes of resident memory per idle connection, at most %d", each, idleBytesMax)
	}
	return healthy()
}

// crowd opens connections that have logged in, and leaves them alone.
func crowd(count int) ([]net.Conn, error) {
	const dialers = 32
	var mu sync.Mutex
	var conns []net.Conn
	var errs []error
	var wait sync.WaitGroup
	for d := range dialers {
		wait.Go(func() {
			for i := d; i < count; i += dialers {
				r, err := dial()
				if err == nil {
					if err = r.send(greeting(0)); err == nil {
						err = r.until(10, 41)
					}
					mu.Lock()
					conns = append(conns, r.Conn)
					mu.Unlock()
				}
				if err != nil {
					mu.Lock()
					errs = append(errs, fmt.Errorf("connection %d: %w", i, err))
					mu.Unlock()
					return
				}
			}
		})
	}
	wait.Wait()
	return conns, errors.Join(errs...)
}

// slow are clients that take their time, beside the other cases.
type slow struct {
	handshake, silent, dead chan error
}

const (
	handshakeEarliest = 8 * time.Second
	handshakeLatest   = 15 * time.Second
)

func startSlow() *slow {
	s := &slow{handshake: make(chan error, 1), silent: make(chan error, 1), dead: make(chan error, 1)}
	go func() { s.handshake <- cut(1, handshakeEarliest, handshakeLatest, greeting(0)) }()
	go func() { s.silent <- cut(0, handshakeEarliest, handshakeLatest, []byte(protocol)) }()
	go func() { s.dead <- deadClient() }()
	return s
}

func (s *slow) scenarios() []harness.Scenario {
	wait := func(c chan error) func() error {
		return func() error {
			return guarded(func() error { return harness.Within(c, 2*handshakeLatest, "the close") })
		}
	}
	return []harness.Scenario{
		{Name: "slow-handshake", Run: wait(s.handshake)},
		{Name: "unfinished-handshake", Run: wait(s.silent)},
		{Name: "missed-heartbeats", Run: wait(s.dead)},
	}
}

// cut sends so many bytes per second (0: all at once) and wants the broker to
// lose its patience between low and high.
func cut(perSecond int, low, high time.Duration, input []byte) error {
	r, err := dial()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	began := time.Now()
	go func() {
		if perSecond == 0 {
			_ = r.send(input)
			return
		}
		for tick := time.NewTicker(time.Second / time.Duration(perSecond)); len(input) > 0; <-tick.C {
			if r.send(input[:1]) != nil {
				return
			}
			input = input[1:]
		}
	}()
	return closedBetween(r, began, low, high)
}

func closedBetween(r *raw, began time.Time, low, high time.Duration) error {
	_ = r.SetReadDeadline(began.Add(high))
	var b [4096]byte
	for {
		_, err := r.in.Read(b[:])
		if err == nil {
			continue
		}
		if took := time.Since(began); took < low || took >= high {
			return fmt.Errorf("cut after %v, wanted between %v and %v", took, low, high)
		}
		return nil
	}
}

// deadClient promises a heartbeat each second and sends none.
func deadClient() error {
	r, err := dial()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	if err := r.send(greeting(1)); err != nil {
		return err
	}
	if err := r.until(10, 41); err != nil {
		return err
	}
	return closedBetween(r, time.Now(), time.Second, 6*time.Second)
}
