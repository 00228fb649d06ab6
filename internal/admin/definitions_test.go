package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"os"
	"strings"
	"testing"
)

func file(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestImportFromRabbitMQ takes over what RabbitMQ 3.10 exported.
func TestImportFromRabbitMQ(t *testing.T) {
	n := start(t)
	n.call(204, "POST", "/api/definitions", file(t, "rabbitmq-3.10.json"))
	checkOrders := func() {
		t.Helper()
		want(t, n.call(200, "GET", "/api/queues/orders/orders.new", "").object(t), "policy", "dlx", "operator_policy", "cap",
			"arguments", "map[x-max-priority:5]", "durable", "true",
			"effective_policy_definition", "map[dead-letter-exchange:dlx max-length:500 message-ttl:60000]")
		want(t, n.call(200, "GET", "/api/queues/orders/orders.q", "").object(t), "type", "quorum")
		want(t, n.call(200, "GET", "/api/queues/orders/temp", "").object(t), "durable", "false", "auto_delete", "true")
		want(t, n.call(200, "GET", "/api/exchanges/orders/h", "").object(t), "type", "headers", "internal", "true")
		want(t, n.call(200, "GET", "/api/exchanges/orders/in", "").object(t), "policy", "ae")
		want(t, n.call(200, "GET", "/api/vhost-limits/orders", "").items(t)[0], "value", "map[max-queues:100]")
		if items := n.call(200, "GET", "/api/exchanges/orders/h/bindings/source", "").items(t); len(items) != 1 ||
			fmt.Sprint(items[0]["arguments"]) != "map[kind:big n:7 x-match:any]" {
			t.Errorf("bindings %v", items)
		}
	}
	checkOrders()
	want(t, n.call(200, "GET", "/api/users/ann", "").object(t), "tags", "[monitoring policymaker]", "limits", "map[max-channels:50]")
	want(t, n.call(200, "GET", "/api/topic-permissions/orders/ann", "").items(t)[0], "write", `^{username}\.`)
	want(t, n.call(200, "GET", "/api/global-parameters/team", "").object(t), "value", "map[name:orders oncall:[ann]]")
	n.call(404, "GET", "/api/global-parameters/internal_cluster_id", "")
	if r := n.as("ann:secret", "GET", "/api/whoami", ""); r.status != 200 {
		t.Errorf("login: %d", r.status)
	}
	for range 2 { // again, and what it exports itself
		n.call(204, "POST", "/api/definitions", file(t, "rabbitmq-3.10.json"))
		n.call(204, "POST", "/api/definitions", n.call(200, "GET", "/api/definitions", "").body)
	}
	checkOrders()

	n.call(201, "PUT", "/api/vhosts/copy", "")
	n.call(204, "POST", "/api/definitions/copy", file(t, "rabbitmq-3.10-vhost.json"))
	want(t, n.call(200, "GET", "/api/queues/copy/orders.new", "").object(t), "policy", "dlx", "operator_policy", "cap")
}

// TestDefinitionsMove exports everything, imports it elsewhere and exports it
// again.
func TestDefinitionsMove(t *testing.T) {
	n := start(t)
	n.call(204, "POST", "/api/definitions", file(t, "rabbitmq-3.10.json"))
	n.call(204, "PUT", "/api/vhosts/orders", `{"description":"orders","tags":"production","default_queue_type":"quorum"}`)
	n.call(201, "PUT", "/api/users/eve", `{"password":"own","tags":"management"}`)
	n.call(201, "PUT", "/api/exchanges/orders/later", `{"type":"x-delayed-message","arguments":{"x-delayed-type":"direct"}}`)
	whole := n.call(200, "GET", "/api/definitions", "").body
	one := n.call(200, "GET", "/api/definitions/orders", "").body
	if strings.Contains(one, `"vhost"`) || !strings.Contains(one, `"x-delayed-message"`) {
		t.Error(one)
	}

	other := start(t)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "definitions.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte(whole)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if r := other.post("/api/definitions", w.FormDataContentType(), form.String()); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if again := other.call(200, "GET", "/api/definitions", "").body; again != whole {
		t.Errorf("exported\n%s\nand then\n%s", whole, again)
	}
	if r := other.as("eve:own", "GET", "/api/whoami", ""); r.status != 200 {
		t.Errorf("login with a hash of weir's own: %d", r.status)
	}
}

func TestImportNamesWhatIsWrong(t *testing.T) {
	n := start(t)
	for body, words := range map[string]string{
		`{"users":[{"name":"u","password_hash":"x"}]}`:                                                        "user 'u': password_hash",
		`{"users":[{"name":"u","password_hash":"x","hashing_algorithm":"rabbit_password_hashing_md5"}]}`:      "user 'u': password_hash",
		`{"vhosts":[{"name":"v","metadata":{"default_queue_type":"odd"}}]}`:                                   "vhost 'v': Unsupported default queue type",
		`{"permissions":[{"user":"none","vhost":"/","configure":"","write":"","read":""}]}`:                   "user 'none' in vhost '/': ",
		`{"policies":[{"vhost":"/","name":"p","pattern":"","definition":{"max-length":"x"}}]}`:                "policy 'p' in vhost '/': Validation failed",
		`{"parameters":[{"vhost":"/","component":"shovel","name":"s","value":{}}]}`:                           "parameter 's' in vhost '/': Validation failed\n\ncomponent shovel not found",
		`{"queues":[{"name":"q","vhost":"none","durable":true,"arguments":{}}]}`:                              "queue 'q' in vhost 'none': ",
		`{"queues":[{"name":"ok","vhost":"/"},{"name":"q","vhost":"/","arguments":{"x-max-length":"many"}}]}`: "queue 'q' in vhost '/': invalid arg 'x-max-length'",
		`{"exchanges":[{"name":"x","vhost":"/","type":"none"}]}`:                                              "exchange 'x' in vhost '/': unknown exchange type",
		`{"bindings":[{"source":"amq.topic","vhost":"/","destination":"no","destination_type":"queue"}]}`:     "binding of exchange 'amq.topic' in vhost '/': ",
		`{"queues":5}`: "definitions: ",
		`nonsense`:     "failed_to_parse_json",
	} {
		r := n.call(400, "POST", "/api/definitions", body)
		if r.object(t)["error"] != "bad_request" {
			t.Errorf("%s: %s", body, r.body)
		}
		if got := r.object(t)["reason"].(string); !strings.Contains(got, words) {
			t.Errorf("%s: %q", body, got)
		}
	}
	n.call(404, "POST", "/api/definitions/none", `{}`)
	n.call(400, "POST", "/api/definitions", strings.Repeat(" ", 20_000_001))
}

// TestImportManyBindings takes in more than one body of other calls may have.
func TestImportManyBindings(t *testing.T) {
	n := start(t)
	type item map[string]any
	d := map[string][]item{"queues": {}, "bindings": {}}
	const queues, bindings = 500, 10_000
	for i := range queues {
		d["queues"] = append(d["queues"], item{"name": fmt.Sprint("q", i), "vhost": "/"})
	}
	for i := range bindings {
		d["bindings"] = append(d["bindings"], item{
			"source": "amq.topic", "vhost": "/", "destination": fmt.Sprint("q", i%queues), "destination_type": "queue", "routing_key": fmt.Sprint("key.", i),
		})
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	n.call(204, "POST", "/api/definitions", string(b))
	if got := n.broker.Stats(); got.Queues != queues || got.Bindings != bindings {
		t.Errorf("%d queues, %d bindings", got.Queues, got.Bindings)
	}
}
