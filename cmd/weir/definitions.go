package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// definitionsTime bounds a transfer of definitions: what they say is made one by
// one.
const definitionsTime = 10 * time.Minute

func definitionsCommand() *cobra.Command {
	r := &remote{}
	group := &cobra.Command{
		Use: "definitions", Short: "Move what was declared between brokers",
		Long: "Move what was declared (users, virtual hosts, permissions, policies, limits, queues, exchanges, bindings) between brokers.\n" +
			"Files are those of RabbitMQ's management API. No message is in them.",
	}
	r.flags(group, false)
	group.PersistentFlags().StringVarP(&r.vhost, "vhost", "V", "", "only what is in this virtual host; it can go to another one")
	exports := &cobra.Command{Use: "export [FILE]", Short: "Write the definitions to a file or standard output", Args: cobra.MaximumNArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return r.exportDefinitions(c, args)
	}}
	imports := &cobra.Command{
		Use: "import FILE", Short: "Make what a file defines; - is standard input", Args: cobra.ExactArgs(1),
		Long: "Make what a file defines; - is standard input. Queues, exchanges and bindings that are there stay as they are;\n" +
			"users, permissions, policies and limits become those of the file.",
		RunE: func(c *cobra.Command, args []string) error { return r.importDefinitions(c, args[0]) },
	}
	group.AddCommand(exports, imports)
	return group
}

func (r *remote) definitions() []string {
	if r.vhost == "" {
		return []string{"api", "definitions"}
	}
	return []string{"api", "definitions", r.vhost}
}

func (r *remote) exportDefinitions(c *cobra.Command, args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), definitionsTime)
	defer cancel()
	q, err := r.request(ctx, http.MethodGet, nil, nil, r.definitions()...)
	if err != nil {
		return err
	}
	answer, err := do(q)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		_, err := io.Copy(c.OutOrStdout(), answer.Body)
		return errors.Join(err, answer.Body.Close())
	}
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // hashes of passwords are in it
	if err != nil {
		return errors.Join(fmt.Errorf("definitions: %w", err), answer.Body.Close())
	}
	_, err = io.Copy(f, answer.Body)
	if err = errors.Join(err, f.Close(), answer.Body.Close()); err != nil {
		return fmt.Errorf("definitions: %w", err)
	}
	_, err = fmt.Fprintln(c.ErrOrStderr(), "definitions written to "+printable(args[0]))
	return err
}

func (r *remote) importDefinitions(c *cobra.Command, name string) error {
	in := c.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("definitions: %w", err)
		}
		defer func() { _ = f.Close() }() // nothing was written
		in = f
	}
	ctx, cancel := context.WithTimeout(context.Background(), definitionsTime)
	defer cancel()
	q, err := r.request(ctx, http.MethodPost, in, nil, r.definitions()...)
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	answer, err := do(q)
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.ErrOrStderr(), "definitions imported")
	return err
}
