package admin

import (
	"runtime"

	"weir/internal/broker"
	"weir/internal/stats"
)

// measure is one metric of the whole broker: its name here, RabbitMQ's where
// dashboards know one, and how to read it.
type measure struct {
	name, rabbit, help string
	kind               stats.Kind
	read               func(s *scrape) float64
}

// measures are the metrics of /metrics without labels.
var measures = []measure{
	{"connections", "connections", "Open connections.", stats.Gauge, func(s *scrape) float64 { return float64(s.clients.Open) }},
	{"connections_opened_total", "connections_opened_total", "Connections opened since the start.", stats.Counter, func(s *scrape) float64 { return float64(s.clients.Opened) }},
	{"connections_closed_total", "connections_closed_total", "Connections closed since the start.", stats.Counter, func(s *scrape) float64 { return float64(s.clients.Opened - s.clients.Open) }},
	{"connections_refused_total", "", "Connections refused by a limit of a door, an address or open files.", stats.Counter, func(s *scrape) float64 { return s.refused() }},
	{"channels", "channels", "Open channels.", stats.Gauge, func(s *scrape) float64 { return float64(s.clients.PartsOpened - s.clients.PartsClosed) }},
	{"channels_opened_total", "channels_opened_total", "Channels opened since the start.", stats.Counter, func(s *scrape) float64 { return float64(s.clients.PartsOpened) }},
	{"channels_closed_total", "channels_closed_total", "Channels closed since the start.", stats.Counter, func(s *scrape) float64 { return float64(s.clients.PartsClosed) }},
	{"queues_declared_total", "queues_declared_total", "Declarations of queues since the start.", stats.Counter, func(s *scrape) float64 { return float64(s.QueuesDeclared) }},
	{"queues_created_total", "queues_created_total", "Queues created since the start.", stats.Counter, func(s *scrape) float64 { return float64(s.QueuesCreated) }},
	{"queues_deleted_total", "queues_deleted_total", "Queues deleted since the start.", stats.Counter, func(s *scrape) float64 { return float64(s.QueuesDeleted) }},
	{"consumers", "consumers", "Attached consumers.", stats.Gauge, func(s *scrape) float64 { return float64(s.Consumers) }},
	{"queues", "queues", "Queues.", stats.Gauge, func(s *scrape) float64 { return float64(s.Queues) }},
	{"topics", "", "Topics.", stats.Gauge, func(s *scrape) float64 { return float64(s.Topics) }},
	{"topic_partitions", "", "Partitions of topics.", stats.Gauge, func(s *scrape) float64 { return float64(s.Partitions) }},
	{"topic_messages", "", "Messages in topics.", stats.Gauge, func(s *scrape) float64 { return float64(s.TopicMessages) }},
	{"exchanges", "", "Exchanges.", stats.Gauge, func(s *scrape) float64 { return float64(s.Exchanges) }},
	{"bindings", "", "Bindings, less those of the default exchange.", stats.Gauge, func(s *scrape) float64 { return float64(s.Bindings) }},
	{"vhosts", "", "Virtual hosts.", stats.Gauge, func(s *scrape) float64 { return float64(s.Namespaces) }},
	{"users", "", "Users.", stats.Gauge, func(s *scrape) float64 { return float64(s.Users) }},
	{"queue_messages_ready", "queue_messages_ready", "Messages ready to be delivered.", stats.Gauge, func(s *scrape) float64 { return float64(s.Ready) }},
	{"queue_messages_unacked", "queue_messages_unacked", "Messages delivered and not yet settled.", stats.Gauge, func(s *scrape) float64 { return float64(s.Unsettled) }},
	{"queue_messages", "queue_messages", "Messages ready and unsettled.", stats.Gauge, func(s *scrape) float64 { return float64(s.Ready + s.Unsettled) }},
	{"queue_messages_bytes", "queue_messages_bytes", "Bytes of messages in queues.", stats.Gauge, func(s *scrape) float64 { return float64(s.QueueBytes) }},
	{"messages_published_total", "queue_messages_published_total", "Messages stored in queues.", stats.Counter, func(s *scrape) float64 { return float64(s.Totals.Published) }},
	{"messages_delivered_total", "", "Messages handed to consumers.", stats.Counter, func(s *scrape) float64 { return float64(s.Totals.Delivered) }},
	{"messages_redelivered_total", "queue_messages_redelivered_total", "Messages handed out again.", stats.Counter, func(s *scrape) float64 { return float64(s.Totals.Redelivered) }},
	{"messages_acknowledged_total", "queue_messages_acked_total", "Messages settled by consumers.", stats.Counter, func(s *scrape) float64 { return float64(s.Totals.Acked) }},
	{"messages_dead_lettered_total", "", "Messages dead-lettered.", stats.Counter, func(s *scrape) float64 { return float64(s.Totals.DeadLettered) }},
	{"messages_expired_total", "", "Messages whose time to live ended.", stats.Counter, func(s *scrape) float64 { return float64(s.Totals.Expired) }},
	{"messages_dropped_total", "", "Messages dropped by a limit.", stats.Counter, func(s *scrape) float64 { return float64(s.Totals.Dropped) }},
	{"tail_bytes", "", "Memory that holds messages.", stats.Gauge, func(s *scrape) float64 { return float64(s.TailBytes) }},
	{"tail_limit_bytes", "", "Memory for messages by the configuration.", stats.Gauge, func(s *scrape) float64 { return float64(s.TailBytesMax) }},
	{"waiting_bytes", "", "Bytes published and not yet applied.", stats.Gauge, func(s *scrape) float64 { return float64(s.WaitingBytes) }},
	{"alarm_memory", "alarms_memory_used_watermark", "1 while publishers wait for memory.", stats.Gauge, func(s *scrape) float64 { return is(s.Pressure == "low on memory") }},
	{"alarm_disk", "alarms_free_disk_space_watermark", "1 while publishers wait for disk space.", stats.Gauge, func(s *scrape) float64 { return is(s.Pressure == "low on disk") }},
	{"disk_free_bytes", "disk_space_available_bytes", "Free space of the data directory.", stats.Gauge, func(s *scrape) float64 { return float64(s.DiskFree) }},
	{"wal_files", "", "Files of the write-ahead log.", stats.Gauge, func(s *scrape) float64 { return float64(s.WAL.Files) }},
	{"wal_retained_bytes", "", "Bytes of the write-ahead log a restart would look at.", stats.Gauge, func(s *scrape) float64 { return float64(s.WAL.Retained) }},
	{"wal_groups_total", "", "Groups written to the write-ahead log.", stats.Counter, func(s *scrape) float64 { return float64(s.WAL.Groups) }},
	{"wal_records_total", "", "Records written to the write-ahead log.", stats.Counter, func(s *scrape) float64 { return float64(s.WAL.Records) }},
	{"wal_written_bytes_total", "", "Bytes written to the write-ahead log.", stats.Counter, func(s *scrape) float64 { return float64(s.WAL.Bytes) }},
	{"process_resident_memory_bytes", "process_resident_memory_bytes", "Resident memory.", stats.Gauge, func(s *scrape) float64 { return float64(s.rssBytes) }},
	{"process_open_fds", "process_open_fds", "Open file descriptors.", stats.Gauge, func(s *scrape) float64 { return float64(s.filesOpen) }},
	{"process_max_fds", "process_max_fds", "Limit of open file descriptors.", stats.Gauge, func(s *scrape) float64 { return float64(s.filesMax) }},
	{"process_cpu_seconds_total", "", "CPU time, user and system.", stats.Counter, func(s *scrape) float64 { return s.cpuSeconds }},
	{"go_goroutines", "", "Goroutines.", stats.Gauge, func(s *scrape) float64 { return float64(s.goroutines) }},
	{"go_heap_bytes", "", "Bytes of objects on the heap.", stats.Gauge, func(s *scrape) float64 { return float64(s.heapBytes) }},
	{"go_memory_bytes", "", "Memory the runtime has from the system.", stats.Gauge, func(s *scrape) float64 { return float64(s.memoryBytes) }},
	{"go_gc_cycles_total", "", "Garbage collections.", stats.Counter, func(s *scrape) float64 { return float64(s.gcCycles) }},
	{"go_gc_cpu_seconds_total", "", "CPU time of garbage collection.", stats.Counter, func(s *scrape) float64 { return s.gcSeconds }},
}

