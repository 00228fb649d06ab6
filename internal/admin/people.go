package admin

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/amqp091/native"
)

type vhostItem struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	Tracing     bool     `json:"tracing"`
	QueueType   string   `json:"default_queue_type"`
	Messages    uint64   `json:"messages"`
	Ready       uint64   `json:"messages_ready"`
	Unacked     uint64   `json:"messages_unacknowledged"`

	ClusterState map[string]string `json:"cluster_state"`
}

func (c *call) showVhost(n *broker.NamespaceInfo) any {
	v := &vhostItem{
		Name: n.Name, Description: n.Description, Tags: append([]string{}, n.Tags...),
		QueueType: cmp.Or(n.Class, "classic"), ClusterState: map[string]string{c.node: "running"},
	}
	for _, q := range c.options.Broker.Queues(n.Name) {
		v.Messages += q.Total
		v.Ready += q.Ready
		v.Unacked += q.Unsettled
	}
	return v
}

func (c *call) vhosts() *failure {
	seen := c.visible()
	all := slices.DeleteFunc(c.options.Broker.Namespaces(), func(n broker.NamespaceInfo) bool { return !slices.Contains(seen, n.Name) })
	return c.list(len(all), func(i int) string { return all[i].Name }, func(i int) any { return c.showVhost(&all[i]) })
}

func (c *call) vhost() *failure {
	if f := c.space(c.args[0]); f != nil {
		return f
	}
	for _, n := range c.options.Broker.Namespaces() {
		if n.Name == c.args[0] {
			return c.ok(c.showVhost(&n))
		}
	}
	return notFound("vhost '" + c.args[0] + "' not found")
}

func (c *call) putVhost() *failure {
	var body struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Tags        tags   `json:"tags"`
		Tracing     flag   `json:"tracing"`
		QueueType   string `json:"default_queue_type"`
		Vhost       string `json:"vhost"` // rabbitmqadmin's own, and no part of a virtual host
	}
	if f := c.readObject(&body); f != nil {
		return f
	}
	if f := echoed(body.Name, c.args[0]); f != nil {
		return f
	}
	if body.Tracing {
		return badRequest("tracing is not offered")
	}
	class, f := defaultQueueType(body.QueueType)
	if f != nil {
		return f
	}
	created, err := c.options.Broker.DefineNamespace(c.principal, broker.NamespaceInfo{
		Name: c.args[0], Description: body.Description, Tags: body.Tags, Class: class,
	})
	if err != nil {
		return failed(err)
	}
	return c.done(created)
}

// defaultQueueType reads the type of queues whose declaration names none; ""
// leaves it as it is.
func defaultQueueType(name string) (string, *failure) {
	switch {
	case name == "" || name == "undefined":
		return "", nil
	case native.KnownType(name):
		return name, nil
	}
	return "", badRequest("Unsupported default queue type")
}

func (c *call) deleteVhost() *failure {
	if err := c.options.Broker.DeleteNamespace(c.principal, c.args[0]); err != nil {
		return failed(err)
	}
	return c.done(false)
}

// userItem is for administrators only, who find the hash in exported definitions
// too.
type userItem struct {
	Name      string   `json:"name"`
	Hash      string   `json:"password_hash"`
	Algorithm string   `json:"hashing_algorithm"`
	Tags      []string `json:"tags"`
	Password  bool     `json:"password"`

	Limits map[string]int64 `json:"limits"`
}

func showUser(u *broker.UserInfo) any {
	hash, algorithm := auth.ExportRabbitMQ(u.Hash)
	return &userItem{u.Name, hash, algorithm, append([]string{}, u.Tags...), u.Password, userLimits.show(u.Limits)}
}

func (c *call) users() *failure {
	all, err := c.options.Broker.Users(c.principal)
	if err != nil {
		return failed(err)
	}
	return c.list(len(all), func(i int) string { return all[i].Name }, func(i int) any { return showUser(&all[i]) })
}

