package route_test

import (
	"fmt"
	"testing"

	"weir/internal/frugal"
	"weir/internal/route"
)

const many = 10_000

// TestRouteBudget: with 10,000 bindings a message finds its queues without
// allocating.
func TestRouteBudget(t *testing.T) {
	for name, kind := range map[string]route.Kind{"direct": route.Direct, "topic": route.Topic, "headers": route.Headers, "fanout": route.Fanout, "hash": route.ConsistentHash} {
		t.Run(name, func(t *testing.T) {
			table := route.New(kind)
			for i := range many {
				key := fmt.Sprint("a.", i%100, ".#")
				switch kind {
				case route.ConsistentHash:
					key = "1"
				case route.Direct:
					key = fmt.Sprint("a.", i)
				}
				table.Add(route.Binding{Target: route.Target(i), Key: key, Headers: []route.Header{{Name: "n", Value: route.Int(int64(i))}}})
			}
			var m route.Message = letter{headers: map[string]route.Value{"n": route.Int(7)}}
			out, keys := make([]route.Target, 0, 2*many), [][]byte{[]byte("a.7"), []byte("a.7.b"), []byte("none")}
			frugal.Budget(t, 99, allocsMax, func() {
				for i := range 99 {
					out = table.Match(keys[i%3], m, out[:0])
				}
			})
		})
	}
}

func benchmark(b *testing.B, table *route.Table, m route.Message, keys ...string) {
	raw := make([][]byte, len(keys))
	for i, key := range keys {
		raw[i] = []byte(key)
	}
	out := make([]route.Target, 0, 2*many)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		out = table.Match(raw[i%len(raw)], m, out[:0])
	}
	b.ReportMetric(float64(len(out)), "targets")
}

func BenchmarkDirect(b *testing.B) {
	table := route.New(route.Direct)
	for i := range route.Target(many) {
		table.Add(route.Binding{Target: i, Key: fmt.Sprintf("customer.%d.orders", i)})
	}
	benchmark(b, table, nil, "customer.77.orders", "customer.9999.orders", "customer.none.orders")
}

func BenchmarkTopic(b *testing.B) {
	table := route.New(route.Topic)
	for i := range route.Target(many) {
		switch i % 4 {
		case 0:
			table.Add(route.Binding{Target: i, Key: fmt.Sprintf("site.%d.sensor.%d", i%100, i)})
		case 1:
			table.Add(route.Binding{Target: i, Key: fmt.Sprintf("site.%d.*.%d", i%100, i)})
		case 2:
			table.Add(route.Binding{Target: i, Key: fmt.Sprintf("site.%d.#", i)})
		case 3:
			table.Add(route.Binding{Target: i, Key: fmt.Sprintf("#.alarm.%d", i)})
		}
	}
	benchmark(b, table, nil, "site.77.sensor.77", "site.2.sensor.4002", "site.4.alarm.7", "else.where")
}

func BenchmarkTopicShallow(b *testing.B) {
	table := route.New(route.Topic)
	table.Add(route.Binding{Target: 1, Key: "logs.*.error"})
	table.Add(route.Binding{Target: 2, Key: "logs.#"})
	benchmark(b, table, nil, "logs.web.error")
}

func BenchmarkFanout(b *testing.B) {
	table := route.New(route.Fanout)
	for i := range route.Target(many) {
		table.Add(route.Binding{Target: i})
	}
	benchmark(b, table, nil, "")
}

func BenchmarkHeaders(b *testing.B) {
	for _, n := range []int{10, many} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := route.New(route.Headers)
			for i := range n {
				table.Add(route.Binding{Target: route.Target(i), Headers: []route.Header{
					{Name: "kind", Value: route.Text("report")}, {Name: "customer", Value: route.Int(int64(i))},
				}})
			}
			m := letter{headers: map[string]route.Value{"kind": route.Text("report"), "customer": route.Int(7)}}
			benchmark(b, table, m, "")
		})
	}
}

func BenchmarkConsistentHash(b *testing.B) {
	for _, n := range []int{10, 100, many} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := route.New(route.ConsistentHash)
			for i := range n {
				table.Add(route.Binding{Target: route.Target(i), Key: "1"})
			}
			benchmark(b, table, nil, "order-1", "order-2")
		})
	}
}

func BenchmarkAddRemove(b *testing.B) {
	for kind := route.Direct; kind <= route.ModulusHash; kind++ {
		b.Run(fmt.Sprint(kind), func(b *testing.B) {
			table := route.New(kind)
			for i := range route.Target(many) {
				table.Add(route.Binding{Target: i, Key: "1"})
			}
			binding := route.Binding{Target: many, Key: "1"}
			for b.Loop() {
				table.Add(binding)
				table.Remove(binding)
			}
		})
	}
}

// allocsMax is what a match may allocate on average.
var allocsMax = 0.1

func TestMatchDoesNotAllocate(t *testing.T) {
	headers := []route.Header{{Name: "a", Value: route.Int(1)}}
	var m route.Message = letter{headers: map[string]route.Value{"a": route.Int(1)}}
	key := []byte("a.b.c")
	out := make([]route.Target, 0, 100)
	for kind := route.Direct; kind <= route.Random; kind++ {
		table := route.New(kind)
		for i := range route.Target(40) {
			bindingKey := "a.b.c"
			if kind == route.Topic {
				bindingKey = []string{"#.b.#", "a.*.c", "a.#.c.#", "#"}[i%4]
			}
			if kind == route.ConsistentHash {
				bindingKey = "2"
			}
			table.Add(route.Binding{Target: i, Key: bindingKey, Headers: headers})
		}
		matched := 0
		allocs := testing.AllocsPerRun(1000, func() {
			out = table.Match(key, m, out[:0])
			matched += len(out)
		})
		if allocs > allocsMax || matched == 0 {
			t.Errorf("kind %d: %v allocations, %d matched", kind, allocs, matched)
		}
	}
}
