package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"weir/internal/server"
)

// The exit statuses scripts may rely on.
const (
	exitError       = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitConflict    = 4
	exitUnreachable = 5
)

// statusError is an error with an exit status of its own.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }

func (e *statusError) Unwrap() error { return e.err }

func main() {
	root := &cobra.Command{
		Use: "weir", Short: "One message broker for every message", Version: server.Version,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(serveCommand(), benchCommand(), pubCommand(), subCommand(), queueCommand(), topicCommand(), groupCommand(), transactionCommand(), exchangeCommand(),
		bindingCommand(), vhostCommand(), userCommand(), permissionCommand(), topicPermissionCommand(), policyCommand(), limitCommand(), definitionsCommand(), connectionCommand(), channelCommand(), consumerCommand(), healthCommand(),
		configCommand(), dumpCommand(), verifyCommand())
	tellRunsApart(root)
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "weir:", err)
		var own *statusError
		if errors.As(err, &own) {
			os.Exit(own.status)
		}
		os.Exit(exitUsage)
	}
}

// tellRunsApart marks the errors of running commands, so that all others, which
// are about flags and arguments, can be told from them. A group that is called
// without a command of its own is a wrong usage too.
func tellRunsApart(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			var own *statusError
			if err != nil && !errors.As(err, &own) {
				return &statusError{exitError, err}
			}
			return err
		}
	} else if c.HasSubCommands() && c.HasParent() {
		c.Args = cobra.NoArgs
		c.RunE = func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("%s needs a command; see %s --help", cmd.CommandPath(), cmd.CommandPath())
		}
	}
	for _, sub := range c.Commands() {
		tellRunsApart(sub)
	}
}
