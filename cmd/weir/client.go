package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	urlDefault = "http://guest:guest@127.0.0.1:15672"
	// callTime bounds a call that is no stream.
	callTime = 30 * time.Second
	// completionTime bounds a look for names to complete.
	completionTime = time.Second
	// answerBytesMax bounds an answer that is an error.
	answerBytesMax = 1 << 20
)

// remote is a broker's HTTP door and how to show its answers.
type remote struct {
	url     string
	vhost   string
	output  string
	json    bool
	columns string
}

// asJSON says whether answers are shown as they are.
func (r *remote) asJSON() bool { return r.json || r.output == "json" }

// flags adds those every command that calls a broker has.
func (r *remote) flags(c *cobra.Command, hasVhost bool) {
	f := c.PersistentFlags()
	def := os.Getenv("WEIR_URL")
	if def == "" {
		def = urlDefault
	}
	f.StringVar(&r.url, "url", def, "HTTP door of the broker (environment WEIR_URL)")
	c.PersistentFlags().Lookup("url").DefValue = urlDefault // a password from the environment is not for the help
	f.StringVarP(&r.output, "output", "o", "table", "table or json")
	f.BoolVar(&r.json, "json", false, "the same as -o json")
	if hasVhost {
		f.StringVarP(&r.vhost, "vhost", "V", "/", "virtual host")
	}
	must(c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp)))
}

// columnsFlag lets a listing show other columns.
func (r *remote) columnsFlag(c *cobra.Command) {
	c.Flags().StringVar(&r.columns, "columns", "", "NAME or HEADING=PATH, with commas between: name,rate=message_stats.publish_details.rate")
}

// must is for mistakes in the definition of the commands themselves.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (r *remote) check() error {
	if r.output != "table" && r.output != "json" {
		return &statusError{exitUsage, fmt.Errorf("--output takes table or json, not %q", r.output)}
	}
	return nil
}

// request makes a request; segments are escaped, so that a name can be anything.
func (r *remote) request(ctx context.Context, method string, body io.Reader, query url.Values, segments ...string) (*http.Request, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	base, err := url.Parse(r.url)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, &statusError{exitUsage, errors.New("--url takes http://USER:PASSWORD@HOST:PORT")}
	}
	user := base.User
	if user == nil {
		user = url.UserPassword("guest", "guest")
	}
	base.User = nil
	text := strings.TrimSuffix(base.String(), "/")
	for _, s := range segments {
		text += "/" + url.PathEscape(s)
	}
	if len(query) > 0 {
		text += "?" + query.Encode()
	}
	q, err := http.NewRequestWithContext(ctx, method, text, body)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	password, _ := user.Password()
	q.SetBasicAuth(user.Username(), password)
	return q, nil
}

// do sends a request; an answer that is no success is an error.
func do(q *http.Request) (*http.Response, error) {
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		var wrapped *url.Error // whose text would repeat the whole request
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, &statusError{exitUnreachable, fmt.Errorf("%s: %w", q.URL.Host, err)}
	}
	if answer.StatusCode < 300 {
		return answer, nil
	}
	var told struct{ Error, Reason, Code, Detail string }
	b, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	if err = errors.Join(err, answer.Body.Close()); err == nil && json.Unmarshal(b, &told) != nil {
		told.Reason = strings.TrimSpace(string(b))
	}
	if told.Detail != "" {
		told.Reason = told.Detail
	}
	if told.Reason == "" {
		told.Reason = answer.Status
	}
	status := exitError
	switch {
	case told.Code == "conflict" || answer.StatusCode == http.StatusConflict:
		status = exitConflict
	case answer.StatusCode == http.StatusNotFound:
		status = exitNotFound
	}
	return nil, &statusError{status, errors.New(printable(told.Reason))}
}

// call sends body as JSON where it is not nil, and reads the answer into out
// where that is not nil. It returns the answer's status.
func (r *remote) call(method string, body, out any, query url.Values, segments ...string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTime)
	defer cancel()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, fmt.Errorf("request: %w", err)
		}
		in = bytes.NewReader(b)
	}
	q, err := r.request(ctx, method, in, query, segments...)
	if err != nil {
		return 0, err
	}
	answer, err := do(q)
	if err != nil {
		return 0, err
	}
	if out != nil {
		d := json.NewDecoder(answer.Body)
		d.UseNumber()
		if err := d.Decode(out); err != nil {
			return 0, errors.Join(fmt.Errorf("answer: %w", err), answer.Body.Close())
		}
	}
	return answer.StatusCode, answer.Body.Close()
}

// names completes with the names of a listing.
func (r *remote) names(kind string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		segments := []string{"api", kind}
		if r.vhost != "" {
			segments = append(segments, r.vhost)
		}
		ctx, cancel := context.WithTimeout(context.Background(), completionTime)
		defer cancel()
		q, err := r.request(ctx, http.MethodGet, nil, url.Values{"columns": {"name"}}, segments...)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		answer, err := do(q)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var items []struct{ Name string }
		err = json.NewDecoder(answer.Body).Decode(&items)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var out []string
		for _, i := range items {
			if i.Name != "" && printable(i.Name) == i.Name {
				out = append(out, i.Name)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// pairs reads KEY=VALUE flags; a value that is JSON is that, all others are
// texts.
func pairs(list []string) (map[string]any, error) {
	out := map[string]any{}
	for _, kv := range list {
		key, text, ok := strings.Cut(kv, "=")
		if !ok || key == "" {
			return nil, &statusError{exitUsage, fmt.Errorf("%q is not KEY=VALUE", kv)}
		}
		var v any
		if json.Unmarshal([]byte(text), &v) == nil {
			out[key] = json.RawMessage(text)
		} else {
			out[key] = text
		}
	}
	return out, nil
}
