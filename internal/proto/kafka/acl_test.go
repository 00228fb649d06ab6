package kafka_test

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"weir/internal/vfs"
)

func salted(t *testing.T, password string, salt []byte, iterations int) []byte {
	t.Helper()
	key, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestACLs lets a user in that administrators have made over the protocol, and
// widens what he may do step by step.
func TestACLs(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	root, ctx := client(t, address)
	defer root.Close()
	createTopic(t, root, ctx, "orders", 1)
	alter := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	up := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
	up.Name, up.Mechanism, up.Iterations, up.Salt = "ann", 1, 4096, []byte("salt")
	up.SaltedPassword = salted(t, "secret", up.Salt, 4096)
	alter.Upsertions = append(alter.Upsertions, up)
	if answer, err := alter.RequestWith(ctx, root); err != nil || answer.Results[0].ErrorCode != 0 {
		t.Fatal(answer, err)
	}
	grant := func(resource kmsg.ACLResourceType, name string, operation kmsg.ACLOperation, permission kmsg.ACLPermissionType) {
		t.Helper()
		m := kmsg.NewPtrCreateACLsRequest()
		x := kmsg.NewCreateACLsRequestCreation()
		x.ResourceType, x.ResourceName, x.ResourcePatternType = resource, name, kmsg.ACLResourcePatternTypeLiteral
		x.Principal, x.Host, x.Operation, x.PermissionType = "User:ann", "*", operation, permission
		m.Creations = append(m.Creations, x, x)
		answer, err := m.RequestWith(ctx, root)
		if err != nil || answer.Results[0].ErrorCode != 0 {
			t.Fatal(answer, err)
		}
	}
	login := func(o ...kgo.Opt) *kgo.Client {
		c, _ := client(t, address, append(o, kgo.SASL(scram.Auth{User: "ann", Pass: "secret"}.AsSha256Mechanism()), kgo.RetryTimeout(time.Second), kgo.RecordDeliveryTimeout(2*time.Second))...)
		return c
	}
	grant(kmsg.ACLResourceTypeTopic, "orders", kmsg.ACLOperationRead, kmsg.ACLPermissionTypeAllow)
	c := login()
	if err := c.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("x")}).FirstErr(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("writing without the right: %v", err)
	}
	grant(kmsg.ACLResourceTypeTopic, "orders", kmsg.ACLOperationWrite, kmsg.ACLPermissionTypeAllow)
	if err := c.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("x")}).FirstErr(); err != nil {
		t.Errorf("writing with the right: %v", err)
	}
	c.Close()
	tx := login(kgo.TransactionalID("tx"))
	if _, _, err := tx.ProducerID(ctx); !errors.Is(err, kerr.TransactionalIDAuthorizationFailed) {
		t.Errorf("a transaction without the right: %v", err)
	}
	tx.CloseAllowingRebalance()
	grant(kmsg.ACLResourceTypeTopic, "orders", kmsg.ACLOperationWrite, kmsg.ACLPermissionTypeDeny)
	c = login()
	defer c.Close()
	if err := c.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("x")}).FirstErr(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("writing where it is denied: %v", err)
	}
	if m, err := kmsg.NewPtrDescribeACLsRequest().RequestWith(ctx, c); err != nil || !errors.Is(kerr.ErrorForCode(m.ErrorCode), kerr.ClusterAuthorizationFailed) {
		t.Errorf("who may not see rights: %+v %v", m, err)
	}
	describe := kmsg.NewPtrDescribeACLsRequest()
	describe.ResourceType, describe.ResourcePatternType = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
	describe.Operation, describe.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	m, err := describe.RequestWith(ctx, root)
	if err != nil || len(m.Resources) != 1 || len(m.Resources[0].ACLs) != 3 {
		t.Fatalf("%+v %v", m, err)
	}
	remove := kmsg.NewPtrDeleteACLsRequest()
	filter := kmsg.NewDeleteACLsRequestFilter()
	filter.ResourceType, filter.ResourcePatternType = kmsg.ACLResourceTypeTopic, kmsg.ACLResourcePatternTypeMatch
	filter.ResourceName = kmsg.StringPtr("orders")
	filter.Operation, filter.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeDeny
	remove.Filters = append(remove.Filters, filter)
	if answer, err := remove.RequestWith(ctx, root); err != nil || len(answer.Results[0].MatchingACLs) != 1 {
		t.Fatal(answer, err)
	}
	if err := c.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("x")}).FirstErr(); err != nil {
		t.Errorf("writing where it is not denied any more: %v", err)
	}
}
