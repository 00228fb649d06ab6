package admin

import (
	"strings"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/native"
)

type exchangeItem struct {
	Name       string         `json:"name"`
	Vhost      string         `json:"vhost"`
	Type       string         `json:"type"`
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Internal   bool           `json:"internal"`
	Arguments  map[string]any `json:"arguments"`
	Policy     string         `json:"policy,omitempty"`
	Operator   string         `json:"operator_policy,omitempty"`
}

func showExchange(x *broker.ExchangeInfo) any {
	return &exchangeItem{
		x.Name, x.Namespace, native.ExchangeType(x.Kind, x.Arguments), x.Durable, x.AutoDelete, x.Internal, object(x.Arguments),
		x.Policy, x.OperatorPolicy,
	}
}

func (c *call) exchanges() *failure {
	spaces, f := c.spaces(c.args...)
	if f != nil {
		return f
	}
	all := c.options.Broker.Exchanges(spaces...)
	return c.list(len(all), func(i int) string { return all[i].Name }, func(i int) any { return showExchange(&all[i]) })
}

// exchangeName is that of a path: the default one has several.
func exchangeName(segment string) string {
	if segment == "amq.default" {
		return ""
	}
	return segment
}

func (c *call) findExchange() (broker.ExchangeInfo, *failure) {
	if f := c.space(c.args[0]); f != nil {
		return broker.ExchangeInfo{}, f
	}
	x, ok := c.options.Broker.Exchange(c.args[0], exchangeName(c.args[1]))
	if !ok {
		return x, notFound("no exchange '" + c.args[1] + "' in vhost '" + c.args[0] + "'")
	}
	return x, nil
}

func (c *call) exchange() *failure {
	x, f := c.findExchange()
	if f != nil {
		return f
	}
	return c.ok(showExchange(&x))
}

func (c *call) putExchange() *failure {
	var body struct {
		Type       string    `json:"type"`
		AutoDelete flag      `json:"auto_delete"`
		Durable    *flag     `json:"durable"`
		Internal   flag      `json:"internal"`
		Arguments  arguments `json:"arguments"`
		Name       string    `json:"name"`
		Vhost      string    `json:"vhost"`
	}
	if f := c.readObject(&body); f != nil {
		return f
	}
	if f := echoed(body.Vhost, c.args[0], body.Name, c.args[1]); f != nil {
		return f
	}
	spec := broker.ExchangeSpec{
		Name: exchangeName(c.args[1]), Kind: body.Type, Durable: true,
		AutoDelete: bool(body.AutoDelete), Internal: bool(body.Internal),
	}
	if body.Durable != nil {
		spec.Durable = bool(*body.Durable)
	}
	if spec.Name == "" {
		return refused("ACCESS_REFUSED - operation not permitted on the default exchange")
	}
	if spec.Kind == "" {
		spec.Kind = "direct"
	}
	t, f := encodeTable(body.Arguments)
	if f != nil {
		return f
	}
	if e := native.CheckExchangeType(spec.Kind); e != nil {
		return badRequest(e.Text)
	}
	if e := native.ReadExchange(&spec, c.args[0], t); e != nil {
		return badRequest(e.Text)
	}
	s, f := c.open(c.args[0])
	if f != nil {
		return f
	}
	_, existed := c.options.Broker.Exchange(c.args[0], spec.Name)
	if !existed && strings.HasPrefix(spec.Name, "amq.") {
		return reserved("exchange", spec.Name)
	}
	if err := s.DeclareExchange(spec); err != nil {
		return failed(err)
	}
	return c.done(!existed)
}

func (c *call) deleteExchange() *failure {
	s, f := c.open(c.args[0])
	if f != nil {
		return f
	}
	name := exchangeName(c.args[1])
	err := s.DeleteExchange(name, broker.DeleteOptions{IfUnused: c.r.URL.Query().Get("if-unused") == "true"})
	if err != nil {
		return failed(err)
	}
	return c.done(false)
}
