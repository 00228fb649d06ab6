package admin_test

import (
	"strings"
	"testing"
)

func TestPolicies(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/q", `{}`)
	n.call(201, "PUT", "/api/policies/%2F/p", `{"pattern":"^q","definition":{"max-length":5},"priority":1,"apply-to":"classic_queues"}`)
	n.call(204, "PUT", "/api/policies/%2F/p", `{"pattern":"^q","definition":{"max-length":6},"apply-to":"classic_queues"}`)
	want(t, n.call(200, "GET", "/api/policies/%2F/p", "").object(t), "vhost", "/", "name", "p", "pattern", "^q",
		"apply-to", "classic_queues", "priority", "0", "definition", "map[max-length:6]")
	n.call(201, "PUT", "/api/operator-policies/%2F/o", `{"pattern":"","definition":{"max-length":2,"expires":60000}}`)
	want(t, n.call(200, "GET", "/api/queues/%2F/q", "").object(t), "effective_policy_definition", "map[expires:60000 max-length:2]")
	q := n.call(200, "GET", "/api/queues/%2F/q", "").body
	if !strings.Contains(q, `"policy":"p"`) || !strings.Contains(q, `"operator_policy":"o"`) {
		t.Error(q)
	}
	for range 3 {
		n.call(200, "POST", "/api/exchanges/%2F//publish", `{"routing_key":"q","payload":"p"}`)
	}
	want(t, n.call(200, "GET", "/api/queues/%2F/q", "").object(t), "messages", "2")
	if items := n.call(200, "GET", "/api/policies", "").items(t); len(items) != 1 {
		t.Errorf("policies %v", items)
	}
	n.call(204, "DELETE", "/api/policies/%2F/p", "")
	n.call(404, "DELETE", "/api/policies/%2F/p", "")
	n.call(204, "DELETE", "/api/operator-policies/%2F/o", "")
	n.call(404, "GET", "/api/operator-policies/%2F/o", "")
	n.call(404, "PUT", "/api/policies/none/p", `{"pattern":"","definition":{"max-length":5}}`)
}

// TestPolicyValidation has RabbitMQ's texts.
func TestPolicyValidation(t *testing.T) {
	n := start(t)
	for _, c := range []struct{ kind, body, reason string }{
		{"policies", `{"pattern":"","definition":{"max-length":-1}}`, "-1 is not a valid maximum length"},
		{"policies", `{"pattern":"","definition":{"max-length":"a"}}`, `<<"a">> is not a valid maximum length`},
		{"policies", `{"pattern":"","definition":{"max-length":1.5}}`, "1.5 is not a valid maximum length"},
		{"policies", `{"pattern":"","definition":{"expires":0}}`, "0 is not a valid queue expiry"},
		{"policies", `{"pattern":"","definition":{"message-ttl":true}}`, "true is not a valid message TTL"},
		{"policies", `{"pattern":"","definition":{"overflow":"spill"}}`, `<<"spill">> is not a valid overflow value`},
		{"policies", `{"pattern":"","definition":{"dead-letter-exchange":[1]}}`, "[1] is not a valid dead letter exchange name"},
		{"policies", `{"pattern":"","definition":{"max-age":"7X"}}`, `<<"7X">> is not a valid max age`},
		{"policies", `{"pattern":"","definition":{"alternate-exchange":{}}}`, "#{} is not a valid alternate exchange name"},
		{"policies", `{"pattern":"","definition":{"queue-version":3}}`, "3 is not a valid queue-version value"},
		{"policies", `{"pattern":"","definition":{"max-priority":3}}`, `[{<<"max-priority">>,3}] are not recognised policy settings`},
		{"policies", `{"pattern":"","definition":{"ha-mode":"all"}}`, `[{<<"ha-mode">>,<<"all">>}] are not recognised policy settings`},
		{"policies", `{"pattern":"","definition":{}}`, "no policy provided"},
		{"policies", `{"pattern":"(","definition":{"max-length":1}}`, "pattern should be regular expression but is invalid: "},
		{"policies", `{"pattern":"","definition":{"max-length":1e20}}`, "1.0e20 is not a valid maximum length"},
		{"policies", `{"pattern":5,"definition":{"max-length":1}}`, "pattern should be a binary but was 5"},
		{"policies", `{"pattern":"","definition":{"max-length":1},"priority":"x"}`, `priority should be a number, actually was <<"x">>`},
		{
			"policies", `{"pattern":"","definition":{"max-length":1},"apply-to":"some"}`,
			"apply-to 'some' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', 'streams', 'exchanges', or 'all'",
		},
		{"operator-policies", `{"pattern":"","definition":{"dead-letter-exchange":"x"}}`, `[{<<"dead-letter-exchange">>,<<"x">>}] are not recognised policy settings`},
	} {
		r := n.call(400, "PUT", "/api/"+c.kind+"/%2F/bad", c.body)
		got := r.object(t)
		if c.kind == "policies" {
			c.reason = strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(c.reason)
		}
		if !strings.HasPrefix(got["reason"].(string), "Validation failed\n\n"+c.reason) || got["error"] != "bad_request" {
			t.Errorf("%s: %q", c.body, got)
		}
	}
	n.call(400, "PUT", "/api/policies/%2F/bad", `{"pattern":""}`)
	n.call(201, "PUT", "/api/policies/%2F/whole", `{"vhost":"/","name":"whole","pattern":"","definition":{"max-length":1},"shown":"besides"}`)
	n.call(204, "DELETE", "/api/policies/%2F/whole", "")
	if items := n.call(200, "GET", "/api/policies", "").items(t); len(items) != 0 {
		t.Errorf("policies %v", items)
	}
}

