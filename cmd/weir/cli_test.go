package main_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the command as users have it.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "weir-cli")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "weir")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		os.Exit(1)
	}
	status := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status)
}

// broker is a running one.
type broker struct {
	t    *testing.T
	url  string
	dir  string
	stop func()
}

func serve(t *testing.T) *broker {
	t.Helper()
	b := &broker{t: t, dir: filepath.Join(t.TempDir(), "data")}
	c := exec.Command(binary, "serve", "--data", b.dir, "--listen", "amqp=off", "--listen", "http=127.0.0.1:0", "--listen", "kafka=off",
		"--set", "storage.wal_file_bytes=1048576")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	b.stop = func() {
		if stopped {
			return
		}
		stopped = true
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := c.Wait(); err != nil {
			t.Errorf("serve: %v", err)
		}
	}
	t.Cleanup(b.stop)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, address, ok := strings.Cut(lines.Text(), "http://"); ok {
			b.url = "http://guest:guest@" + address
		}
		if strings.HasPrefix(lines.Text(), "ready") {
			return b
		}
	}
	t.Fatal("serve did not get ready")
	return nil
}

// result is what a command did.
type result struct {
	status   int
	out, err string
}

func run(t *testing.T, environ []string, stdin string, args ...string) result {
	t.Helper()
	c := exec.Command(binary, args...)
	c.Env = append(os.Environ(), environ...)
	c.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	timer := time.AfterFunc(20*time.Second, func() { _ = c.Process.Kill() })
	defer timer.Stop()
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{c.ProcessState.ExitCode(), out.String(), errs.String()}
}

// script runs lines of
//
//	command args...          wants status 0
//	!3 command args...       wants status 3
//	< text                   is the standard input of the next command
//	> pattern                wants the last output or error text to match
func (b *broker) script(text string) {
	b.t.Helper()
	var last result
	stdin := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '<':
			stdin += strings.TrimPrefix(line, "< ") + "\n"
		case line[0] == '>':
			pattern := strings.TrimPrefix(line, "> ")
			if !regexp.MustCompile("(?m)" + pattern).MatchString(last.out + last.err) {
				b.t.Errorf("%q not in:\n%s%s", pattern, last.out, last.err)
			}
		default:
			want := 0
			if line[0] == '!' {
				want, line = int(line[1]-'0'), line[2:]
			}
			last = run(b.t, []string{"WEIR_URL=" + b.url, "SECRET=s3", "EMPTY="}, stdin, strings.Fields(line)...)
			stdin = ""
			if last.status != want {
				b.t.Errorf("weir %s: status %d, want %d\n%s%s", line, last.status, want, last.out, last.err)
			}
		}
	}
}

func TestObjects(t *testing.T) {
	serve(t).script(`
		health
		> ^status +ok
		queue add orders --arg x-max-length=100 --arg x-overflow=reject-publish
		> queue orders declared
		queue add orders --arg x-max-length=100 --arg x-overflow=reject-publish
		> was there
		!4 queue add orders
		> x-(max-length|overflow)
		!1 queue add bad --arg x-max-length=many
		!2 queue add bad --arg novalue
		!2 queue add
		!2 queue add a b
		!2 queue
		!2 queue frobnicate
		!2 queue ls --nope
		!2 queue ls -o yaml
		!2 frobnicate
		queue ls
		> ^NAME +TYPE +MESSAGES
		> ^orders +classic +0
		queue ls -o json
		> "messages_ready": 0
		queue show orders
		> ^arguments +.*"x-max-length":100
		!3 queue show nope
		!3 queue rm nope
		!3 queue purge nope
		exchange add logs --type topic
		!1 exchange add bad --type nonsense
		!4 exchange add logs --type fanout
		exchange ls
		> ^logs +topic
		binding add logs orders --key a.*
		binding ls
		> ^logs +orders +queue +a\.\*
		!3 binding add logs nope
		!3 binding rm logs orders --key other
		!4 exchange rm logs --if-unused
		pub --exchange logs --key a.b hello
		> published 1
		!3 pub --exchange logs --key z hello
		!4 queue rm orders --if-empty
		queue purge orders
		binding rm logs orders --key a.*
		exchange rm logs
		!3 exchange rm logs
		queue rm orders --if-empty --if-unused
		connection ls
		> ^NAME
		!3 connection close nobody
	`)
}

