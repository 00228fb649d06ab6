package broker_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/record"
	"weir/internal/vfs"
)

// blob appends a blob of count messages and waits for its offset.
func blob(t *testing.T, s *broker.Session, topic string, partition, number, count int) record.Offset {
	t.Helper()
	got := make(chan record.Offset, 1)
	b := &broker.Blob{Dialect: 2, Count: uint32(count), Timestamp: int64(number + 1), Native: []byte(fmt.Sprintf("%d:%s", number, strings.Repeat("x", 200)))}
	err := s.Append(topic, partition, b, func(first, _ record.Offset, err *broker.Error) {
		if err != nil {
			t.Error(err)
		}
		got <- first
	})
	if err != nil {
		t.Fatal(err)
	}
	return <-got
}

func TestTopicsKeepBlobs(t *testing.T) {
	disk := vfs.NewMem()
	n := start(t, disk, tiny)
	s := n.session()
	info, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 3})
	if err != nil || info.Partitions != 3 {
		t.Fatal(info, err)
	}
	if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 3}); err == nil || err.Code != broker.CodeMismatch {
		t.Fatal(err)
	}
	const blobs, each = 600, 7
	for i := range blobs {
		if first := blob(t, s, "t", 1, i, each); first != record.Offset(i*each) {
			t.Fatalf("blob %d is at %d", i, first)
		}
	}
	readAll(t, s, blobs, each)
	n.stop()
	n = start(t, disk, tiny)
	s = n.session()
	readAll(t, s, blobs, each)
	if first := blob(t, s, "t", 1, blobs, each); first != blobs*each {
		t.Fatalf("after a restart at %d", first)
	}
	if b, err := s.Bounds("t", 0); err != nil || b != (broker.Bounds{}) {
		t.Fatal(b, err)
	}
	if o, err := s.OffsetAt("t", 1, broker.Position{UnixMillis: 301}); err != nil || o != 300*each {
		t.Fatal(o, err)
	}
	if err := s.DeleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Topic("t"); err == nil || err.Code != broker.CodeNotFound {
		t.Fatal(err)
	}
	n.stop()
}

// readAll fetches the partition from offsets inside blobs as well.
func readAll(t *testing.T, s *broker.Session, blobs, each int) {
	t.Helper()
	for _, from := range []int{0, 3, each * blobs / 2, each*blobs - 1} {
		at, next := record.Offset(from), from/each
		for next < blobs {
			f := s.Fetch([]broker.FetchPart{{Topic: "t", Partition: 1, From: at, MaxBytes: 2000}}, broker.FetchLimits{MinBytes: 1, MaxBytes: 1 << 20})[0]
			if f.Err != nil || len(f.Records) == 0 || f.End != record.Offset(blobs*each) {
				t.Fatalf("at %d: %+v", at, f)
			}
			for i, rec := range f.Records {
				var e record.Envelope
				native, err := record.Decode(rec, &e)
				if err != nil || f.Offsets[i] != record.Offset(next*each) || e.Count != uint32(each) || !strings.HasPrefix(string(native), fmt.Sprint(next, ":")) {
					t.Fatalf("from %d: offset %d has %.10q where %d is due", from, f.Offsets[i], native, next)
				}
				next++
			}
			at = record.Offset(next * each)
		}
	}
}

func TestFetchWaits(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	s, other := n.session(), n.session()
	if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	parts := []broker.FetchPart{{Topic: "t", Partition: 0, MaxBytes: 1 << 20}, {Topic: "t", Partition: 1, MaxBytes: 1 << 20}}
	if f := s.Fetch(parts, broker.FetchLimits{MinBytes: 1, MaxBytes: 1 << 20, Wait: time.Millisecond}); len(f[0].Records)+len(f[1].Records) != 0 {
		t.Fatal(f)
	}
	got := make(chan []broker.Fetched)
	go func() { got <- s.Fetch(parts, broker.FetchLimits{MinBytes: 1, MaxBytes: 1 << 20, Wait: time.Minute}) }()
	blob(t, other, "t", 1, 0, 1)
	if f := <-got; len(f[1].Records) != 1 || f[0].Err != nil {
		t.Fatal(f)
	}
	parts[0].From = 5
	if f := s.Fetch(parts, broker.FetchLimits{MinBytes: 1, MaxBytes: 1 << 20, Wait: time.Minute}); f[0].Err == nil || f[0].Err.Code != broker.CodeInvalid {
		t.Fatal(f)
	}
}

