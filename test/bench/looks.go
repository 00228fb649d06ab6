package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/bench"
)

// look is something measured once, not in rounds.
type look struct {
	name, title string
	look        func(s *settings, binary string) error
}

var looks = []look{
	{"idle", "Idle process, then idle connections", idle},
	{"declare", "Declaring durable queues, from 20 connections", declareQueues},
	{"backlog", "Ten consumers join a backlog while publishing goes on", backlog},
	{"startup", "Start-up with messages stored", startup},
}

func idle(s *settings, binary string) error {
	weir, ready, err := startWeir(binary, filepath.Join(s.work, "idle"))
	if err != nil {
		return err
	}
	defer weir.stop()
	begin := weir.rss()
	fmt.Printf("Ready after %d ms on an empty store; RSS %.1f MiB.\n", ready.Milliseconds(), begin)
	var conns []*amqp.Connection
	for range s.idle {
		c, err := amqp.Dial(weir.url)
		if err != nil {
			return fmt.Errorf("connection %d: %w", len(conns), err)
		}
		conns = append(conns, c)
	}
	fmt.Printf("%d idle connections: RSS %.1f MiB, %.1f KiB per connection.\n", len(conns), weir.rss(), (weir.rss()-begin)*1024/float64(len(conns)))
	for _, c := range conns {
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

func declareQueues(s *settings, binary string) error {
	weir, _, err := startWeir(binary, filepath.Join(s.work, "declare"))
	if err != nil {
		return err
	}
	defer weir.stop()
	rabbit, err := theRabbit(s)
	if err != nil {
		return err
	}
	fmt.Println("| broker | queues | per second | server CPU µs each | RSS growth KiB each |\n| --- | --- | --- | --- | --- |")
	for _, p := range []*process{weir, rabbit} {
		n := s.queues
		if p == rabbit {
			n = s.queues / 10 // at its rate the whole number would take minutes
		}
		cpu, rss, begin := p.cpu(), p.rss(), time.Now()
		if err := declareOn(p.url, n); err != nil {
			return err
		}
		took := time.Since(begin).Seconds()
		fmt.Printf("| %s | %d | %.0f | %.0f | %.2f |\n", p.name, n, float64(n)/took, (p.cpu()-cpu)*1e6/float64(n), (p.rss()-rss)*1024/float64(n))
	}
	return nil
}

func declareOn(target string, n int) error {
	const connections = 20
	var wg sync.WaitGroup
	failures := make(chan error, connections)
	for k := range connections {
		wg.Go(func() {
			c, err := amqp.Dial(target)
			if err != nil {
				failures <- err
				return
			}
			ch, err := c.Channel()
			for i := k; i < n && err == nil; i += connections {
				_, err = ch.QueueDeclare(fmt.Sprintf("declared-%07d", i), true, false, false, false, nil)
			}
			if err == nil {
				err = c.Close()
			}
			failures <- err
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// backlog fills a queue, then lets consumers join while a producer goes on at a
// fixed rate, and looks at the slowest second of that producer.
func backlog(s *settings, binary string) error {
	weir, _, err := startWeir(binary, filepath.Join(s.work, "backlog"))
	if err != nil {
		return err
	}
	defer weir.stop()
	fill := []string{
		"bench", "--url", weir.url, "--json", "-q", "--keep", "--consumers", "0", "--size", "1024",
		"--messages", fmt.Sprint(s.backlog), "--duration", "0", "--warmup", "0",
	}
	begin := time.Now()
	if out, err := exec.Command(binary, fill...).CombinedOutput(); err != nil {
		return fmt.Errorf("fill: %w: %s", err, out)
	}
	fmt.Printf("%d messages of 1 KB published in %.1f s; RSS %.0f MiB.\n\n", s.backlog, time.Since(begin).Seconds(), weir.rss())
	const rate = 20_000.0
	publish := func(ctx context.Context, seconds int) (bench.Report, error) {
		var r bench.Report
		out, err := exec.CommandContext(ctx, binary, "bench", "--url", weir.url, "--json", "-q", "--keep", "--consumers", "0",
			"--size", "1024", "--rate", fmt.Sprint(rate), "--duration", fmt.Sprint(seconds, "s")).Output()
		if err != nil {
			return r, fmt.Errorf("%w: %s", err, out)
		}
		return r, json.Unmarshal(out, &r)
	}
	alone, err := publish(context.Background(), s.seconds)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var consumed atomic.Int64
	if err := join(ctx, weir.url, 10, &consumed); err != nil {
		return err
	}
	joined, err := publish(ctx, s.seconds)
	if err != nil {
		return err
	}
	fmt.Printf("| producer at %.0f/s | published/s | slowest second | confirm p99 µs |\n| --- | --- | --- | --- |\n", rate)
	fmt.Printf("| alone | %.0f | %.0f | %d |\n", alone.PublishRate, alone.SlowestRate, alone.Confirm.P99)
	fmt.Printf("| with 10 consumers draining | %.0f | %.0f | %d |\n", joined.PublishRate, joined.SlowestRate, joined.Confirm.P99)
	fmt.Printf("\nThe publish rate dipped by %s; meanwhile %d messages were consumed.\n",
		percent(max(alone.PublishRate-joined.PublishRate, 0), alone.PublishRate), consumed.Load())
	return nil
}

func join(ctx context.Context, target string, n int, consumed *atomic.Int64) error {
	for range n {
		c, err := amqp.Dial(target)
		if err != nil {
			return err
		}
		ch, err := c.Channel()
		if err != nil {
			return err
		}
		if err := ch.Qos(1000, 0, false); err != nil {
			return err
		}
		ds, err := ch.ConsumeWithContext(ctx, "bench-0", "", false, false, false, false, nil)
		if err != nil {
			return err
		}
		go func() {
			for d := range ds {
				if consumed.Add(1); d.DeliveryTag%100 == 0 {
					if d.Ack(true) != nil {
						return
					}
				}
			}
		}()
	}
	return nil
}

func startup(s *settings, binary string) error {
	data := filepath.Join(s.work, "startup")
	weir, _, err := startWeir(binary, data)
	if err != nil {
		return err
	}
	out, err := exec.Command(binary, "bench", "--url", weir.url, "-q", "--keep", "--consumers", "0", "--size", "1024",
		"--messages", fmt.Sprint(s.stored), "--duration", "0", "--warmup", "0").CombinedOutput()
	if err != nil {
		return fmt.Errorf("fill: %w: %s", err, out)
	}
	kill := exec.Command("kill", "-9", fmt.Sprint(weir.pid))
	if err := kill.Run(); err != nil {
		return err
	}
	_ = weir.stop()
	for _, how := range []string{"after kill -9", "after a clean stop"} {
		again, ready, err := startWeir(binary, data)
		if err != nil {
			return err
		}
		fmt.Printf("With %d messages of 1 KB stored, %s: ready after %d ms, RSS %.0f MiB.\n", s.stored, how, ready.Milliseconds(), again.rss())
		if u, err := url.Parse(again.url); err == nil {
			if c, err := net.Dial("tcp", u.Host); err == nil {
				_ = c.Close()
			}
		}
		if err := again.stop(); err != nil {
			return err
		}
	}
	return nil
}
