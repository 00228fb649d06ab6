package admin

import (
	"maps"
	"net/http"
	"strings"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/amqp091/native"
)

// definitions are everything that was declared, in RabbitMQ's format. Its files
// have more fields than these: about the broker they come from.
type definitions struct {
	RabbitVersion    string `json:"rabbit_version"`
	RabbitMQVersion  string `json:"rabbitmq_version"`
	ProductName      string `json:"product_name"`
	ProductVersion   string `json:"product_version"`
	Format           string `json:"rabbitmq_definition_format"`
	OriginalCluster  string `json:"original_cluster_name,omitempty"`
	OriginalVhost    string `json:"original_vhost_name,omitempty"`
	Explanation      string `json:"explanation"`
	VhostDescription string `json:"description,omitempty"`

	Users            []userDefinition      `json:"users,omitzero"`
	Vhosts           []vhostDefinition     `json:"vhosts,omitzero"`
	Permissions      []permissionItem      `json:"permissions,omitzero"`
	TopicPermissions []topicPermissionItem `json:"topic_permissions,omitzero"`
	Parameters       []parameterItem       `json:"parameters"`
	GlobalParameters []globalParameterItem `json:"global_parameters,omitzero"`
	Policies         []policyDefinition    `json:"policies"`
	Queues           []queueDefinition     `json:"queues"`
	Exchanges        []exchangeDefinition  `json:"exchanges"`
	Bindings         []bindingDefinition   `json:"bindings"`
}

type userDefinition struct {
	Name      string  `json:"name"`
	Hash      *string `json:"password_hash,omitempty"`
	Password  *string `json:"password,omitempty"` // of files written by hand
	Algorithm string  `json:"hashing_algorithm,omitempty"`
	Tags      tags    `json:"tags"`
	Limits    limits  `json:"limits"`
}

// limits are named numbers. RabbitMQ writes [] for none.
type limits map[string]any

// UnmarshalJSON takes both forms.
func (l *limits) UnmarshalJSON(b []byte) error { return (*arguments)(l).UnmarshalJSON(b) }

type vhostDefinition struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Tags        tags   `json:"tags"`
	QueueType   string `json:"default_queue_type,omitempty"`
	Metadata    struct {
		Description string `json:"description"`
		Tags        tags   `json:"tags"`
		QueueType   string `json:"default_queue_type,omitempty"`
	} `json:"metadata"`
	Limits limits `json:"limits,omitempty"`
}

type policyDefinition struct {
	Vhost      string `json:"vhost,omitempty"`
	Name       string `json:"name"`
	Pattern    any    `json:"pattern"`
	ApplyTo    any    `json:"apply-to"`
	Definition any    `json:"definition"`
	Priority   any    `json:"priority"`
}

type queueDefinition struct {
	Name       string    `json:"name"`
	Vhost      string    `json:"vhost,omitempty"`
	Type       string    `json:"type,omitempty"`
	Durable    *flag     `json:"durable"`
	AutoDelete flag      `json:"auto_delete"`
	Exclusive  flag      `json:"exclusive,omitempty"`
	Arguments  arguments `json:"arguments"`
}

type exchangeDefinition struct {
	Name       string    `json:"name"`
	Vhost      string    `json:"vhost,omitempty"`
	Type       string    `json:"type"`
	Durable    *flag     `json:"durable"`
	AutoDelete flag      `json:"auto_delete"`
	Internal   flag      `json:"internal"`
	Arguments  arguments `json:"arguments"`
}

type bindingDefinition struct {
	Source      string    `json:"source"`
	Vhost       string    `json:"vhost,omitempty"`
	Destination string    `json:"destination"`
	Kind        string    `json:"destination_type"`
	RoutingKey  string    `json:"routing_key"`
	Arguments   arguments `json:"arguments"`
}

func definitionRoutes() []entry {
	methods := verbs{http.MethodGet: (*call).exportDefinitions, http.MethodPost: (*call).importDefinitions}
	all, one := newEntry("api/definitions", accessUser, methods), newEntry("api/definitions/*", accessUser, methods)
	all.large, one.large = true, true
	return []entry{all, one}
}

func (c *call) exportDefinitions() *failure {
	if !c.roles.Has(auth.Administrator) {
		return refused("User not authorised")
	}
	d := definitions{
		RabbitVersion: likeRabbitMQ, RabbitMQVersion: likeRabbitMQ, ProductName: "weir", ProductVersion: c.options.Version,
	}
	if f := c.export(&d); f != nil {
		return f
	}
	if name := c.r.URL.Query().Get("download"); name != "" && !strings.ContainsAny(name, "\"\\\r\n;") {
		c.w.Header().Set("Content-Disposition", "attachment; filename="+name)
	}
	return c.ok(&d)
}

func (c *call) export(d *definitions) *failure {
	if len(c.args) > 0 {
		return c.exportOne(d, c.args[0])
	}
	return c.exportAll(d)
}

