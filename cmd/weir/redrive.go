package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// redriveFlags say what moves and where to.
type redriveFlags struct {
	filters                    []string
	toQueue, toExchange, toKey string
	throughExchange, dryRun    bool
	rate                       float64
	limit                      uint64
}

// redriveLine is one line of the answer: a message, or how far it is.
type redriveLine struct {
	Offset     *uint64 `json:"offset"`
	Fate       string  `json:"fate"`
	Exchange   string  `json:"exchange"`
	RoutingKey string  `json:"routing_key"`
	MessageID  string  `json:"message_id"`
	Reason     string  `json:"reason"`

	Looked     uint64 `json:"looked"`
	Moved      uint64 `json:"moved"`
	Unroutable uint64 `json:"unroutable"`
	Taken      uint64 `json:"taken"`
	Unknown    uint64 `json:"unknown_origin"`
	Done       bool   `json:"done"`
	Error      string `json:"error"`
}

func redriveCommand(r *remote) *cobra.Command {
	o := &redriveFlags{}
	c := &cobra.Command{
		Use: "redrive NAME", Short: "Move dead letters back to where they came from",
		Long: "Move the messages of a dead-letter queue back to the queue they died in first, with the exchange and routing key they\n" +
			"were published with; or elsewhere. A message leaves its queue in the same moment in which it is stored at its new\n" +
			"home: none is lost and none is there twice. What is not moved keeps its place, its order and its delivery count.\n\n" +
			"Filters, all of which have to match: reason=rejected|expired|maxlen|delivery_limit, queue=NAME (it died in first),\n" +
			"key=PATTERN (a topic pattern), older=DURATION, younger=DURATION (in this queue), header.NAME=VALUE.",
		Example: "  weir queue redrive dead --dry-run\n  weir queue redrive dead --filter reason=rejected --filter header.tenant=7 --rate 100\n" +
			"  weir queue redrive dead --to-queue inspect --limit 10",
		Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("queues"),
		RunE: func(c *cobra.Command, args []string) error {
			body, err := o.body(c)
			if err != nil {
				return err
			}
			return r.redrive(c, args[0], body, o.dryRun)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.filters, "filter", nil, "what has to match; see above")
	f.StringVar(&o.toQueue, "to-queue", "", "move to this queue")
	f.StringVar(&o.toExchange, "to-exchange", "", "publish to this exchange, with each message's own key")
	f.StringVar(&o.toKey, "to-key", "", "and with this routing key")
	f.BoolVar(&o.throughExchange, "through-exchange", false, "publish to the exchange they were first published to, for all its queues")
	f.Float64Var(&o.rate, "rate", 0, "messages per second at most")
	f.Uint64Var(&o.limit, "limit", 0, "messages to move at most")
	f.BoolVar(&o.dryRun, "dry-run", false, "only list what would be moved")
	return c
}

func (o *redriveFlags) body(c *cobra.Command) (map[string]any, error) {
	filter, err := o.filter()
	if err != nil {
		return nil, err
	}
	to := map[string]any{}
	for flag, key := range map[string]string{"to-queue": "queue", "to-exchange": "exchange", "to-key": "routing_key"} {
		if f := c.Flags().Lookup(flag); f.Changed {
			to[key] = f.Value.String()
		}
	}
	return map[string]any{
		"filter": filter, "to": to, "through_exchange": o.throughExchange, "rate": o.rate, "limit": o.limit, "dry_run": o.dryRun,
	}, nil
}

func (o *redriveFlags) filter() (map[string]any, error) {
	filter, headers := map[string]any{}, map[string]string{}
	for _, text := range o.filters {
		name, value, ok := strings.Cut(text, "=")
		header, isHeader := strings.CutPrefix(name, "header.")
		switch {
		case !ok:
			return nil, &statusError{exitUsage, fmt.Errorf("%q is not KEY=VALUE", text)}
		case isHeader:
			headers[header] = value
		case name == "reason" || name == "queue":
			filter[name] = value
		case name == "key":
			filter["routing_key"] = value
		case name == "older" || name == "younger":
			d, err := time.ParseDuration(value)
			if err != nil || d <= 0 {
				return nil, &statusError{exitUsage, fmt.Errorf("%s takes a duration such as 1h, not %q", name, value)}
			}
			filter[name+"_ms"] = d.Milliseconds()
		default:
			return nil, &statusError{exitUsage, fmt.Errorf("no filter %q; they are reason, queue, key, older, younger and header.NAME", name)}
		}
	}
	if len(headers) > 0 {
		filter["headers"] = headers
	}
	return filter, nil
}

// redrive runs until it is done or interrupted, which ends it at the broker too.
func (r *remote) redrive(c *cobra.Command, queue string, body map[string]any, dryRun bool) error {
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	q, err := r.request(ctx, http.MethodPost, bytes.NewReader(b), nil, "api", "weir", "queues", r.vhost, queue, "redrive")
	if err != nil {
		return err
	}
	answer, err := do(q)
	if err != nil {
		return err
	}
	end, err := r.readRedrive(c, answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	verb := "moved"
	if dryRun {
		verb = "would move"
	}
	if _, err := fmt.Fprintf(c.ErrOrStderr(), "looked at %d ready messages, %s %d; %d reach no queue, %d of unknown origin, %d taken by consumers\n",
		end.Looked, verb, end.Moved, end.Unroutable, end.Unknown, end.Taken); err != nil {
		return err
	}
	if end.Error != "" {
		return &statusError{exitConflict, errors.New(printable(end.Error))}
	}
	return nil
}

// readRedrive shows the lines as they come and returns the last.
func (r *remote) readRedrive(c *cobra.Command, in io.Reader) (*redriveLine, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, answerBytesMax)
	for lines.Scan() {
		var line redriveLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("answer: %w", err)
		}
		var err error
		switch {
		case r.asJSON():
			_, err = fmt.Fprintln(c.OutOrStdout(), lines.Text())
		case line.Offset != nil:
			_, err = fmt.Fprintf(c.OutOrStdout(), "%-10s offset %d  to exchange %s  key %s  reason %s  id %s\n", line.Fate, *line.Offset,
				quotedIfEmpty(line.Exchange), quotedIfEmpty(line.RoutingKey), quotedIfEmpty(line.Reason), quotedIfEmpty(line.MessageID))
		case !line.Done && line.Error == "":
			_, err = fmt.Fprintf(c.ErrOrStderr(), "%d moved so far\n", line.Moved)
		}
		if err != nil {
			return nil, err
		}
		if line.Done || line.Error != "" {
			return &line, nil
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("the broker's answer ended early: %w", err)
	}
	return nil, errors.New("the broker's answer ended early; what was moved before stays so")
}
