package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func vhostCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "vhost", Short: "Look at virtual hosts and change them"}
	r.flags(group, false)
	ls := &cobra.Command{Use: "ls", Short: "List virtual hosts", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, columns("name", "messages", "description"), "api", "vhosts")
	}}
	var description string
	add := &cobra.Command{Use: "add NAME", Short: "Make a virtual host", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		body := map[string]any{"description": description}
		return r.changed(c, "vhost "+printable(args[0])+" made", http.MethodPut, body, nil, "api", "vhosts", args[0])
	}}
	add.Flags().StringVar(&description, "description", "", "what it is for")
	rm := &cobra.Command{Use: "rm NAME", Short: "Delete a virtual host and everything in it", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("vhosts"), RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "vhost "+printable(args[0])+" deleted", http.MethodDelete, nil, nil, "api", "vhosts", args[0])
	}}
	show := &cobra.Command{Use: "show NAME", Short: "Show one virtual host", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("vhosts"), RunE: func(c *cobra.Command, args []string) error {
		return r.showOne(c, columns("name", "description", "default_queue_type", "messages", "ready=messages_ready", "unacked=messages_unacknowledged"),
			"api", "vhosts", args[0])
	}}
	group.AddCommand(ls, add, rm, show)
	return group
}

func userCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "user", Short: "Look at users and change them"}
	r.flags(group, false)
	ls := &cobra.Command{Use: "ls", Short: "List users", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, columns("name", "tags", "password"), "api", "users")
	}}
	var password, variable string
	var words []string
	add := &cobra.Command{
		Use: "add NAME", Short: "Make a user, or change his password and tags", Args: cobra.ExactArgs(1),
		Long: "Make a user, or change his password and tags.\n" +
			"The password is that of --password, of the variable --password-env names, or the first line of standard input.",
		RunE: func(c *cobra.Command, args []string) error {
			secret, err := readPassword(c, password, variable)
			if err != nil {
				return err
			}
			body := map[string]any{"password": secret, "tags": words}
			if words == nil {
				body["tags"] = []string{}
			}
			return r.changed(c, "user "+printable(args[0])+" made", http.MethodPut, body, nil, "api", "users", args[0])
		},
	}
	add.Flags().StringVar(&password, "password", "", "password; other users of this machine can see it")
	add.Flags().StringVar(&variable, "password-env", "", "name of an environment variable that holds the password")
	add.Flags().StringArrayVar(&words, "tag", nil, "administrator, monitoring, policymaker or management")
	add.MarkFlagsMutuallyExclusive("password", "password-env")
	rm := &cobra.Command{Use: "rm NAME", Short: "Delete a user and end his connections", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("users"), RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "user "+printable(args[0])+" deleted", http.MethodDelete, nil, nil, "api", "users", args[0])
	}}
	show := &cobra.Command{Use: "show NAME", Short: "Show one user", Args: cobra.ExactArgs(1), ValidArgsFunction: r.names("users"), RunE: func(c *cobra.Command, args []string) error {
		return r.showOne(c, columns("name", "tags", "password", "limits"), "api", "users", args[0])
	}}
	group.AddCommand(ls, add, rm, show)
	return group
}

func readPassword(c *cobra.Command, password, variable string) (string, error) {
	if password != "" {
		return password, nil
	}
	if variable != "" {
		if password = os.Getenv(variable); password == "" {
			return "", &statusError{exitUsage, fmt.Errorf("variable %s is not set", variable)}
		}
		return password, nil
	}
	line, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("standard input: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", &statusError{exitUsage, errors.New("no password: give --password, --password-env or a line of standard input")}
	}
	return line, nil
}

func permissionCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{Use: "permission", Short: "Look at permissions and change them"}
	r.flags(group, true)
	ls := &cobra.Command{Use: "ls", Short: "List the permissions in a virtual host", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return r.list(c, columns("user", "configure", "write", "read"), "api", "vhosts", r.vhost, "permissions")
	}}
	var configure, write, read string
	add := &cobra.Command{Use: "add USER", Aliases: []string{"set"}, Short: "Set what a user may do in a virtual host", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		body := map[string]any{"configure": configure, "write": write, "read": read}
		return r.changed(c, "permission of "+printable(args[0])+" set", http.MethodPut, body, nil, "api", "permissions", r.vhost, args[0])
	}}
	add.Flags().StringVar(&configure, "configure", "", "pattern of names he may make and delete")
	add.Flags().StringVar(&write, "write", "", "pattern of names he may publish to")
	add.Flags().StringVar(&read, "read", "", "pattern of names he may consume from")
	rm := &cobra.Command{Use: "rm USER", Short: "Take a user's rights in a virtual host away", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return r.changed(c, "permission of "+printable(args[0])+" removed", http.MethodDelete, nil, nil, "api", "permissions", r.vhost, args[0])
	}}
	show := &cobra.Command{Use: "show USER", Short: "Show what a user may do in a virtual host", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return r.showOne(c, columns("user", "vhost", "configure", "write", "read"), "api", "permissions", r.vhost, args[0])
	}}
	group.AddCommand(ls, add, rm, show)
	return group
}
