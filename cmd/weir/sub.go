package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// subWindow is how many messages may be on their way to us.
const subWindow = 256

type subFlags struct {
	count     int
	ack       bool
	exclusive bool
}

func subCommand() *cobra.Command {
	r, o := &remote{}, &subFlags{}
	c := &cobra.Command{
		Use: "sub QUEUE", Short: "Print the messages of a queue",
		Long: "Print the messages of a queue, one per line, until -n of them or until interrupted.\n" +
			"Without --ack all of them go back to the queue at the end.",
		Example: "  weir sub orders -n 10 --ack\n  weir sub orders -o json | jq .properties",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: r.names("queues"),
		RunE: func(c *cobra.Command, args []string) error { return subscribe(c, r, o, args[0]) },
	}
	r.flags(c, true)
	c.Flags().IntVarP(&o.count, "count", "n", 0, "stop after so many messages")
	c.Flags().BoolVar(&o.ack, "ack", false, "take the messages out of the queue")
	c.Flags().BoolVar(&o.exclusive, "exclusive", false, "be the only consumer")
	return c
}

// inline is one line of the subscription.
type inline struct {
	Offset   uint64 `json:"offset"`
	Payload  string `json:"payload"`
	Encoding string `json:"payload_encoding"`
	End      string `json:"end"`
}

// subscription is a running sub: its lines in, its commands out.
type subscription struct {
	*subFlags
	json     bool
	commands *io.PipeWriter
	out      *bufio.Writer
	given    int // credit so far
	seen     int
	owed     int64 // credit to give
	settle   *[2]uint64
}

func subscribe(c *cobra.Command, r *remote, o *subFlags, queue string) error {
	if o.count < 0 {
		return &statusError{exitUsage, errors.New("-n takes a positive number")}
	}
	in, out := io.Pipe()
	query := url.Values{}
	if o.exclusive {
		query.Set("exclusive", "true")
	}
	q, err := r.request(context.Background(), http.MethodPost, in, query, "api", "weir", "subscribe", r.vhost, queue)
	if err != nil {
		return err
	}
	s := &subscription{subFlags: o, json: r.asJSON(), commands: out, out: bufio.NewWriter(c.OutOrStdout())}
	first := subWindow
	if o.count > 0 {
		first = min(first, o.count)
	}
	s.given = first
	go func() {
		// An error of the first line is the answer's too.
		_, _ = fmt.Fprintf(out, "{\"credit\":%d}\n", first)
	}()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The end of our lines ends the subscription in good order.
	context.AfterFunc(ctx, func() { out.CloseWithError(io.EOF) })
	answer, err := do(q)
	if err != nil {
		return err
	}
	err = s.run(ctx, answer.Body)
	return errors.Join(err, s.out.Flush(), answer.Body.Close())
}

// run prints messages until the broker ends the answer.
func (s *subscription) run(ctx context.Context, body io.Reader) error {
	lines := bufio.NewReaderSize(body, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) && (ctx.Err() != nil || s.enough()) {
				return nil //nolint:nilerr // the end that was asked for
			}
			return &statusError{exitUnreachable, fmt.Errorf("connection lost: %w", err)}
		}
		var m inline
		if err := json.Unmarshal(line, &m); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		if m.End != "" {
			return errors.New(printable(m.End))
		}
		if s.enough() || ctx.Err() != nil {
			continue // goes back
		}
		if err := s.show(line, &m); err != nil {
			return err
		}
		if err := s.took(m.Offset, lines.Buffered() == 0); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func (s *subscription) enough() bool { return s.count > 0 && s.seen >= s.count }

func (s *subscription) show(line []byte, m *inline) error {
	if s.json {
		_, err := s.out.Write(line)
		return err
	}
	if m.Encoding == "base64" {
		b, err := base64.StdEncoding.DecodeString(m.Payload)
		if err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		m.Payload = string(b)
	}
	_, err := fmt.Fprintln(s.out, m.Payload)
	return err
}

// took notes a message that was printed and, when there is a pause or enough of
// them, prints for real, settles and asks for more.
func (s *subscription) took(offset uint64, pause bool) error {
	s.seen++
	if s.count == 0 || s.given < s.count {
		s.given++
		s.owed++
	}
	if s.ack {
		if s.settle != nil && s.settle[1]+1 != offset {
			if err := s.send(); err != nil {
				return err
			}
		}
		if s.settle == nil {
			s.settle = &[2]uint64{offset, offset}
		}
		s.settle[1] = offset
	}
	if !pause && !s.enough() && s.owed < subWindow/2 {
		return nil
	}
	if err := s.send(); err != nil || !s.enough() {
		return err
	}
	return s.commands.Close()
}

// send flushes what is printed before it settles it.
func (s *subscription) send() error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	b, err := json.Marshal(struct {
		Credit int64      `json:"credit"`
		Settle *[2]uint64 `json:"settle,omitempty"`
	}{s.owed, s.settle})
	if err != nil {
		return err
	}
	s.owed, s.settle = 0, nil
	_, err = s.commands.Write(append(b, '\n'))
	return err
}
