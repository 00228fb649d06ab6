package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	shareGroup = "sharers"
	// shareMost is how often a message is handed out before it is given up.
	shareMost = 5
	// poison is how many messages have one among them that nobody accepts.
	poison = 40
	// shareLock is the shortest that may be chosen: what a member lost comes again
	// after it.
	shareLock = 15 * time.Second
)

// shares is what the members of a share group know together.
type shares struct {
	set bool // the group's settings are
	all map[messageID]*share
}

// share is what members have done with a message. A moment is when the broker's
// answer came.
type share struct {
	times    int       // counted by the broker
	asked    bool      // to be accepted or rejected
	settled  time.Time // accepted or rejected; zero: not for sure
	returns  int       // answered ones
	returned time.Time // the last of these
}

func (s *shares) of(id messageID) *share {
	if s.all[id] == nil {
		s.all[id] = &share{}
	}
	return s.all[id]
}

// wrong says what is wrong with a message that comes for the count-th time and was
// fetched at the moment or later.
func (s *share) wrong(count int, since time.Time) string {
	switch {
	case !s.settled.IsZero() && s.settled.Before(since):
		return "after it was settled"
	case count < 1 || count > shareMost:
		return "which is too often"
	case count <= s.returns && s.returned.Before(since):
		return fmt.Sprintf("after it was given back %d times", s.returns)
	}
	return ""
}

// over says whether a message has come to its end, as far as members can know. One
// that nobody accepts may be given up before: what a member that leaves was just
// about to get counts.
func (s *share) over(id messageID) bool {
	return s.asked || s.times >= shareMost || s.times > 0 && id%poison == 0
}

// sharer takes messages of a topic as a member of a share group.
type sharer struct {
	program
	topic  string
	shared *shares
	until  func() bool // not nil: goes on after the world's stopping until it is true
	asked  time.Time   // when the last answered fetch was sent
	failed map[int32]error
}

// OnBrokerE2E implements kgo.HookBrokerE2E.
func (s *sharer) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e kgo.BrokerE2E) {
	if key == kmsg.ShareFetch.Int16() && e.Err() == nil {
		s.asked = time.Now().Add(-e.DurationE2E())
	}
}

func (s *sharer) ended() bool {
	if s.until != nil {
		return s.until()
	}
	return s.over()
}

func (s *sharer) run() {
	for !s.ended() {
		if err := s.session(); err != nil {
			s.world.note(s.title, "%v", err)
			time.Sleep(s.world.dice.between(50*time.Millisecond, time.Second))
		}
	}
}

func (s *sharer) session() error {
	s.failed = map[int32]error{}
	if err := s.settings(); err != nil {
		return err
	}
	c := s.kafka(kgo.ShareGroup(shareGroup), kgo.ConsumeTopics(s.topic), kgo.ShareMaxRecords(100), kgo.ShareMaxRecordsStrict(),
		kgo.FetchMaxWait(500*time.Millisecond), kgo.WithHooks(s), kgo.ShareAckCallback(s.answered))
	defer c.Close()
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := c.LeaveGroupContext(ctx); err != nil {
			s.world.note(s.title, "leaves: %v", err)
		}
	}()
	s.world.note(s.title, "shares %s", s.topic)
	for !s.ended() {
		if s.until == nil && s.world.dice.is(0.01) {
			return nil
		}
		if err := s.turn(c); err != nil {
			return err
		}
	}
	return nil
}

// settings has the group begin at the beginning.
func (s *sharer) settings() error {
	if s.shared.set {
		return nil
	}
	c := s.kafka()
	defer c.Close()
	m := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, shareGroup
	for name, value := range map[string]string{
		"share.auto.offset.reset": "earliest", "share.record.lock.duration.ms": fmt.Sprint(shareLock.Milliseconds()),
	} {
		k := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		k.Name, k.Value = name, &value
		r.Configs = append(r.Configs, k)
	}
	m.Resources = append(m.Resources, r)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	answer, err := m.RequestWith(ctx, c)
	if err == nil {
		err = kerr.ErrorForCode(answer.Resources[0].ErrorCode)
	}
	s.shared.set = err == nil
	return err
}

