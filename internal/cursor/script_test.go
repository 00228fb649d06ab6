package cursor_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"weir/internal/cursor"
	"weir/internal/record"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden scripts in testdata")

// TestScripts runs testdata/*.txt. A line that begins with > is a command; the
// lines behind it are what it answers, up to the next command, an empty line or
// a comment.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(string(text))
			if got == string(text) {
				return
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			have, want := strings.Split(got, "\n"), strings.Split(string(text), "\n")
			for i := range want {
				if i >= len(have) || have[i] != want[i] {
					t.Fatalf("%s:%d: got %q, want %q", file, i+1, have[min(i, len(have)-1)], want[i])
				}
			}
			t.Fatalf("%s: answers are missing at the end", file)
		})
	}
}

func runScript(text string) string {
	w := &stage{c: unlimited(), s: cursor.New(unlimited())}
	var out strings.Builder
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, ">"):
			out.WriteString(line + "\n")
			if answer := w.do(strings.Fields(line[1:])); answer != "" {
				out.WriteString(answer + "\n")
			}
		case line == "" || line[0] == '#':
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

type stage struct {
	c   cursor.Config
	s   *cursor.Settling
	now int64
}

// words are the arguments of a command: bare numbers and key=number.
type words struct {
	numbers []int64
	named   map[string]int64
}

func parse(fields []string) words {
	w := words{named: map[string]int64{}}
	for _, f := range fields {
		key, value, named := strings.Cut(f, "=")
		if !named {
			value = key
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			panic(err)
		}
		if named {
			w.named[key] = n
		} else {
			w.numbers = append(w.numbers, n)
		}
	}
	return w
}

func (a words) offset(i int) record.Offset { return record.Offset(a.numbers[i]) }

func (a words) id(i int) cursor.ConsumerID { return cursor.ConsumerID(a.numbers[i]) }

// span is one offset, or the half-open range of two.
func (a words) span(i int) (lo, hi record.Offset) {
	if len(a.numbers) > i+1 {
		return a.offset(i), a.offset(i + 1)
	}
	return a.offset(i), a.offset(i) + 1
}

func (w *stage) do(fields []string) string {
	a := parse(fields[1:])
	switch fields[0] {
	case "now":
		w.now = a.numbers[0]
	case "config":
		w.configure(a)
	case "attach":
		err := w.s.Attach(a.id(0), cursor.AttachOptions{
			Priority: int32(a.named["priority"]), Exclusive: a.named["exclusive"] == 1, Pull: a.named["pull"] == 1,
		})
		if err != nil {
			return err.Error()
		}
		w.s.SetCredit(a.id(0), a.named["credit"])
	case "detach":
		return show(w.s.Detach(a.id(0), nil))
	case "credit":
		w.s.Credit(a.id(0), a.numbers[1])
	case "pause":
		w.s.Pause(a.id(0), a.numbers[1] == 1)
	case "active":
		return who(w.s.Active())
	case "dispatch":
		return w.dispatch()
	case "renew":
		lo, hi := a.span(1)
		w.s.Renew(a.id(0), lo, hi, w.now)
	case "done":
		lo, hi := a.span(1)
		return strconv.FormatUint(w.s.SettleLocal(a.id(0), lo, hi), 10)
	case "timeouts":
		return show(w.s.LeaseTimeouts(w.now, nil))
	case "deadline":
		at, ok := w.s.Deadline()
		if !ok {
			return "none"
		}
		return strconv.FormatInt(at, 10)
	default:
		return w.command(fields[0], a)
	}
	return ""
}

func (w *stage) command(verb string, a words) string {
	switch verb {
	case "append":
		attributes := cursor.Attributes{
			Priority: uint8(a.named["priority"]), Bytes: uint32(a.named["bytes"]),
			Expiry: a.named["expiry"], Due: a.named["due"],
		}
		for lo, hi := a.span(0); lo < hi; lo++ {
			w.s.Append(lo, attributes)
		}
	case "settle":
		return strconv.FormatUint(w.s.Settle(a.span(0)), 10)
	case "release":
		lo, hi := a.span(0)
		return list("over limit", w.s.Release(lo, hi, w.now, a.named["uncounted"] == 0, nil))
	case "releaseOne":
		verdict := w.s.ReleaseOne(a.offset(0), a.named["delay"], w.now, a.named["uncounted"] == 0)
		return []string{"ignored", "returned", "postponed", "over limit"}[verdict]
	case "bury":
		return strconv.FormatBool(w.s.Bury(a.offset(0)))
	case "reopen":
		return strconv.FormatUint(w.s.Reopen(a.span(0)), 10)
	case "delivered":
		w.s.Delivered(a.offset(0))
	case "restart":
		if err := w.s.RestoreState(w.s.AppendState(nil)); err != nil {
			return err.Error()
		}
	case "resetLocal":
		w.s.ResetLocal()
	case "redelivered":
		return fmt.Sprintf("%v, count %d", w.s.Redelivered(a.offset(0)), w.s.Count(a.offset(0)))
	case "expired":
		return list("expired", w.s.Expired(w.now, nil))
	case "overflowing":
		return list("overflowing", w.s.Overflowing(nil))
	case "room":
		return strconv.FormatBool(w.s.Room(a.numbers[0], a.numbers[1]))
	case "holdReady":
		return show(w.s.HoldReady(nil))
	case "unhold":
		return strconv.FormatBool(w.s.Unhold(a.offset(0)))
	case "counts":
		return strings.Trim(fmt.Sprintf("%+v", w.s.Counts()), "{}")
	default:
		return "unknown command " + verb
	}
	return ""
}

func (w *stage) configure(a words) {
	for key, n := range a.named {
		switch key {
		case "lanes":
			w.c.Lanes = uint16(n)
		case "limit":
			w.c.DeliveryLimit = uint32(n)
		case "length":
			w.c.MaxLength = n
		case "bytes":
			w.c.MaxBytes = n
		case "overflow":
			w.c.Overflow = cursor.Overflow(n)
		case "single":
			w.c.SingleActive = n == 1
		case "backoff":
			w.c.BackoffMin = n
		case "cap":
			w.c.BackoffMax = n
		case "rate":
			w.c.RatePerSecond = float64(n)
		case "burst":
			w.c.RateBurst = int(n)
		case "timeout":
			w.c.LeaseTimeout = n
		default:
			panic("unknown setting " + key)
		}
	}
	w.s.SetConfig(w.c)
}

// dispatch hands out what it can: consumer:offset.
func (w *stage) dispatch() string {
	var out []string
	for {
		o, ok := w.s.Peek(w.now)
		id, some := w.s.Pick()
		if !ok || !some {
			break
		}
		w.s.Lease(o, id, w.now)
		out = append(out, fmt.Sprintf("%d:%d", id, o))
	}
	if out == nil {
		return "nothing"
	}
	return strings.Join(out, " ")
}

func who(id cursor.ConsumerID, ok bool) string {
	if !ok {
		return "nobody"
	}
	return strconv.Itoa(int(id))
}

func list(what string, offsets []record.Offset) string {
	if len(offsets) == 0 {
		return "none " + what
	}
	return what + " " + strings.Trim(fmt.Sprint(offsets), "[]")
}

func show(list []cursor.Range) string {
	if len(list) == 0 {
		return "no ranges"
	}
	var out []string
	for _, r := range list {
		out = append(out, fmt.Sprintf("%d-%d", r.Lo, r.Hi))
	}
	return strings.Join(out, " ")
}
