package admin

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/internal/broker"
)

func (c *call) live() *failure { return c.ok(map[string]string{"status": "ok"}) }

func (c *call) ready() *failure {
	if reason := c.options.Broker.Unready(); reason != "" {
		return unhealthy(reason)
	}
	return c.live()
}

// nodeReady is the check of RabbitMQ before 3.8, which monitors still call.
func (c *call) nodeReady() *failure {
	if c.args[0] != c.node {
		return notFound("no such node")
	}
	return c.ready()
}

func unhealthy(reason string) *failure {
	return &failure{status: http.StatusServiceUnavailable, name: "failed", reason: reason, code: codeBusy}
}

// checkAlarms fails while publishers are held back.
func (c *call) checkAlarms() *failure {
	reason := c.options.Broker.Unready()
	resource := map[string]string{"low on memory": "memory", "low on disk": "disk"}[reason]
	if resource == "" {
		return c.ready()
	}
	return c.sick(map[string]any{
		"reason": "Resource alarm(s) in effect: " + reason, "alarms": []map[string]string{{"node": c.node, "resource": resource}},
	})
}

// checkVhosts fails where there is none.
func (c *call) checkVhosts() *failure {
	if len(c.options.Broker.Namespaces()) == 0 {
		return unhealthy("no virtual host")
	}
	return c.live()
}

// checkService fails while the broker cannot serve at all; alarms do not count.
func (c *call) checkService() *failure {
	if c.options.Broker.Closing() {
		return unhealthy("this rabbit node is not currently available to serve")
	}
	return c.live()
}

// checkClients fails where no client could connect.
func (c *call) checkClients() *failure {
	if c.options.Broker.Closing() {
		return c.checkService()
	}
	for _, d := range c.doors() {
		if d.Name == doorAMQP || d.Name == doorAMQPS {
			return c.live()
		}
	}
	return unhealthy("no active listeners for AMQP/AMQPS")
}

// checkAlone is the answer of a node that nobody else depends on.
func (c *call) checkAlone() *failure {
	return c.ok(map[string]string{"status": "ok", "reason": "single node cluster"})
}

// checkLeaders fails while no queue has one: this node leads all of them from the
// moment it serves until it closes.
func (c *call) checkLeaders() *failure { return c.checkService() }

func (c *call) checkLeadersOf() *failure {
	if f := c.space(c.args[0]); f != nil {
		return f
	}
	return c.checkLeaders()
}

// units are the words for the time a certificate may have left.
var units = map[string]time.Duration{
	"days": day, "weeks": 7 * day, "months": day * 365 / 12, "years": 365 * day,
}

const day = 24 * time.Hour

// checkCertificates fails when a certificate in use expires soon.
func (c *call) checkCertificates() *failure {
	unit, known := units[strings.ToLower(c.args[1])]
	n, err := strconv.ParseUint(c.args[0], 10, 16)
	switch {
	case err != nil:
		return badRequest("Invalid expiration value.")
	case !known:
		return badRequest("Time unit not recognised. Supported units: days, weeks, months, years.")
	}
	limit := c.options.Clock.Now().Add(time.Duration(n) * unit)
	expired := []map[string]any{}
	for _, d := range c.doors() {
		if !d.Expires.IsZero() && d.Expires.Before(limit) {
			expired = append(expired, map[string]any{
				"node": c.node, "protocol": d.protocol(), "port": d.port(),
				"certfile_expires_on": []string{d.Expires.UTC().Format(time.DateTime)},
			})
		}
	}
	if len(expired) > 0 {
		return c.sick(map[string]any{"reason": "Certificates expiring", "expired": expired})
	}
	return c.live()
}

// sick answers a failed check that has more to tell than a reason.
func (c *call) sick(body map[string]any) *failure {
	body["status"] = "failed"
	return c.send(http.StatusServiceUnavailable, body)
}

func (c *call) doors() []Door {
	if c.options.Doors == nil {
		return nil
	}
	return c.options.Doors()
}

func (d *Door) port() int {
	if a, ok := d.Addr.(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// protocol is RabbitMQ's name of what a door speaks.
func (d *Door) protocol() string {
	switch d.Name {
	case doorAMQPS:
		return "amqp/ssl"
	case "http":
		if d.TLS {
			return "https"
		}
	}
	return d.Name
}

// The names of doors.
const (
	doorAMQP  = "amqp"
	doorAMQPS = "amqps"
)

func (c *call) checkPort() *failure {
	port, err := strconv.Atoi(c.args[0])
	if err != nil {
		return badRequest("Invalid port")
	}
	ports := []int{}
	for _, d := range c.doors() {
		if d.port() == port {
			return c.ok(map[string]any{"status": "ok", "port": port})
		}
		ports = append(ports, d.port())
	}
	return c.sick(map[string]any{"reason": "No active listener", "missing": port, "ports": ports})
}

// protocolWords are what tools call the protocols the doors speak.
var protocolWords = map[string]string{
	"amqp091": "amqp", "amqp0.9.1": "amqp", "amqp0-9-1": "amqp", "amqp0_9_1": "amqp",
	"amqps": "amqp/ssl", "amqp+tls": "amqp/ssl", "amqp+ssl": "amqp/ssl", "amqp091/tls": "amqp/ssl",
	"http1": "http", "http1.1": "http", "http_api": "http", "management": "http",
}

func (c *call) checkProtocol() *failure {
	active := []string{}
	for _, d := range c.doors() {
		active = append(active, d.protocol())
	}
	var missing []string
	for name := range strings.SplitSeq(c.args[0], ",") {
		name = strings.ToLower(name)
		if word := protocolWords[name]; word != "" {
			name = word
		}
		if !slices.Contains(active, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return c.sick(map[string]any{"reason": "No active listener", "missing": missing, "protocols": active})
	}
	return c.ok(map[string]any{"status": "ok", "protocols": active})
}

// aliveQueue is the queue of RabbitMQ's aliveness test.
const aliveQueue = "aliveness-test"

// aliveness publishes a message and takes it back.
func (c *call) aliveness() *failure {
	s, f := c.open(c.args[0])
	if f != nil {
		return f
	}
	if _, _, err := s.DeclareQueue(broker.QueueSpec{Name: aliveQueue}); err != nil {
		return failed(err)
	}
	m := message{exchange: "", key: aliveQueue, body: []byte("test_message")}
	routed, f := c.publishOne(s, &m)
	if f != nil {
		return f
	}
	pulled, ok, err := s.Pull(aliveQueue, true)
	if err != nil {
		return failed(err)
	}
	if routed == 0 || !ok || len(pulled.Delivery.Record) == 0 {
		return unhealthy("the message did not come back")
	}
	return c.ok(map[string]string{"status": "ok"})
}
