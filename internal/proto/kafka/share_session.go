package kafka

import (
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/record"
)

const (
	// shareSessionsMax bounds the share sessions of a connection; clients have one.
	shareSessionsMax = 100
	// shareLocksMax bounds the messages of a partition that a group has at once.
	shareLocksMax = 2000
	// shareDeliveries is how often a message is handed out before it is given up.
	shareDeliveries = 5

	shareEpochNew   = 0
	shareEpochFinal = -1
)

// shareKey names a share session.
type shareKey struct{ group, member string }

// shareSession is what a member of a share group fetches, and its part in each
// partition. It lives with its connection: what the member has not acknowledged is
// given back with it.
type shareSession struct {
	group string
	epoch int32 // the client's next
	parts []*sharePart
	turn  int // partition that comes first
}

// sharePart is a partition of a share session.
type sharePart struct {
	id      broker.TopicID
	number  int32
	fetched bool            // else only what was fetched before is acknowledged
	sharing *broker.Sharing // nil until there is one
	lock    time.Duration
}

func (s *shareSession) part(id broker.TopicID, number int32) *sharePart {
	for _, p := range s.parts {
		if p.id == id && p.number == number {
			return p
		}
	}
	return nil
}

// leave gives back everything.
func (s *shareSession) leave() {
	for _, p := range s.parts {
		if p.sharing != nil {
			p.sharing.Leave()
		}
	}
}

// mayShare says whether the session may read with the group.
func (c *conn) mayShare(group, member *string) int16 {
	switch {
	case group == nil || *group == "" || member == nil || *member == "":
		return kerr.InvalidRequest.Code
	case c.session.MayGroup(auth.Read, *group) != nil:
		return kerr.GroupAuthorizationFailed.Code
	}
	return errNone
}

// openShare begins a share session in the place of the one there is.
func (c *conn) openShare(key shareKey) (*shareSession, int16) {
	if old := c.shares[key]; old != nil {
		old.leave()
		delete(c.shares, key)
	}
	if len(c.shares) >= shareSessionsMax {
		return nil, kerr.ShareSessionLimitReached.Code
	}
	if c.shares == nil {
		c.shares = map[shareKey]*shareSession{}
	}
	s := &shareSession{group: key.group, epoch: 1}
	c.shares[key] = s
	return s, errNone
}

// share finds the session of a request that is not its first.
func (c *conn) share(key shareKey, epoch int32) (*shareSession, int16) {
	s := c.shares[key]
	switch {
	case s == nil:
		return nil, kerr.ShareSessionNotFound.Code
	case epoch == shareEpochFinal:
	case epoch != s.epoch:
		return nil, kerr.InvalidShareSessionEpoch.Code
	case s.epoch == 1<<31-1:
		s.epoch = 1
	default:
		s.epoch++
	}
	return s, errNone
}

func (c *conn) closeShare(key shareKey) {
	if s := c.shares[key]; s != nil {
		s.leave()
		delete(c.shares, key)
	}
}

// joinShare makes the member one of those that read the partition.
func (c *conn) joinShare(s *shareSession, p *sharePart) int16 {
	topic, refused := c.knownTopicID(p.id)
	switch {
	case refused != errNone:
		return refused
	case p.number < 0 || int(p.number) >= topic.Partitions || topic.Queue:
		return kerr.UnknownTopicOrPartition.Code
	case p.sharing != nil:
		return errNone
	}
	p.lock = c.groupSettings(s.group).lock()
	no := c.startShare(s.group, topic.Name)
	if no == nil {
		p.sharing, no = c.session.Join(s.group, topic.Name, int(p.number))
	}
	return code(no)
}

// The ways to acknowledge.
const (
	shareGap = iota // there is no message at the offset
	shareAccept
	shareRelease
	shareReject
	shareRenew
)

// shareAck is a run of offsets that a member acknowledges.
type shareAck struct {
	first, last int64
	types       []int8 // one for all, or one each
}