func TestPeople(t *testing.T) {
	b := serve(t)
	b.script(`
		vhost add v --description tenant
		vhost ls
		> ^v +0 +tenant
		!1 vhost rm /
		!3 vhost rm nope
		user add ann --password s1 --tag management
		< s2
		user add ann --tag management
		user add ann --password-env SECRET --tag management
		!2 user add ann --password-env EMPTY
		!2 user add ann
		!2 user add ann --password a --password-env SECRET
		user ls
		> ^ann +management
		permission add ann -V v --configure .* --write .* --read .*
		permission ls -V v
		> ^ann +\.\* +\.\* +\.\*
		permission show ann -V v
		> write +\.\*
		vhost show v
		> description +tenant
		user show ann
		> tags +management
		!3 user show nobody
		!1 permission add ann --read (
		!1 permission add nobody
	`)
	ann := strings.Replace(b.url, "guest:guest", "ann:s3", 1)
	for _, step := range []struct {
		status int
		args   string
	}{{0, "queue add mine -V v"}, {0, "queue ls -V v"}, {1, "queue ls"}, {1, "user ls"}, {1, "vhost add w"}} {
		if r := run(t, nil, "", append(strings.Fields(step.args), "--url", ann)...); r.status != step.status {
			t.Errorf("%s: %d, want %d: %s", step.args, r.status, step.status, r.err)
		}
	}
	if r := run(t, nil, "", "queue", "ls", "--url", strings.Replace(b.url, "guest:guest", "guest:wrong", 1)); r.status != 1 || !strings.Contains(r.err, "Login failed") {
		t.Errorf("wrong login: %d %s", r.status, r.err)
	}
	b.script(`
		permission rm ann -V v
		user rm ann
		!3 user rm ann
		vhost rm v
	`)
}

func TestMessages(t *testing.T) {
	b := serve(t)
	b.script(`
		queue add q
		pub q one two --header n=1 --content-type text/plain
		< three
		< four
		pub q -
		> published 2
		sub q -n 4
		> ^one\ntwo\nthree\nfour\n
		queue show q
		> ^ready +4
		sub q -n 3 --ack -o json
		> "headers":\{"n":1\}
		queue show q
		> ^ready +1
		sub q -n 1 --ack
		> ^four
		!3 pub nope x
		> reached no queue
		!3 sub nope -n 1
		!2 pub q
		!2 pub
		!2 sub
		!2 sub q -n -1
		queue add small --arg x-max-length=1 --arg x-overflow=reject-publish
		!4 pub small a b c
		> 2 of 3 messages refused
		pub q bytes --ttl 60000 --priority 3 --message-id i --transient
	`)
	environ := []string{"WEIR_URL=" + b.url}
	if r := run(t, environ, "\xff\x00\n", "pub", "q", "-"); r.status != 0 {
		t.Fatal(r.err)
	}
	if r := run(t, environ, "", "sub", "q", "-n", "2", "--ack"); r.out != "bytes\n\xff\x00\n" {
		t.Errorf("got %q %s", r.out, r.err)
	}
	many := strings.Repeat("x\n", 20_000)
	if r := run(t, environ, many, "pub", "q", "-"); r.status != 0 {
		t.Fatal(r.err)
	}
	if r := run(t, environ, "", "sub", "q", "-n", "20000", "--ack"); r.out != many {
		t.Errorf("%d bytes, want %d: %s", len(r.out), len(many), r.err)
	}
	b.script("queue show q\n> ^messages +0")
}

// An interrupted sub ends well, and what it did not take goes back.
func TestSubInterrupted(t *testing.T) {
	b := serve(t)
	b.script("queue add q\npub q one")
	c := exec.Command(binary, "sub", "q", "--url", b.url)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "one\n" {
		t.Fatalf("%q %v", line, err)
	}
	b.script("connection ls\n> ^127.0.0.1:.* guest +/ +running +0 +HTTP")
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("sub: %v", err)
	}
	b.script("queue show q\n> ^ready +1\n> ^consumers +0")
}

func TestCompletion(t *testing.T) {
	b := serve(t)
	b.script("queue add orders\nexchange add logs\n__complete queue rm o\n> ^orders\n__complete pub --exchange l\n> ^logs\n__complete queue ls -o t\n> ^table\ncompletion bash\n> complete")
}

