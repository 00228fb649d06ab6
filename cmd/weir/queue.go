package main

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func queueCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "queue", Short: "Look at queues and change them"}
	r.flags(group, true)
	short := columns("name", "type", "messages", "ready=messages_ready", "unacked=messages_unacknowledged", "consumers", "durable")
	var name string
	ls := &cobra.Command{Use: "ls", Short: "List queues", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.listWhere(c, short, named(name), "api", "queues", r.vhost)
	}}
	ls.Flags().StringVar(&name, "name", "", "only those whose name holds this text")
	var ifUnused, ifEmpty bool
	rm := &cobra.Command{Use: "rm NAME", Short: "Delete a queue", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("queues"), RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "queue "+printable(args[0])+" deleted", http.MethodDelete, nil, conditions(ifUnused, ifEmpty), "api", "queues", r.vhost, args[0])
	}}
	rm.Flags().BoolVar(&ifUnused, "if-unused", false, "only without consumers")
	rm.Flags().BoolVar(&ifEmpty, "if-empty", false, "only without messages")
	show := &cobra.Command{Use: "show NAME", Short: "Show one queue", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("queues"), RunE: func(c *cobra.Command, args []string) error {
		return r.showOne(c, columns("name", "vhost", "type", "durable", "auto_delete", "exclusive", "arguments", "policy", "operator_policy",
			"messages", "ready=messages_ready", "unacked=messages_unacknowledged", "bytes=message_bytes", "consumers",
			"published=message_stats.publish", "delivered=message_stats.deliver_get", "acked=message_stats.ack"), "api", "queues", r.vhost, args[0])
	}}
	purge := &cobra.Command{Use: "purge NAME", Short: "Remove the ready messages of a queue", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("queues"), RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "queue "+printable(args[0])+" purged", http.MethodDelete, nil, nil, "api", "queues", r.vhost, args[0], "contents")
	}}
	r.columnsFlag(ls)
	group.AddCommand(ls, queueAddCommand(r), rm, show, purge, peekCommand(r), rewindCommand(r), redriveCommand(r))
	return group
}

// named asks for the objects whose name holds a text.
func named(text string) url.Values {
	if text == "" {
		return nil
	}
	return url.Values{"name": {text}}
}

func conditions(ifUnused, ifEmpty bool) url.Values {
	q := url.Values{}
	if ifUnused {
		q.Set("if-unused", "true")
	}
	if ifEmpty {
		q.Set("if-empty", "true")
	}
	return q
}

func healthCommand() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{Use: "health", Short: "Say whether the broker takes everything", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		var raw json.RawMessage
		if _, err := r.call(http.MethodGet, nil, &raw, nil, "health", "ready"); err != nil {
			return err
		}
		return r.printOne(c.OutOrStdout(), raw, columns("status"))
	}}
	r.flags(c, false)
	return c
}