func TestLimitsAndTopicPermissions(t *testing.T) {
	n := start(t)
	n.call(204, "PUT", "/api/vhost-limits/%2F/max-queues", `{"value":1}`)
	n.call(204, "PUT", "/api/vhost-limits/%2F/max-connections", `{"value":-1}`)
	want(t, n.call(200, "GET", "/api/vhost-limits/%2F", "").items(t)[0], "vhost", "/", "value", "map[max-connections:-1 max-queues:1]")
	n.call(201, "PUT", "/api/queues/%2F/q", `{}`)
	n.call(400, "PUT", "/api/queues/%2F/r", `{}`)
	n.call(204, "DELETE", "/api/vhost-limits/%2F/max-queues", "")
	n.call(201, "PUT", "/api/queues/%2F/r", `{}`)
	for _, bad := range []string{`{"value":"1"}`, `{"value":1.5}`, `{}`} {
		n.call(400, "PUT", "/api/vhost-limits/%2F/max-queues", bad)
	}
	n.call(400, "PUT", "/api/vhost-limits/%2F/max-things", `{"value":1}`)
	n.call(404, "PUT", "/api/vhost-limits/none/max-queues", `{"value":1}`)

	n.call(204, "PUT", "/api/user-limits/guest/max-channels", `{"value":7}`)
	want(t, n.call(200, "GET", "/api/user-limits/guest", "").items(t)[0], "user", "guest", "value", "map[max-channels:7]")
	n.call(400, "PUT", "/api/user-limits/guest/max-queues", `{"value":7}`)
	n.call(404, "PUT", "/api/user-limits/none/max-channels", `{"value":7}`)
	n.call(204, "DELETE", "/api/user-limits/guest/max-channels", "")
	if items := n.call(200, "GET", "/api/user-limits", "").items(t); len(items) != 0 {
		t.Errorf("limits %v", items)
	}

	n.call(201, "PUT", "/api/topic-permissions/%2F/guest", `{"exchange":"amq.topic","write":"^a","read":"^b"}`)
	n.call(204, "PUT", "/api/topic-permissions/%2F/guest", `{"exchange":"amq.topic","write":"^a","read":"^c"}`)
	for _, path := range []string{"/api/topic-permissions", "/api/topic-permissions/%2F/guest", "/api/users/guest/topic-permissions", "/api/vhosts/%2F/topic-permissions"} {
		items := n.call(200, "GET", path, "").items(t)
		if len(items) != 1 {
			t.Fatalf("%s: %v", path, items)
		}
		want(t, items[0], "user", "guest", "vhost", "/", "exchange", "amq.topic", "write", "^a", "read", "^c")
	}
	n.call(400, "PUT", "/api/topic-permissions/%2F/guest", `{"exchange":"amq.topic","write":"(","read":""}`)
	n.call(400, "PUT", "/api/topic-permissions/%2F/guest", `{"write":"","read":""}`)
	n.call(204, "DELETE", "/api/topic-permissions/%2F/guest/amq.topic", "")
	n.call(404, "GET", "/api/topic-permissions/%2F/guest", "")
	n.call(201, "PUT", "/api/topic-permissions/%2F/guest", `{"exchange":"x","write":"","read":""}`)
	n.call(204, "DELETE", "/api/topic-permissions/%2F/guest", "")
	n.call(404, "DELETE", "/api/topic-permissions/%2F/guest", "")
	n.call(404, "GET", "/api/users/none/topic-permissions", "")
	n.call(404, "GET", "/api/vhosts/none/topic-permissions", "")
	n.call(404, "GET", "/api/topic-permissions/%2F/guest", "")
}

