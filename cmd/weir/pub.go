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
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// outline is a message as the publishing stream takes it.
type outline struct {
	RoutingKey string         `json:"routing_key"`
	Payload    string         `json:"payload"`
	Encoding   string         `json:"payload_encoding,omitempty"`
	Properties map[string]any `json:"properties"`
}

type pubFlags struct {
	exchange, key, contentType, id string
	ttl, delay                     int64
	priority                       int
	transient                      bool
	headers                        []string
}

func pubCommand() *cobra.Command {
	r, o := &remote{}, &pubFlags{}
	c := &cobra.Command{
		Use: "pub QUEUE BODY...", Short: "Publish messages and wait until they are durable",
		Long: "Publish each BODY as one message, to QUEUE or with --exchange and --key.\n" +
			"A BODY that is - publishes each line of standard input.",
		Example: "  weir pub orders 'one' 'two'\n  tail -f log | weir pub --exchange logs --key app -",
		Args: func(_ *cobra.Command, args []string) error {
			switch n := len(args); {
			case o.exchange == "" && n < 2:
				return errors.New("pub takes QUEUE BODY... or --exchange and BODY... as arguments")
			case n < 1:
				return errors.New("nothing to publish")
			}
			return nil
		},
		ValidArgsFunction: r.names("queues"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.exchange == "" {
				o.key, args = args[0], args[1:]
			}
			return publish(c, r, o, args)
		},
	}
	r.flags(c, true)
	f := c.Flags()
	f.StringVar(&o.exchange, "exchange", "", "publish to this exchange")
	f.StringVar(&o.key, "key", "", "routing key, with --exchange")
	f.StringVar(&o.contentType, "content-type", "", "content type")
	f.StringVar(&o.id, "message-id", "", "message id")
	f.Int64Var(&o.ttl, "ttl", -1, "milliseconds to live")
	f.Int64Var(&o.delay, "delay", 0, "milliseconds before it is delivered")
	f.IntVar(&o.priority, "priority", -1, "priority, 0 to 255")
	f.BoolVar(&o.transient, "transient", false, "mark as not persistent")
	f.StringArrayVar(&o.headers, "header", nil, "KEY=VALUE of a header")
	must(c.RegisterFlagCompletionFunc("exchange", func(c *cobra.Command, _ []string, to string) ([]string, cobra.ShellCompDirective) {
		return r.names("exchanges")(c, nil, to)
	}))
	return c
}

func (o *pubFlags) properties() (map[string]any, error) {
	p := map[string]any{"delivery_mode": 2}
	if o.transient {
		p["delivery_mode"] = 1
	}
	headers, err := pairs(o.headers)
	if err != nil {
		return nil, err
	}
	if o.delay > 0 {
		headers["x-delay"] = o.delay
	}
	if len(headers) > 0 {
		p["headers"] = headers
	}
	if o.contentType != "" {
		p["content_type"] = o.contentType
	}
	if o.id != "" {
		p["message_id"] = o.id
	}
	if o.ttl >= 0 {
		p["expiration"] = strconv.FormatInt(o.ttl, 10)
	}
	if o.priority >= 0 {
		p["priority"] = o.priority
	}
	return p, nil
}

func publish(c *cobra.Command, r *remote, o *pubFlags, bodies []string) error {
	properties, err := o.properties()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	in, out := io.Pipe()
	q, err := r.request(ctx, http.MethodPost, in, nil, "api", "weir", "publish", r.vhost, o.exchange)
	if err != nil {
		return err
	}
	go func() {
		buffered := bufio.NewWriterSize(out, 64<<10)
		err := send(c.InOrStdin(), buffered, &outline{RoutingKey: o.key, Properties: properties}, bodies)
		if err == nil {
			err = buffered.Flush()
		}
		out.CloseWithError(err) // nil is the end
	}()
	answer, err := do(q)
	if err != nil {
		return err
	}
	var told struct{ Published, Unroutable, Refused int }
	err = json.NewDecoder(answer.Body).Decode(&told)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	switch {
	case told.Refused > 0:
		return &statusError{exitConflict, fmt.Errorf("%d of %d messages refused", told.Refused, told.Published)}
	case told.Unroutable > 0:
		return &statusError{exitNotFound, fmt.Errorf("%d of %d messages reached no queue", told.Unroutable, told.Published)}
	}
	_, err = fmt.Fprintf(c.ErrOrStderr(), "published %d\n", told.Published)
	return err
}

// send writes one line per body. It flushes whenever its own input pauses.
func send(stdin io.Reader, w *bufio.Writer, m *outline, bodies []string) error {
	encoder := json.NewEncoder(w)
	one := func(body []byte) error {
		m.Payload, m.Encoding = string(body), ""
		if !utf8.Valid(body) {
			m.Payload, m.Encoding = base64.StdEncoding.EncodeToString(body), "base64"
		}
		return encoder.Encode(m)
	}
	for _, body := range bodies {
		if body != "-" {
			if err := one([]byte(body)); err != nil {
				return err
			}
			continue
		}
		lines := bufio.NewReaderSize(stdin, 64<<10)
		for {
			line, err := lines.ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("standard input: %w", err)
			}
			if line == "" {
				break
			}
			if err := one([]byte(strings.TrimSuffix(line, "\n"))); err != nil {
				return err
			}
			if lines.Buffered() == 0 {
				if err := w.Flush(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
