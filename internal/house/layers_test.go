package house_test

import (
	"os/exec"
	"strings"
	"testing"
)

// layers lists every internal package, lowest first. A package may import only
// packages on a strictly lower line: siblings never see each other.
// docs/architecture.md shows this same table.
var layers = []string{
	"invariant clock stats frugal",
	"vfs wire",
	"record auth proto/amqp091/codec history",
	"wal segment",
	"store checkpoint cursor route replica",
	"shard",
	"meta",
	"broker",
	"proto/amqp091/native proto/kafka/batch proto/kafka/group",
	"proto/kafka/config",
	"proto/amqp091 proto/kafka admin bench",
	"listen",
	"server",
	"sim",
	"sim/guest sim/host",
	"house",
}

// waist is what a protocol may import besides its own parts.
var waist = "broker record wire route invariant clock stats auth"

const root = "weir/internal/"

func TestLayers(t *testing.T) {
	rank := map[string]int{}
	for i, line := range layers {
		for _, p := range strings.Fields(line) {
			rank[p] = i
		}
	}
	for from, imports := range list(t) {
		fr, ok := rank[from]
		if !ok {
			t.Errorf("%s: not in the layer table", from)
			continue
		}
		for _, to := range imports {
			if tr, ok := rank[to]; !ok || tr >= fr {
				t.Errorf("%s (layer %d) imports %s (layer %d)", from, fr, to, tr)
			}
		}
	}
}

func TestProtocolsSeeTheWaistOnly(t *testing.T) {
	allowed := map[string]bool{}
	for _, p := range strings.Fields(waist) {
		allowed[p] = true
	}
	for from, imports := range list(t) {
		if !strings.HasPrefix(from, "proto/") {
			continue
		}
		dialect, _, _ := strings.Cut(strings.TrimPrefix(from, "proto/"), "/")
		for _, to := range imports {
			if !allowed[to] && !strings.HasPrefix(to, "proto/"+dialect+"/") {
				t.Errorf("%s imports %s, which is not the waist", from, to)
			}
		}
	}
}

// list returns the internal imports of every internal package.
func list(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "weir/internal/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		from := strings.TrimPrefix(f[0], root)
		imports[from] = nil
		for _, imp := range f[1:] {
			if to, ok := strings.CutPrefix(imp, root); ok {
				imports[from] = append(imports[from], to)
			}
		}
	}
	return imports
}
