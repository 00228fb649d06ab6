package main

import (
	"fmt"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"weir/internal/server"
)

func configCommand() *cobra.Command {
	group := &cobra.Command{Use: "config", Short: "Show and check the configuration"}
	var file string
	var settings []string
	group.PersistentFlags().StringVar(&file, "config", os.Getenv("WEIR_CONFIG"), "YAML configuration file (environment WEIR_CONFIG)")
	group.PersistentFlags().StringArrayVar(&settings, "set", nil, "KEY=VALUE of any setting, such as storage.shards=2")
	group.AddCommand(
		&cobra.Command{Use: "dump", Short: "Print the configuration serve would run with", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			config, err := loadConfig(readMemory(), file, settings)
			if err != nil {
				return err
			}
			b, err := yaml.Marshal(config)
			if err != nil {
				return fmt.Errorf("configuration: %w", err)
			}
			_, err = c.OutOrStdout().Write(b)
			return err
		}},
		&cobra.Command{Use: "check", Short: "Say whether serve would take the configuration", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			if _, err := loadConfig(readMemory(), file, settings); err != nil {
				return err
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), "ok")
			return err
		}},
	)
	return group
}

// loadConfig is what serve would run with within so much memory.
func loadConfig(m memory, file string, settings []string) (server.Config, error) {
	defaults := server.Default()
	m.fit(&defaults)
	return server.Load(defaults, file, os.Environ(), settings)
}
