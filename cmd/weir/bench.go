package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/bench"
)

func benchCommand() *cobra.Command {
	o := bench.Options{}
	var asJSON, quiet bool
	c := &cobra.Command{
		Use: "bench", Short: "Measure an AMQP 0-9-1 broker, weir or another", Args: cobra.NoArgs,
		Long: "Publish and consume as fast as possible, or with --rate at a fixed rate whatever the broker does:\n" +
			"latency is then measured from when a message was due, so that a stall is not left out.",
		Example: "  weir bench --duration 10s\n" +
			"  weir bench --url amqp://guest:guest@127.0.0.1:5672 --rate 10000 --size 1024\n" +
			"  weir bench --queues 500 --producers 500 --consumers 500 --rate 5000",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			defer stop()
			if !quiet {
				o.Progress = func(s bench.Sample) {
					fmt.Fprintf(os.Stderr, "%4.0fs  published %9.0f/s  consumed %9.0f/s\n", s.At.Seconds(), s.Published, s.Consumed)
				}
			}
			report, err := bench.Run(ctx, o)
			if report == nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				if jsonErr := e.Encode(report); err == nil {
					err = jsonErr
				}
				return err
			}
			return errors.Join(err, printReport(cmd.OutOrStdout(), report))
		},
	}
	f := c.Flags()
	f.StringVar(&o.URL, "url", "amqp://guest:guest@127.0.0.1:5672", "broker")
	f.StringVar(&o.Prefix, "queue-prefix", "bench", "queues are named PREFIX-N")
	f.IntVar(&o.Queues, "queues", 1, "queues; producers and consumers take them in turn")
	f.IntVar(&o.Producers, "producers", 1, "producers, each with a connection")
	f.IntVar(&o.Consumers, "consumers", 1, "consumers, each with a connection")
	f.IntVar(&o.Size, "size", 16, "body bytes")
	f.IntVar(&o.Confirms, "confirms", 1000, "confirms outstanding per producer; 0: no confirms")
	f.IntVar(&o.Prefetch, "prefetch", 1000, "prefetch per consumer; 0: no acknowledgements")
	f.IntVar(&o.AckEvery, "ack-every", 100, "acknowledge after so many messages")
	f.Float64Var(&o.Rate, "rate", 0, "messages per second in all; 0: as fast as possible")
	f.DurationVar(&o.Duration, "duration", 10*time.Second, "how long to measure; 0: until --messages")
	f.DurationVar(&o.Warmup, "warmup", time.Second, "not measured, before it")
	f.Int64Var(&o.Messages, "messages", 0, "stop after so many")
	f.StringVar(&o.Type, "type", "", "x-queue-type of the queues: classic or quorum")
	f.BoolVar(&o.Transient, "transient", false, "transient queues and messages")
	f.BoolVar(&o.Keep, "keep", false, "leave the queues and what is in them")
	f.StringVar(&o.ExchangeType, "exchange-type", "", "publish through an exchange: direct, topic or headers; queues and keys take turns")
	f.IntVar(&o.Bindings, "bindings", 0, "bindings of that exchange, at least one for each queue; each message matches one")
	f.IntVar(&o.Priorities, "priorities", 0, "priorities of the queues; messages have each of them in turn")
	f.Int64Var(&o.Backlog, "backlog", 0, "publish so many before consumers come")
	f.StringVar(&o.DeadLetter, "dead-letter", "", "consume from dead-letter queues what others reject, or what overflows (reject, overflow)")
	f.IntVar(&o.Transaction, "transaction", 0, "publish in transactions of so many messages, in place of confirms")
	f.IntVar(&o.ServerPID, "server-pid", 0, "process of a broker on this machine, to measure its CPU")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	f.BoolVarP(&quiet, "quiet", "q", false, "no progress lines")
	return c
}

func printReport(w io.Writer, r *bench.Report) error {
	text := fmt.Sprintf("published  %d in %.1f s: %.0f/s (slowest second %.0f/s), confirmed %d, refused %d\n",
		r.Published, r.Seconds, r.PublishRate, r.SlowestRate, r.Confirmed, r.Nacked)
	text += fmt.Sprintf("consumed   %d: %.0f/s, gaps %d, repeated %d, redelivered %d\n",
		r.Consumed, r.ConsumeRate, r.Gaps, r.Repeated, r.Redelivered)
	for _, l := range []struct {
		name string
		bench.Latency
	}{{"confirm", r.Confirm}, {"end to end", r.EndToEnd}, {"send delay", r.SendDelay}} {
		if l.Count > 0 {
			text += fmt.Sprintf("%-10s µs: p50 %d  p95 %d  p99 %d  p99.9 %d  max %d\n", l.name, l.P50, l.P95, l.P99, l.P999, l.Max)
		}
	}
	text += fmt.Sprintf("client     %.2f CPU seconds, %.2f µs per message\n", r.ClientCPU, r.ClientMicro)
	if r.ServerCPU > 0 {
		text += fmt.Sprintf("server     %.2f CPU seconds, %.2f µs per message\n", r.ServerCPU, r.ServerMicro)
	}
	_, err := io.WriteString(w, text)
	return err
}