func TestParameters(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/parameters/vhost-limits/%2F/limits", `{"value":{"max-queues":3}}`)
	n.call(201, "PUT", "/api/parameters/operator_policy/%2F/o", `{"value":{"pattern":"^q","definition":{"max-length":2},"priority":0,"apply-to":"queues"}}`)
	items := n.call(200, "GET", "/api/parameters", "").items(t)
	if len(items) != 2 || items[0]["component"] != "vhost-limits" || items[1]["component"] != "operator_policy" {
		t.Errorf("parameters %v", items)
	}
	n.call(200, "GET", "/api/operator-policies/%2F/o", "")
	r := n.call(400, "PUT", "/api/parameters/federation-upstream/%2F/u", `{"value":{"uri":"amqp://"}}`).object(t)
	want(t, r, "error", "bad_request", "reason", "Validation failed\n\ncomponent federation-upstream not found\n")
	n.call(204, "DELETE", "/api/parameters/operator_policy/%2F/o", "")
	n.call(204, "DELETE", "/api/parameters/vhost-limits/%2F/limits", "")
	n.call(404, "DELETE", "/api/parameters/vhost-limits/%2F/limits", "")
	if items := n.call(200, "GET", "/api/parameters", "").items(t); len(items) != 0 {
		t.Errorf("parameters %v", items)
	}
	n.call(201, "PUT", "/api/global-parameters/g", `{"name":"g","value":{"a":[1,"b"]}}`)
	want(t, n.call(200, "GET", "/api/global-parameters/g", "").object(t), "name", "g", "value", "map[a:[1 b]]")
	n.call(204, "DELETE", "/api/global-parameters/g", "")
	n.call(404, "GET", "/api/global-parameters/g", "")
}

func TestManyUsers(t *testing.T) {
	n := start(t)
	for _, name := range []string{"a", "b", "c"} {
		n.call(201, "PUT", "/api/users/"+name, `{"password_hash":"","tags":""}`)
	}
	n.call(201, "PUT", "/api/permissions/%2F/c", `{"configure":"","write":"","read":""}`)
	if items := n.call(200, "GET", "/api/users/without-permissions", "").items(t); len(items) != 2 {
		t.Errorf("users %v", items)
	}
	n.call(204, "POST", "/api/users/bulk-delete", `{"users":["a","b"]}`)
	n.call(400, "POST", "/api/users/bulk-delete", `{"users":["none"]}`)
	if items := n.call(200, "GET", "/api/users", "").items(t); len(items) != 2 {
		t.Errorf("users %v", items)
	}
}
