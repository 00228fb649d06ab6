package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// column is one of a table: its heading and where its value is in an item.
type column struct{ heading, path string }

// columns reads "name", or "heading=path" where they differ.
func columns(specs ...string) []column {
	var out []column
	for _, s := range specs {
		heading, path, ok := strings.Cut(s, "=")
		if !ok {
			path = s
		}
		out = append(out, column{strings.ToUpper(heading), path})
	}
	return out
}

// list fetches a listing and prints it.
func (r *remote) list(c *cobra.Command, cs []column, segments ...string) error {
	return r.listWhere(c, cs, nil, segments...)
}

// showOne fetches one object and prints it.
func (r *remote) showOne(c *cobra.Command, cs []column, segments ...string) error {
	var raw json.RawMessage
	if _, err := r.call(http.MethodGet, nil, &raw, nil, segments...); err != nil {
		return err
	}
	return r.printOne(c.OutOrStdout(), raw, cs)
}

// listWhere is list with a query.
func (r *remote) listWhere(c *cobra.Command, cs []column, query url.Values, segments ...string) error {
	var raw json.RawMessage
	if _, err := r.call(http.MethodGet, nil, &raw, query, segments...); err != nil {
		return err
	}
	if r.columns != "" {
		cs = columns(strings.Split(r.columns, ",")...)
	}
	return r.print(c.OutOrStdout(), raw, cs)
}

// print prints an array of items, or one item, as a table or as the JSON it is.
func (r *remote) print(w io.Writer, raw json.RawMessage, cs []column) error {
	if r.asJSON() {
		var b bytes.Buffer
		if err := json.Indent(&b, raw, "", "  "); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		_, err := fmt.Fprintln(w, strings.TrimSpace(b.String()))
		return err
	}
	var items []map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&items); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	rows := [][]string{headings(w, cs)}
	for _, item := range items {
		var row []string
		for _, c := range cs {
			row = append(row, cell(item, c.path))
		}
		rows = append(rows, row)
	}
	return printRows(w, rows)
}

// printOne prints the fields of one item, one per line.
func (r *remote) printOne(w io.Writer, raw json.RawMessage, cs []column) error {
	if r.asJSON() {
		return r.print(w, raw, cs)
	}
	var item map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&item); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	var rows [][]string
	for _, c := range cs {
		rows = append(rows, []string{strings.ToLower(c.heading), cell(item, c.path)})
	}
	return printRows(w, rows)
}

// bold marks headings where somebody looks at them, unless he wants no colours.
func headings(w io.Writer, cs []column) []string {
	var row []string
	style := func(s string) string { return s }
	if f, ok := w.(*os.File); ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			style = func(s string) string { return "\x1b[1m" + s + "\x1b[0m" }
		}
	}
	for _, c := range cs {
		row = append(row, style(c.heading))
	}
	return row
}

// width counts runes, less the marks of bold.
func width(s string) int {
	return utf8.RuneCountInString(strings.NewReplacer("\x1b[1m", "", "\x1b[0m", "").Replace(s))
}

func printRows(w io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, text := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], width(text))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, text := range row {
			line.WriteString(text)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-width(text)+2))
			}
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// cell is the text of an item's value at a dotted path.
func cell(item map[string]any, path string) string {
	head, rest, dotted := strings.Cut(path, ".")
	if dotted {
		inner, ok := item[head].(map[string]any)
		if !ok {
			return ""
		}
		return cell(inner, rest)
	}
	switch v := item[path].(type) {
	case nil:
		return ""
	case string:
		if v == "" {
			return `""`
		}
		return printable(v)
	case []any:
		var words []string
		for _, w := range v {
			words = append(words, printable(fmt.Sprint(w)))
		}
		return strings.Join(words, ",")
	case map[string]any:
		b, err := json.Marshal(v)
		if err != nil || len(v) == 0 {
			return ""
		}
		return printable(string(b))
	default:
		return fmt.Sprint(v)
	}
}

// printable quotes a text that a terminal would not show as it is: names come
// from anybody.
func printable(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// changed calls and says what was done, on standard error so that output stays
// for data.
func (r *remote) changed(c *cobra.Command, what, method string, body any, query url.Values, segments ...string) error {
	status, err := r.call(method, body, nil, query, segments...)
	if err != nil {
		return err
	}
	if method == http.MethodPut && status == http.StatusNoContent {
		what += " (was there)"
	}
	_, err = fmt.Fprintln(c.ErrOrStderr(), what)
	return err
}
