package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestUsersVhostsPermissions(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/vhosts/v", `{"description":"d"}`)
	n.call(204, "PUT", "/api/vhosts/v", `{"description":"e"}`)
	want(t, n.call(200, "GET", "/api/vhosts/v", "").object(t), "description", "e")
	n.call(400, "PUT", "/api/vhosts/v", `{"tracing":true}`)
	n.call(400, "PUT", "/api/vhosts/v", `{"default_queue_type":"odd"}`)
	n.call(201, "PUT", "/api/users/ann", `{"password":"s","tags":"management, monitoring"}`)
	want(t, n.call(200, "GET", "/api/users/ann", "").object(t), "name", "ann", "tags", "[management monitoring]")
	if u := n.call(200, "GET", "/api/users/ann", "").object(t); !strings.Contains(fmt.Sprint(u["password_hash"]), "argon2") || u["hashing_algorithm"] == "" {
		t.Errorf("administrators move users by their hashes: %v", u)
	}
	n.call(201, "PUT", "/api/users/bob", `{"password":"s","tags":"management"}`)
	if r := n.as("bob:s", "GET", "/api/users/ann", ""); r.status != http.StatusUnauthorized {
		t.Errorf("a hash for everybody: %d %s", r.status, r.body)
	}
	n.call(204, "DELETE", "/api/users/bob", "")
	for _, bad := range []string{`{}`, `{"password":"p"}`, `{"tags":"","limits":{"max-things":1}}`, `{"password":"","tags":""}`, `{"password_hash":"x","tags":""}`, `{"password":"a","password_hash":"b","tags":""}`} {
		n.call(400, "PUT", "/api/users/bad", bad)
	}
	n.call(201, "PUT", "/api/permissions/v/ann", `{"configure":"^a","write":"","read":".*"}`)
	n.call(204, "PUT", "/api/permissions/v/ann", `{"configure":"^a","write":"","read":".*"}`)
	want(t, n.call(200, "GET", "/api/permissions/v/ann", "").object(t), "configure", "^a", "write", "", "read", ".*")
	n.call(400, "PUT", "/api/permissions/v/ann", `{"configure":"(","write":"","read":""}`)
	n.call(400, "PUT", "/api/permissions/v/ann", `{"configure":""}`)
	n.call(400, "PUT", "/api/permissions/v/nobody", `{"configure":"","write":"","read":""}`)
	n.call(400, "PUT", "/api/permissions/nowhere/ann", `{"configure":"","write":"","read":""}`)
	n.call(404, "DELETE", "/api/permissions/v/nobody", "")
	n.call(404, "GET", "/api/users/nobody/permissions", "")
	n.call(404, "GET", "/api/vhosts/nowhere/permissions", "")
	n.call(201, "PUT", "/api/users/cert", `{"tags":"management","limits":{"max-channels":4}}`)
	want(t, n.call(200, "GET", "/api/users/cert", "").object(t), "password", "false", "limits", "map[max-channels:4]")
	if items := n.call(200, "GET", "/api/users/ann/permissions", "").items(t); len(items) != 1 {
		t.Errorf("permissions %v", items)
	}
	if r := n.as("ann:s", "PUT", "/api/queues/v/a1", ""); r.status != 201 {
		t.Errorf("allowed queue: %d %s", r.status, r.body)
	}
	if r := n.as("ann:s", "PUT", "/api/queues/v/b1", ""); r.status != 401 || !strings.Contains(r.body, "ACCESS_REFUSED") {
		t.Errorf("refused queue: %d %s", r.status, r.body)
	}
	n.call(204, "DELETE", "/api/permissions/v/ann", "")
	if r := n.as("ann:s", "PUT", "/api/queues/v/a2", ""); r.status != 401 {
		t.Errorf("without permission: %d", r.status)
	}
	n.call(204, "DELETE", "/api/users/ann", "")
	if r := n.as("ann:s", "GET", "/api/whoami", ""); r.status != 401 {
		t.Errorf("deleted user: %d", r.status)
	}
	n.call(204, "DELETE", "/api/vhosts/v", "")
	n.call(404, "GET", "/api/queues/v", "")
	n.call(400, "DELETE", "/api/vhosts/%2F", "")
}

// An RabbitMQ hash taken over logs in with its password.
func TestPasswordHashIsTakenOver(t *testing.T) {
	n := start(t)
	// Salt 90 8D C6 0A and "test12", RabbitMQ's own example.
	n.call(201, "PUT", "/api/users/r", `{"password_hash":"kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR","tags":"management"}`)
	if r := n.as("r:test12", "GET", "/api/whoami", ""); r.status != 200 {
		t.Errorf("login: %d %s", r.status, r.body)
	}
	n.call(201, "PUT", "/api/users/none", `{"password_hash":"","tags":"management"}`)
	if r := n.as("none:", "GET", "/api/whoami", ""); r.status != 401 {
		t.Errorf("login without a password: %d", r.status)
	}
}