// turn takes some messages and says what becomes of them; what is held comes again
// to somebody.
func (s *sharer) turn(c *kgo.Client) error {
	since := s.asked // of what comes now, the earliest fetch
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	fetches := c.PollRecords(ctx, 1+s.world.dice.n(50))
	cancel()
	fetches.EachError(func(_ string, part int32, err error) {
		if !errors.Is(err, context.DeadlineExceeded) {
			s.world.note(s.title, "%s/%d: %v", s.topic, part, err)
		}
	})
	held := false
	said := map[*kgo.Record]kgo.AckStatus{}
	var order []*kgo.Record
	clear(s.failed)
	fetches.EachRecord(func(r *kgo.Record) {
		status := s.take(r, since)
		if status == 0 {
			held = true
			return
		}
		said[r] = status
		order = append(order, r)
		r.Ack(status)
	})
	if len(order) == 0 && !held {
		return nil
	}
	ctx, cancel = context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := c.FlushAcks(ctx); err != nil {
		return fmt.Errorf("acknowledges: %w", err)
	}
	known := 0
	for _, r := range order {
		if s.failed[r.Partition] == nil {
			s.known(r, said[r])
			known++
		}
	}
	s.world.note(s.title, "acknowledges %d messages, answered: %d", len(order), known)
	if held {
		return errHeld
	}
	return nil
}

var errHeld = errors.New("leaves with messages that it holds")

// answered is told what became of acknowledgements.
func (s *sharer) answered(_ *kgo.Client, results kgo.ShareAckResults) {
	for _, r := range results {
		if r.Err != nil {
			s.world.note(s.title, "acknowledges %s/%d: %v", r.Topic, r.Partition, r.Err)
			s.failed[r.Partition] = r.Err
		}
	}
}

// take checks a message that was fetched at the moment or later, and decides what
// becomes of it; 0 is nothing.
func (s *sharer) take(r *kgo.Record, since time.Time) kgo.AckStatus {
	w := s.world
	id, err := identify(r.Value)
	if err != nil {
		w.violated(s.title, "%s/%d offset %d: %v", s.topic, r.Partition, r.Offset, err)
		return kgo.AckAccept
	}
	e := w.book.locate(s.title, id, s.topic, r.Partition, r.Offset)
	if e == nil {
		return kgo.AckAccept
	}
	e.of(shareGroup).times++
	m := s.shared.of(id)
	count := int(r.DeliveryCount())
	if wrong := m.wrong(count, since); wrong != "" {
		w.violated(s.title, "message %d for the %d. time, %s", id, count, wrong)
	}
	m.times = max(m.times, count)
	if id%poison == 0 {
		return kgo.AckRelease
	}
	if s.until == nil {
		switch w.dice.n(40) {
		case 0, 1, 2:
			return kgo.AckRelease
		case 3:
			m.asked = true
			return kgo.AckReject
		case 4:
			if w.dice.is(0.1) {
				return 0
			}
		}
	}
	m.asked = true
	return kgo.AckAccept
}

// known notes an acknowledgement that was answered.
func (s *sharer) known(r *kgo.Record, status kgo.AckStatus) {
	id, err := identify(r.Value)
	if err != nil {
		return
	}
	m := s.shared.of(id)
	if status == kgo.AckRelease {
		m.returns, m.returned = m.returns+1, time.Now()
		return
	}
	m.settled = time.Now()
}

// checkShares takes what is left. Every confirmed message has been accepted or
// rejected then, or was handed out as often as may be.
func (w *World) checkShares(all *shares) {
	began, idle := time.Now(), time.Now()
	missing := func() (ids []messageID) {
		for _, e := range w.book.of(eventsPlace) {
			if e.fate == confirmed && !all.of(e.id).over(e.id) {
				ids = append(ids, e.id)
			}
		}
		return ids
	}
	s := &sharer{program: w.program("sharer"), topic: eventsPlace, shared: all}
	s.until = func() bool {
		if len(missing()) > 0 {
			idle = time.Now()
		}
		return time.Since(idle) > 2*time.Second || time.Since(began) > 2*patience
	}
	s.run()
	if ids := missing(); len(ids) > 0 {
		w.violated(shareGroup, "%d messages are confirmed and nobody could accept them, the first: %d, after %d times", len(ids), ids[0], all.of(ids[0]).times)
	}
}