func TestUnreachable(t *testing.T) {
	for _, args := range []string{"queue ls", "pub q x", "sub q", "health"} {
		if r := run(t, nil, "", append(strings.Fields(args), "--url", "http://127.0.0.1:1")...); r.status != 5 {
			t.Errorf("%s: %d %s", args, r.status, r.err)
		}
	}
	if r := run(t, nil, "", "queue", "ls", "--url", "ftp://x"); r.status != 2 {
		t.Errorf("bad url: %d %s", r.status, r.err)
	}
	if r := run(t, []string{"WEIR_URL=http://a:hidden@x"}, "", "queue", "--help"); strings.Contains(r.out, "hidden") {
		t.Error("the help shows a password")
	}
}

func TestConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte("storage:\n  shards: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := run(t, []string{"WEIR_LIMITS__MESSAGE_BYTES=77"}, "", "config", "dump", "--config", file, "--set", "log.level=warn"); r.status != 0 ||
		!strings.Contains(r.out, "shards: 3") || !strings.Contains(r.out, "message_bytes: 77") || !strings.Contains(r.out, "level: warn") {
		t.Errorf("%d\n%s%s", r.status, r.out, r.err)
	}
	if r := run(t, nil, "", "config", "check", "--config", file); r.status != 0 {
		t.Error(r.err)
	}
	if err := os.WriteFile(file, []byte("storage:\n  shards: 3\n  shrads: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := run(t, nil, "", "config", "check", "--config", file); r.status != 1 || !strings.Contains(r.err, "3") || !strings.Contains(r.err, "shrads") {
		t.Errorf("unknown key: %d %s", r.status, r.err)
	}
}

func TestDumpAndVerify(t *testing.T) {
	b := serve(t)
	b.script("queue add q\npub q one two three")
	if r := run(t, nil, "", "verify", b.dir); r.status != 1 || !strings.Contains(r.err, "a broker has") {
		t.Errorf("verify of an open store: %d %s", r.status, r.err)
	}
	b.stop()
	if r := run(t, nil, "", "verify", b.dir); r.status != 0 || !strings.Contains(r.out, "ok   wal") || !strings.Contains(r.out, "ok   shard-0001") {
		t.Errorf("verify: %d %s%s", r.status, r.out, r.err)
	}
	if r := run(t, nil, "", "dump", "wal", filepath.Join(b.dir, "wal")); r.status != 0 || !strings.Contains(r.out, "shard 1") {
		t.Errorf("dump wal: %d %s%s", r.status, r.out, r.err)
	}
	if r := run(t, nil, "", "dump", "checkpoint", filepath.Join(b.dir, "shard-0000", "checkpoint")); r.status != 0 || !strings.Contains(r.out, "put") {
		t.Errorf("dump checkpoint: %d %s%s", r.status, r.out, r.err)
	}
	segments, err := filepath.Glob(filepath.Join(b.dir, "shard-0001", "segments", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range segments {
		if r := run(t, nil, "", "dump", "segment", s); r.status != 0 || !strings.Contains(r.out, "log ") {
			t.Errorf("dump segment: %d %s%s", r.status, r.out, r.err)
		}
	}
	for _, args := range [][]string{{"verify", "/nowhere"}, {"dump", "wal", "/nowhere"}} {
		if r := run(t, nil, "", args...); r.status != 3 {
			t.Errorf("%v: %d %s", args, r.status, r.err)
		}
	}
	flip(t, filepath.Join(b.dir, "shard-0000", "checkpoint"))
	if r := run(t, nil, "", "verify", b.dir); r.status != 1 || !regexp.MustCompile(`BAD .*shard-0000.*corrupt at offset \d+`).MatchString(r.out) {
		t.Errorf("verify of damage: %d %s%s", r.status, r.out, r.err)
	}
}

// flip turns a bit in the middle of the largest file of a directory.
func flip(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	var most int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Size() > most {
			name, most = filepath.Join(dir, e.Name()), info.Size()
		}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The page on operations names every setting with its default, and every command.
func TestOperationsPageIsComplete(t *testing.T) {
	b, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	group := ""
	for line := range strings.Lines(run(t, nil, "", "config", "dump").out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.Trim(strings.TrimSpace(value), `"`); {
		case !strings.HasPrefix(line, " ") && value == "":
			group = key + "."
			continue
		case !strings.HasPrefix(line, " "):
			group = ""
		}
		row := "| `" + group + key + "` | "
		if value != "" {
			row += "`" + value + "` "
		}
		if !strings.Contains(page, row) {
			t.Errorf("no row %s", row)
		}
	}
	_, commands, _ := strings.Cut(run(t, nil, "", "--help").out, "Available Commands:\n")
	commands, _, _ = strings.Cut(commands, "\n\n")
	for line := range strings.Lines(commands) {
		if name := strings.Fields(line)[0]; name != "help" && !strings.Contains(page, "`"+name+" ") &&
			!strings.Contains(page, "`"+name+"`") && !strings.Contains(page, "weir "+name+" ") {
			t.Errorf("no command %s", name)
		}
	}
}

func TestQueueDeclarationsHaveFlagsForArguments(t *testing.T) {
	serve(t).script(`
		queue add a --ttl 90s --max-length 10 --overflow reject-publish --dead-letter-exchange dlx --dead-letter-key k --rate 2.5 --dedup 1m --retain 1h --accept-limit 100
		queue show a
		> "x-accept-limit":100,"x-cache-ttl":60000,.*"x-dead-letter-exchange":"dlx","x-dead-letter-routing-key":"k".*"x-max-length":10,"x-message-deduplication":true,"x-message-ttl":90000,"x-overflow":"reject-publish".*"x-rate-limit":2.5,"x-retain-ms":3600000
		queue add b --type quorum --delivery-limit 5 --single-active-consumer
		queue show b
		> "x-delivery-limit":5.*"x-single-active-consumer":true
		queue add c --argument x-max-priority=5 --expires 1h
		queue ls --columns name,limit=arguments.x-max-priority
		> ^NAME +LIMIT
		> ^c +5
		queue ls --name b --json
		> "name": "b"
		!2 queue add d --max-length many
		!2 queue add d --ttl soon
		!2 queue add d --ttl 5s --arg x-message-ttl=7
		!1 queue add d --overflow whatever
		!1 queue add d --max-age 1D
		exchange add x --type topic --alternate rest
		exchange show x
		> alternate-exchange":"rest
		!3 exchange show none
		binding add x a --key k.*
		binding show x a
		> ^x +a +queue +k
	`)
}

func TestPeekRewindRedrive(t *testing.T) {
	b := serve(t)
	b.script(`
		queue add work --dead-letter-exchange= --dead-letter-key dead --max-length 1
		queue add dead
		queue add kept --retain 1h
		pub work m0 m1 m2 --message-id i --header odd=1
	`)
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(run(t, []string{"WEIR_URL=" + b.url}, "", "queue", "show", "dead").out, "ready            2") {
		if time.Now().After(deadline) {
			t.Fatal("no dead letters")
		}
	}
	b.script(`
		queue peek dead
		> ^offset 0  ready  stored 20.*exchange ""  key dead
		> ^  message_id "i"
		> ^  body \(2 bytes\) m0
		queue peek dead --from last -n 1 --json
		> "payload": "m1"
		queue peek dead --from 1 --body 1
		> body \(2 bytes\) m …
		queue peek dead --from 5m -n 1
		> ^offset 0
		!1 queue peek dead --from nowhere
		!1 queue peek dead -n 0
		!3 queue peek none
		queue redrive dead --dry-run
		> ^moved +offset 0  to exchange ""  key work  reason maxlen  id i
		> would move 2;
		queue redrive dead --filter header.odd=1 --filter reason=maxlen --filter queue=work --filter key=work --filter younger=1h --limit 1 --to-queue kept --rate 1000
		> moved 1;
		queue redrive dead --filter older=1h
		> moved 0;
		queue redrive dead --to-queue none --json
		> "unroutable":1
		!2 queue redrive dead --filter odd
		!2 queue redrive dead --filter shade=blue
		!2 queue redrive dead --filter older=yesterday
		!1 queue redrive dead --to-queue a --to-exchange b
		!3 queue redrive none
		sub kept -n 1 --ack
		> ^m0
		queue rewind kept --to first
		sub kept -n 1 --ack
		> ^m0
		queue rewind kept --to 10m
		!4 queue rewind dead --to first
		> retains nothing
		!2 queue rewind kept
		!3 queue rewind none --to first
	`)
}

func TestConnectionsChannelsConsumers(t *testing.T) {
	b := serve(t)
	b.script(`
		queue add q
		connection ls
		> ^NAME +USER +VHOST +STATE +CHANNELS
		!3 connection show nobody
		!3 connection rm nobody --reason maintenance
		connection rm --user nobody
		!2 connection rm
		!2 connection rm a --user b
		channel ls
		> ^NAME +USER +VHOST +STATE +UNACKED
		!3 channel show nobody
		!3 channel ls --connection nobody
		consumer ls
		> ^QUEUE +TAG +CHANNEL
		!3 consumer show nobody
	`)
}