// mutations is everything that changes something, on objects that exist.
var mutations = []struct{ method, path, body string }{
	{"PUT", "/api/queues/%2F/new", `{}`},
	{"DELETE", "/api/queues/%2F/q", ``},
	{"DELETE", "/api/queues/%2F/q/contents", ``},
	{"POST", "/api/queues/%2F/q/get", `{"ackmode":"ack_requeue_false"}`},
	{"PUT", "/api/exchanges/%2F/new", `{"type":"topic"}`},
	{"DELETE", "/api/exchanges/%2F/x", ``},
	{"POST", "/api/exchanges/%2F/x/publish", `{"routing_key":"k","payload":"p"}`},
	{"POST", "/api/exchanges/%2F//publish", `{"routing_key":"q","payload":"p"}`},
	{"POST", "/api/bindings/%2F/e/x/q/q", `{"routing_key":"new"}`},
	{"POST", "/api/bindings/%2F/e/x/e/y", `{"routing_key":"new"}`},
	{"DELETE", "/api/bindings/%2F/e/x/q/q/k", ``},
	{"POST", "/api/weir/publish/%2F/x", `{"routing_key":"k","payload":"p"}`},
	{"POST", "/api/weir/subscribe/%2F/q", `{"credit":1}`},
	{"PUT", "/api/vhosts/new", `{}`},
	{"DELETE", "/api/vhosts/v", ``},
	{"PUT", "/api/users/new", `{"password":"p","tags":"administrator"}`},
	{"PUT", "/api/users/weak", `{"password":"w","tags":"administrator"}`},
	{"DELETE", "/api/users/guest", ``},
	{"PUT", "/api/permissions/%2F/weak", `{"configure":".*","write":".*","read":".*"}`},
	{"DELETE", "/api/permissions/%2F/guest", ``},
	{"PUT", "/api/policies/%2F/p", `{"pattern":"","definition":{"max-length":1}}`},
	{"DELETE", "/api/policies/%2F/p", ``},
	{"PUT", "/api/operator-policies/%2F/p", `{"pattern":"","definition":{"max-length":1}}`},
	{"DELETE", "/api/operator-policies/%2F/p", ``},
	{"PUT", "/api/vhost-limits/%2F/max-queues", `{"value":0}`},
	{"DELETE", "/api/vhost-limits/%2F/max-queues", ``},
	{"PUT", "/api/user-limits/guest/max-connections", `{"value":0}`},
	{"DELETE", "/api/user-limits/guest/max-connections", ``},
	{"PUT", "/api/topic-permissions/%2F/guest", `{"exchange":"x","write":"","read":""}`},
	{"DELETE", "/api/topic-permissions/%2F/guest", ``},
	{"PUT", "/api/parameters/vhost-limits/%2F/limits", `{"value":{}}`},
	{"DELETE", "/api/parameters/operator_policy/%2F/p", ``},
	{"PUT", "/api/global-parameters/g", `{"value":1}`},
	{"DELETE", "/api/global-parameters/g", ``},
	{"POST", "/api/definitions", `{"queues":[{"name":"new","vhost":"/"}]}`},
	{"GET", "/api/definitions", ``},
	{"POST", "/api/users/bulk-delete", `{"users":["guest"]}`},
	{"GET", "/api/topic-permissions", ``},
	{"GET", "/api/parameters", ``},
	{"GET", "/api/users", ``},
	{"GET", "/api/permissions", ``},
	{"GET", "/api/aliveness-test/%2F", ``},
}

func TestNothingChangesWithoutTheRight(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/q", `{}`)
	n.call(201, "PUT", "/api/exchanges/%2F/x", `{"type":"direct"}`)
	n.call(201, "PUT", "/api/exchanges/%2F/y", `{"type":"direct"}`)
	n.call(201, "POST", "/api/bindings/%2F/e/x/q/q", `{"routing_key":"k"}`)
	n.call(200, "POST", "/api/exchanges/%2F//publish", `{"routing_key":"q","payload":"kept"}`)
	n.call(201, "PUT", "/api/vhosts/v", `{}`)
	n.call(201, "PUT", "/api/users/weak", `{"password":"w","tags":"management"}`)
	n.call(201, "PUT", "/api/permissions/%2F/weak", `{"configure":"","write":"","read":""}`)
	n.call(201, "PUT", "/api/users/outside", `{"password":"o","tags":"monitoring"}`)
	n.call(201, "PUT", "/api/users/plain", `{"password":"p","tags":""}`)
	n.call(201, "PUT", "/api/permissions/%2F/plain", `{"configure":".*","write":".*","read":".*"}`)
	before := n.call(200, "GET", "/api/queues?columns=name,messages", "").body + n.call(200, "GET", "/api/bindings", "").body +
		n.call(200, "GET", "/api/exchanges", "").body + n.call(200, "GET", "/api/users", "").body + n.call(200, "GET", "/api/permissions", "").body
	for _, login := range []string{"weak:w", "outside:o", "plain:p", "weak:x", ""} {
		for _, m := range mutations {
			if r := n.as(login, m.method, m.path, m.body); r.status != 401 {
				t.Errorf("%q %s %s: %d %s", login, m.method, m.path, r.status, r.body)
			}
		}
	}
	after := n.call(200, "GET", "/api/queues?columns=name,messages", "").body + n.call(200, "GET", "/api/bindings", "").body +
		n.call(200, "GET", "/api/exchanges", "").body + n.call(200, "GET", "/api/users", "").body + n.call(200, "GET", "/api/permissions", "").body
	if before != after {
		t.Errorf("changed:\n%s\n%s", before, after)
	}
	// The same calls do work for somebody who may.
	for _, m := range mutations[:13] {
		if strings.Contains(m.path, "DELETE") || m.method == "DELETE" {
			continue
		}
		if r := n.as("guest:guest", m.method, m.path, m.body); r.status >= 300 {
			t.Errorf("guest %s %s: %d %s", m.method, m.path, r.status, r.body)
		}
	}
}

