package admin_test

import (
	"encoding/json"
	"testing"
)

func TestTopicsAreMadeChangedAndDeleted(t *testing.T) {
	n := start(t)
	const path = "/api/weir/topics/%2F/t"
	n.call(201, "PUT", path, `{"partitions":2,"settings":{"retention.ms":"1000"}}`)
	n.call(400, "PUT", "/api/weir/topics/%2F/u", `{"settings":{"retention.ms":"soon"}}`)
	n.call(400, "POST", path+"/alter", `{"settings":{"no.such":"1"}}`)
	n.call(204, "POST", path+"/alter", `{"partitions":3,"settings":{"retention.ms":null,"cleanup.policy":"compact"}}`)
	n.call(204, "POST", path+"/trim", `{}`)
	var got struct {
		Partitions int               `json:"partitions"`
		Settings   map[string]string `json:"settings"`
		Details    []map[string]any  `json:"partition_details"`
	}
	if err := json.Unmarshal([]byte(n.call(200, "GET", path, "").body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Partitions != 3 || len(got.Details) != 3 || len(got.Settings) != 1 || got.Settings["cleanup.policy"] != "compact" {
		t.Fatalf("%+v", got)
	}
	var all []map[string]any
	if err := json.Unmarshal([]byte(n.call(200, "GET", "/api/weir/topics/%2F", "").body), &all); err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	n.call(204, "DELETE", path, "")
	n.call(404, "GET", path, "")
}
