package admin

import (
	"encoding/hex"
	"encoding/json"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
	"weir/internal/route"
)

type bindingItem struct {
	Source          string         `json:"source"`
	Vhost           string         `json:"vhost"`
	Destination     string         `json:"destination"`
	DestinationType string         `json:"destination_type"`
	RoutingKey      string         `json:"routing_key"`
	Arguments       map[string]any `json:"arguments"`
	PropertiesKey   string         `json:"properties_key"`
}

func showBinding(b *broker.BindingInfo) any {
	kind := "queue"
	if b.ToExchange {
		kind = "exchange"
	}
	return &bindingItem{b.Source, b.Namespace, b.Destination, kind, b.Key, object(b.Arguments), propertiesKey(b)}
}

// propertiesKey tells bindings of the same two ends apart in a path: the escaped
// routing key and, where there are arguments, a digest of them.
func propertiesKey(b *broker.BindingInfo) string {
	key := url.PathEscape(b.Key)
	if len(b.Arguments) == 0 {
		if key == "" {
			return "~"
		}
		return key
	}
	text, err := json.Marshal(b.Arguments) // map keys come sorted
	if err != nil {
		return key
	}
	h := fnv.New64a()
	h.Write(text) // never fails
	return key + "~" + hex.EncodeToString(h.Sum(nil))
}

// bindingsOf lists bindings with those every queue has to the default exchange.
func (c *call) bindingsOf(spaces []string) []broker.BindingInfo {
	var all []broker.BindingInfo
	for _, q := range c.options.Broker.Queues(spaces...) {
		if q.Views == "" { // a cursor over a topic takes no messages of its own
			all = append(all, implicit(q.Namespace, q.Name))
		}
	}
	return append(all, c.options.Broker.Bindings(spaces...)...)
}

// implicit is the binding a queue has to the default exchange.
func implicit(space, queue string) broker.BindingInfo {
	return broker.BindingInfo{Namespace: space, Destination: queue, Key: queue}
}

func (c *call) sendBindings(all []broker.BindingInfo) *failure {
	return c.list(len(all), func(i int) string { return all[i].Source }, func(i int) any { return showBinding(&all[i]) })
}

func (c *call) bindings() *failure {
	spaces, f := c.spaces(c.args...)
	if f != nil {
		return f
	}
	return c.sendBindings(c.bindingsOf(spaces))
}

// only lists those bindings of the path's namespace that keep holds for, less
// the implicit ones.
func (c *call) only(keep func(b *broker.BindingInfo) bool) []broker.BindingInfo {
	return slices.DeleteFunc(c.options.Broker.Bindings(c.args[0]), func(b broker.BindingInfo) bool { return !keep(&b) })
}

func (c *call) queueBindings() *failure {
	q, f := c.findQueue()
	if f != nil {
		return f
	}
	bound := c.only(func(b *broker.BindingInfo) bool { return !b.ToExchange && b.Destination == q.Name })
	return c.sendBindings(append([]broker.BindingInfo{implicit(q.Namespace, q.Name)}, bound...))
}

func (c *call) sourceBindings() *failure {
	x, f := c.findExchange()
	if f != nil {
		return f
	}
	if x.Name == "" {
		return c.sendBindings(slices.DeleteFunc(c.bindingsOf(c.args[:1]), func(b broker.BindingInfo) bool { return b.Source != "" }))
	}
	return c.sendBindings(c.only(func(b *broker.BindingInfo) bool { return b.Source == x.Name }))
}

func (c *call) destinationBindings() *failure {
	x, f := c.findExchange()
	if f != nil {
		return f
	}
	return c.sendBindings(c.only(func(b *broker.BindingInfo) bool { return b.ToExchange && b.Destination == x.Name }))
}

// ends are the two ends a path names.
func (c *call) ends() (b broker.BindingSpec, f *failure) {
	if f := c.space(c.args[0]); f != nil {
		return b, f
	}
	b.Source, b.Destination = exchangeName(c.args[1]), c.args[2]
	parts := split(c.r.URL)
	b.ToExchange = parts[5] == "e" // api/bindings/V/e/S/q/D
	if _, ok := c.options.Broker.Exchange(c.args[0], b.Source); !ok {
		return b, notFound("no exchange '" + b.Source + "'")
	}
	ok := false
	if b.ToExchange {
		_, ok = c.options.Broker.Exchange(c.args[0], b.Destination)
	} else {
		_, ok = c.options.Broker.Queue(c.args[0], b.Destination)
	}
	if !ok {
		return b, notFound("no destination '" + b.Destination + "'")
	}
	return b, nil
}

