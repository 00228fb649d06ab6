package broker_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"weir/internal/broker"
	"weir/internal/record"
	"weir/internal/vfs"
)

// The numbered producers of the test: one whose messages count at once, and one
// that sends everything in transactions.
const (
	plainProducer       record.ProducerID = 100
	transactionProducer record.ProducerID = 200

	cutPartitions = 5
	cutRounds     = 150
	cutLedger     = "decided"
	cutGroup      = "copiers"
)

// sentBlob is what a producer sends: Count messages under one text.
type sentBlob struct {
	text  string
	count uint32
	by    record.Producer
}

func (b *sentBlob) blob() *broker.Blob {
	return &broker.Blob{Dialect: 2, Count: b.count, Timestamp: 1, Native: []byte(b.text), Producer: b.by}
}

// cutTransaction is one of the transactions: what it sent, and how it ends.
type cutTransaction struct {
	blobs   [cutPartitions][]sentBlob
	epoch   uint16 // its own; the marker's is higher by one where it bumps
	commits bool
	bumps   bool
}

func (x *cutTransaction) markerEpoch() uint16 {
	if x.bumps {
		return x.epoch + 1
	}
	return x.epoch
}

// cutScript is what the producers do, whatever the moment of the cut.
type cutScript struct {
	plain        [cutPartitions][]sentBlob
	transactions []cutTransaction
}

func newCutScript(rng *rand.Rand) *cutScript {
	c := &cutScript{}
	var plainNext, next [cutPartitions]uint32
	epoch := uint16(0)
	pad := func() string { return strings.Repeat("x", 50+rng.IntN(800)) }
	for k := range cutRounds {
		for p := range cutPartitions {
			b := sentBlob{fmt.Sprintf("plain %d %d %s", p, k, pad()), uint32(1 + rng.IntN(3)), record.Producer{ID: plainProducer, Sequence: plainNext[p], Part: record.PartPlain}}
			plainNext[p] += b.count
			c.plain[p] = append(c.plain[p], b)
		}
		x := cutTransaction{epoch: epoch, commits: rng.IntN(3) > 0, bumps: rng.IntN(2) == 0}
		for _, p := range rng.Perm(cutPartitions)[:1+rng.IntN(3)] {
			for i := range 1 + rng.IntN(2) {
				b := sentBlob{fmt.Sprintf("part %d %d.%d %s", p, k, i, pad()), uint32(1 + rng.IntN(3)), record.Producer{
					ID: transactionProducer, Epoch: epoch, Sequence: next[p], Part: record.PartTransaction,
				}}
				next[p] += b.count
				x.blobs[p] = append(x.blobs[p], b)
			}
		}
		if epoch = x.markerEpoch(); x.bumps {
			next = [cutPartitions]uint32{}
		}
		c.transactions = append(c.transactions, x)
	}
	return c
}

// progress is what has been promised so far.
type progress struct {
	plain   [cutPartitions]atomic.Int64 // blobs
	sent    atomic.Int64                // transactions of which everything is acknowledged
	decided atomic.Int64                // transactions that have ended
}

// producerCut is a disk after a cut, and what was promised before.
type producerCut struct {
	what          string
	disk          *vfs.Mem
	plain         [cutPartitions]int
	sent, decided int
}

// TestProducersSurvivePowerCuts has numbered producers and transactions over
// partitions of two shards, and cuts the power before operations that make
// something durable.
func TestProducersSurvivePowerCuts(t *testing.T) {
	for seed := range uint64(seeds(t)) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { producerCuts(t, seed) })
	}
}

