package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

const (
	// inputBytesMax bounds a file of a corpus, and largeBytesMax the larger input of
	// a kind.
	inputBytesMax = 4 << 10
	largeBytesMax = 1 << 10
)

// corpora remembers the size of what is kept of each kind.
var corpora struct {
	sync.Mutex
	least, most map[string]int
}

// keep writes the smallest input of a kind, and with large one that is not small,
// into the corpus of a target. Values are those of the target's arguments.
func keep(directory, target, kind string, large bool, values ...any) {
	size := 0 // of the input; its text is somewhat larger
	var text strings.Builder
	text.WriteString("go test fuzz v1\n")
	for _, v := range values {
		switch v := v.(type) {
		case []byte:
			size += len(v)
			fmt.Fprintf(&text, "[]byte(%q)\n", withoutMachine(string(v)))
		case string:
			size += len(v)
			fmt.Fprintf(&text, "string(%q)\n", withoutMachine(v))
		default:
			fmt.Fprintf(&text, "%T(%v)\n", v, v)
		}
	}
	if text.Len() > inputBytesMax {
		return
	}
	at := filepath.Join(os.Getenv("CAPTURE_OUT"), directory, "testdata", "fuzz", target)
	corpora.Lock()
	defer corpora.Unlock()
	if corpora.least == nil {
		corpora.least, corpora.most = map[string]int{}, map[string]int{}
	}
	id := at + "/" + kind
	if have, ok := known(corpora.least, id, at, "captured_"+kind); !ok || size < have {
		corpora.least[id] = size
		write(at, "captured_"+kind, text.String())
	}
	if have, ok := known(corpora.most, id, at, "captured_"+kind+"_large"); large && size <= largeBytesMax && size > 2*corpora.least[id] && (!ok || size > have) {
		corpora.most[id] = size
		write(at, "captured_"+kind+"_large", text.String())
	}
}

// withoutMachine has as many letters in the place of what tells of this machine.
func withoutMachine(s string) string {
	host, _ := os.Hostname() // without one there is none to take out
	home, _ := os.UserHomeDir()
	for _, word := range []string{os.TempDir(), home, host} {
		if len(word) > 3 {
			s = strings.ReplaceAll(s, word, strings.Repeat("x", len(word)))
		}
	}
	return s
}

// known returns the size of what is kept already: by this process, or roughly, from
// the file, by another one.
func known(sizes map[string]int, id, directory, name string) (int, bool) {
	if size, ok := sizes[id]; ok {
		return size, true
	}
	f, err := os.Stat(filepath.Join(directory, name))
	if err != nil {
		return 0, false
	}
	sizes[id] = int(f.Size())
	return int(f.Size()), true
}

// write puts a whole file there or none: suites kill what they have started.
func write(directory, name, text string) {
	err := os.MkdirAll(directory, 0o777)
	if err == nil {
		draft := filepath.Join(directory, fmt.Sprint(".", name, ".", os.Getpid()))
		if err = os.WriteFile(draft, []byte(text), 0o666); err == nil {
			err = os.Rename(draft, filepath.Join(directory, name))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "capture:", err)
	}
}
