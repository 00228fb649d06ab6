package main_test

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// serveAMQP is serve with an AMQP door, whose URL it returns too.
func serveAMQP(t *testing.T) (*broker, string) {
	t.Helper()
	b := &broker{t: t, dir: filepath.Join(t.TempDir(), "data")}
	c := exec.Command(binary, "serve", "--data", b.dir, "--listen", "amqp=127.0.0.1:0", "--listen", "http=127.0.0.1:0", "--listen", "kafka=off",
		"--set", "storage.wal_file_bytes=1048576")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := c.Wait(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	url := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); strings.HasPrefix(lines.Text(), "amqp ") {
			url = fields[1]
		}
		if _, address, ok := strings.Cut(lines.Text(), "http://"); ok {
			b.url = "http://guest:guest@" + address
		}
		if strings.HasPrefix(lines.Text(), "ready") {
			return b, url
		}
	}
	t.Fatal("serve did not get ready")
	return nil, ""
}

func TestChannelsOfAClient(t *testing.T) {
	b, url := serveAMQP(t)
	c, err := amqp.DialConfig(url, amqp.Config{Properties: amqp.Table{"connection_name": "probe"}})
	if err != nil {
		t.Fatal(err)
	}
	closed := c.NotifyClose(make(chan *amqp.Error, 1))
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	b.script(`
		queue add q
		pub q one two
	`)
	if err := ch.Qos(5, 0, false); err != nil {
		t.Fatal(err)
	}
	in, err := ch.Consume("q", "mine", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-in
	<-in
	environ := []string{"WEIR_URL=" + b.url}
	name := strings.TrimSpace(strings.Split(run(t, environ, "", "connection", "ls", "--columns", "name").out, "\n")[1])
	for _, row := range []struct{ args, want string }{
		{"connection ls", "running  1         AMQP 0-9-1  false"},
		{"connection show " + name, "given              probe"},
		{"channel ls", "running  2        0            5         1          false    false"},
		{"channel ls --connection " + name, name + " (1)"},
		{"channel show " + name + " (1)", "unacked                2"},
		{"consumer ls", "q      mine  " + name + " (1)  guest  up      true  5"},
		{"consumer show mine", "channel    " + name + " (1)"},
		{"queue peek q", "offset 0  unacked"},
	} {
		args := strings.SplitN(row.args, " ", 3)
		if len(args) > 2 && strings.HasPrefix(args[2], "--") {
			flag, value, _ := strings.Cut(args[2], " ")
			args = append(args[:2], flag, value)
		}
		if r := run(t, environ, "", args...); r.status != 0 || !strings.Contains(r.out, row.want) {
			t.Errorf("%s: %d, no %q in\n%s%s", row.args, r.status, row.want, r.out, r.err)
		}
	}
	if r := run(t, environ, "", "connection", "rm", name, "--reason", "maintenance"); r.status != 0 {
		t.Errorf("rm: %d %s", r.status, r.err)
	}
	if why := <-closed; why == nil || why.Code != 320 || why.Reason != "CONNECTION_FORCED - maintenance" {
		t.Errorf("closed with %v", why)
	}
}
