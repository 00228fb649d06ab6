package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"weir/internal/server"
)

// The exit statuses scripts may rely on.
const (
	exitError = 1
	exitUsage = 2
)

func main() {
	root := &cobra.Command{
		Use: "weir", Short: "One message broker for every message", Version: server.Version,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(serveCommand(), benchCommand())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "weir:", err)
		os.Exit(exitError)
	}
}
