package admin

import (
	"encoding/json"
	"math"
	"net"
	"runtime"
	"slices"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/amqp091/native"
)

// likeRabbitMQ is the version whose API this one follows; tools compare it.
const likeRabbitMQ = "3.13.7"

type listener struct {
	Node     string `json:"node"`
	Protocol string `json:"protocol"`
	Address  string `json:"ip_address"`
	Port     int    `json:"port"`
	TLS      bool   `json:"tls"`
}

func (c *call) listeners() []listener {
	out := []listener{}
	for _, d := range c.doors() {
		host, _, err := net.SplitHostPort(d.Addr.String())
		if err != nil {
			continue
		}
		out = append(out, listener{c.node, d.protocol(), host, d.port(), d.TLS})
	}
	return out
}

// exchangeTypes are the kinds of exchanges clients may declare.
func exchangeTypes() []map[string]any {
	kinds := []map[string]any{}
	for _, k := range native.ExchangeTypes {
		kinds = append(kinds, map[string]any{"name": k, "description": "", "enabled": true})
	}
	return kinds
}

// depths are queue totals with their rates.
func (c *call) depths(key ownKey, ready, unsettled uint64) map[string]any {
	all := ready + unsettled
	per := c.rates.of(key, c.options.Clock.Millis(), []float64{float64(all), float64(ready), float64(unsettled)})
	return map[string]any{
		"messages": all, "messages_details": rate{per[0]},
		"messages_ready": ready, "messages_ready_details": rate{per[1]},
		"messages_unacknowledged": unsettled, "messages_unacknowledged_details": rate{per[2]},
	}
}

// clientTraffic sums what clients did; calls of this API are none.
func clientTraffic(traffic map[string]broker.DialectTraffic) broker.DialectTraffic {
	var sum broker.DialectTraffic
	for dialect, t := range traffic {
		if dialect == dialectCall {
			continue
		}
		sum.Open += t.Open
		sum.Opened += t.Opened
		sum.Add(&t.Traffic)
	}
	return sum
}

// overview shows what everybody may know, and the numbers of all that the caller
// may see.
func (c *call) overview() *failure {
	plain := c.r.URL.Query().Get("disable_stats") == "true"
	o := map[string]any{
		"product_name": "weir", "product_version": c.options.Version, "management_version": likeRabbitMQ,
		"rabbitmq_version": likeRabbitMQ, "erlang_version": "", "erlang_full_version": "not Erlang: " + runtime.Version(),
		"cluster_name": c.cluster(), "rates_mode": "basic", "exchange_types": exchangeTypes(), "disable_stats": plain,
		"enable_queue_totals": false, "default_queue_type": "classic",
	}
	switch {
	case plain:
		o["node"] = c.node
		spaces := c.visible()
		o["object_totals"] = map[string]any{
			"connections": len(c.connectionsOpen()), "queues": c.options.Broker.Survey(spaces...).Len(),
			"exchanges": len(c.options.Broker.Exchanges(spaces...)),
		}
	case c.roles.Has(auth.Monitoring):
		c.overviewAll(o)
	default:
		c.overviewOwn(o)
	}
	return c.ok(o)
}

// overviewAll adds what there is on the whole node.
func (c *call) overviewAll(o map[string]any) {
	s, t := c.options.Broker.Stats(), clientTraffic(c.options.Broker.Traffic())
	o["node"], o["listeners"], o["contexts"], o["statistics_db_event_queue"] = c.node, c.listeners(), []any{}, 0
	o["churn_rates"] = c.rated("churn",
		counter{"connection_created", t.Opened}, counter{"connection_closed", t.Opened - t.Open},
		counter{"channel_created", t.PartsOpened}, counter{"channel_closed", t.PartsClosed},
		counter{"queue_declared", s.QueuesDeclared}, counter{"queue_created", s.QueuesCreated}, counter{"queue_deleted", s.QueuesDeleted})
	o["object_totals"] = map[string]any{
		"connections": len(c.connectionsOpen()), "channels": t.PartsOpened - t.PartsClosed,
		"consumers": s.Consumers, "exchanges": s.Exchanges, "queues": s.Queues,
	}
	o["queue_totals"] = c.depths("", s.Ready, s.Unsettled)
	o["message_stats"] = c.rated("clients", trafficCounters(&t.Traffic)...)
}

// ownKey is the key of the rates one user sees.
type ownKey string

// overviewOwn adds what there is in the virtual hosts the caller may enter, and
// what his own connections do.
func (c *call) overviewOwn(o map[string]any) {
	spaces, user := c.visible(), c.principal.User
	var ready, unsettled uint64
	queues := c.options.Broker.Survey(spaces...)
	queues.Each(func(q *broker.QueueCounts) bool {
		ready, unsettled = ready+q.Ready, unsettled+q.Unsettled
		return true
	})
	connections := c.connectionsOpen()
	channels := channelsOf(connections)
	var t broker.Traffic
	for i := range channels {
		t.Add(&channels[i].part.Traffic)
	}
	consumers := 0
	for _, a := range c.options.Broker.Consumers() {
		if slices.Contains(spaces, a.Namespace) {
			consumers++
		}
	}
	o["object_totals"] = map[string]any{
		"connections": len(connections), "channels": len(channels), "consumers": consumers,
		"exchanges": len(c.options.Broker.Exchanges(spaces...)), "queues": queues.Len(),
	}
	o["queue_totals"] = c.depths(ownKey("depths of "+user), ready, unsettled)
	o["message_stats"] = c.rated(ownKey(user), trafficCounters(&t)...)
}