func (c *call) user() *failure {
	u, f := c.findUser(c.args[0])
	if f != nil {
		return f
	}
	return c.ok(showUser(&u))
}

func (c *call) findUser(name string) (broker.UserInfo, *failure) {
	all, err := c.options.Broker.Users(c.principal)
	if err != nil {
		return broker.UserInfo{}, failed(err)
	}
	for i := range all {
		if all[i].Name == name {
			return all[i], nil
		}
	}
	return broker.UserInfo{}, notFound("user '" + name + "' not found")
}

// usersWithoutPermissions may log in and do nothing.
func (c *call) usersWithoutPermissions() *failure {
	all, err := c.options.Broker.Users(c.principal)
	if err != nil {
		return failed(err)
	}
	permissions, err := c.options.Broker.Permissions(c.principal)
	if err != nil {
		return failed(err)
	}
	all = slices.DeleteFunc(all, func(u broker.UserInfo) bool {
		return slices.ContainsFunc(permissions, func(p broker.PermissionInfo) bool { return p.User == u.Name })
	})
	return c.list(len(all), func(i int) string { return all[i].Name }, func(i int) any { return showUser(&all[i]) })
}

// deleteUsers deletes one after the other, as far as they are there.
func (c *call) deleteUsers() *failure {
	var body struct {
		Users []string `json:"users"`
	}
	if f := c.readObject(&body); f != nil {
		return f
	}
	if f := missing("users", body.Users != nil); f != nil {
		return f
	}
	for _, name := range body.Users {
		err := c.options.Broker.DeleteUser(c.principal, name)
		if err != nil && err.Code == broker.CodeNotFound {
			return badRequest("no_such_user " + name)
		}
		if err != nil {
			return failed(err)
		}
	}
	return c.done(false)
}

// tags are words in a list or in a text with commas.
type tags []string

// UnmarshalJSON takes both forms.
func (t *tags) UnmarshalJSON(b []byte) error {
	var text string
	var list []string
	if err := json.Unmarshal(b, &text); err == nil {
		list = strings.Split(text, ",")
	} else if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	for _, word := range list {
		if word = strings.TrimSpace(word); word != "" {
			*t = append(*t, word)
		}
	}
	return nil
}

func (c *call) putUser() *failure {
	var body struct {
		Password  *string `json:"password"`
		Hash      *string `json:"password_hash"`
		Algorithm string  `json:"hashing_algorithm"`
		Tags      *tags   `json:"tags"`
		Vhost     string  `json:"vhost"` // rabbitmqadmin's own, and no part of a user
		Name      string  `json:"name"`
		Limits    limits  `json:"limits"`
	}
	if f := c.readObject(&body); f != nil {
		return f
	}
	if f := echoed(body.Name, c.args[0]); f != nil {
		return f
	}
	if body.Tags == nil {
		return badRequest("tags_not_present")
	}
	spec := broker.UserSpec{Name: c.args[0], Tags: *body.Tags}
	none := ""
	switch {
	case body.Password != nil && body.Hash != nil:
		return badRequest("both_password_and_password_hash_are_provided")
	case body.Hash != nil:
		stored, err := auth.ImportRabbitMQ(*body.Hash, cmp.Or(body.Algorithm, "rabbit_password_hashing_sha256"))
		if err != nil {
			return badRequest("password_hash: " + err.Error())
		}
		spec.Hash = &stored
	case body.Password != nil:
		spec.Password = *body.Password
	default:
		spec.Hash = &none // he can come with a certificate
	}
	var l broker.Limits
	if wrong := userLimits.read(&l, body.Limits, "user-limits"); wrong != nil {
		return badRequest(strings.Join(wrong, "\n"))
	}
	created, err := c.options.Broker.PutUser(c.principal, spec)
	if err == nil && body.Limits != nil {
		err = c.options.Broker.PutUserLimits(c.principal, c.args[0], l)
	}
	if err != nil {
		return failed(err)
	}
	return c.done(created)
}

