package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func connectionCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "connection", Short: "Look at connections and close them"}
	r.flags(group, false)
	short := columns("name", "user", "vhost", "state", "channels", "protocol", "ssl", "client=client_properties.product", "given=user_provided_name")
	var user string
	ls := &cobra.Command{Use: "ls", Short: "List connections", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		if user != "" {
			return r.list(c, short, "api", "connections", "username", user)
		}
		return r.list(c, short, "api", "connections")
	}}
	show := &cobra.Command{Use: "show NAME", Short: "Show one connection", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("connections"), RunE: func(c *cobra.Command, args []string) error {
		return r.showOne(c, columns("name", "user", "vhost", "state", "protocol", "auth_mechanism", "host", "port", "peer_host", "peer_port",
			"ssl", "ssl_protocol", "ssl_cipher", "peer_cert_subject", "channels", "channel_max", "frame_max", "timeout", "connected_at",
			"received=recv_oct", "sent=send_oct", "given=user_provided_name", "client_properties"), "api", "connections", args[0])
	}}
	var reason string
	rm := &cobra.Command{
		Use: "rm NAME", Aliases: []string{"close"}, Short: "Close a connection, or all of a user",
		Example: "  weir connection rm '127.0.0.1:52100 -> 127.0.0.1:5672' --reason maintenance\n  weir connection rm --user ann",
		Args:    cobra.MaximumNArgs(1), ValidArgsFunction: r.names("connections"),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case user == "" && len(args) == 1:
				return r.closing(c, "connection "+printable(args[0])+" closed", reason, "api", "connections", args[0])
			case user != "" && len(args) == 0:
				return r.closing(c, "connections of "+printable(user)+" closed", reason, "api", "connections", "username", user)
			}
			return &statusError{exitUsage, fmt.Errorf("%s takes either NAME or --user", c.CommandPath())}
		},
	}
	for _, c := range []*cobra.Command{ls, rm} {
		c.Flags().StringVar(&user, "user", "", "only of this user")
	}
	rm.Flags().StringVar(&reason, "reason", "", "what the client is told")
	r.columnsFlag(ls)
	group.AddCommand(ls, show, rm)
	return group
}

// closing closes with a reason.
func (r *remote) closing(c *cobra.Command, what, reason string, segments ...string) error {
	ctx, cancel := context.WithTimeout(c.Context(), callTime)
	defer cancel()
	q, err := r.request(ctx, http.MethodDelete, nil, nil, segments...)
	if err != nil {
		return err
	}
	if reason != "" {
		q.Header.Set("X-Reason", reason)
	}
	answer, err := do(q)
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.ErrOrStderr(), what)
	return err
}

func channelCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "channel", Short: "Look at channels"}
	r.flags(group, false)
	short := columns("name", "user", "vhost", "state", "unacked=messages_unacknowledged", "unconfirmed=messages_unconfirmed",
		"prefetch=prefetch_count", "consumers=consumer_count", "confirm", "transactional")
	var connection string
	ls := &cobra.Command{Use: "ls", Short: "List channels", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		if connection != "" {
			return r.list(c, short, "api", "connections", connection, "channels")
		}
		return r.list(c, short, "api", "channels")
	}}
	ls.Flags().StringVar(&connection, "connection", "", "only of this connection")
	show := &cobra.Command{Use: "show NAME", Short: "Show one channel", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("channels"), RunE: func(c *cobra.Command, args []string) error {
		return r.showOne(c, columns("name", "number", "user", "vhost", "state", "confirm", "transactional", "prefetch_count", "global_prefetch_count",
			"consumers=consumer_count", "unacked=messages_unacknowledged", "unconfirmed=messages_unconfirmed", "uncommitted=messages_uncommitted",
			"acks_uncommitted", "published=message_stats.publish", "confirmed=message_stats.confirm", "delivered=message_stats.deliver_get",
			"acked=message_stats.ack", "redelivered=message_stats.redeliver", "returned=message_stats.return_unroutable"), "api", "channels", args[0])
	}}
	r.columnsFlag(ls)
	group.AddCommand(ls, show)
	return group
}

func consumerCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "consumer", Short: "Look at consumers"}
	r.flags(group, true)
	short := columns("queue=queue.name", "tag=consumer_tag", "channel=channel_details.name", "user=channel_details.user", "status=activity_status",
		"ack=ack_required", "prefetch=prefetch_count", "priority", "exclusive")
	ls := &cobra.Command{Use: "ls", Short: "List consumers", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, short, "api", "consumers", r.vhost)
	}}
	show := &cobra.Command{Use: "show TAG", Short: "Show the consumers of a tag", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		var all []json.RawMessage
		if _, err := r.call(http.MethodGet, nil, &all, url.Values{"name": {args[0]}}, "api", "consumers", r.vhost); err != nil {
			return err
		}
		found := false
		for _, raw := range all {
			var of struct {
				Tag string `json:"consumer_tag"`
			}
			if err := json.Unmarshal(raw, &of); err != nil {
				return fmt.Errorf("answer: %w", err)
			}
			if of.Tag != args[0] { // the filter is for parts of names
				continue
			}
			found = true
			if err := r.printOne(c.OutOrStdout(), raw, append(short, columns("arguments")...)); err != nil {
				return err
			}
		}
		if !found {
			return &statusError{exitNotFound, fmt.Errorf("no consumer %s", printable(args[0]))}
		}
		return nil
	}}
	r.columnsFlag(ls)
	group.AddCommand(ls, show)
	return group
}