// decisions checks acknowledgements as Kafka does.
func decisions(acks []shareAck, renew bool) ([]broker.Decision, int16) {
	var all []broker.Decision
	before := int64(-1)
	most := int8(shareReject)
	if renew {
		most = shareRenew
	}
	for i := range acks {
		a := &acks[i]
		switch {
		case a.first < 0 || a.first > a.last || a.first < before || len(a.types) == 0,
			len(a.types) > 1 && a.last-a.first != int64(len(a.types)-1),
			slices.ContainsFunc(a.types, func(t int8) bool { return t < 0 || t > most }):
			return nil, kerr.InvalidRequest.Code
		}
		before = a.last
		if len(a.types) == 1 {
			all = decide(all, a.first, a.last+1, a.types[0])
			continue
		}
		for k, t := range a.types {
			o := a.first + int64(k)
			all = decide(all, o, o+1, t)
		}
	}
	return all, errNone
}

// decide adds a decision, or makes the last one longer.
func decide(all []broker.Decision, lo, hi int64, kind int8) []broker.Decision {
	outcome := map[int8]broker.Outcome{
		shareGap: broker.Accept, shareAccept: broker.Accept, shareRelease: broker.Release, shareReject: broker.Reject, shareRenew: broker.Renew,
	}[kind]
	if n := len(all); n > 0 && all[n-1].Outcome == outcome && all[n-1].Hi == record.Offset(lo) {
		all[n-1].Hi = record.Offset(hi)
		return all
	}
	return append(all, broker.Decision{Lo: record.Offset(lo), Hi: record.Offset(hi), Outcome: outcome})
}

// acknowledging waits for the acknowledgements of several partitions.
type acknowledging struct {
	sync.WaitGroup
	mu    sync.Mutex
	codes map[*sharePart]int16
}

// acknowledge carries out what a member says of a partition of its session.
func (w *acknowledging) acknowledge(p *sharePart, acks []shareAck, renew bool) {
	all, refused := decisions(acks, renew)
	if refused == errNone && p.sharing == nil {
		refused = kerr.InvalidRecordState.Code
	}
	w.set(p, refused)
	if refused != errNone || len(all) == 0 {
		return
	}
	w.Add(1)
	p.sharing.Decide(all, func(err *broker.Error) {
		defer w.Done()
		if err != nil {
			w.set(p, shareCode(err))
		}
	})
}

func (w *acknowledging) set(p *sharePart, code int16) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.codes == nil {
		w.codes = map[*sharePart]int16{}
	}
	w.codes[p] = code
}

// acknowledged is what became of a partition's acknowledgements. Leases that went
// with their topic are told from those that were lost.
func (c *conn) acknowledged(w *acknowledging, p *sharePart) int16 {
	code := w.codes[p]
	if code == kerr.InvalidRecordState.Code {
		if _, gone := c.knownTopicID(p.id); gone != errNone {
			return gone
		}
	}
	return code
}

func shareCode(err *broker.Error) int16 {
	if err.Code == broker.CodeUnknownLease {
		return kerr.InvalidRecordState.Code
	}
	return code(err)
}

// unknownPart stands for a partition that is not in the session.
func unknownPart(id broker.TopicID, number int32) *sharePart {
	return &sharePart{id: id, number: number}
}

// acquired are the runs of offsets handed over.
func acquired(ds []broker.Delivery) []kmsg.ShareFetchResponseTopicPartitionAcquiredRecord {
	var all []kmsg.ShareFetchResponseTopicPartitionAcquiredRecord
	for i := range ds {
		d := &ds[i]
		o, count := int64(d.Offset), int16(min(d.Count+1, 1<<15-1))
		if n := len(all); n > 0 && all[n-1].LastOffset+1 == o && all[n-1].DeliveryCount == count {
			all[n-1].LastOffset = o
			continue
		}
		one := kmsg.NewShareFetchResponseTopicPartitionAcquiredRecord()
		one.FirstOffset, one.LastOffset, one.DeliveryCount = o, o, count
		all = append(all, one)
	}
	return all
}

// batches are the whole batches that deliveries are of.
func (c *conn) batches(id broker.TopicID, ds []broker.Delivery) []byte {
	f := broker.Fetched{}
	for i := range ds {
		d := &ds[i]
		if i > 0 && &ds[i-1].Record[0] == &d.Record[0] {
			continue
		}
		f.Offsets, f.Records = append(f.Offsets, d.Offset-record.Offset(d.Index)), append(f.Records, d.Record)
	}
	topic := "" // it may be gone meanwhile
	if t, refused := c.knownTopicID(id); refused == errNone {
		topic = t.Name
	}
	c.translate(&f, topic)
	out := []byte{}
	for i := range f.Records {
		out = appendStored(out, f.Records[i], f.Offsets[i])
	}
	return out
}