// TestFetchOfFilesDoesNotWait: there is more behind what is in files, however much
// is asked for.
func TestFetchOfFilesDoesNotWait(t *testing.T) {
	n := start(t, vfs.NewMem(), tiny)
	defer n.stop()
	s := n.session()
	if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	parts := []broker.FetchPart{{Topic: "t", Partition: 1, MaxBytes: 1 << 20}, {Topic: "t", MaxBytes: 1 << 20}}
	fetch := func(limits broker.FetchLimits) int {
		fetched := s.Fetch(parts, limits)
		defer broker.ReleaseFetched(fetched)
		return len(fetched[1].Records)
	}
	written := 0
	for written == fetch(broker.FetchLimits{MaxBytes: 1 << 20}) { // until the first ones are in files
		blob(t, s, "t", 0, written, 1)
		written++
	}
	if n := fetch(broker.FetchLimits{MinBytes: 1 << 20, MaxBytes: 1 << 20, Wait: time.Hour}); n == 0 || n == written {
		t.Fatalf("%d records of %d", n, written)
	}
}

func TestTopicsTogether(t *testing.T) {
	disk := vfs.NewMem()
	n := start(t, disk, tiny)
	s := n.session()
	retain := int64(5000)
	specs := []broker.TopicSpec{{Name: "a", Partitions: 1}, {Name: "b", Partitions: 3}, {Name: "a", Partitions: 2}, {Name: "c"}}
	results := s.CreateTopics(specs)
	for i, want := range []broker.Code{0, 0, broker.CodeMismatch, broker.CodeInvalid} {
		if err := results[i].Err; want == 0 && err != nil || want != 0 && (err == nil || err.Code != want) {
			t.Errorf("%s: %v", specs[i].Name, err)
		}
	}
	if found, err := s.TopicByID(results[1].ID); err != nil || found.Name != "b" || found.Partitions != 3 {
		t.Fatal(found, err)
	}
	var wg sync.WaitGroup
	for range 4 { // nobody's partition is lost
		wg.Go(func() {
			err := s.AlterTopic("b", auth.Alter, func(now broker.TopicInfo) (broker.TopicSpec, *broker.Error) {
				now.Settings.RetainMillis = &retain
				return broker.TopicSpec{Partitions: now.Partitions + 1, Settings: now.Settings, Arguments: map[string]any{"k": "v"}}, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.AlterTopic("b", auth.Alter, func(now broker.TopicInfo) (broker.TopicSpec, *broker.Error) {
		return broker.TopicSpec{Partitions: now.Partitions - 1}, nil
	}); err == nil || err.Field != "partitions" {
		t.Fatal(err)
	}
	n.stop()
	n = start(t, disk, tiny)
	defer n.stop()
	s = n.session()
	info, err := s.Topic("b")
	if err != nil || info.Partitions != 7 || *info.Settings.RetainMillis != retain || info.Arguments["k"] != "v" {
		t.Fatalf("%+v %v", info, err)
	}
	if errs := s.DeleteTopics([]string{"b", "no"}); errs[0] != nil || errs[1] == nil {
		t.Fatal(errs)
	}
	if _, err := s.TopicByID(info.ID); err == nil {
		t.Fatal("still there")
	}
}

// TestFetchKeepsToItsLimit: one record however large, but no second one of another
// partition beyond what was asked for.
func TestFetchKeepsToItsLimit(t *testing.T) {
	n := start(t, vfs.NewMem(), tiny)
	s := n.session()
	if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 3}); err != nil {
		t.Fatal(err)
	}
	for p := range 3 {
		for i := range 300 { // the first ones are in files by the end
			blob(t, s, "t", p, i, 1)
		}
	}
	for from := range record.Offset(300) {
		parts := []broker.FetchPart{{Topic: "t", From: from, MaxBytes: 1000}, {Topic: "t", Partition: 1, From: from, MaxBytes: 1000}, {Topic: "t", Partition: 2, From: 299 - from, MaxBytes: 1000}}
		fetched := s.Fetch(parts, broker.FetchLimits{MinBytes: 1, MaxBytes: 300})
		records := 0
		for i := range fetched {
			if fetched[i].Err != nil {
				t.Fatal(fetched[i].Err)
			}
			records += len(fetched[i].Records)
		}
		if records != 1 {
			t.Fatalf("%d records of more than 200 bytes in 300 from %d on", records, from)
		}
		broker.ReleaseFetched(fetched)
	}
}
