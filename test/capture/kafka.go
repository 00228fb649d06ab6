package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/proto/kafka/batch"
)

const (
	kafkaDirectory = "internal/proto/kafka"
	batchDirectory = "internal/proto/kafka/batch"
	groupDirectory = "internal/proto/kafka/group"
)

// secret are the keys whose requests have passwords in them or what is made of one.
var secret = map[int16]bool{kmsg.SASLAuthenticate.Int16(): true, kmsg.AlterUserSCRAMCredentials.Int16(): true}

// areas says which target serves a key.
var areas = map[string][]int16{
	"Data":        {0, 1, 2, 3, 18, 23},
	"Group":       {8, 9, 10, 11, 12, 13, 14, 15, 16, 42, 47, 68, 69},
	"Transaction": {22, 24, 25, 26, 27, 28, 61, 65, 66},
	"Security":    {17, 29, 30, 31, 48, 49, 50},
	"Share":       {76, 77, 78, 79, 90, 91, 92},
}

func areaOf(key int16) string {
	for name, keys := range areas {
		for _, k := range keys {
			if k == key {
				return name
			}
		}
	}
	return "Topic"
}

// cutKafka keeps requests, and of some what is inside of them.
func cutKafka(c *conversation) {
	go drain(c.broker)
	defer drain(c.client)
	r := bufio.NewReader(c.client)
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint32(head[:]))
		if n < 10 || n > 64<<20 {
			return // a login's message without a header, or nothing of Kafka's
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(r, frame); err != nil {
			return
		}
		keepRequest(frame)
	}
}

func keepRequest(frame []byte) {
	key, version := int16(binary.BigEndian.Uint16(frame)), int16(binary.BigEndian.Uint16(frame[2:]))
	m := kmsg.RequestForKey(key)
	if m == nil || version < 0 || version > m.MaxVersion() || secret[key] {
		return
	}
	m.SetVersion(version)
	body := frame[10:]
	if n := int(int16(binary.BigEndian.Uint16(frame[8:]))); n > len(body) {
		return
	} else if n > 0 {
		body = body[n:]
	}
	if m.IsFlexible() && (len(body) == 0 || body[0] != 0) {
		return // tags in the header, which no client has
	}
	if m.IsFlexible() {
		body = body[1:]
	}
	if m.ReadFrom(body) != nil {
		return
	}
	kind := fmt.Sprintf("%02d_v%d", key, version)
	keep(kafkaDirectory, "Fuzz"+areaOf(key)+"Request", kind, true, frame)
	keep(kafkaDirectory, "FuzzDecode", kind, false, key, version, body)
	keepInside(m)
}

// keepInside keeps record batches and what consumers tell each other.
func keepInside(m kmsg.Request) {
	switch m := m.(type) {
	case *kmsg.ProduceRequest:
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				if b, _, err := batch.Read(p.Records); err == nil {
					keep(batchDirectory, "FuzzOpen", fmt.Sprintf("attributes_%04x", b.Attributes()), true, []byte(b))
				}
			}
		}
	case *kmsg.JoinGroupRequest:
		for _, p := range m.Protocols {
			if m.ProtocolType == "consumer" && len(p.Metadata) > 1 {
				keep(groupDirectory, "FuzzSubscription", fmt.Sprintf("subscription_%s_%d", word(p.Name), p.Metadata[1]), true, p.Metadata)
			}
		}
	case *kmsg.SyncGroupRequest:
		for _, a := range m.GroupAssignment {
			if len(a.MemberAssignment) > 1 {
				keep(groupDirectory, "FuzzSubscription", fmt.Sprintf("assignment_%d", a.MemberAssignment[1]), true, a.MemberAssignment)
			}
		}
	}
}

// word makes a part of a file's name.
func word(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			b[i] = '_'
		}
	}
	return string(b[:min(len(b), 40)])
}
