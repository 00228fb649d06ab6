package admin

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"weir/internal/auth"
	"weir/internal/broker"
)

const (
	// requestTime bounds the reading of a body and the writing of an answer of
	// every call that is not a stream.
	requestTime = time.Minute
	// bodyBytesMax bounds a request's body, but not that of a stream.
	bodyBytesMax = 1 << 20
	// Definitions may be as large as RabbitMQ lets them be by default, and take as
	// long as it takes to store what they say.
	definitionsBytesMax = 20_000_000
	definitionsTime     = 10 * time.Minute
	// any1 is a segment of a pattern that matches any one segment.
	any1 = "*"
	// propertiesSegment is where a binding's properties_key stands.
	propertiesSegment = 7
)

// access is who may call a route.
type access uint8

const (
	accessOpen    access = iota // everybody
	accessMetrics               // this machine, or a user of the management API
	accessUser                  // a user of the management API
	accessMonitor               // one who may watch the broker
)

type handler func(c *call) *failure

// entry is one path and what its methods do.
type entry struct {
	pattern []string
	access  access
	methods map[string]handler
	stream  bool // no time limits, no limit to the body
	large   bool // those of definitions
}

// call is one request on its way.
type call struct {
	*Server
	w         http.ResponseWriter
	r         *http.Request
	args      []string // the segments that matched any1
	remote    netip.AddrPort
	principal broker.Principal
	roles     auth.Roles
	sessions  []*broker.Session
}

func newEntry(pattern string, a access, methods map[string]handler) entry {
	return entry{pattern: strings.Split(pattern, "/"), access: a, methods: methods}
}

// split takes a path apart without mistaking an escaped slash for a separator.
// It returns nil for a path that is not well-formed.
func split(u *url.URL) []string {
	path, ok := strings.CutPrefix(u.EscapedPath(), "/")
	if !ok {
		return nil
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		var err error
		if parts[i], err = url.PathUnescape(p); err != nil {
			return nil
		}
	}
	return parts
}

// match compares path segments with the pattern and collects the arguments.
func (r *entry) match(parts []string) ([]string, bool) {
	if len(parts) != len(r.pattern) {
		return nil, false
	}
	var args []string
	for i, p := range r.pattern {
		switch {
		case p == any1:
			args = append(args, parts[i])
		case p != parts[i]:
			return nil, false
		}
	}
	return args, true
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := s.options.Clock.Now()
	c := &call{Server: s, w: &counted{ResponseWriter: w}, r: r}
	defer func() { // a handler may panic, to cut its answer
		for _, session := range c.sessions {
			session.Close()
		}
		s.requests.Observe(s.options.Clock.Now().Sub(started))
	}()
	if f := c.serve(); f != nil {
		c.fail(f)
	}
}

func (c *call) serve() *failure {
	parts := split(c.r.URL)
	if parts == nil {
		return badRequest("malformed path")
	}
	for i, p := range parts {
		if i == propertiesSegment {
			p = p[:min(len(p), shortBytesMax)] // an escaped key may be longer than a name
		}
		if err := broker.CheckName(broker.ObjectNone, p); err != nil {
			return badRequest("path segment: " + err.Text)
		}
	}
	// Clients write api/connections/ for api/connections; the name of the
	// default exchange is empty, though.
	if last := len(parts) - 1; parts[last] == "" {
		if rt := c.find(parts[:last]); rt != nil {
			return c.serveRoute(rt)
		}
	}
	if rt := c.find(parts); rt != nil {
		return c.serveRoute(rt)
	}
	return notFound("not offered here")
}

// find returns the entry of a path and keeps its arguments, nil for an unknown
// path.
func (c *call) find(parts []string) *entry {
	for i := range c.routes {
		if args, ok := c.routes[i].match(parts); ok {
			c.args = args
			return &c.routes[i]
		}
	}
	return nil
}

func (c *call) serveRoute(rt *entry) *failure {
	method := c.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	h := rt.methods[method]
	if h == nil {
		allowed := make([]string, 0, len(rt.methods))
		for m := range rt.methods {
			allowed = append(allowed, m)
		}
		slices.Sort(allowed)
		c.w.Header().Set("Allow", strings.Join(allowed, ", "))
		return &failure{status: http.StatusMethodNotAllowed, name: "method_not_allowed", reason: c.r.Method + " is not offered here"}
	}
	if err := c.origin.Check(c.r); err != nil {
		return &failure{status: http.StatusForbidden, name: "not_authorised", reason: "cross-origin request"}
	}
	c.remote, _ = netip.ParseAddrPort(c.r.RemoteAddr) // an invalid one is nobody's loopback
	control := http.NewResponseController(c.w)
	if rt.stream {
		// An answer may come before the body has ended, and nobody waits for
		// the rest of it.
		c.w.Header().Set("Connection", "close")
		if control.EnableFullDuplex() != nil || control.SetReadDeadline(time.Time{}) != nil {
			return &failure{status: http.StatusInternalServerError, name: "internal_error", reason: "no stream"}
		}
		defer c.stopReading()
	} else {
		most, patience := int64(bodyBytesMax), requestTime
		if rt.large {
			most, patience = definitionsBytesMax, definitionsTime
		}
		deadline := c.options.Clock.Now().Add(patience)
		if control.SetReadDeadline(deadline) != nil || control.SetWriteDeadline(deadline) != nil {
			return &failure{status: http.StatusInternalServerError, name: "internal_error", reason: "no deadline"}
		}
		c.r.Body = http.MaxBytesReader(c.w, c.r.Body, most)
	}
	if f := c.authorise(rt.access); f != nil {
		return f
	}
	return h(c)
}

// stopReading makes every read of the body fail from now on.
func (c *call) stopReading() {
	if err := http.NewResponseController(c.w).SetReadDeadline(time.Unix(1, 0)); err != nil {
		c.options.Log.Debug("http: stream not stopped", "err", err)
	}
}

// authorise finds out who calls.
func (c *call) authorise(a access) *failure {
	user, password, given := c.r.BasicAuth()
	if a == accessOpen || a == accessMetrics && !given && c.remote.Addr().Unmap().IsLoopback() {
		return nil
	}
	login := &failure{status: http.StatusUnauthorized, name: "not_authorized", reason: "Login failed", login: true}
	if !given {
		return login
	}
	p, err := c.options.Broker.Authenticate(user, password, c.remote)
	if err != nil {
		c.options.Log.Warn("http: login refused", "user", user, "remote", c.r.RemoteAddr, "cause", err)
		return login
	}
	c.principal = p
	c.roles, _ = auth.ParseRoles(p.Tags)
	if !c.roles.Has(auth.Management) {
		return refused("Not management user")
	}
	if a == accessMonitor && !c.roles.Has(auth.Monitoring) {
		return refused("Not monitor user")
	}
	return nil
}

// visible lists the namespaces the caller may look into.
func (c *call) visible() []string { return c.options.Broker.Visible(c.principal) }

// space checks that the caller may look into a namespace.
func (c *call) space(name string) *failure {
	if slices.Contains(c.visible(), name) {
		return nil
	}
	for _, n := range c.options.Broker.Namespaces() {
		if n.Name == name {
			return refused("User not authorised to access virtual host")
		}
	}
	return notFound("vhost '" + name + "' not found")
}

// spaces is the one namespace named, or all that are visible.
func (c *call) spaces(named ...string) ([]string, *failure) {
	if len(named) == 0 {
		return c.visible(), nil
	}
	return named, c.space(named[0])
}
