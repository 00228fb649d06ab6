package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/test/clients/harness"
)

var sizes = []int{0, 1, 4087, 4088, 4089, 131_063, 131_064, 131_065, 131_071, 131_072, 131_073, 10 << 20}

func contents() []harness.Scenario {
	return []harness.Scenario{
		on("large-messages", roundTrips),
		{Name: "frame-max-4096", Run: func() error { return connected(url(), amqp.Config{FrameSize: 4096}, roundTrips) }},
		on("properties", properties),
	}
}

func roundTrips(ch *amqp.Channel) error {
	queue, err := declare(ch, "large", true, nil)
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	source := rand.NewChaCha8([32]byte{5})
	for _, size := range sizes {
		body := make([]byte, size)
		_, _ = source.Read(body)
		d, err := ch.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{Body: body, DeliveryMode: amqp.Persistent})
		if err != nil {
			return err
		}
		if !d.Wait() {
			return fmt.Errorf("%d bytes: nack", size)
		}
		got, err := take(ch, queue, 1, true)
		if err != nil {
			return err
		}
		if !bytes.Equal(got[0].Body, body) {
			return fmt.Errorf("%d bytes came back as %d others", size, len(got[0].Body))
		}
	}
	return nil
}

func properties(ch *amqp.Channel) error {
	at := time.Unix(1_700_000_000, 0)
	sent := amqp.Publishing{
		Headers: amqp.Table{
			"string": "Grüße", "bytes": []byte{0, 255, 254}, "true": true, "int8": int8(-5), "uint8": uint8(200), "int16": int16(-300),
			"int32": int32(math.MaxInt32), "int64": int64(math.MinInt64), "float32": float32(0.5), "float64": 2.25,
			"decimal": amqp.Decimal{Scale: 2, Value: 314}, "time": at, "none": nil, "empty": amqp.Table{},
			"array": []any{int32(1), "two", []any{int32(3), amqp.Table{"four": int32(4)}}, nil},
			"table": amqp.Table{"a": amqp.Table{"b": amqp.Table{"c": []any{amqp.Table{"d": "deep"}}}}},
		},
		ContentType: "text/plain", ContentEncoding: "utf-8", DeliveryMode: amqp.Persistent, Priority: 7,
		CorrelationId: "correlation", ReplyTo: "reply", Expiration: "600000", MessageId: "message", Timestamp: at,
		Type: "type", UserId: "guest", AppId: "app", Body: []byte("body"),
	}
	queue, err := declare(ch, "properties", true, nil)
	if err != nil {
		return err
	}
	if err := ch.Publish("", queue, false, false, sent); err != nil {
		return err
	}
	if err := send(ch, "", queue, "bare"); err != nil {
		return err
	}
	got, err := take(ch, queue, 2, true)
	if err != nil {
		return err
	}
	return each(
		func() error { return harness.Expect("full", publishing(got[0]), sent) },
		func() error { return harness.Expect("bare", publishing(got[1]), amqp.Publishing{Body: []byte("bare")}) },
	)
}

// publishing is what would have to be published to get d.
func publishing(d amqp.Delivery) amqp.Publishing {
	return amqp.Publishing{
		Headers: d.Headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding, DeliveryMode: d.DeliveryMode,
		Priority: d.Priority, CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo, Expiration: d.Expiration, MessageId: d.MessageId,
		Timestamp: d.Timestamp, Type: d.Type, UserId: d.UserId, AppId: d.AppId, Body: d.Body,
	}
}