func (c *call) between(ends *broker.BindingSpec) []broker.BindingInfo {
	if ends.Source == "" && !ends.ToExchange {
		return []broker.BindingInfo{implicit(c.args[0], ends.Destination)}
	}
	return c.only(func(b *broker.BindingInfo) bool {
		return b.Source == ends.Source && b.Destination == ends.Destination && b.ToExchange == ends.ToExchange
	})
}

func (c *call) endBindings() *failure {
	ends, f := c.ends()
	if f != nil {
		return f
	}
	return c.sendBindings(c.between(&ends))
}

func (c *call) findBinding() (broker.BindingSpec, *broker.BindingInfo, *failure) {
	ends, f := c.ends()
	if f != nil {
		return ends, nil, f
	}
	for _, b := range c.between(&ends) {
		// The key is compared escaped and not: clients differ in how often they
		// escape what they were given.
		if key := propertiesKey(&b); key == c.args[3] || unescaped(key) == c.args[3] {
			return ends, &b, nil
		}
	}
	return ends, nil, notFound("no such binding")
}

func unescaped(key string) string {
	text, err := url.PathUnescape(key)
	if err != nil {
		return key
	}
	return text
}

func (c *call) oneBinding() *failure {
	_, b, f := c.findBinding()
	if f != nil {
		return f
	}
	return c.ok(showBinding(b))
}

func matchMode(arguments codec.Table) (route.MatchMode, *failure) {
	mode, e := native.ReadMatch(arguments)
	if e != nil {
		return 0, badRequest(e.Text)
	}
	return mode, nil
}

func (c *call) bind() *failure {
	var body struct {
		RoutingKey  string    `json:"routing_key"`
		Arguments   arguments `json:"arguments"`
		Source      string    `json:"source"`
		Destination string    `json:"destination"`
		Kind        string    `json:"destination_type"`
		Vhost       string    `json:"vhost"`
	}
	if f := c.readObject(&body); f != nil {
		return f
	}
	if f := echoed(body.Vhost, c.args[0], body.Source, c.args[1], body.Destination, c.args[2]); f != nil {
		return f
	}
	if len(body.RoutingKey) > shortBytesMax {
		return badRequest("routing_key: longer than 255 bytes")
	}
	spec, f := c.ends()
	if f != nil {
		return f
	}
	kind := map[bool]string{false: "queue", true: "exchange"}[spec.ToExchange]
	if body.Kind != kind[:1] { // a client may write q or e, as in the path
		if f := echoed(body.Kind, kind); f != nil {
			return f
		}
	}
	spec.Key, spec.Arguments = body.RoutingKey, body.Arguments
	t, f := encodeTable(body.Arguments)
	if f != nil {
		return f
	}
	if spec.Match, f = matchMode(t); f != nil {
		return f
	}
	s, f := c.open(c.args[0])
	if f != nil {
		return f
	}
	if err := s.Bind(spec); err != nil {
		return failed(err)
	}
	info := broker.BindingInfo{Key: spec.Key, Arguments: spec.Arguments}
	// Relative to the path of the request, whose last segment it repeats.
	c.w.Header().Set("Location", url.PathEscape(spec.Destination)+"/"+url.PathEscape(propertiesKey(&info)))
	c.w.WriteHeader(http.StatusCreated)
	return nil
}

func (c *call) unbind() *failure {
	spec, b, f := c.findBinding()
	if f != nil {
		return f
	}
	spec.Key, spec.Arguments = b.Key, b.Arguments
	if spec.Match, f = matchMode(codec.AppendMap(nil, spec.Arguments)); f != nil {
		return f
	}
	s, f := c.open(c.args[0])
	if f != nil {
		return f
	}
	if err := s.Unbind(spec); err != nil {
		return failed(err)
	}
	return c.done(false)
}
