package main

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"strings"

	"weir/test/clients/harness"
)

// outcomesFile holds how attempts end, one a line. With RECORD_ADDRESS in the
// environment (host:port) the program prints the lines of that broker.
//
//go:embed outcomes.txt
var outcomesFile string

// attempt is something a client should not do, on a connection of its own with
// channel 1 open.
type attempt struct {
	name   string
	frames [][]byte
}

// Methods that attempts are made of. Bits are in the order of the
// specification, the first one lowest.
func declareQueue(name string, bits uint8, arguments []byte) []byte {
	return method(1, 50, 10, uint16(0), name, bits, arguments)
}

func declareExchange(name, kind string, bits uint8, arguments []byte) []byte {
	return method(1, 40, 10, uint16(0), name, kind, bits, arguments)
}

func deleteQueue(name string) []byte { return method(1, 50, 40, uint16(0), name, uint8(0)) }

func deleteExchange(name string) []byte { return method(1, 40, 20, uint16(0), name, uint8(0)) }

func consume(queue, tag string, bits uint8, arguments []byte) []byte {
	return method(1, 60, 20, uint16(0), queue, tag, bits, arguments)
}

// publishing is a message of one byte.
func publishing(exchange, key string, bits uint8) []byte {
	header := appendAll(nil, uint16(60), uint16(0), uint64(1), uint16(0))
	all := append(method(1, 60, 40, uint16(0), exchange, key, bits), frame(frameHeader, 1, header)...)
	return append(all, frame(frameBody, 1, []byte("x"))...)
}

func ack(tag uint64) []byte { return method(1, 60, 80, tag, uint8(0)) }

const (
	passive   = 1
	durable   = 2
	exclusive = 4
)

// probe is answered with 60.11 on a channel that is still open.
var probe = method(1, 60, 10, uint32(0), uint16(0), uint8(0))

// volatile are parts of a text that differ from run to run.
var volatile = regexp.MustCompile(`amq\.gen-[-_A-Za-z0-9]+|<[0-9.]+>`)

// outcome makes an attempt and says how the broker took it: "ok", or the close.
func (a *attempt) outcome() (string, error) {
	r, err := open()
	if err != nil {
		return "", err
	}
	defer r.leave()
	if err := r.send(a.frames...); err != nil {
		return "", err
	}
	if err := r.send(probe); err != nil {
		return "", err
	}
	for {
		f, err := r.next()
		switch {
		case err != nil:
			return "cut off", nil
		case f.is(60, 11):
			return "ok", nil
		case f.is(20, 40), f.is(10, 50):
			kind := "channel"
			if f.is(10, 50) {
				kind = "connection"
			}
			size := int(f.payload[6])
			rest := f.payload[7+size:]
			return fmt.Sprintf("%s %d %s (%d.%d)", kind, binary.BigEndian.Uint16(f.payload[4:]),
				volatile.ReplaceAllString(string(f.payload[7:7+size]), "*"),
				binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])), nil
		}
	}
}

// leave closes the connection and waits until its exclusive queues are gone.
func (r *raw) leave() {
	if r.send(method(0, 10, 50, uint16(200), "", uint32(0))) == nil {
		_ = r.until(10, 51)
	}
	_ = r.Close()
}

// outcomes wants of every attempt what outcomes.txt says, and that another client
// never noticed.
func outcomes() error {
	wanted := map[string]string{}
	for line := range strings.Lines(outcomesFile) {
		if name, text, ok := strings.Cut(strings.TrimRight(line, "\n"), " => "); ok {
			wanted[name] = text
		}
	}
	stop := startCanary()
	var wrong []string
	all := append(argumentAttempts(), stateAttempts()...)
	for i := range all {
		got, err := all[i].outcome()
		if err != nil {
			return fmt.Errorf("%s: %w", all[i].name, err)
		}
		if got != wanted[all[i].name] {
			wrong = append(wrong, fmt.Sprintf("%s: got %s, wanted %s", all[i].name, got, wanted[all[i].name]))
		}
	}
	if err := stop(); err != nil {
		return fmt.Errorf("another client meanwhile: %w", err)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d of %d: %s", len(wrong), len(all), strings.Join(wrong, "; "))
	}
	return harness.Expect("attempts", len(all), len(wanted))
}

// record prints the outcomes of the broker at address.
func record() {
	for _, a := range append(argumentAttempts(), stateAttempts()...) {
		got, err := a.outcome()
		if err != nil {
			fmt.Fprintln(os.Stderr, a.name, err)
			os.Exit(1)
		}
		fmt.Printf("%s => %s\n", a.name, got)
	}
}
