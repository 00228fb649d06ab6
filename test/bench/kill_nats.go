package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// natsDoor is as much of NATS's protocol as it takes to publish into a stream and
// to read it back.
type natsDoor struct{}

const (
	natsStored = "STORED"
	natsKilled = "KILLED"
	natsReply  = "answers.killed"
)

// natsConn is a connection that has subscribed to its answers.
type natsConn struct {
	net.Conn
	in *bufio.Reader
}

func dialNATS(p *process) (*natsConn, error) {
	c, err := net.Dial("tcp", p.nats)
	if err != nil {
		return nil, err
	}
	n := &natsConn{c, bufio.NewReaderSize(c, 64<<10)}
	if _, err := n.in.ReadString('\n'); err != nil { // INFO
		return nil, errors.Join(err, c.Close())
	}
	if _, err := fmt.Fprintf(c, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\nSUB %s.* 1\r\n", natsReply); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return n, nil
}

// send publishes; the answer comes to natsReply with the number.
func (c *natsConn) send(subject string, number uint64, payload []byte) error {
	buffer := fmt.Appendf(nil, "PUB %s %s.%d %d\r\n", subject, natsReply, number, len(payload))
	buffer = append(append(buffer, payload...), "\r\n"...)
	_, err := c.Write(buffer)
	return err
}

// answer is the next message to natsReply, and the number it is for.
func (c *natsConn) answer() (number uint64, payload []byte, err error) {
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return 0, nil, err
		}
		f := strings.Fields(line)
		switch {
		case len(f) == 1 && f[0] == "PING":
			if _, err := io.WriteString(c, "PONG\r\n"); err != nil {
				return 0, nil, err
			}
		case len(f) > 0 && f[0] == "-ERR":
			return 0, nil, errors.New(strings.TrimSpace(line))
		case len(f) >= 4 && (f[0] == "MSG" || f[0] == "HMSG"):
			size, err := strconv.Atoi(f[len(f)-1])
			if err != nil {
				return 0, nil, err
			}
			payload = make([]byte, size+2)
			if _, err := io.ReadFull(c.in, payload); err != nil {
				return 0, nil, err
			}
			number, err = strconv.ParseUint(f[1][strings.LastIndexByte(f[1], '.')+1:], 10, 64)
			return number, payload[:size], err
		}
	}
}

// failed tells whether an answer is a refusal: no one there, or an error.
func failed(payload []byte) error {
	if bytes.HasPrefix(payload, []byte("NATS/1.0")) || bytes.Contains(payload, []byte(`"error":`)) {
		return fmt.Errorf("refused: %s", tail(string(payload)))
	}
	return nil
}

// ask calls the API of JetStream.
func (c *natsConn) ask(subject string, request any) ([]byte, error) {
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(killQuiet)); err != nil {
		return nil, err
	}
	if err := c.send("$JS.API."+subject, 0, text); err != nil {
		return nil, err
	}
	_, payload, err := c.answer()
	if err == nil {
		err = failed(payload)
	}
	return payload, err
}

func (natsDoor) store(_ *settings, p *process, n int64) error {
	c, err := dialNATS(p)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, stream := range []string{natsStored, natsKilled} {
		if _, err := c.ask("STREAM.CREATE."+stream, map[string]any{"name": stream, "subjects": []string{strings.ToLower(stream)}, "storage": "file"}); err != nil {
			return err
		}
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return err
	}
	acked := 0
	return c.stream(strings.ToLower(natsStored), uint64(n), nil, func(uint64) { acked++ })
}

// stream publishes so many messages, killWindow at a time.
func (c *natsConn) stream(subject string, total uint64, stop chan struct{}, confirmed func(uint64)) error {
	room := make(chan struct{}, killWindow)
	done := make(chan error, 1)
	go func() {
		for range total {
			number, payload, err := c.answer()
			if err == nil {
				err = failed(payload)
			}
			if err != nil {
				done <- err
				return
			}
			confirmed(number)
			<-room
		}
		done <- nil
	}()
	for n := range total {
		select {
		case <-stop:
			err := c.Close()
			<-done
			return err
		case err := <-done:
			return err
		case room <- struct{}{}:
		}
		if err := c.send(subject, n, body(n)); err != nil {
			_ = c.Close()
			<-done
			return err
		}
	}
	return <-done
}

func (natsDoor) publish(p *process, acked *confirmed, stop chan struct{}) error {
	c, err := dialNATS(p)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.stream(strings.ToLower(natsKilled), 1<<40, stop, acked.add)
	<-stop
	return nil
}

func (natsDoor) first(ctx context.Context, p *process) error {
	return until(ctx, func() error {
		c, err := dialNATS(p)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := errors.Join(c.SetDeadline(time.Now().Add(killQuiet)), c.send(strings.ToLower(natsKilled), 0, body(probe))); err != nil {
			return err
		}
		_, payload, err := c.answer()
		return errors.Join(err, failed(payload))
	})
}

func (natsDoor) delivered(ctx context.Context, p *process) error {
	return until(ctx, func() error {
		c, err := dialNATS(p)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.ask("STREAM.MSG.GET."+natsStored, map[string]any{"seq": 1})
		return err
	})
}

// read asks for every message by its place in the stream.
func (natsDoor) read(p *process, acked *confirmed) error {
	c, err := dialNATS(p)
	if err != nil {
		return err
	}
	defer c.Close()
	var info struct {
		State struct {
			Last uint64 `json:"last_seq"`
		}
	}
	text, err := c.ask("STREAM.INFO."+natsKilled, map[string]any{})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return err
	}
	for seq := uint64(1); seq <= info.State.Last && len(acked.all) > 0; seq++ {
		text, err := c.ask("STREAM.MSG.GET."+natsKilled, map[string]any{"seq": seq})
		if err != nil {
			return err
		}
		var got struct {
			Message struct{ Data string }
		}
		if err := json.Unmarshal(text, &got); err != nil {
			return err
		}
		data, err := base64.StdEncoding.DecodeString(got.Message.Data)
		if err != nil || len(data) < 8 {
			return fmt.Errorf("message %d of the stream: %d bytes, %w", seq, len(data), err)
		}
		delete(acked.all, binary.BigEndian.Uint64(data))
	}
	return nil
}
