package admin_test

import (
	"encoding/json"
	"net/netip"
	"testing"

	"weir/internal/broker"
	"weir/internal/record"
)

func TestTransactionsThatHangAreShown(t *testing.T) {
	n := start(t)
	p, err := n.broker.Identify("guest", netip.MustParseAddrPort("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := n.broker.Open(p, broker.SessionOptions{Namespace: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	done := make(chan *broker.Error, 1)
	b := &broker.Blob{
		Dialect: record.DialectKafka, Count: 1, Timestamp: 1000, Native: []byte("x"),
		Producer: record.Producer{ID: 9, Epoch: 2, Part: record.PartTransaction},
	}
	if err := s.Append("t", 1, b, func(_, _ record.Offset, err *broker.Error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	type item struct {
		ID, State         string
		Producer          uint64
		Epoch, Partitions int
		PartitionDetails  []struct {
			Topic     string
			Partition int
		} `json:"partition_details"`
	}
	var all []item
	if err := json.Unmarshal([]byte(n.call(200, "GET", "/api/weir/transactions/%2F", "").body), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].State != broker.Hanging || all[0].Producer != 9 || all[0].Epoch != 2 || all[0].PartitionDetails[0].Partition != 1 {
		t.Fatalf("%+v", all)
	}
	var one item
	if err := json.Unmarshal([]byte(n.call(200, "GET", "/api/weir/transactions/%2F/producers/9", "").body), &one); err != nil || one.Partitions != 1 {
		t.Fatalf("%+v %v", one, err)
	}
	n.call(404, "GET", "/api/weir/transactions/%2F/producers/8", "")
	n.call(400, "GET", "/api/weir/transactions/%2F/producers/x", "")
	n.call(404, "GET", "/api/weir/transactions/%2F/ids/me", "")
	n.call(404, "DELETE", "/api/weir/transactions/%2F/ids/me", "")
	n.call(404, "DELETE", "/api/weir/transactions/%2F/producers/8", "")
	n.call(404, "GET", "/api/weir/transactions/none", "")
}
