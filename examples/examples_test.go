package examples

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// exampleMax is after how long an example is taken for stuck.
const exampleMax = time.Minute

// Every example prints what its output.txt says, against a broker as it comes.
// The Python versions run where EXAMPLES_PYTHON names an interpreter with pika.
func TestExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs five programs")
	}
	programs := t.TempDir()
	build(t, programs, "../cmd/weir", "./orders", "./registration", "./flashsale", "./logs")
	url := startBroker(t, filepath.Join(programs, "weir"))
	python := os.Getenv("EXAMPLES_PYTHON")
	for _, name := range []string{"orders", "registration", "flashsale", "logs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("go", func(t *testing.T) { run(t, name, url, filepath.Join(programs, name)) })
			t.Run("python", func(t *testing.T) {
				if python == "" {
					t.Skip("EXAMPLES_PYTHON is not set")
				}
				run(t, name, url, python, "-u", filepath.Join(name, "main.py"))
			})
		})
	}
}

func build(t *testing.T, into string, packages ...string) {
	t.Helper()
	if out, err := exec.Command("go", append([]string{"build", "-o", into}, packages...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// startBroker returns the URL for clients.
func startBroker(t *testing.T, program string) string {
	t.Helper()
	broker := exec.Command(program, "serve", "--data", t.TempDir(), "--listen", "amqp=127.0.0.1:0", "--listen", "http=off")
	broker.Stderr = os.Stderr
	out, err := broker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := broker.Wait(); err != nil {
			t.Errorf("the broker ended with %v", err)
		}
	})
	var url string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch words := strings.Fields(lines.Text()); words[0] {
		case "amqp":
			url = words[1] + "/"
		case "ready":
			return url
		}
	}
	t.Fatal("the broker did not get ready")
	return ""
}

// run compares the lines of a program with those of output.txt, in any order.
func run(t *testing.T, name, url string, command ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), exampleMax)
	defer cancel()
	program := exec.CommandContext(ctx, command[0], command[1:]...)
	program.Env = append(os.Environ(), "AMQP_URL="+url)
	program.Stderr = os.Stderr
	out, err := program.Output()
	if err != nil {
		t.Fatalf("%v after %q", err, out)
	}
	wanted, err := os.ReadFile(filepath.Join(name, "output.txt"))
	if err != nil {
		t.Fatal(err)
	}
	got, want := sorted(out), sorted(wanted)
	if !slices.Equal(got, want) {
		t.Fatalf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func sorted(text []byte) []string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	slices.Sort(lines)
	return lines
}
