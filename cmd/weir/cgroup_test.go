package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cgroup makes one within that of the test, with a limit of memory, and returns how
// to start a command in it. It skips the test where that is not allowed.
func cgroup(t *testing.T, limit int) func(args ...string) *exec.Cmd {
	t.Helper()
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(own)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		mount, file := "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		switch {
		case len(part) != 3:
			continue
		case part[0] == "0":
			mount, file = "/sys/fs/cgroup", "memory.max"
		case part[1] != "memory":
			continue
		}
		dir := filepath.Join(mount, part[2], fmt.Sprintf("weir-test-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o700); err != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(dir) })
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			continue // the controller is not for those below
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(fmt.Sprint(limit)), 0o600); err != nil {
			continue
		}
		return func(args ...string) *exec.Cmd {
			c := exec.Command("sh", append([]string{"-c", `echo $$ > "$0" && exec "$@"`, filepath.Join(dir, "cgroup.procs"), binary}, args...)...)
			for _, v := range os.Environ() {
				if !strings.HasPrefix(v, "GOMEMLIMIT=") && !strings.HasPrefix(v, "GOGC=") {
					c.Env = append(c.Env, v)
				}
			}
			return c
		}
	}
	t.Skip("no cgroup can be made here")
	return nil
}

// TestLittleMemory publishes more than a cgroup may have of memory, with nobody who
// consumes: the broker is told nothing of it, and is not killed.
func TestLittleMemory(t *testing.T) {
	const limit = 160 << 20
	within := cgroup(t, limit)
	for settings, tail := range map[string]string{"": "41943040", "storage.tail_bytes=77777777": "77777777"} {
		args := []string{"config", "dump"}
		if settings != "" {
			args = append(args, "--set", settings)
		}
		if out, err := within(args...).CombinedOutput(); err != nil || !strings.Contains(string(out), "tail_bytes: "+tail+"\n") {
			t.Errorf("set %q: %v, %s", settings, err, out)
		}
	}
	c := within("serve", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "amqp=127.0.0.1:0", "--listen", "http=off", "--listen", "kafka=off")
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill() }()
	url := ""
	for lines := bufio.NewScanner(out); lines.Scan() && !strings.HasPrefix(lines.Text(), "ready"); {
		if text, ok := strings.CutPrefix(lines.Text(), "amqp "); ok {
			url = strings.TrimSpace(text)
		}
	}
	for _, load := range []struct{ size, count, producers int }{{1 << 10, 400_000, 1}, {100_000, 4_000, 8}} {
		args := fmt.Sprintf("bench --url %s --size %d --messages %d --producers %d --duration 0 --warmup 0s --consumers 0 --keep -q",
			url, load.size, load.count, load.producers)
		c := exec.Command(binary, strings.Fields(args)...)
		timer := time.AfterFunc(2*time.Minute, func() { _ = c.Process.Kill() })
		text, err := c.CombinedOutput()
		timer.Stop()
		if err != nil || !strings.Contains(string(text), fmt.Sprintf("confirmed %d,", load.count)) {
			t.Errorf("%+v: %v: %s", load, err, text)
			break
		}
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("%v: %s", err, log.String())
	}
	if !strings.Contains(log.String(), `msg="memory is limited" cgroup=167772160 `) {
		t.Errorf("the log says: %s", log.String())
	}
}
