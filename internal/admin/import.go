package admin

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/amqp091/native"
)

// importsAtOnce is how many queues, exchanges or bindings are made at the same
// time: each waits for the disk.
const importsAtOnce = 64

// importer makes what definitions say. What is there already stays as it is.
type importer struct {
	*call
	space string // everything goes there; "" where the definitions say
}

func (c *call) importDefinitions() *failure {
	if !c.roles.Has(auth.Administrator) {
		return refused("User not authorised")
	}
	i := importer{call: c}
	if len(c.args) > 0 {
		i.space = c.args[0]
		if f := c.space(i.space); f != nil {
			return f
		}
	}
	body, f := c.definitionsFile()
	if f != nil {
		return f
	}
	var d definitions
	decoder := json.NewDecoder(body)
	decoder.UseNumber()
	err := decoder.Decode(&d)
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return badRequest("failed_to_parse_json")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return badRequest("definitions: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	if f := i.all(&d); f != nil {
		return f
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// definitionsFile is the body, or the file in a form.
func (c *call) definitionsFile() (io.Reader, *failure) {
	if kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || kind != "multipart/form-data" {
		return c.r.Body, nil
	}
	form, err := c.r.MultipartReader()
	if err != nil {
		return nil, badRequest("form: " + err.Error())
	}
	for {
		part, err := form.NextPart()
		if err != nil {
			return nil, badRequest("form: no part 'file'")
		}
		if part.FormName() == "file" {
			return part, nil
		}
	}
}

// named puts the name of what was wrong before what was wrong with it.
func named(what, name, space string, f *failure) *failure {
	if f != nil {
		if space != "" {
			name += "' in vhost '" + space
		}
		f.reason = what + " '" + name + "': " + f.reason
		if f.status < http.StatusInternalServerError { // whatever it was, the file is wrong
			f.status, f.name = http.StatusBadRequest, "bad_request"
		}
	}
	return f
}

// sequence calls do for every item until one fails.
func sequence[T any](items []T, do func(item *T) *failure) *failure {
	for k := range items {
		if f := do(&items[k]); f != nil {
			return f
		}
	}
	return nil
}

// all goes in the order in which things need each other.
func (i *importer) all(d *definitions) *failure {
	if i.space == "" {
		if f := i.people(d); f != nil {
			return f
		}
	}
	if f := parallel(i, d.Exchanges, i.exchange); f != nil {
		return f
	}
	if i.space == "" {
		if f := sequence(d.TopicPermissions, i.topicPermission); f != nil {
			return f
		}
		if f := sequence(d.GlobalParameters, i.globalParameter); f != nil {
			return f
		}
	}
	if f := sequence(d.Policies, i.policy); f != nil {
		return f
	}
	if f := sequence(d.Parameters, i.parameter); f != nil {
		return f
	}
	if f := parallel(i, d.Queues, i.queue); f != nil {
		return f
	}
	return parallel(i, d.Bindings, i.binding)
}

func (i *importer) people(d *definitions) *failure {
	if f := sequence(d.Users, i.user); f != nil {
		return f
	}
	if f := sequence(d.Vhosts, i.vhost); f != nil {
		return f
	}
	return sequence(d.Permissions, func(p *permissionItem) *failure {
		return named("permission of user", p.User, p.Vhost, failed(i.options.Broker.PutPermission(i.principal, broker.PermissionInfo{
			User: p.User, Namespace: p.Vhost, Configure: p.Configure, Write: p.Write, Read: p.Read,
		})))
	})
}

func (i *importer) user(u *userDefinition) *failure {
	spec := broker.UserSpec{Name: u.Name, Tags: u.Tags}
	switch {
	case u.Password != nil:
		spec.Password = *u.Password
	default:
		hash := ""
		if u.Hash != nil {
			hash = *u.Hash
		}
		stored, err := auth.ImportRabbitMQ(hash, cmp.Or(u.Algorithm, "rabbit_password_hashing_sha256"))
		if err != nil {
			return named("user", u.Name, "", badRequest("password_hash: "+err.Error()))
		}
		spec.Hash = &stored
	}
	if _, err := i.options.Broker.PutUser(i.principal, spec); err != nil {
		return named("user", u.Name, "", failed(err))
	}
	if u.Limits == nil {
		return nil
	}
	var l broker.Limits
	if wrong := userLimits.read(&l, u.Limits, "user-limits"); wrong != nil {
		return named("user", u.Name, "", badRequest(strings.Join(wrong, "\n")))
	}
	return named("user", u.Name, "", failed(i.options.Broker.PutUserLimits(i.principal, u.Name, l)))
}

func (i *importer) vhost(v *vhostDefinition) *failure {
	class, f := defaultQueueType(cmp.Or(v.QueueType, v.Metadata.QueueType))
	if f != nil {
		return named("vhost", v.Name, "", f)
	}
	words, about := v.Tags, cmp.Or(v.Description, v.Metadata.Description)
	if len(words) == 0 {
		words = v.Metadata.Tags
	}
	if len(words) == 0 && about == "" && class == "" && i.has(v.Name) {
		return nil // files of older releases say nothing but the name
	}
	_, err := i.options.Broker.DefineNamespace(i.principal, broker.NamespaceInfo{Name: v.Name, Description: about, Tags: words, Class: class})
	return named("vhost", v.Name, "", failed(err))
}

func (i *importer) has(space string) bool {
	return slices.ContainsFunc(i.options.Broker.Namespaces(), func(n broker.NamespaceInfo) bool { return n.Name == space })
}

func (i *importer) topicPermission(t *topicPermissionItem) *failure {
	return named("topic permission of user", t.User, t.Vhost, failed(i.options.Broker.PutTopicPermission(i.principal,
		broker.TopicPermissionInfo{User: t.User, Namespace: t.Vhost, Exchange: t.Exchange, Write: t.Write, Read: t.Read})))
}

// globalParameter leaves out RabbitMQ's own notes about itself.
func (i *importer) globalParameter(p *globalParameterItem) *failure {
	if strings.HasPrefix(p.Name, "internal") || strings.HasPrefix(p.Name, "imported_definition") {
		return nil
	}
	_, err := i.options.Broker.PutParameter(i.principal, p.Name, p.Value)
	return named("global parameter", p.Name, "", failed(err))
}

func (i *importer) in(space string) string { return cmp.Or(i.space, space) }

func (i *importer) policy(p *policyDefinition) *failure {
	space := i.in(p.Vhost)
	_, f := i.setPolicy(space, p.Name, false, native.PolicyBody{
		Pattern: p.Pattern, ApplyTo: p.ApplyTo, Definition: broker.WholeNumbers(p.Definition), Priority: broker.WholeNumbers(p.Priority),
	})
	return named("policy", p.Name, space, f)
}

func (i *importer) parameter(p *parameterItem) *failure {
	space := i.in(p.Vhost)
	_, f := i.setParameter(space, p.Component, p.Name, p.Value)
	return named("parameter", p.Name, space, f)
}

// sessions are one worker's, by namespace.
type sessions map[string]*broker.Session

func (i *importer) session(have sessions, space string) (*broker.Session, *failure) {
	if s := have[space]; s != nil {
		return s, nil
	}
	s, err := i.options.Broker.Open(i.principal, broker.SessionOptions{
		Namespace: space, Dialect: dialectCall, Name: i.r.RemoteAddr + " (HTTP)", Remote: i.remote, Uncounted: true, Managing: true,
	})
	if err != nil {
		return nil, failed(err)
	}
	have[space] = s
	return s, nil
}

// parallel calls do for every item, several at a time, and returns the failure of
// the first of them in order.
func parallel[T any](_ *importer, items []T, do func(have sessions, item *T) *failure) *failure {
	failures := make([]*failure, len(items))
	var work sync.WaitGroup
	for w := range min(importsAtOnce, len(items)) {
		work.Go(func() {
			have := sessions{}
			for k := w; k < len(items); k += importsAtOnce {
				if failures[k] = do(have, &items[k]); failures[k] != nil {
					break
				}
			}
			for _, s := range have {
				s.Close()
			}
		})
	}
	work.Wait()
	return sequence(failures, func(f **failure) *failure { return *f })
}

func (i *importer) queue(have sessions, q *queueDefinition) *failure {
	space := i.in(q.Vhost)
	return named("queue", q.Name, space, i.declareQueue(have, q, space))
}

func (i *importer) declareQueue(have sessions, q *queueDefinition, space string) *failure {
	if strings.HasPrefix(q.Name, reservedPrefix) {
		return nil // made by a broker for a connection
	}
	if _, there := i.options.Broker.Queue(space, q.Name); there {
		return nil
	}
	spec := broker.QueueSpec{Name: q.Name, Durable: q.Durable == nil || bool(*q.Durable), AutoDelete: bool(q.AutoDelete)}
	switch {
	case spec.Name == "":
		return badRequest("a queue needs a name")
	case bool(q.Exclusive):
		return badRequest("exclusive: there is no connection here that could own the queue")
	case q.Type != "" && q.Arguments["x-queue-type"] == nil:
		if q.Arguments == nil {
			q.Arguments = arguments{}
		}
		q.Arguments["x-queue-type"] = q.Type
	}
	t, f := encodeTable(q.Arguments)
	if f != nil {
		return f
	}
	if e := native.ReadQueue(&spec, space, native.DefaultType(&spec, i.options.Broker.QueueClass(space), t), false); e != nil {
		return badRequest(e.Text)
	}
	s, f := i.session(have, space)
	if f != nil {
		return f
	}
	_, _, err := s.DeclareQueue(spec)
	return failed(err)
}

func (i *importer) exchange(have sessions, x *exchangeDefinition) *failure {
	space := i.in(x.Vhost)
	return named("exchange", x.Name, space, i.declareExchange(have, x, space))
}

func (i *importer) declareExchange(have sessions, x *exchangeDefinition, space string) *failure {
	if x.Name == "" || strings.HasPrefix(x.Name, reservedPrefix) {
		return nil // there in every namespace
	}
	if _, there := i.options.Broker.Exchange(space, x.Name); there {
		return nil
	}
	spec := broker.ExchangeSpec{
		Name: x.Name, Kind: x.Type, Durable: x.Durable == nil || bool(*x.Durable), AutoDelete: bool(x.AutoDelete), Internal: bool(x.Internal),
	}
	t, f := encodeTable(x.Arguments)
	if f != nil {
		return f
	}
	if e := native.CheckExchangeType(spec.Kind); e != nil {
		return badRequest(e.Text)
	}
	if e := native.ReadExchange(&spec, space, t); e != nil {
		return badRequest(e.Text)
	}
	s, f := i.session(have, space)
	if f != nil {
		return f
	}
	return failed(s.DeclareExchange(spec))
}

func (i *importer) binding(have sessions, b *bindingDefinition) *failure {
	space := i.in(b.Vhost)
	return named("binding of exchange", b.Source, space, i.bindDefinition(have, b, space))
}

func (i *importer) bindDefinition(have sessions, b *bindingDefinition, space string) *failure {
	if b.Source == "" {
		return nil // every queue has it
	}
	spec := broker.BindingSpec{Source: b.Source, Destination: b.Destination, Key: b.RoutingKey, Arguments: b.Arguments}
	switch b.Kind {
	case destinationKind(false):
	case destinationKind(true):
		spec.ToExchange = true
	default:
		return badRequest("destination_type '" + b.Kind + "'")
	}
	if len(b.RoutingKey) > shortBytesMax {
		return badRequest("routing_key: longer than 255 bytes")
	}
	t, f := encodeTable(b.Arguments)
	if f != nil {
		return f
	}
	if spec.Match, f = matchMode(t); f != nil {
		return f
	}
	s, f := i.session(have, space)
	if f != nil {
		return f
	}
	return failed(s.Bind(spec))
}
