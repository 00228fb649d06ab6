package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func topicCommand() *cobra.Command {
	r := &remote{}
	topic := &cobra.Command{Use: "topic", Short: "Look at topics and change them"}
	r.flags(topic, true)
	ls := &cobra.Command{Use: "ls", Short: "List topics", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, columns("name", "partitions", "messages", "bytes"), "api", "weir", "topics", r.vhost)
	}}
	r.columnsFlag(ls)
	show := &cobra.Command{Use: "show NAME", Short: "Show a topic's settings and partitions", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return r.showTopic(c, args[0])
	}}
	rm := &cobra.Command{Use: "rm NAME", Short: "Delete a topic and its messages", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "topic "+printable(args[0])+" deleted", http.MethodDelete, nil, nil, "api", "weir", "topics", r.vhost, args[0])
	}}
	topic.AddCommand(ls, show, r.topicAdd(), r.topicSet(), rm, r.topicTrim())
	return topic
}

// showTopic prints the settings and partitions of a topic, or with JSON all there
// is.
func (r *remote) showTopic(c *cobra.Command, name string) error {
	var raw json.RawMessage
	if _, err := r.call(http.MethodGet, nil, &raw, nil, "api", "weir", "topics", r.vhost, name); err != nil {
		return err
	}
	if r.asJSON() {
		return r.printOne(c.OutOrStdout(), raw, nil)
	}
	var parts struct {
		Settings map[string]string `json:"settings"`
		Details  json.RawMessage   `json:"partition_details"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(parts.Settings)) {
		if _, err := fmt.Fprintf(c.OutOrStdout(), "%s=%s\n", printable(name), printable(parts.Settings[name])); err != nil {
			return err
		}
	}
	return r.print(c.OutOrStdout(), parts.Details, columns("partition", "first", "stable", "end", "bytes"))
}

// topicBody reads settings given as NAME=VALUE, and as names that go back to their
// defaults.
func topicBody(partitions int, set, unset []string) (map[string]any, error) {
	settings := map[string]any{}
	for _, s := range set {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("setting %q is not NAME=VALUE", s)
		}
		settings[name] = value
	}
	for _, name := range unset {
		settings[name] = nil
	}
	body := map[string]any{"settings": settings}
	if partitions > 0 {
		body["partitions"] = partitions
	}
	return body, nil
}

func (r *remote) topicAdd() *cobra.Command {
	var partitions int
	var set []string
	add := &cobra.Command{
		Use: "add NAME", Short: "Create a topic", Args: cobra.ExactArgs(1),
		Example: "  weir topic add orders --partitions 12 --set retention.ms=86400000",
		RunE: func(c *cobra.Command, args []string) error {
			body, err := topicBody(partitions, set, nil)
			if err != nil {
				return err
			}
			return r.changed(c, "topic "+printable(args[0])+" created", http.MethodPut, body, nil, "api", "weir", "topics", r.vhost, args[0])
		},
	}
	add.Flags().IntVar(&partitions, "partitions", 1, "how many partitions")
	add.Flags().StringArrayVar(&set, "set", nil, "NAME=VALUE of a setting, may be repeated")
	return add
}

func (r *remote) topicSet() *cobra.Command {
	var partitions int
	var set, unset []string
	alter := &cobra.Command{
		Use: "alter NAME", Short: "Change a topic's settings, or add partitions", Args: cobra.ExactArgs(1),
		Example: "  weir topic alter orders --set cleanup.policy=compact --unset retention.ms\n  weir topic alter orders --partitions 24",
		RunE: func(c *cobra.Command, args []string) error {
			body, err := topicBody(partitions, set, unset)
			if err != nil {
				return err
			}
			return r.changed(c, "topic "+printable(args[0])+" changed", http.MethodPost, body, nil, "api", "weir", "topics", r.vhost, args[0], "alter")
		},
	}
	alter.Flags().IntVar(&partitions, "partitions", 0, "how many partitions it shall have; they never become fewer")
	alter.Flags().StringArrayVar(&set, "set", nil, "NAME=VALUE of a setting, may be repeated")
	alter.Flags().StringArrayVar(&unset, "unset", nil, "NAME of a setting that goes back to its default")
	return alter
}

func (r *remote) topicTrim() *cobra.Command {
	var partition int
	var before uint64
	trim := &cobra.Command{
		Use: "trim NAME", Short: "Delete a topic's messages, or those below an offset", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			body := map[string]any{}
			if c.Flags().Changed("partition") {
				body["partition"] = partition
			}
			if c.Flags().Changed("before") {
				body["before"] = before
			}
			return r.changed(c, "messages of topic "+printable(args[0])+" deleted", http.MethodPost, body, nil, "api", "weir", "topics", r.vhost, args[0], "trim")
		},
	}
	trim.Flags().IntVar(&partition, "partition", 0, "of this partition only")
	trim.Flags().Uint64Var(&before, "before", 0, "below this offset only")
	return trim
}
