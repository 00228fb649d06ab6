package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"weir/internal/server"
)

func serveCommand() *cobra.Command {
	var file, data string
	var doors, settings []string
	c := &cobra.Command{
		Use: "serve", Short: "Run the broker", Args: cobra.NoArgs,
		Long: "Run the broker until it is told to stop (SIGTERM or SIGINT drain it, SIGHUP reads certificates again).\n" +
			"Flags go before environment variables (WEIR_STORAGE__SHARDS=2), those before the file, that before the defaults.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				file = os.Getenv("WEIR_CONFIG")
			}
			if data != "" {
				settings = append(settings, "data="+data)
			}
			for _, d := range doors {
				if !strings.Contains(d, "=") {
					return errors.New("--listen takes NAME=HOST:PORT or NAME=off")
				}
				settings = append(settings, "listen."+d)
			}
			memory := readMemory()
			config, err := loadConfig(memory, file, settings)
			if err != nil {
				return err
			}
			memory.tune(config.Storage.TailBytes, server.NewLog(os.Stderr, config.Log))
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			reload := make(chan os.Signal, 1)
			signal.Notify(reload, syscall.SIGHUP)
			return server.Run(ctx, config, cmd.OutOrStdout(), reload)
		},
	}
	f := c.Flags()
	f.StringVar(&data, "data", "", "data directory (default weir-data)")
	f.StringVar(&file, "config", "", "YAML configuration file")
	f.StringArrayVar(&doors, "listen", nil, "NAME=HOST:PORT of a door, or NAME=off; doors: amqp, amqps, kafka, kafkas, http")
	f.StringArrayVar(&settings, "set", nil, "KEY=VALUE of any setting, such as storage.shards=2")
	return c
}
