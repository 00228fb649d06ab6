package auth_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"weir/internal/auth"
	"weir/internal/frugal"
)

var cheap = auth.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1}

const (
	// From the tests of the reference implementation of argon2.
	reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	// From the documentation of RabbitMQ: test12 with the salt 908DC60A.
	rabbit = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
)

func verify(t *testing.T, stored, password string) bool {
	t.Helper()
	right, err := auth.Verify(stored, []byte(password))
	if err != nil {
		t.Fatalf("%s: %v", stored, err)
	}
	return right
}

func TestPasswordRoundTrip(t *testing.T) {
	stored := auth.HashPassword([]byte("长江"), [16]byte{1}, cheap)
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("stored as %s", stored)
	}
	if !verify(t, stored, "长江") || verify(t, stored, "长城") || verify(t, stored, "") {
		t.Error("the wrong answer")
	}
	if stored == auth.HashPassword([]byte("长江"), [16]byte{2}, cheap) {
		t.Error("the salt does not matter")
	}
	if verify(t, "", "") || verify(t, "", "x") {
		t.Error("a user without a password has one")
	}
	if err := auth.CheckStored(""); err != nil {
		t.Error(err)
	}
}

func TestForeignHashes(t *testing.T) {
	if !verify(t, reference, "password") || verify(t, reference, "passwort") {
		t.Error("the reference hash: the wrong answer")
	}
	stored, err := auth.ImportRabbitMQ(rabbit, "rabbit_password_hashing_sha256")
	if err != nil {
		t.Fatal(err)
	}
	if !verify(t, stored, "test12") || verify(t, stored, "test13") {
		t.Error("the RabbitMQ hash: the wrong answer")
	}
	// sha512 of 01020304 and "x".
	long := append([]byte{1, 2, 3, 4}, sha512Of("\x01\x02\x03\x04x")...)
	stored, err = auth.ImportRabbitMQ(base64.StdEncoding.EncodeToString(long), "rabbit_password_hashing_sha512")
	if err != nil {
		t.Fatal(err)
	}
	if !verify(t, stored, "x") || verify(t, stored, "y") {
		t.Error("the RabbitMQ sha512 hash: the wrong answer")
	}
	if stored, err := auth.ImportRabbitMQ("", "anything"); stored != "" || err != nil {
		t.Errorf("no hash: %q, %v", stored, err)
	}
}

func TestBadHashes(t *testing.T) {
	for _, c := range []struct {
		stored string
		want   error
	}{
		{"plain", auth.ErrMalformedHash},
		{"$2y$10$abc", auth.ErrAlgorithm},
		{"$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", auth.ErrAlgorithm},
		{"$argon2id$v=19$", auth.ErrMalformedHash},
		{strings.Replace(reference, "m=65536", "m=65536000", 1), auth.ErrHashCost},
		{strings.Replace(reference, "t=2", "t=2000", 1), auth.ErrHashCost},
		{strings.Replace(reference, "p=1", "p=255", 1), auth.ErrHashCost},
		{strings.Replace(reference, "p=1", "p=0", 1), auth.ErrMalformedHash},
		{strings.Replace(reference, "m=65536", "m=-1", 1), auth.ErrMalformedHash},
		{strings.Replace(reference, "m=65536,", "", 1), auth.ErrMalformedHash},
		{strings.Replace(reference, "m=65536,t=2", "t=2,m=65536", 1), auth.ErrMalformedHash},
		{strings.Replace(reference, "c29tZXNhbHQ", "c29t", 1), auth.ErrMalformedHash},
		{strings.Replace(reference, "c29tZXNhbHQ", "c29tZXNhbH!", 1), auth.ErrMalformedHash},
		{reference + "$x", auth.ErrMalformedHash},
		{reference + strings.Repeat("A", 1000), auth.ErrMalformedHash},
	} {
		if err := auth.CheckStored(c.stored); !errors.Is(err, c.want) {
			t.Errorf("%.80s: %v, want %v", c.stored, err, c.want)
		}
		if right, err := auth.Verify(c.stored, []byte("password")); right || err == nil {
			t.Errorf("%.80s verifies", c.stored)
		}
	}
	for _, c := range []struct {
		hash, algorithm string
		want            error
	}{
		{rabbit, "rabbit_password_hashing_md5", auth.ErrAlgorithm},
		{rabbit, "", auth.ErrAlgorithm},
		{rabbit, "rabbit_password_hashing_sha512", auth.ErrMalformedHash},
		{rabbit[4:], "rabbit_password_hashing_sha256", auth.ErrMalformedHash},
		{"!" + rabbit[1:], "rabbit_password_hashing_sha256", auth.ErrMalformedHash},
		{strings.Repeat("A", 1<<20), "rabbit_password_hashing_sha256", auth.ErrMalformedHash},
	} {
		if _, err := auth.ImportRabbitMQ(c.hash, c.algorithm); !errors.Is(err, c.want) {
			t.Errorf("%.40s %s: %v, want %v", c.hash, c.algorithm, err, c.want)
		}
	}
}

func FuzzCheckStored(f *testing.F) {
	f.Add(reference)
	f.Add("$rabbitmq-sha256$" + rabbit)
	f.Add("$argon2id$v=19$m=1,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, stored string) {
		frugal.Check(t, len(stored), 0, func() { auth.CheckStored(stored) })
	})
}

func BenchmarkVerifyDefaultCost(b *testing.B) {
	stored := auth.HashPassword([]byte("x"), [16]byte{}, auth.DefaultCost)
	for b.Loop() {
		auth.Verify(stored, []byte("y"))
	}
}

func BenchmarkVerifyRemembered(b *testing.B) {
	v := auth.NewVerifier([32]byte{1}, 10, 1000, 1)
	stored := auth.HashPassword([]byte("x"), [16]byte{}, cheap)
	for b.Loop() {
		v.Verify(stored, []byte("x"), 1)
	}
}
