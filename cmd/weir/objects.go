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
	ls := &cobra.Command{Use: "ls", Short: "List queues", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, short, "api", "queues", r.vhost)
	}}
	var kind string
	var durable, autoDelete, ifUnused, ifEmpty bool
	var arguments []string
	add := &cobra.Command{Use: "add NAME", Short: "Declare a queue", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		given, err := pairs(arguments)
		if err != nil {
			return err
		}
		body := map[string]any{"durable": durable, "auto_delete": autoDelete, "arguments": given, "type": kind}
		return r.changed(c, "queue "+printable(args[0])+" declared", http.MethodPut, body, nil, "api", "queues", r.vhost, args[0])
	}}
	add.Flags().StringVar(&kind, "type", "", "classic (default) or quorum")
	add.Flags().BoolVar(&durable, "durable", true, "survives a restart")
	add.Flags().BoolVar(&autoDelete, "auto-delete", false, "goes with its last consumer")
	add.Flags().StringArrayVar(&arguments, "arg", nil, "KEY=VALUE of an argument, such as x-max-length=1000")
	rm := &cobra.Command{Use: "rm NAME", Short: "Delete a queue", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("queues"), RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "queue "+printable(args[0])+" deleted", http.MethodDelete, nil, conditions(ifUnused, ifEmpty), "api", "queues", r.vhost, args[0])
	}}
	rm.Flags().BoolVar(&ifUnused, "if-unused", false, "only without consumers")
	rm.Flags().BoolVar(&ifEmpty, "if-empty", false, "only without messages")
	show := &cobra.Command{Use: "show NAME", Short: "Show one queue", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("queues"), RunE: func(c *cobra.Command, args []string) error {
		var raw json.RawMessage
		if _, err := r.call(http.MethodGet, nil, &raw, nil, "api", "queues", r.vhost, args[0]); err != nil {
			return err
		}
		return r.printOne(c.OutOrStdout(), raw, columns("name", "vhost", "type", "durable", "auto_delete", "exclusive", "arguments",
			"messages", "ready=messages_ready", "unacked=messages_unacknowledged", "bytes=message_bytes", "consumers",
			"published=message_stats.publish", "delivered=message_stats.deliver_get", "acked=message_stats.ack"))
	}}
	purge := &cobra.Command{Use: "purge NAME", Short: "Remove the ready messages of a queue", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("queues"), RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "queue "+printable(args[0])+" purged", http.MethodDelete, nil, nil, "api", "queues", r.vhost, args[0], "contents")
	}}
	group.AddCommand(ls, add, rm, show, purge)
	return group
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

func exchangeCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "exchange", Short: "Look at exchanges and change them"}
	r.flags(group, true)
	ls := &cobra.Command{Use: "ls", Short: "List exchanges", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, columns("name", "type", "durable", "auto_delete", "internal", "arguments"), "api", "exchanges", r.vhost)
	}}
	var kind string
	var durable, autoDelete, internal, ifUnused bool
	var arguments []string
	add := &cobra.Command{Use: "add NAME", Short: "Declare an exchange", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		given, err := pairs(arguments)
		if err != nil {
			return err
		}
		body := map[string]any{"type": kind, "durable": durable, "auto_delete": autoDelete, "internal": internal, "arguments": given}
		return r.changed(c, "exchange "+printable(args[0])+" declared", http.MethodPut, body, nil, "api", "exchanges", r.vhost, args[0])
	}}
	add.Flags().StringVar(&kind, "type", "direct", "direct, fanout, topic, headers or x-consistent-hash")
	add.Flags().BoolVar(&durable, "durable", true, "survives a restart")
	add.Flags().BoolVar(&autoDelete, "auto-delete", false, "goes with its last binding")
	add.Flags().BoolVar(&internal, "internal", false, "takes nothing from clients")
	add.Flags().StringArrayVar(&arguments, "arg", nil, "KEY=VALUE of an argument, such as alternate-exchange=rest")
	rm := &cobra.Command{Use: "rm NAME", Short: "Delete an exchange", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("exchanges"), RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "exchange "+printable(args[0])+" deleted", http.MethodDelete, nil, conditions(ifUnused, false), "api", "exchanges", r.vhost, args[0])
	}}
	rm.Flags().BoolVar(&ifUnused, "if-unused", false, "only without bindings")
	group.AddCommand(ls, add, rm)
	return group
}

func bindingCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "binding", Short: "Look at bindings and change them"}
	r.flags(group, true)
	ls := &cobra.Command{Use: "ls", Short: "List bindings", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, columns("source", "destination", "type=destination_type", "key=routing_key", "arguments", "id=properties_key"), "api", "bindings", r.vhost)
	}}
	var key, id string
	var toExchange bool
	var arguments []string
	kind := func() string {
		if toExchange {
			return "e"
		}
		return "q"
	}
	add := &cobra.Command{Use: "add EXCHANGE QUEUE", Short: "Bind a queue to an exchange", Args: cobra.ExactArgs(2), ValidArgsFunction: r.names("exchanges"), RunE: func(c *cobra.Command, args []string) error {
		given, err := pairs(arguments)
		if err != nil {
			return err
		}
		body := map[string]any{"routing_key": key, "arguments": given}
		return r.changed(c, "bound", http.MethodPost, body, nil, "api", "bindings", r.vhost, "e", args[0], kind(), args[1])
	}}
	add.Flags().StringVar(&key, "key", "", "routing key or pattern")
	add.Flags().StringArrayVar(&arguments, "arg", nil, "KEY=VALUE of an argument, such as x-match=any")
	add.Flags().BoolVar(&toExchange, "to-exchange", false, "the destination is an exchange")
	rm := &cobra.Command{Use: "rm EXCHANGE QUEUE", Short: "Remove a binding", Args: cobra.ExactArgs(2), ValidArgsFunction: r.names("exchanges"), RunE: func(c *cobra.Command, args []string) error {
		if id == "" {
			if id = url.PathEscape(key); key == "" {
				id = "~"
			}
		}
		return r.changed(c, "unbound", http.MethodDelete, nil, nil, "api", "bindings", r.vhost, "e", args[0], kind(), args[1], id)
	}}
	rm.Flags().StringVar(&key, "key", "", "routing key or pattern")
	rm.Flags().StringVar(&id, "id", "", "id of a binding with arguments, as ls shows it")
	rm.Flags().BoolVar(&toExchange, "to-exchange", false, "the destination is an exchange")
	group.AddCommand(ls, add, rm)
	return group
}

func connectionCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "connection", Short: "Look at connections and close them"}
	r.flags(group, false)
	ls := &cobra.Command{Use: "ls", Short: "List connections", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, columns("name", "user", "vhost", "protocol", "client=client_properties.product"), "api", "connections")
	}}
	closing := &cobra.Command{Use: "close NAME", Short: "Close a connection", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("connections"), RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "connection "+printable(args[0])+" closed", http.MethodDelete, nil, nil, "api", "connections", args[0])
	}}
	group.AddCommand(ls, closing)
	return group
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