func (c *call) deleteUser() *failure {
	if err := c.options.Broker.DeleteUser(c.principal, c.args[0]); err != nil {
		return failed(err)
	}
	return c.done(false)
}

type permissionItem struct {
	User      string `json:"user"`
	Vhost     string `json:"vhost"`
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`
}

func (c *call) sendPermissions(keep func(p *broker.PermissionInfo) bool) *failure {
	all, err := c.options.Broker.Permissions(c.principal)
	if err != nil {
		return failed(err)
	}
	all = slices.DeleteFunc(all, func(p broker.PermissionInfo) bool { return !keep(&p) })
	return c.list(len(all), func(i int) string { return all[i].User }, func(i int) any { return renamed(&all[i]) })
}

func renamed(p *broker.PermissionInfo) permissionItem {
	return permissionItem{p.User, p.Namespace, p.Configure, p.Write, p.Read}
}

func (c *call) permissions() *failure {
	return c.sendPermissions(func(*broker.PermissionInfo) bool { return true })
}

func (c *call) vhostPermissions() *failure {
	if f := c.space(c.args[0]); f != nil {
		return f
	}
	return c.sendPermissions(func(p *broker.PermissionInfo) bool { return p.Namespace == c.args[0] })
}

func (c *call) userPermissions() *failure {
	if _, f := c.findUser(c.args[0]); f != nil {
		return f
	}
	return c.sendPermissions(func(p *broker.PermissionInfo) bool { return p.User == c.args[0] })
}

func (c *call) permission() *failure {
	all, err := c.options.Broker.Permissions(c.principal)
	if err != nil {
		return failed(err)
	}
	for i := range all {
		if all[i].Namespace == c.args[0] && all[i].User == c.args[1] {
			return c.ok(renamed(&all[i]))
		}
	}
	return notFound("no permission of user '" + c.args[1] + "' in vhost '" + c.args[0] + "'")
}

func (c *call) putPermission() *failure {
	var body struct {
		Configure *string `json:"configure"`
		Write     *string `json:"write"`
		Read      *string `json:"read"`
		Username  string  `json:"username"`
		User      string  `json:"user"`
		Vhost     string  `json:"vhost"`
	}
	if f := c.readObject(&body); f != nil {
		return f
	}
	if f := echoed(body.Vhost, c.args[0], body.User, c.args[1], body.Username, c.args[1]); f != nil {
		return f
	}
	if f := missing("configure", body.Configure != nil, "write", body.Write != nil, "read", body.Read != nil); f != nil {
		return f
	}
	all, err := c.options.Broker.Permissions(c.principal)
	if err != nil {
		return failed(err)
	}
	existed := slices.ContainsFunc(all, func(p broker.PermissionInfo) bool { return p.Namespace == c.args[0] && p.User == c.args[1] })
	err = c.options.Broker.PutPermission(c.principal, broker.PermissionInfo{
		User: c.args[1], Namespace: c.args[0], Configure: *body.Configure, Write: *body.Write, Read: *body.Read,
	})
	if err != nil && err.Code == broker.CodeNotFound {
		return badRequest("vhost_or_user_not_found")
	}
	if err != nil {
		return failed(err)
	}
	return c.done(!existed)
}

func (c *call) deletePermission() *failure {
	all, err := c.options.Broker.Permissions(c.principal)
	if err != nil {
		return failed(err)
	}
	if !slices.ContainsFunc(all, func(p broker.PermissionInfo) bool { return p.Namespace == c.args[0] && p.User == c.args[1] }) {
		return notFound("no permission of user '" + c.args[1] + "' in vhost '" + c.args[0] + "'")
	}
	if err := c.options.Broker.DeletePermission(c.principal, c.args[1], c.args[0]); err != nil {
		return failed(err)
	}
	return c.done(false)
}