func producerCuts(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 3))
	script := newCutScript(rand.New(rand.NewPCG(seed, 4)))
	disk := vfs.NewMem()
	var mu sync.Mutex
	var cuts []producerCut
	var done progress
	var running atomic.Bool
	fs := vfs.Inject(disk, func(op vfs.Op) error {
		if !running.Load() || op.Kind != vfs.OpSync && op.Kind != vfs.OpRename && op.Kind != vfs.OpSyncDir && op.Kind != vfs.OpRemove {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(16) != 0 && (!long() || rng.IntN(4) != 0) {
			return nil
		}
		c := producerCut{what: fmt.Sprint(op.Kind, " ", op.Name), sent: int(done.sent.Load()), decided: int(done.decided.Load())}
		for p := range cutPartitions {
			c.plain[p] = int(done.plain[p].Load())
		}
		c.disk = disk.CrashClone(func() bool { return rng.IntN(2) == 0 })
		cuts = append(cuts, c)
		return nil
	})
	n := start(t, fs, tiny)
	s := n.session()
	if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: cutPartitions}); err != nil {
		t.Fatal(err)
	}
	running.Store(true)
	produceScript(t, s, script, &done)
	running.Store(false)
	n.stop()
	t.Logf("%d cuts", len(cuts))
	for i := range cuts {
		checkCut(t, &cuts[i], script)
	}
	whole := producerCut{what: "end", disk: disk, sent: cutRounds, decided: cutRounds}
	for p := range cutPartitions {
		whole.plain[p] = cutRounds
	}
	checkCut(t, &whole, script)
}

