package kafka_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"weir/internal/proto/kafka"
	"weir/internal/vfs"
)

func TestLogins(t *testing.T) {
	address, stop := start(t, vfs.NewMem(), func(o *kafka.Options) {
		o.Token = func(_ context.Context, token string) (string, time.Time, error) {
			if token != "good" {
				return "", time.Time{}, errors.New("bad token")
			}
			return "guest", time.Now().Add(time.Hour), nil
		}
	})
	defer stop()
	for name, row := range map[string]struct {
		mechanism sasl.Mechanism
		ok        bool
	}{
		"plain":        {plain.Auth{User: "guest", Pass: "guest"}.AsMechanism(), true},
		"plain, wrong": {plain.Auth{User: "guest", Pass: "x"}.AsMechanism(), false},
		"nobody":       {plain.Auth{User: "nobody", Pass: "x"}.AsMechanism(), false},
		"256":          {scram.Auth{User: "guest", Pass: "guest"}.AsSha256Mechanism(), true},
		"256, wrong":   {scram.Auth{User: "guest", Pass: "x"}.AsSha256Mechanism(), false},
		"256, nobody":  {scram.Auth{User: "nobody", Pass: "guest"}.AsSha256Mechanism(), false},
		"512":          {scram.Auth{User: "guest", Pass: "guest"}.AsSha512Mechanism(), true},
		"512, wrong":   {scram.Auth{User: "guest", Pass: "x"}.AsSha512Mechanism(), false},
		"token":        {oauth.Auth{Token: "good"}.AsMechanism(), true},
		"token, wrong": {oauth.Auth{Token: "bad"}.AsMechanism(), false},
	} {
		c, ctx := client(t, address, kgo.SASL(row.mechanism), kgo.RetryTimeout(time.Second))
		_, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, c)
		if row.ok != (err == nil) || !row.ok && !strings.HasPrefix(name, "token") && !errors.Is(err, kerr.SaslAuthenticationFailed) {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
	}
}

func TestScramCredentialsAreAltered(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	c, ctx := client(t, address)
	defer c.Close()
	alter := func(change func(m *kmsg.AlterUserSCRAMCredentialsRequest)) error {
		t.Helper()
		m := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
		change(m)
		answer, err := m.RequestWith(ctx, c)
		if err != nil || len(answer.Results) != 1 {
			t.Fatal(answer, err)
		}
		return kerr.ErrorForCode(answer.Results[0].ErrorCode)
	}
	upsert := kmsg.AlterUserSCRAMCredentialsRequestUpsertion{
		Name: "ann", Mechanism: 1, Iterations: 4096, Salt: []byte("salt"), SaltedPassword: []byte("salted"),
	}
	if err := alter(func(m *kmsg.AlterUserSCRAMCredentialsRequest) { m.Upsertions = append(m.Upsertions, upsert) }); err != nil {
		t.Error(err)
	}
	few := upsert
	few.Iterations = 100
	if err := alter(func(m *kmsg.AlterUserSCRAMCredentialsRequest) { m.Upsertions = append(m.Upsertions, few) }); !errors.Is(err, kerr.UnacceptableCredential) {
		t.Error(err)
	}
	describe := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	described, err := describe.RequestWith(ctx, c)
	if err != nil || len(described.Results) != 2 || described.Results[0].User != "ann" || len(described.Results[1].CredentialInfos) != 2 {
		t.Errorf("%+v %v", described, err)
	}
	deletion := kmsg.AlterUserSCRAMCredentialsRequestDeletion{Name: "ann", Mechanism: 1}
	drop := func(m *kmsg.AlterUserSCRAMCredentialsRequest) { m.Deletions = append(m.Deletions, deletion) }
	if err := alter(drop); err != nil {
		t.Error(err)
	}
	if err := alter(drop); !errors.Is(err, kerr.ResourceNotFound) {
		t.Error(err)
	}
}

func TestNothingIsAnsweredBeforeTheLoginIsOver(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	handshake := append([]byte{0, 0, 0, 17, 0, 17, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 5}, "PLAIN"...)
	metadata := []byte{0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0, 0, 0, 0}
	if _, err := c.Write(append(handshake, metadata...)); err != nil {
		t.Fatal(err)
	}
	all, _ := io.ReadAll(c) // the error says how the connection ended
	if len(all) < 8 || int(binary.BigEndian.Uint32(all)) != len(all)-4 || all[7] != 1 {
		t.Errorf("%x", all)
	}
}
