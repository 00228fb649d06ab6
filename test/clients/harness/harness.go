package harness

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// Wait is after how long something that must happen is taken for lost.
const Wait = 20 * time.Second

const scenarioMax = 6 * Wait

// Scenario is one line of output.
type Scenario struct {
	Name string
	Run  func() error
}

// Main runs the scenarios whose names match SCENARIO and exits with 1 if one
// failed.
func Main(client string, scenarios []Scenario) {
	wanted := regexp.MustCompile(os.Getenv("SCENARIO"))
	status := 0
	for _, s := range scenarios {
		if !wanted.MatchString(s.Name) {
			continue
		}
		began := time.Now()
		if err := run(s); err != nil {
			status = 1
			fmt.Printf("FAIL %s %s: %s\n", client, s.Name, strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Printf("ok   %s %s (%d ms)\n", client, s.Name, time.Since(began).Milliseconds())
	}
	killAll()
	os.Exit(status)
}

func run(s Scenario) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v", p)
			}
		}()
		done <- s.Run()
	}()
	return Within(done, scenarioMax, "the scenario")
}

// Within returns what comes from c, or an error if nothing does in time.
func Within[T any](c <-chan T, limit time.Duration, what string) error {
	select {
	case v := <-c:
		if err, ok := any(v).(error); ok {
			return err
		}
		return nil
	case <-time.After(limit):
		return fmt.Errorf("%s took longer than %v", what, limit)
	}
}

// Expect compares got with wanted.
func Expect(what string, got, wanted any) error {
	if reflect.DeepEqual(got, wanted) {
		return nil
	}
	return fmt.Errorf("%s: got %s, wanted %s", what, shorten(got), shorten(wanted))
}

func shorten(v any) string {
	const charactersMax = 300
	s := fmt.Sprintf("%#v", v)
	if len(s) > charactersMax {
		return s[:charactersMax] + "..."
	}
	return s
}
