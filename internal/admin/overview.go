package admin

import (
	"net"
	"runtime"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/amqp091/native"
)

// likeRabbitMQ is the version whose API this one follows; tools compare it.
const likeRabbitMQ = "4.2.0"

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

func (c *call) overview() *failure {
	s := c.options.Broker.Stats()
	t := &s.Totals
	kinds := []map[string]any{}
	for _, k := range native.ExchangeTypes {
		kinds = append(kinds, map[string]any{"name": k, "enabled": true})
	}
	return c.ok(map[string]any{
		"product_name": "weir", "product_version": c.options.Version, "management_version": likeRabbitMQ,
		"rabbitmq_version": likeRabbitMQ, "erlang_version": "", "erlang_full_version": "not Erlang: " + runtime.Version(),
		"cluster_name": c.node, "node": c.node, "rates_mode": "basic", "exchange_types": kinds,
		"statistics_db_event_queue": 0, "churn_rates": map[string]any{}, "listeners": c.listeners(), "contexts": []any{},
		"object_totals": map[string]any{
			"connections": len(c.connectionsOpen()), "consumers": s.Consumers, "exchanges": s.Exchanges, "queues": s.Queues,
		},
		"queue_totals": map[string]any{
			"messages": s.Ready + s.Unsettled, "messages_ready": s.Ready, "messages_unacknowledged": s.Unsettled,
		},
		"message_stats": map[string]any{
			"publish": t.Published, "deliver_get": t.Delivered, "redeliver": t.Redelivered, "ack": t.Acked,
		},
	})
}

func (c *call) whoami() *failure {
	return c.ok(map[string]any{"name": c.principal.User, "tags": append([]string{}, c.principal.Tags...)})
}

func (c *call) showNode() any {
	s, p := c.options.Broker.Stats(), readProcess()
	return map[string]any{
		"name": c.node, "type": "disc", "running": true, "os_pid": p.id, "rates_mode": "basic",
		"uptime": c.options.Clock.Now().Sub(c.started).Milliseconds(), "processors": runtime.NumCPU(), "run_queue": 0,
		"mem_used": p.rssBytes, "mem_limit": p.memoryLimit, "mem_alarm": s.Pressure == "low on memory",
		"disk_free": s.DiskFree, "disk_free_limit": 0, "disk_free_alarm": s.Pressure == "low on disk",
		"fd_used": p.filesOpen, "fd_total": p.filesMax, "sockets_used": s.Sessions, "sockets_total": p.filesMax,
		"proc_used": runtime.NumGoroutine(), "partitions": []any{}, "applications": []any{},
		"auth_mechanisms": []any{}, "log_files": []any{}, "contexts": []any{}, "enabled_plugins": []any{},
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

// connectionsOpen lists the sessions the caller may see: his own, or those of all he may
// look into. Calls of this API are none.
func (c *call) connectionsOpen() []broker.SessionInfo {
	var out []broker.SessionInfo
	all := c.roles.Has(auth.Monitoring)
	for _, s := range c.options.Broker.Sessions() {
		if s.Dialect != dialectCall && (all || s.User == c.principal.User) {
			out = append(out, s)
		}
	}
	return out
}
