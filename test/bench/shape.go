package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"weir/test/bench/report"
)

// shape is one load, run against weir and a peer.
type shape struct {
	name, group, title string
	peer               peer
	weir               report.Class
	tool, peerTool     string
	chief              bool // gets all rounds
	jvm                bool // its client warms up
	fill               int  // seconds that a run takes besides
	load               func(s *settings, p *process) (report.Figures, error)
}

// peer is what weir is compared with.
type peer struct {
	broker  string // rabbitmq, kafka or nats
	start   string // a setting it is started with
	setting string // in words
	class   report.Class
}

// The tools.
const (
	toolPerfTest  = "RabbitMQ's PerfTest"
	toolBench     = "`weir bench`"
	toolProducer  = "Kafka's ProducerPerformance"
	toolConsumer  = "Kafka's ConsumerPerformance"
	toolNATSAsync = "`nats bench js pub async`"
	toolNATSSync  = "`nats bench js pub sync`"
)

func allShapes() []shape {
	return slices.Concat(rabbitShapes, features, kafkaShapes, natsShapes)
}

// side is who runs.
type side int

const (
	sideWeir side = iota
	sidePeer
)

// order of the runs of a round: what changes evenly with time falls on both alike.
var order = []side{sideWeir, sidePeer, sidePeer, sideWeir}

// repeatsMax is how many rounds of a shape are repeated at most because the disk
// moved.
const repeatsMax = 2

func (s *settings) roundsOf(sh *shape) int {
	if sh.chief || s.every {
		return s.rounds
	}
	return max(s.rounds/3, 1)
}

// scaled are the settings of a shape.
func (s *settings) scaled(sh *shape) *settings {
	own := *s
	if sh.group == report.GroupFeatures {
		own.seconds = max(s.seconds/2, 1)
	}
	if !sh.jvm {
		own.warmup = min(s.warmup, 1)
	}
	return &own
}

// takes estimates how long a shape runs.
func (s *settings) takes(sh *shape) time.Duration {
	own := s.scaled(sh)
	run := own.seconds + own.warmup + 1 + sh.fill
	if sh.jvm {
		run += 2
	}
	return time.Duration(own.roundsOf(sh)*(len(order)*run+2)+3) * time.Second
}

// compare runs a shape in rounds and keeps what was measured.
func (s *settings) compare(sh *shape) error {
	own := s.scaled(sh)
	other, err := s.peers.get(sh.peer)
	if err != nil {
		return err
	}
	data := filepath.Join(s.work, "data-"+sh.name)
	weir, _, err := startWeir(s.binary, data, weirSettings(sh.weir)...)
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	defer weir.stop()
	clear(s.filled)
	c := report.Comparison{
		Name: sh.name, Group: sh.group, Title: sh.title, Tool: sh.tool, PeerTool: sh.peerTool, Peer: other.name, Setting: sh.peer.setting,
		WeirClass: sh.weir, PeerClass: sh.peer.class, Seconds: own.seconds, At: time.Now().UTC().Truncate(time.Second),
	}
	fmt.Printf("\n%s: %s; %s, weir %s, %s %s\n", sh.name, sh.title, sh.tool, sh.weir, other.name, sh.peer.class)
	before, err := disk(s.work)
	if err != nil {
		return err
	}
	for len(c.Rounds) < own.roundsOf(sh) {
		r, err := own.round(sh, weir, other)
		if err != nil {
			return err
		}
		r.Before = before
		if r.After, err = disk(s.work); err != nil {
			return err
		}
		before = r.After
		if moved := r.After.Moved(r.Before); moved && c.Discarded < repeatsMax {
			c.Discarded++
			fmt.Printf("  the disk moved from p50 %.0f to %.0f µs: the round is repeated\n", r.Before.P50, r.After.P50)
			continue
		} else if moved {
			c.Unsteady++
		}
		c.Rounds = append(c.Rounds, r)
	}
	if rate := c.Ratio("rate"); rate.Pairs > 0 {
		fmt.Printf("  messages/s, weir to %s: %.3g (%.3g–%.3g)\n", other.name, rate.Median, rate.Low, rate.High)
	}
	s.results.Add(c)
	return s.keep()
}

// round runs both in their order.
func (s *settings) round(sh *shape, weir, other *process) (report.Round, error) {
	var r report.Round
	for _, who := range order {
		p, into := weir, &r.Weir
		if who == sidePeer {
			p, into = other, &r.Peer
		}
		if err := interrupted.Err(); err != nil {
			return r, err
		}
		syscall.Sync() // or this run pays for what the one before did not write
		f, err := sh.load(s, p)
		if err != nil {
			return r, fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Printf("  %-9s %s\n", p.name, brief(f))
		*into = append(*into, f)
	}
	return r, nil
}

// brief shows the figures of a run in one line.
func brief(f report.Figures) string {
	text := ""
	for _, m := range report.Metrics {
		if v, ok := f[m.Key]; ok {
			text += fmt.Sprintf("%s %.*f  ", m.Key, m.Digits, v)
		}
	}
	return text
}

// weirSettings make weir confirm in a class.
func weirSettings(class report.Class) []string {
	if class == report.Cached {
		return []string{"storage.sync=os"}
	}
	return nil
}
