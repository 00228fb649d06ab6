package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// peekedMessage is a message as the API shows it.
type peekedMessage struct {
	Offset      uint64         `json:"offset"`
	State       string         `json:"state"`
	Count       uint32         `json:"delivery_count"`
	Stored      int64          `json:"stored_at"`
	Redelivered bool           `json:"redelivered"`
	Exchange    string         `json:"exchange"`
	RoutingKey  string         `json:"routing_key"`
	Properties  map[string]any `json:"properties"`
	Bytes       int            `json:"payload_bytes"`
	Payload     string         `json:"payload"`
	Encoding    string         `json:"payload_encoding"`
}

// place turns what a user says of a position into what the API takes: a time may
// be a duration, which is so long ago.
func place(text string) string {
	if d, err := time.ParseDuration(text); err == nil && text != "0" {
		return time.Now().Add(-d.Abs()).UTC().Format(time.RFC3339Nano)
	}
	return text
}

func peekCommand(r *remote) *cobra.Command {
	var from string
	var n, body int
	c := &cobra.Command{
		Use: "peek NAME", Short: "Look at messages without taking them",
		Long: "Look at messages without taking them. Nothing about the queue changes: not the order, not a delivery count.\n" +
			"Messages that consumers hold are shown too, and so are settled ones where the queue retains them.",
		Example: "  weir queue peek dead -n 3\n  weir queue peek orders --from 2026-01-31T12:00:00Z -o json\n  weir queue peek orders --from 10m --body 0",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: r.names("queues"),
		RunE: func(c *cobra.Command, args []string) error {
			q := url.Values{"from": {place(from)}, "count": {strconv.Itoa(n)}}
			if body >= 0 {
				q.Set("truncate", strconv.Itoa(body))
			}
			var raw json.RawMessage
			if _, err := r.call(http.MethodGet, nil, &raw, q, "api", "weir", "queues", r.vhost, args[0], "messages"); err != nil {
				return err
			}
			if r.asJSON() {
				return r.print(c.OutOrStdout(), raw, nil)
			}
			var list []peekedMessage
			if err := json.Unmarshal(raw, &list); err != nil {
				return fmt.Errorf("answer: %w", err)
			}
			return printPeeked(c.OutOrStdout(), list)
		},
	}
	c.Flags().StringVar(&from, "from", "first", "first, last (so many), an offset, a time, or a duration: so long ago")
	c.Flags().IntVarP(&n, "count", "n", 10, "messages at most, up to 1000")
	c.Flags().IntVar(&body, "body", 200, "bytes of a body at most, -1 for all")
	return c
}

func printPeeked(w io.Writer, list []peekedMessage) error {
	out := bufio.NewWriter(w)
	for i := range list {
		m := &list[i]
		line := fmt.Sprintf("offset %d  %s  stored %s  exchange %s  key %s", m.Offset, m.State,
			time.UnixMilli(m.Stored).UTC().Format("2006-01-02T15:04:05.000Z"), quotedIfEmpty(m.Exchange), quotedIfEmpty(m.RoutingKey))
		if m.Redelivered {
			line += fmt.Sprintf("  redelivered (%d returns)", m.Count)
		}
		// Write errors come back from Flush.
		_, _ = fmt.Fprintln(out, line)
		for _, name := range sortedKeys(m.Properties) {
			b, err := json.Marshal(m.Properties[name])
			if err != nil {
				return fmt.Errorf("answer: %w", err)
			}
			_, _ = fmt.Fprintf(out, "  %s %s\n", name, printable(string(b)))
		}
		body := m.Payload
		if m.Encoding == "base64" {
			b, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				return fmt.Errorf("answer: %w", err)
			}
			body = string(b)
		}
		more := ""
		if len(body) < m.Bytes {
			more = " …"
		}
		_, _ = fmt.Fprintf(out, "  body (%d bytes) %s%s\n", m.Bytes, printable(body), more)
	}
	return out.Flush()
}

func quotedIfEmpty(s string) string {
	if s == "" {
		return `""`
	}
	return printable(s)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func rewindCommand(r *remote) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "rewind NAME --to POSITION", Short: "Make settled messages ready again, where the queue retains them",
		Example: "  weir queue rewind audit --to first\n  weir queue rewind audit --to 2h\n  weir queue rewind audit --to 4711",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: r.names("queues"),
		RunE: func(c *cobra.Command, args []string) error {
			if to == "" {
				return &statusError{exitUsage, errors.New("--to takes first, an offset, a time or a duration")}
			}
			body := map[string]any{"to": place(to)}
			return r.changed(c, "queue "+printable(args[0])+" rewound", http.MethodPost, body, nil, "api", "weir", "queues", r.vhost, args[0], "rewind")
		},
	}
	c.Flags().StringVar(&to, "to", "", "first, an offset, a time, or a duration: so long ago")
	return c
}