func (c *call) exportAll(d *definitions) *failure {
	d.Format, d.OriginalCluster, d.Explanation = "cluster", c.cluster(), "Definitions of cluster '"+c.cluster()+"'"
	users, err := c.options.Broker.Users(c.principal)
	if err != nil {
		return failed(err)
	}
	for i := range users {
		u := userDefinition{Name: users[i].Name, Tags: append(tags{}, users[i].Tags...), Limits: limits{}}
		hash, algorithm := auth.ExportRabbitMQ(users[i].Hash)
		u.Hash, u.Algorithm = &hash, algorithm
		for name, v := range userLimits.show(users[i].Limits) {
			u.Limits[name] = v
		}
		d.Users = append(d.Users, u)
	}
	d.Permissions, d.TopicPermissions, d.GlobalParameters = []permissionItem{}, []topicPermissionItem{}, []globalParameterItem{}
	var spaces []string
	for _, n := range c.options.Broker.Namespaces() {
		v := vhostDefinition{Name: n.Name, Description: n.Description, Tags: append(tags{}, n.Tags...)}
		v.QueueType = n.Class
		v.Metadata.Description, v.Metadata.Tags, v.Metadata.QueueType = v.Description, v.Tags, v.QueueType
		d.Vhosts = append(d.Vhosts, v)
		spaces = append(spaces, n.Name)
	}
	permissions, err := c.options.Broker.Permissions(c.principal)
	if err != nil {
		return failed(err)
	}
	for i := range permissions {
		d.Permissions = append(d.Permissions, renamed(&permissions[i]))
	}
	topics, err := c.options.Broker.TopicPermissions(c.principal)
	if err != nil {
		return failed(err)
	}
	for i := range topics {
		d.TopicPermissions = append(d.TopicPermissions, showTopic(&topics[i]))
	}
	for _, p := range c.options.Broker.Parameters() {
		d.GlobalParameters = append(d.GlobalParameters, globalParameterItem(p))
	}
	c.exportObjects(d, spaces...)
	return nil
}

// exportOne leaves out which namespace things are in, so that they can go to
// another.
func (c *call) exportOne(d *definitions, space string) *failure {
	d.Format, d.OriginalVhost, d.Explanation = "single_virtual_host", space, "Definitions of virtual host '"+space+"'"
	if f := c.space(space); f != nil {
		return f
	}
	for _, n := range c.options.Broker.Namespaces() {
		if n.Name == space {
			d.VhostDescription = n.Description
		}
	}
	c.exportObjects(d, space)
	for i := range d.Parameters {
		d.Parameters[i].Vhost = ""
	}
	for i := range d.Policies {
		d.Policies[i].Vhost = ""
	}
	for i := range d.Queues {
		d.Queues[i].Vhost = ""
	}
	for i := range d.Exchanges {
		d.Exchanges[i].Vhost = ""
	}
	for i := range d.Bindings {
		d.Bindings[i].Vhost = ""
	}
	return nil
}

// exportObjects lists what is in namespaces, less what is always there and what
// goes with a connection.
func (c *call) exportObjects(d *definitions, spaces ...string) {
	b := c.options.Broker
	d.Parameters, d.Policies, d.Queues = c.parametersOf(spaces...), []policyDefinition{}, []queueDefinition{}
	d.Exchanges, d.Bindings = []exchangeDefinition{}, []bindingDefinition{}
	for _, p := range b.Policies(false, spaces...) {
		v := showPolicy(&p)
		d.Policies = append(d.Policies, policyDefinition{v.Vhost, v.Name, v.Pattern, v.ApplyTo, v.Definition, v.Priority})
	}
	exclusive := map[[2]string]bool{}
	for _, q := range b.Queues(spaces...) {
		if q.Exclusive {
			exclusive[[2]string{q.Namespace, q.Name}] = true
			continue
		}
		if q.Views != "" { // of a topic, and topics are no definitions
			continue
		}
		durable := flag(q.Durable)
		d.Queues = append(d.Queues, queueDefinition{
			Name: q.Name, Vhost: q.Namespace, Durable: &durable, AutoDelete: flag(q.AutoDelete), Arguments: c.typed(&q),
		})
	}
	for _, x := range b.Exchanges(spaces...) {
		if x.Name == "" || strings.HasPrefix(x.Name, reservedPrefix) {
			continue
		}
		durable := flag(x.Durable)
		d.Exchanges = append(d.Exchanges, exchangeDefinition{
			x.Name, x.Namespace, native.ExchangeType(x.Kind, x.Arguments), &durable, flag(x.AutoDelete), flag(x.Internal), object(x.Arguments),
		})
	}
	for _, e := range b.Bindings(spaces...) {
		kind := destinationKind(e.ToExchange)
		if e.ToExchange || !e.ToTopic && !exclusive[[2]string{e.Namespace, e.Destination}] {
			d.Bindings = append(d.Bindings, bindingDefinition{e.Source, e.Namespace, e.Destination, kind, e.Key, object(e.Arguments)})
		}
	}
}

// typed are a queue's arguments, with its type where the virtual host would
// otherwise decide.
func (c *call) typed(q *broker.QueueInfo) arguments {
	all := object(q.Arguments)
	if class := c.options.Broker.QueueClass(q.Namespace); class != "" && all["x-queue-type"] == nil {
		all = maps.Clone(all)
		all["x-queue-type"] = native.QueueType(all)
	}
	return all
}

// reservedPrefix begins the names of objects that clients do not make.
const reservedPrefix = "amq."

func destinationKind(toExchange bool) string {
	if toExchange {
		return broker.ObjectExchange.String()
	}
	return broker.ObjectQueue.String()
}
