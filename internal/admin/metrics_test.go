package admin_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var metricHead = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)

// Every metric stands in the page on operations, once, and is named after what
// it is.
func TestMetricsAreDocumented(t *testing.T) {
	n := start(t)
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"", "?prefix=rabbitmq"} {
		seen := map[string]bool{}
		for _, m := range metricHead.FindAllStringSubmatch(n.as("", "GET", "/metrics"+query, "").body, -1) {
			name, kind := m[1], m[2]
			if seen[name] {
				t.Errorf("%s twice", name)
			}
			seen[name] = true
			if (kind == "counter") != strings.HasSuffix(name, "_total") {
				t.Errorf("%s is a %s", name, kind)
			}
			if query == "" && !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("%s is not in docs/operations.md", name)
			}
		}
		if len(seen) < 20 {
			t.Errorf("%d metrics", len(seen))
		}
	}
}

func TestMetricsPerObject(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/a%22b%5C", `{}`)
	n.call(200, "POST", "/api/exchanges/%2F//publish", `{"routing_key":"a\"b\\","payload":"p"}`)
	for prefix, query := range map[string]string{"weir": "", "rabbitmq": "?prefix=rabbitmq"} {
		r := n.as("", "GET", "/metrics/per-object"+query, "")
		if line := prefix + `_queue_messages_ready{vhost="/",queue="a\"b\\"} 1` + "\n"; !strings.Contains(r.body, line) {
			t.Errorf("no %s in %s", line, r.body)
		}
	}
}
