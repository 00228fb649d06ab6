package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

var exchangeFlags = []argumentFlag{
	{"alternate", "alternate-exchange", argumentText, "exchange for messages that reach no queue"},
	{"delayed-type", "x-delayed-type", argumentText, "type behind x-delayed-message"},
	{"hash-header", "hash-header", argumentText, "header that x-consistent-hash and x-modulus-hash look at"},
	{"hash-property", "hash-property", argumentText, "or property"},
}

func exchangeCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "exchange", Short: "Look at exchanges and change them"}
	r.flags(group, true)
	short := columns("name", "type", "durable", "auto_delete", "internal", "arguments")
	var name string
	ls := &cobra.Command{Use: "ls", Short: "List exchanges", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.listWhere(c, short, named(name), "api", "exchanges", r.vhost)
	}}
	ls.Flags().StringVar(&name, "name", "", "only those whose name holds this text")
	show := &cobra.Command{Use: "show NAME", Short: "Show one exchange", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("exchanges"), RunE: func(c *cobra.Command, args []string) error {
		return r.showOne(c, columns("name", "vhost", "type", "durable", "auto_delete", "internal", "arguments", "policy"), "api", "exchanges", r.vhost, args[0])
	}}
	var ifUnused bool
	rm := &cobra.Command{Use: "rm NAME", Short: "Delete an exchange", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("exchanges"), RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "exchange "+printable(args[0])+" deleted", http.MethodDelete, nil, conditions(ifUnused, false), "api", "exchanges", r.vhost, args[0])
	}}
	rm.Flags().BoolVar(&ifUnused, "if-unused", false, "only without bindings")
	r.columnsFlag(ls)
	group.AddCommand(ls, exchangeAddCommand(r), rm, show)
	return group
}

func exchangeAddCommand(r *remote) *cobra.Command {
	var kind string
	var durable, autoDelete, internal bool
	var arguments []string
	add := &cobra.Command{
		Use: "add NAME", Short: "Declare an exchange", Args: cobra.ExactArgs(1),
		Example: "  weir exchange add orders --type topic --alternate unrouted",
		RunE: func(c *cobra.Command, args []string) error {
			given, err := readArgumentFlags(c.Flags(), exchangeFlags, arguments)
			if err != nil {
				return err
			}
			body := map[string]any{"type": kind, "durable": durable, "auto_delete": autoDelete, "internal": internal, "arguments": given}
			return r.changed(c, "exchange "+printable(args[0])+" declared", http.MethodPut, body, nil, "api", "exchanges", r.vhost, args[0])
		},
	}
	add.Flags().StringVar(&kind, "type", "direct", "direct, fanout, topic, headers, x-consistent-hash, …")
	add.Flags().BoolVar(&durable, "durable", true, "survives a restart")
	add.Flags().BoolVar(&autoDelete, "auto-delete", false, "goes with its last binding")
	add.Flags().BoolVar(&internal, "internal", false, "takes nothing from clients")
	addArgumentFlags(add.Flags(), exchangeFlags, &arguments, "alternate-exchange=rest")
	return add
}

func bindingCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "binding", Short: "Look at bindings and change them"}
	r.flags(group, true)
	short := columns("source", "destination", "type=destination_type", "key=routing_key", "arguments", "id=properties_key")
	ls := &cobra.Command{Use: "ls", Short: "List bindings", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, short, "api", "bindings", r.vhost)
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
	show := &cobra.Command{Use: "show EXCHANGE QUEUE", Short: "Show the bindings between two", Args: cobra.ExactArgs(2), ValidArgsFunction: r.names("exchanges"), RunE: func(c *cobra.Command, args []string) error {
		return r.list(c, short, "api", "bindings", r.vhost, "e", args[0], kind(), args[1])
	}}
	add := &cobra.Command{Use: "add EXCHANGE QUEUE", Short: "Bind a queue to an exchange", Args: cobra.ExactArgs(2), ValidArgsFunction: r.names("exchanges"), RunE: func(c *cobra.Command, args []string) error {
		given, err := readArgumentFlags(c.Flags(), nil, arguments)
		if err != nil {
			return err
		}
		body := map[string]any{"routing_key": key, "arguments": given}
		return r.changed(c, "bound", http.MethodPost, body, nil, "api", "bindings", r.vhost, "e", args[0], kind(), args[1])
	}}
	add.Flags().StringVar(&key, "key", "", "routing key or pattern")
	addArgumentFlags(add.Flags(), nil, &arguments, "x-match=any")
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
	for _, c := range []*cobra.Command{add, rm, show} {
		c.Flags().BoolVar(&toExchange, "to-exchange", false, "the destination is an exchange")
	}
	r.columnsFlag(ls)
	group.AddCommand(ls, add, rm, show)
	return group
}