func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// The prefixes of metric names.
const (
	prefixOwn    = "weir"
	prefixRabbit = "rabbitmq"
)

// metricsPrefix reads the query: which names the caller knows.
func (c *call) metricsPrefix() (string, *failure) {
	switch p := c.r.URL.Query().Get("prefix"); p {
	case "", prefixOwn:
		return prefixOwn, nil
	case prefixRabbit:
		return p, nil
	}
	return "", badRequest("prefix: neither weir nor rabbitmq")
}

func (c *call) metricsWriter() *stats.Writer {
	c.w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	return stats.NewWriter(c.w)
}

func (c *call) flushMetrics(w *stats.Writer) *failure {
	if err := w.Flush(); err != nil {
		c.options.Log.Debug("http: metrics not sent", "err", err)
	}
	return nil
}

// scrape is what one call of /metrics shows.
type scrape struct {
	broker.Stats
	process
	traffic map[string]broker.DialectTraffic
	clients broker.DialectTraffic // all but calls of this API
	doors   []Door
}

// refused is how many connections the doors did not let in.
func (s *scrape) refused() float64 {
	all := uint64(0)
	for _, d := range s.doors {
		all += d.Refused
	}
	return float64(all)
}

func (c *call) scrape() *scrape {
	traffic := c.options.Broker.Traffic()
	s := &scrape{Stats: c.options.Broker.Stats(), process: readProcess(), traffic: traffic, clients: clientTraffic(traffic)}
	if c.options.Doors != nil {
		s.doors = c.options.Doors()
	}
	return s
}

