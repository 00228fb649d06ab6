package admin

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"weir/internal/broker"
)

func (c *call) live() *failure { return c.ok(map[string]string{"status": "ok"}) }

func (c *call) ready() *failure {
	if reason := c.options.Broker.Unready(); reason != "" {
		return unhealthy(reason)
	}
	return c.live()
}

func unhealthy(reason string) *failure {
	return &failure{status: http.StatusServiceUnavailable, name: "failed", reason: reason, code: codeBusy}
}

// checkAlarms fails while publishers are held back.
func (c *call) checkAlarms() *failure { return c.ready() }

// checkService fails while the broker cannot serve at all.
func (c *call) checkService() *failure {
	if len(c.options.Broker.Namespaces()) == 0 {
		return unhealthy("no virtual host")
	}
	return c.ready()
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
	case "amqps":
		return "amqp/ssl"
	case "http":
		return "http"
	}
	return d.Name
}

func (c *call) checkPort() *failure {
	port, err := strconv.Atoi(c.args[0])
	if err != nil || port < 1 || port > 65535 {
		return badRequest("not a port: " + c.args[0])
	}
	for _, d := range c.doors() {
		if d.port() == port {
			return c.ok(map[string]any{"status": "ok", "port": port})
		}
	}
	return unhealthy("No active listener on port " + c.args[0])
}

func (c *call) checkProtocol() *failure {
	// Both the doors' names and the words rabbitmqctl takes for them.
	wanted := map[string]string{"amqp091": "amqp", "amqp0-9-1": "amqp", "amqp/ssl": "amqps", "amqp091/tls": "amqps"}
	for name := range strings.SplitSeq(c.args[0], ",") {
		name = strings.ToLower(name)
		if door := wanted[name]; door != "" {
			name = door
		}
		for _, d := range c.doors() {
			if d.Name == name {
				return c.ok(map[string]any{"status": "ok", "protocol": name})
			}
		}
	}
	return unhealthy("No active listener for protocol " + c.args[0])
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