func (c *call) version() *failure { return c.ok(likeRabbitMQ) }

// clusterNameParameter is the global parameter that holds the name an
// administrator gave.
const clusterNameParameter = "cluster_name"

// cluster is what an administrator called the broker, the node's name until then.
func (c *call) cluster() string {
	for _, p := range c.options.Broker.Parameters() {
		var name string
		if p.Name == clusterNameParameter && json.Unmarshal(p.Value, &name) == nil && name != "" {
			return name
		}
	}
	return c.node
}

func (c *call) clusterName() *failure { return c.ok(map[string]string{"name": c.cluster()}) }

func (c *call) putClusterName() *failure {
	var body struct {
		Name string `json:"name"`
	}
	if f := c.read(&body); f != nil {
		return f
	}
	if f := missing("name", body.Name != ""); f != nil {
		return f
	}
	value, err := json.Marshal(body.Name)
	if err != nil {
		return badRequest("name: " + err.Error())
	}
	if _, err := c.options.Broker.PutParameter(c.principal, clusterNameParameter, value); err != nil {
		return failed(err)
	}
	return c.done(false)
}

// nothing is a listing of what there is none of.
func (c *call) nothing() *failure { return c.ok([]any{}) }

// flags are those of RabbitMQ's feature flags whose feature is here, with what
// they stand for.
var flags = [][2]string{
	{"drop_unroutable_metric", "Count unroutable publishes to be dropped in stats"},
	{"empty_basic_get_metric", "Count AMQP `basic.get` on empty queues in stats"},
	{"implicit_default_bindings", "Default bindings are now implicit, instead of being stored in the database"},
	{"quorum_queue", "Support queues of type `quorum`"},
	{"stream_queue", "Support queues of type `stream`"},
}

func (c *call) featureFlags() *failure {
	list := []map[string]any{}
	for _, f := range flags {
		list = append(list, map[string]any{
			"name": f[0], "desc": f[1], "state": "enabled", "stability": "required", "provided_by": "rabbit", "doc_url": "",
		})
	}
	return c.ok(list)
}

// enableFlag has nothing to do for a flag there is: all of them are required.
func (c *call) enableFlag() *failure {
	if !c.roles.Has(auth.Administrator) {
		return refused("Not administrator user")
	}
	if !slices.ContainsFunc(flags, func(f [2]string) bool { return f[0] == c.args[0] }) {
		return badRequest("unsupported")
	}
	return c.done(false)
}

// deprecatedFeatures are those of RabbitMQ's that are here, where they stay.
func (c *call) deprecatedFeatures() *failure {
	list := []map[string]any{}
	for _, name := range []string{"global_qos", "transient_nonexcl_queues"} {
		list = append(list, map[string]any{
			"name": name, "desc": "", "deprecation_phase": "permitted_by_default", "state": "permitted", "doc_url": "", "provided_by": "rabbit",
		})
	}
	return c.ok(list)
}

// rebalance has nothing to move: all queues are on one node.
func (c *call) rebalance() *failure {
	if !c.roles.Has(auth.Administrator) {
		return refused("Not administrator user")
	}
	return c.done(false)
}

func (c *call) whoami() *failure {
	return c.ok(map[string]any{"name": c.principal.User, "tags": append([]string{}, c.principal.Tags...)})
}

func (c *call) showNode() any {
	s, p := c.options.Broker.Stats(), readProcess()
	return map[string]any{
		"name": c.node, "type": "disc", "running": true, "being_drained": s.Closing, "os_pid": p.id, "rates_mode": "basic",
		"uptime": c.options.Clock.Now().Sub(c.started).Milliseconds(), "processors": runtime.NumCPU(), "run_queue": 0,
		"mem_used": p.rssBytes, "mem_limit": p.memoryLimit, "mem_alarm": s.Pressure == "low on memory",
		"disk_free": s.DiskFree, "disk_free_limit": 0, "disk_free_alarm": s.Pressure == "low on disk",
		"fd_used": p.filesOpen, "fd_total": min(p.filesMax, math.MaxInt32), "sockets_used": s.Sessions, "sockets_total": min(p.filesMax, math.MaxInt32),
		"proc_used": runtime.NumGoroutine(), "proc_total": math.MaxInt32, // no limit, and strict clients want a number
		"partitions": []any{}, "applications": []any{}, "exchange_types": exchangeTypes(),
		"auth_mechanisms": []any{}, "log_files": []any{}, "contexts": []any{}, "enabled_plugins": []any{}, "cluster_links": []any{},
	}
}

func (c *call) nodes() *failure {
	return c.list(1, func(int) string { return c.node }, func(int) any { return c.showNode() })
}

func (c *call) oneNode() *failure {
	if c.args[0] != c.node {
		return notFound("no node '" + c.args[0] + "'")
	}
	return c.ok(c.showNode())
}