func (c *call) metrics() *failure {
	prefix, f := c.metricsPrefix()
	if f != nil {
		return f
	}
	s := c.scrape()
	w := c.metricsWriter()
	c.identity(w, prefix, "aggregated")
	for i := range measures {
		m := &measures[i]
		name := m.name
		if prefix == prefixRabbit {
			name = m.rabbit
		}
		if name != "" {
			w.One(prefix+"_"+name, m.help, m.kind, m.read(s))
		}
	}
	uptime := c.options.Clock.Now().Sub(c.started).Seconds()
	if prefix == prefixRabbit {
		w.One("rabbitmq_erlang_uptime_seconds", "Seconds since the start.", stats.Gauge, uptime)
		c.rabbitMetrics(w, s)
		return c.flushMetrics(w)
	}
	w.One("weir_uptime_seconds", "Seconds since the start.", stats.Gauge, uptime)
	w.Histogram("weir_wal_sync_seconds", "Time of a sync of the write-ahead log.", s.WAL.Syncs[:], s.WAL.SyncTime)
	counts, sum := c.requests.Snapshot()
	w.Histogram("weir_http_request_seconds", "Time of a call to this door; streams last as long as they do.", counts[:], sum)
	return c.flushMetrics(w)
}

// identity writes what the panels of known dashboards join on.
func (c *call) identity(w *stats.Writer, prefix, endpoint string) {
	if prefix == prefixOwn {
		w.One("weir_build_info", "The build.", stats.Gauge, 1, "version", c.options.Version, "go", runtime.Version())
		return
	}
	w.One("rabbitmq_build_info", "The build.", stats.Gauge, 1, "rabbitmq_version", likeRabbitMQ,
		"product_name", "weir", "product_version", c.options.Version, "erlang_version", "")
	w.One("rabbitmq_identity_info", "The node.", stats.Gauge, 1, "rabbitmq_node", c.node, "rabbitmq_cluster", c.cluster(),
		"rabbitmq_cluster_permanent_id", c.node, "rabbitmq_endpoint", endpoint)
}
