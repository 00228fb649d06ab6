package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func policyCommand() *cobra.Command {
	r := &remote{}
	operator := false
	kind := func() string {
		if operator {
			return "operator-policies"
		}
		return "policies"
	}
	complete := func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		return r.names(kind())(c, args, typed)
	}
	group := &cobra.Command{Use: "policy", Short: "Look at policies and change them"}
	r.flags(group, true)
	group.PersistentFlags().BoolVar(&operator, "operator", false, "operator policies, which cap what policies and declarations ask for")
	ls := &cobra.Command{Use: "ls", Short: "List the policies of a virtual host, first those that go first", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, columns("name", "pattern", "apply-to", "priority", "definition"), "api", kind(), r.vhost)
	}}
	r.columnsFlag(ls)
	show := &cobra.Command{Use: "show NAME", Short: "Show a policy", Args: cobra.ExactArgs(1), ValidArgsFunction: complete, RunE: func(c *cobra.Command, args []string) error {
		return r.showOne(c, columns("name", "vhost", "pattern", "apply-to", "priority", "definition"), "api", kind(), r.vhost, args[0])
	}}
	var priority int
	var applyTo string
	set := &cobra.Command{
		Use: "set NAME PATTERN KEY=VALUE...", Aliases: []string{"add"}, Short: "Make a policy, or change it", Args: cobra.MinimumNArgs(3),
		Long: "Make a policy, or change it: queues and exchanges whose names match the pattern get its settings at once.\n" +
			"Keys are those of queue arguments without x-: weir policy set short '^logs\\.' max-length=1000 overflow=drop-head",
		RunE: func(c *cobra.Command, args []string) error {
			definition, err := pairs(args[2:])
			if err != nil {
				return err
			}
			body := map[string]any{"pattern": args[1], "definition": definition, "priority": priority, "apply-to": applyTo}
			return r.changed(c, "policy "+printable(args[0])+" set", http.MethodPut, body, nil, "api", kind(), r.vhost, args[0])
		},
	}
	set.Flags().IntVar(&priority, "priority", 0, "of several policies that match, the highest applies")
	set.Flags().StringVar(&applyTo, "apply-to", "all", "all, queues, classic_queues, quorum_queues, streams or exchanges")
	must(set.RegisterFlagCompletionFunc("apply-to", cobra.FixedCompletions(
		[]string{"all", "queues", "classic_queues", "quorum_queues", "streams", "exchanges"}, cobra.ShellCompDirectiveNoFileComp)))
	rm := &cobra.Command{Use: "rm NAME", Short: "Delete a policy; what it gave goes with it", Args: cobra.ExactArgs(1), ValidArgsFunction: complete, RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "policy "+printable(args[0])+" deleted", http.MethodDelete, nil, nil, "api", kind(), r.vhost, args[0])
	}}
	group.AddCommand(ls, show, set, rm)
	return group
}

func limitCommand() *cobra.Command {
	r := &remote{}
	user := false
	kind, column := "vhost-limits", "vhost"
	choose := func() {
		if user {
			kind, column = "user-limits", "user"
		}
	}
	group := &cobra.Command{
		Use: "limit", Short: "Look at limits of virtual hosts or users and change them",
		Long: "Look at limits of virtual hosts (max-connections, max-queues) or of users (max-connections, max-channels) and change them.\n" +
			"-1 is no limit, 0 allows nothing. What is there already stays.",
	}
	r.flags(group, false)
	group.PersistentFlags().BoolVar(&user, "user", false, "limits of users, not of virtual hosts")
	ls := &cobra.Command{Use: "ls", Short: "List limits", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		choose()
		return r.list(c, columns(column, "limits=value"), "api", kind)
	}}
	set := &cobra.Command{Use: "set NAME LIMIT=N...", Aliases: []string{"add"}, Short: "Set limits of a virtual host or user", Args: cobra.MinimumNArgs(2), RunE: func(c *cobra.Command, args []string) error {
		choose()
		for _, kv := range args[1:] {
			name, text, _ := strings.Cut(kv, "=")
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return &statusError{exitUsage, fmt.Errorf("%q is not LIMIT=NUMBER", kv)}
			}
			what := "limit " + printable(name) + " of " + printable(args[0]) + " set"
			if _, err := r.call(http.MethodPut, map[string]any{"value": n}, nil, nil, "api", kind, args[0], name); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(c.ErrOrStderr(), what); err != nil {
				return err
			}
		}
		return nil
	}}
	rm := &cobra.Command{Use: "rm NAME LIMIT...", Short: "Remove limits of a virtual host or user", Args: cobra.MinimumNArgs(2), RunE: func(c *cobra.Command, args []string) error {
		choose()
		for _, name := range args[1:] {
			what := "limit " + printable(name) + " of " + printable(args[0]) + " removed"
			if err := r.changed(c, what, http.MethodDelete, nil, nil, "api", kind, args[0], name); err != nil {
				return err
			}
		}
		return nil
	}}
	group.AddCommand(ls, set, rm)
	return group
}

func topicPermissionCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{
		Use: "topic-permission", Short: "Look at permissions on routing keys and change them",
		Long: "Look at permissions on the routing keys of topic exchanges and change them. A user without one may use any key\n" +
			"of an exchange he may use. Patterns may have {username} and {vhost} in them.",
	}
	r.flags(group, true)
	ls := &cobra.Command{Use: "ls", Short: "List the topic permissions in a virtual host", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, columns("user", "exchange", "write", "read"), "api", "vhosts", r.vhost, "topic-permissions")
	}}
	var write, read string
	set := &cobra.Command{Use: "set USER EXCHANGE", Aliases: []string{"add"}, Short: "Set which routing keys a user may use", Args: cobra.ExactArgs(2), RunE: func(c *cobra.Command, args []string) error {
		body := map[string]any{"exchange": args[1], "write": write, "read": read}
		what := "topic permission of " + printable(args[0]) + " set"
		if _, err := r.call(http.MethodPut, body, nil, nil, "api", "topic-permissions", r.vhost, args[0]); err != nil {
			return err
		}
		_, err := fmt.Fprintln(c.ErrOrStderr(), what)
		return err
	}}
	set.Flags().StringVar(&write, "write", "", "pattern of routing keys he may publish with")
	set.Flags().StringVar(&read, "read", "", "pattern of routing keys he may bind with")
	rm := &cobra.Command{Use: "rm USER [EXCHANGE]", Short: "Remove a user's topic permissions, or that of one exchange", Args: cobra.RangeArgs(1, 2), RunE: func(c *cobra.Command, args []string) error {
		segments := append([]string{"api", "topic-permissions", r.vhost}, args...)
		return r.changed(c, "topic permissions of "+printable(args[0])+" removed", http.MethodDelete, nil, nil, segments...)
	}}
	group.AddCommand(ls, set, rm)
	return group
}