// produceScript sends plain blobs of all partitions and transactions beside each
// other.
func produceScript(t *testing.T, s *broker.Session, script *cutScript, done *progress) {
	t.Helper()
	for k := range script.transactions {
		var waiting sync.WaitGroup
		send := func(p int, b *sentBlob, then func()) {
			waiting.Add(1)
			err := s.Append("t", p, b.blob(), func(_, _ record.Offset, err *broker.Error) {
				defer waiting.Done()
				if err != nil {
					t.Error(b.text[:20], err)
				}
				then()
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		x := &script.transactions[k]
		for p := range cutPartitions {
			send(p, &script.plain[p][k], func() { done.plain[p].Add(1) })
			for i := range x.blobs[p] {
				send(p, &x.blobs[p][i], func() {})
			}
		}
		waiting.Wait()
		done.sent.Store(int64(k) + 1)
		if err := s.Change(x.end(t, s, k)); err != nil {
			t.Fatal(err)
		}
		done.decided.Store(int64(k) + 1)
	}
}

// end is the change that ends the transaction.
func (x *cutTransaction) end(t *testing.T, s *broker.Session, k int) *broker.Change {
	t.Helper()
	topic, err := s.Topic("t")
	if err != nil {
		t.Fatal(err)
	}
	by := record.Producer{ID: transactionProducer, Epoch: x.markerEpoch(), Part: record.PartAbort}
	c := &broker.Change{Notes: []broker.LedgerNotes{{Ledger: cutLedger, Notes: []broker.Note{{Key: "last", Value: fmt.Append(nil, k)}}}}}
	if x.commits {
		by.Part = record.PartCommit
		at := broker.GroupPosition{Topic: "t", TopicID: topic.ID, Partition: 0, Next: record.Offset(k), Epoch: -1, Committed: 1}
		c.Notes = append(c.Notes, broker.LedgerNotes{Ledger: broker.PositionsLedger(cutGroup), Notes: broker.PositionNotes([]broker.GroupPosition{at})})
	}
	for p := range cutPartitions {
		if len(x.blobs[p]) > 0 {
			marker := broker.Blob{Dialect: 2, Count: 1, Timestamp: 1, Native: fmt.Appendf(nil, "marker %d", k), Producer: by}
			c.Appends = append(c.Appends, broker.PartitionBlob{Partition: broker.Partition{Topic: "t", ID: topic.ID, Number: p}, Blob: marker})
		}
	}
	return c
}

// keptBlob is a blob as it is read.
type keptBlob struct {
	at   record.Offset
	text string
	by   record.Producer
}

// keptBlobs reads a partition. Committed, it reads what is below the stable end
// and passes over what was aborted, as clients do.
func keptBlobs(t *testing.T, s *broker.Session, p int, committed bool) []keptBlob {
	t.Helper()
	var all []keptBlob
	for at := record.Offset(0); ; {
		f := s.Fetch([]broker.FetchPart{{Topic: "t", Partition: p, From: at, MaxBytes: 16 << 10}}, broker.FetchLimits{MaxBytes: 16 << 10, Committed: committed})
		if f[0].Err != nil {
			t.Fatal(f[0].Err)
		}
		if len(f[0].Records) == 0 {
			return all
		}
		for i, rec := range f[0].Records {
			var e record.Envelope
			native, err := record.Decode(rec, &e)
			if err != nil || f[0].Offsets[i] != at {
				t.Fatalf("partition %d: offset %d where %d is due, %v", p, f[0].Offsets[i], at, err)
			}
			at += record.Offset(max(e.Count, 1))
			aborted := slices.ContainsFunc(f[0].Aborted, func(a broker.Aborted) bool {
				return a.Producer == e.Producer.ID && a.First <= f[0].Offsets[i] && f[0].Offsets[i] <= a.Last
			})
			if !committed || e.Producer.Part != record.PartTransaction || !aborted {
				all = append(all, keptBlob{f[0].Offsets[i], string(native), e.Producer})
			}
		}
		broker.ReleaseFetched(f)
	}
}

// checkCut starts a broker on what is left and compares.
func checkCut(t *testing.T, c *producerCut, script *cutScript) {
	t.Helper()
	n := start(t, c.disk, tiny)
	defer n.stop()
	s := n.session()
	k := &cutCheck{t: t, c: c, s: s, script: script}
	k.decided = k.lastDecided()
	for p := range cutPartitions {
		k.partition(p)
	}
	k.positions()
	k.resend()
	k.endOpen()
	if t.Failed() {
		t.Fatalf("%s: %d transactions sent, %d decided, %v plain", c.what, c.sent, c.decided, c.plain)
	}
}

// cutCheck compares a broker after a cut with the script.
type cutCheck struct {
	t       *testing.T
	c       *producerCut
	s       *broker.Session
	script  *cutScript
	decided int // transactions
	plain   [cutPartitions]int
	where   [cutPartitions][]record.Offset // of plain blobs
	open    [cutPartitions]int             // blobs of the open transaction
}

// lastDecided is how many transactions the ledger says have ended.
func (k *cutCheck) lastDecided() int {
	value, err := k.s.Noted(cutLedger, "last")
	if err != nil {
		k.t.Fatal(err)
	}
	decided := 0
	if value != nil {
		if _, err := fmt.Sscan(string(value), &decided); err != nil {
			k.t.Fatal(err)
		}
		decided++
	}
	if decided < k.c.decided || decided > k.c.sent+1 { // the last one may have ended while the power went
		k.t.Errorf("%d decided, %d were promised and %d sent", decided, k.c.decided, k.c.sent)
	}
	return decided
}

// partition checks what is in one partition, and what readers of committed
// messages get of it.
func (k *cutCheck) partition(p int) {
	t, open := k.t, record.Offset(0)
	var want []string // of a partition, without the plain ones
	var committed []string
	for i := range min(k.decided+1, cutRounds) {
		x := &k.script.transactions[i]
		for b := range x.blobs[p] {
			want = append(want, x.blobs[p][b].text)
			if i < k.decided && x.commits {
				committed = append(committed, x.blobs[p][b].text)
			}
		}
		if i < k.decided && len(x.blobs[p]) > 0 {
			want = append(want, fmt.Sprint("marker ", i))
			committed = append(committed, fmt.Sprint("marker ", i))
		}
	}
	var got []string
	opened := 0
	for _, b := range keptBlobs(t, k.s, p, false) {
		if b.by.ID == plainProducer {
			if n := k.plain[p]; n >= cutRounds || b.text != k.script.plain[p][n].text {
				t.Fatalf("partition %d: %.20q where plain blob %d is due", p, b.text, n)
			}
			k.plain[p]++
			k.where[p] = append(k.where[p], b.at)
			continue
		}
		if got = append(got, b.text); k.decided < cutRounds && strings.HasPrefix(b.text, fmt.Sprintf("part %d %d.", p, k.decided)) {
			if opened++; opened == 1 {
				open = b.at
			}
		}
	}
	if k.open[p] = opened; k.plain[p] < k.c.plain[p] {
		t.Errorf("partition %d: %d plain blobs of %d", p, k.plain[p], k.c.plain[p])
	}
	if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
		t.Fatalf("partition %d: transactions have %.30q, not %.30q", p, got, want)
	}
	if least := len(want) - k.pending(p); len(got) < least {
		t.Errorf("partition %d: %d blobs and markers of transactions of %d", p, len(got), least)
	}
	k.committed(p, committed, open, opened > 0)
}

// pending is how many of the wanted blobs of a partition need not be there: those
// of a transaction that was not wholly acknowledged.
func (k *cutCheck) pending(p int) int {
	if k.decided < cutRounds && k.decided >= k.c.sent {
		return len(k.script.transactions[k.decided].blobs[p])
	}
	return 0
}

// committed checks the stable end and what lies below it.
func (k *cutCheck) committed(p int, want []string, open record.Offset, any bool) {
	bounds, err := k.s.Bounds("t", p)
	if err != nil {
		k.t.Fatal(err)
	}
	stable := bounds.End
	if any {
		stable = open
	}
	if bounds.Stable != stable {
		k.t.Errorf("partition %d: stable up to %d, not %d of %d", p, bounds.Stable, stable, bounds.End)
	}
	var got []string
	for _, b := range keptBlobs(k.t, k.s, p, true) {
		if b.by.ID != plainProducer {
			got = append(got, b.text)
		}
	}
	if !slices.Equal(got, want) {
		k.t.Errorf("partition %d: committed are %.30q, not %.30q", p, got, want)
	}
}

// positions checks that a group is where the last committed transaction put it.
func (k *cutCheck) positions() {
	want := -1
	for i := range k.decided {
		if k.script.transactions[i].commits {
			want = i
		}
	}
	all, err := k.s.Positions(cutGroup)
	switch {
	case err != nil:
		k.t.Fatal(err)
	case want < 0 && len(all) > 0, want >= 0 && (len(all) != 1 || all[0].Next != record.Offset(want)):
		k.t.Errorf("the group is at %+v, not %d", all, want)
	}
}

// resend sends the last plain blobs again, as their producer does after a cut, and
// one that was not sent before.
func (k *cutCheck) resend() {
	send := func(p, i int) record.Offset {
		got := make(chan record.Offset, 1)
		err := k.s.Append("t", p, k.script.plain[p][i].blob(), func(first, _ record.Offset, err *broker.Error) {
			if err != nil {
				k.t.Errorf("partition %d: blob %d of %d again: %v", p, i, k.plain[p], err)
			}
			got <- first
		})
		if err != nil {
			k.t.Fatal(err)
		}
		return <-got
	}
	for p := range cutPartitions {
		before, err := k.s.Bounds("t", p)
		if err != nil {
			k.t.Fatal(err)
		}
		for i := max(k.plain[p]-5, 0); i < k.plain[p]; i++ {
			if at := send(p, i); at != k.where[p][i] {
				k.t.Errorf("partition %d: blob %d again is at %d, not %d", p, i, at, k.where[p][i])
			}
		}
		if k.plain[p] == cutRounds {
			continue
		}
		if at := send(p, k.plain[p]); at != before.End {
			k.t.Errorf("partition %d: the next blob is at %d, not %d", p, at, before.End)
		}
	}
}

// endOpen ends the transaction that is open, if any is.
func (k *cutCheck) endOpen() {
	var want, got []int
	for p := range cutPartitions {
		if k.open[p] > 0 {
			want = append(want, p)
		}
	}
	for _, o := range k.s.OpenTransactions() {
		got = append(got, o.Partition.Number)
	}
	if !slices.Equal(got, want) {
		k.t.Errorf("transactions are open in %v, not %v", got, want)
	}
	if len(want) == 0 {
		return
	}
	if err := k.s.Change(k.script.transactions[k.decided].end(k.t, k.s, k.decided)); err != nil {
		k.t.Fatal(err)
	}
	for p := range cutPartitions {
		if b, err := k.s.Bounds("t", p); err != nil || b.Stable != b.End {
			k.t.Errorf("partition %d: stable up to %d of %d after all: %v", p, b.Stable, b.End, err)
		}
	}
}
