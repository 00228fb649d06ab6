package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const answerWithin = 10 * time.Second

// raw is a client without manners.
type raw struct{ net.Conn }

func dial() (*raw, error) {
	c, err := net.Dial("tcp", broker.Kafka)
	if err != nil {
		return nil, err
	}
	return &raw{c}, c.SetDeadline(time.Now().Add(answerWithin))
}

// frame is a request as it should be but for what body says.
func frame(key, version int16, flexible bool, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = append(b, 0, 0, 0, 7, 0, 1, 'x') // correlation id 7, client id x
	if flexible {
		b = append(b, 0)
	}
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// closed wants the broker to end the connection after the bytes, with or without
// an answer before.
func closed(parts ...[]byte) func() error {
	return func() error {
		c, err := dial()
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		for _, p := range parts {
			if _, err := c.Write(p); err != nil {
				return nil // it has ended already
			}
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			return errStays
		}
		return nil
	}
}

// answeredOrClosed wants either soon.
func answeredOrClosed(request []byte) func() error {
	return func() error {
		c, err := dial()
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		if _, err := c.Write(request); err != nil {
			return err
		}
		if _, err := c.Read(make([]byte, 4)); errors.Is(err, os.ErrDeadlineExceeded) {
			return errStays
		}
		return nil
	}
}

// produced sends a batch and wants it refused with the error.
func produced(b []byte, want *kerr.Error) func() error {
	return func() error {
		m := kmsg.NewPtrProduceRequest()
		t := kmsg.NewProduceRequestTopic()
		p := kmsg.NewProduceRequestTopicPartition()
		p.Records = b
		t.Topic, t.Partitions = victim, append(t.Partitions, p)
		m.Acks, m.Topics = -1, append(m.Topics, t)
		m.SetVersion(9)
		c, err := dial()
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		if _, err := c.Write(frame(0, 9, true, m.AppendTo(nil))); err != nil {
			return err
		}
		var size [4]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return fmt.Errorf("no answer: %w", err)
		}
		answer := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(c, answer); err != nil {
			return err
		}
		r := kmsg.NewPtrProduceResponse()
		r.SetVersion(9)
		if err := r.ReadFrom(answer[5:]); err != nil {
			return err
		}
		if got := r.Topics[0].Partitions[0].ErrorCode; got != want.Code {
			return fmt.Errorf("%v, not %v", kerr.ErrorForCode(got), want)
		}
		return nil
	}
}

// batch is a record batch with so many records as its head says, and these bytes.
func batch(codec uint16, count int32, records []byte, change func(b []byte)) []byte {
	b := make([]byte, 61, 61+len(records))
	b = append(b, records...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	b[16] = 2
	binary.BigEndian.PutUint16(b[21:], codec)
	binary.BigEndian.PutUint32(b[23:], uint32(count-1))
	now := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint64(b[27:], now)
	binary.BigEndian.PutUint64(b[35:], now)
	binary.BigEndian.PutUint64(b[43:], 1<<64-1)
	binary.BigEndian.PutUint16(b[51:], 1<<16-1)
	binary.BigEndian.PutUint32(b[53:], 1<<32-1)
	binary.BigEndian.PutUint32(b[57:], uint32(count))
	if change != nil {
		change(b)
	}
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// record is one record with a value.
func record(delta byte, value []byte) []byte {
	body := []byte{0, 0, delta << 1, 1} // attributes, time and offset, no key
	body = binary.AppendVarint(body, int64(len(value)))
	body = append(append(body, value...), 0)
	return append(binary.AppendVarint(nil, int64(len(body))), body...)
}