func TestVisibility(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/vhosts/v", `{}`)
	n.call(201, "PUT", "/api/queues/v/hidden", `{}`)
	n.call(201, "PUT", "/api/users/one", `{"password":"p","tags":"management"}`)
	n.call(201, "PUT", "/api/permissions/%2F/one", `{"configure":"","write":"","read":""}`)
	n.call(201, "PUT", "/api/users/mon", `{"password":"p","tags":"monitoring"}`)
	for _, path := range []string{"/api/queues", "/api/bindings", "/api/vhosts", "/api/exchanges", "/metrics/per-object"} {
		if r := n.as("one:p", "GET", path, ""); r.status != 200 || strings.Contains(r.body, "hidden") || strings.Contains(r.body, `"v"`) {
			t.Errorf("one %s: %d %s", path, r.status, r.body)
		}
	}
	for _, path := range []string{"/api/queues/v", "/api/queues/v/hidden", "/api/bindings/v", "/api/vhosts/v", "/api/exchanges/v"} {
		if r := n.as("one:p", "GET", path, ""); r.status != 401 {
			t.Errorf("one %s: %d %s", path, r.status, r.body)
		}
		if r := n.as("mon:p", "GET", path, ""); r.status != 200 {
			t.Errorf("mon %s: %d %s", path, r.status, r.body)
		}
	}
	if r := n.as("one:p", "GET", "/api/connections", ""); strings.TrimSpace(r.body) != "[]" {
		t.Errorf("connections: %s", r.body)
	}
}

// What an administrator takes away counts for connections that are open.
func TestChangesReachOpenConnections(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/q", `{}`)
	n.call(201, "PUT", "/api/users/u", `{"password":"p","tags":""}`)
	n.call(201, "PUT", "/api/permissions/%2F/u", `{"configure":".*","write":".*","read":".*"}`)
	c, err := amqp.Dial("amqp://u:p@" + n.amqp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	closed := c.NotifyClose(make(chan *amqp.Error, 1))
	publish := func() error {
		ch, err := c.Channel()
		if err != nil {
			return err
		}
		if err := ch.Confirm(false); err != nil {
			return err
		}
		gone := ch.NotifyClose(make(chan *amqp.Error, 1))
		for range 2 { // the second takes the remembered route
			d, err := ch.PublishWithDeferredConfirm("", "q", false, false, amqp.Publishing{})
			if err != nil {
				return err
			}
			select {
			case <-d.Done():
			case err := <-gone:
				return fmt.Errorf("closed: %w", err)
			}
		}
		return nil
	}
	if err := publish(); err != nil {
		t.Fatal(err)
	}
	n.call(204, "PUT", "/api/permissions/%2F/u", `{"configure":"","write":"","read":""}`)
	if err := publish(); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("published with %v", err)
	}
	n.call(204, "DELETE", "/api/users/u", "")
	if reason := <-closed; reason == nil || reason.Code != 320 {
		t.Errorf("closed with %v", reason)
	}
}

// TestDefaultQueueType declares queues whose type their virtual host decides.
func TestDefaultQueueType(t *testing.T) {
	n := start(t)
	n.call(204, "PUT", "/api/vhosts/%2F", `{"default_queue_type":"quorum"}`)
	n.call(204, "PUT", "/api/vhosts/%2F", `{"description":"d"}`)
	want(t, n.call(200, "GET", "/api/vhosts/%2F", "").object(t), "default_queue_type", "quorum", "description", "d")
	n.call(201, "PUT", "/api/queues/%2F/http", `{}`)
	n.call(201, "PUT", "/api/queues/%2F/auto", `{"auto_delete":true}`)
	n.call(201, "PUT", "/api/queues/%2F/own", `{"arguments":{"x-queue-type":"classic"}}`)
	c, err := amqp.Dial("amqp://guest:guest@" + n.amqp.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	ch := must[*amqp.Channel](t)(c.Channel())
	for range 2 {
		must[amqp.Queue](t)(ch.QueueDeclare("amqp", true, false, false, false, nil))
	}
	must[amqp.Queue](t)(ch.QueueDeclare("transient", false, false, false, false, nil))
	must[amqp.Queue](t)(ch.QueueDeclare("", true, true, false, false, nil))
	for name, kind := range map[string]string{"http": "quorum", "amqp": "quorum", "auto": "classic", "own": "classic", "transient": "classic"} {
		want(t, n.call(200, "GET", "/api/queues/%2F/"+name, "").object(t), "type", kind)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
