package main

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// argumentFlag is a flag that stands for an argument of a declaration.
type argumentFlag struct {
	flag, argument string
	kind           argumentKind
	usage          string
}

type argumentKind uint8

const (
	argumentText argumentKind = iota
	argumentNumber
	argumentTime // as milliseconds
	argumentSwitch
)

var queueFlags = []argumentFlag{
	{"ttl", "x-message-ttl", argumentTime, "messages expire after it"},
	{"expires", "x-expires", argumentTime, "the queue goes when nobody used it for so long"},
	{"max-length", "x-max-length", argumentNumber, "messages at most"},
	{"max-bytes", "x-max-length-bytes", argumentNumber, "bytes of messages at most"},
	{"overflow", "x-overflow", argumentText, "drop-head, reject-publish, reject-publish-dlx or block"},
	{"dead-letter-exchange", "x-dead-letter-exchange", argumentText, "where messages go that are rejected, expired or too many"},
	{"dead-letter-key", "x-dead-letter-routing-key", argumentText, "routing key of dead letters instead of their own"},
	{"max-priority", "x-max-priority", argumentNumber, "highest priority, of classic queues"},
	{"single-active-consumer", "x-single-active-consumer", argumentSwitch, "one consumer at a time"},
	{"delivery-limit", "x-delivery-limit", argumentNumber, "returns after which a message is dead-lettered, of quorum queues"},
	{"consumer-timeout", "x-consumer-timeout", argumentTime, "a message unacknowledged for so long goes to another consumer"},
	{"accept-limit", "x-accept-limit", argumentNumber, "messages the queue takes in all its life; further ones are refused"},
	{"rate", "x-rate-limit", argumentNumber, "deliveries per second at most"},
	{"retain", "x-retain-ms", argumentTime, "settled messages stay so long, to be rewound to"},
	{"retain-bytes", "x-retain-bytes", argumentNumber, "settled messages stay up to so many bytes"},
	{"dedup", "x-cache-ttl", argumentTime, "a message id seen within it is dropped"},
	{"max-age", "x-max-age", argumentText, "messages stay so long, of streams: 7D, 12h"},
}

// addArgumentFlags adds flags and the one for every other argument.
func addArgumentFlags(f *pflag.FlagSet, list []argumentFlag, arguments *[]string, example string) {
	for _, a := range list {
		usage := a.usage + " (" + a.argument + ")"
		switch a.kind {
		case argumentText, argumentNumber:
			f.String(a.flag, "", usage)
		case argumentTime:
			f.Duration(a.flag, 0, usage)
		case argumentSwitch:
			f.Bool(a.flag, false, usage)
		}
	}
	f.StringArrayVar(arguments, "arg", nil, "KEY=VALUE of an argument, such as "+example+"; JSON values keep their type")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "argument" {
			name = "arg"
		}
		return pflag.NormalizedName(name)
	})
}

// readArgumentFlags makes arguments of what was given.
func readArgumentFlags(f *pflag.FlagSet, list []argumentFlag, arguments []string) (map[string]any, error) {
	given, err := pairs(arguments)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		set := f.Lookup(a.flag)
		if !set.Changed {
			continue
		}
		if _, twice := given[a.argument]; twice {
			return nil, &statusError{exitUsage, fmt.Errorf("--%s and --arg %s both", a.flag, a.argument)}
		}
		text := set.Value.String()
		switch a.kind {
		case argumentText:
			given[a.argument] = text
		case argumentSwitch:
			given[a.argument] = text == "true"
		case argumentTime:
			d, err := time.ParseDuration(text)
			if err != nil || d < 0 {
				return nil, &statusError{exitUsage, fmt.Errorf("--%s takes a duration such as 30s", a.flag)}
			}
			given[a.argument] = d.Milliseconds()
		case argumentNumber:
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				given[a.argument] = n
			} else if x, err := strconv.ParseFloat(text, 64); err == nil {
				given[a.argument] = x
			} else {
				return nil, &statusError{exitUsage, fmt.Errorf("--%s takes a number, not %q", a.flag, text)}
			}
		}
	}
	return given, nil
}

func queueAddCommand(r *remote) *cobra.Command {
	var kind string
	var durable, autoDelete bool
	var arguments []string
	add := &cobra.Command{
		Use: "add NAME", Short: "Declare a queue", Args: cobra.ExactArgs(1),
		Example: "  weir queue add orders --type quorum --delivery-limit 5 --dead-letter-exchange dlx\n" +
			"  weir queue add flash-sale --max-length 1000 --overflow reject-publish --rate 50\n" +
			"  weir queue add audit --retain 24h",
		RunE: func(c *cobra.Command, args []string) error {
			given, err := readArgumentFlags(c.Flags(), queueFlags, arguments)
			if err != nil {
				return err
			}
			if given["x-cache-ttl"] != nil && given["x-message-deduplication"] == nil {
				given["x-message-deduplication"] = true
			}
			body := map[string]any{"durable": durable, "auto_delete": autoDelete, "arguments": given, "type": kind}
			return r.changed(c, "queue "+printable(args[0])+" declared", http.MethodPut, body, nil, "api", "queues", r.vhost, args[0])
		},
	}
	add.Flags().StringVar(&kind, "type", "", "classic (default), quorum or stream")
	add.Flags().BoolVar(&durable, "durable", true, "survives a restart")
	add.Flags().BoolVar(&autoDelete, "auto-delete", false, "goes with its last consumer")
	addArgumentFlags(add.Flags(), queueFlags, &arguments, "x-max-length=1000")
	must(add.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{"classic", "quorum", "stream"}, cobra.ShellCompDirectiveNoFileComp)))
	must(add.RegisterFlagCompletionFunc("overflow", cobra.FixedCompletions([]string{"drop-head", "reject-publish", "reject-publish-dlx", "block"}, cobra.ShellCompDirectiveNoFileComp)))
	return add
}
