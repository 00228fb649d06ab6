package auth

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost is what a password hash costs to compute.
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// DefaultCost is the least OWASP asks of argon2id: more would let a storm of
// reconnecting clients keep the brokers busy.
var DefaultCost = Cost{MemoryKiB: 19 << 10, Passes: 2, Lanes: 1}

// SaltBytes is the length of the salt of a new hash.
const SaltBytes = 16

const (
	hashBytes = 32

	// What a stored hash may ask for: it may come from an import, and must not be
	// able to stop the process.
	memoryKiBMax = 256 << 10
	passesMax    = 16
	lanesMax     = 16
	partBytesMax = 64
	saltBytesMin = 8
	hashBytesMin = 16

	argonPrefix  = "$argon2id$v=19$"
	sha256Prefix = "$rabbitmq-sha256$"
	sha512Prefix = "$rabbitmq-sha512$"

	rabbitSaltBytes = 4
)

// Why a stored password is refused.
var (
	ErrMalformedHash = errors.New("auth: malformed password hash")
	ErrAlgorithm     = errors.New("auth: password hashing algorithm not supported")
	ErrHashCost      = errors.New("auth: password hash asks for too much memory or time")
)

// HashPassword returns what to store for a password. The salt must be random.
func HashPassword(password []byte, salt [SaltBytes]byte, c Cost) string {
	return argonHash{cost: c, salt: salt[:], sum: argonSum(password, salt[:], c, hashBytes)}.String()
}

// ImportRabbitMQ returns what to store for the password_hash and
// hashing_algorithm of a RabbitMQ user. An empty hash is a user without a
// password.
func ImportRabbitMQ(hash, algorithm string) (string, error) {
	if hash == "" {
		return "", nil
	}
	var stored string
	switch algorithm {
	case "rabbit_password_hashing_sha256":
		stored = sha256Prefix + hash
	case "rabbit_password_hashing_sha512":
		stored = sha512Prefix + hash
	case argonAlgorithm:
		stored = hash
		if !strings.HasPrefix(stored, argonPrefix) {
			return "", ErrMalformedHash
		}
	default:
		return "", ErrAlgorithm
	}
	return stored, CheckStored(stored)
}

// argonAlgorithm is the hashing_algorithm of what HashPassword returns. RabbitMQ
// has none like it.
const argonAlgorithm = "weir_password_hashing_argon2id"

// ExportRabbitMQ is the opposite of ImportRabbitMQ.
func ExportRabbitMQ(stored string) (hash, algorithm string) {
	if hash, ok := strings.CutPrefix(stored, sha256Prefix); ok || stored == "" {
		return hash, "rabbit_password_hashing_sha256"
	}
	if hash, ok := strings.CutPrefix(stored, sha512Prefix); ok {
		return hash, "rabbit_password_hashing_sha512"
	}
	return stored, argonAlgorithm
}

// CheckStored tells whether Verify will be able to use a stored password.
func CheckStored(stored string) error {
	if stored == "" {
		return nil
	}
	_, err := parseStored(stored)
	return err
}

// Verify tells whether the password is the stored one, in a time that does not
// depend on where they differ. No password is empty.
func Verify(stored string, password []byte) (bool, error) {
	if stored == "" || len(password) == 0 {
		return false, nil
	}
	h, err := parseStored(stored)
	if err != nil {
		return false, err
	}
	return h.matches(password), nil
}

type storedHash interface{ matches(password []byte) bool }

func parseStored(stored string) (storedHash, error) {
	switch {
	case strings.HasPrefix(stored, argonPrefix):
		return parseArgon(stored[len(argonPrefix):])
	case strings.HasPrefix(stored, sha256Prefix):
		return parseRabbit(stored[len(sha256Prefix):], sha256.Size)
	case strings.HasPrefix(stored, sha512Prefix):
		return parseRabbit(stored[len(sha512Prefix):], sha512.Size)
	case strings.HasPrefix(stored, "$"):
		return nil, ErrAlgorithm
	}
	return nil, ErrMalformedHash
}

type argonHash struct {
	cost      Cost
	salt, sum []byte
}

func argonSum(password, salt []byte, c Cost, length int) []byte {
	return argon2.IDKey(password, salt, c.Passes, c.MemoryKiB, c.Lanes, uint32(length))
}

func (h argonHash) matches(password []byte) bool {
	return subtle.ConstantTimeCompare(argonSum(password, h.salt, h.cost, len(h.sum)), h.sum) == 1
}

// String writes $argon2id$v=19$m=19456,t=2,p=1$salt$sum.
func (h argonHash) String() string {
	return argonPrefix +
		"m=" + strconv.FormatUint(uint64(h.cost.MemoryKiB), 10) +
		",t=" + strconv.FormatUint(uint64(h.cost.Passes), 10) +
		",p=" + strconv.FormatUint(uint64(h.cost.Lanes), 10) +
		"$" + base64.RawStdEncoding.EncodeToString(h.salt) +
		"$" + base64.RawStdEncoding.EncodeToString(h.sum)
}

func parseArgon(rest string) (h argonHash, err error) {
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return h, ErrMalformedHash
	}
	if h.cost, err = parseCost(parts[0]); err != nil {
		return h, err
	}
	if h.salt, err = decodePart(parts[1], saltBytesMin); err != nil {
		return h, err
	}
	if h.sum, err = decodePart(parts[2], hashBytesMin); err != nil {
		return h, err
	}
	return h, nil
}

func parseCost(text string) (c Cost, err error) {
	var numbers [3]uint64
	fields := strings.Split(text, ",")
	if len(fields) != len(numbers) {
		return c, ErrMalformedHash
	}
	for i, prefix := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(fields[i], prefix)
		if numbers[i], err = strconv.ParseUint(digits, 10, 32); !ok || err != nil || numbers[i] == 0 {
			return c, ErrMalformedHash
		}
	}
	if numbers[0] > memoryKiBMax || numbers[1] > passesMax || numbers[2] > lanesMax {
		return c, ErrHashCost
	}
	return Cost{uint32(numbers[0]), uint32(numbers[1]), uint8(numbers[2])}, nil
}

func decodePart(text string, bytesMin int) ([]byte, error) {
	if len(text) > base64.RawStdEncoding.EncodedLen(partBytesMax) {
		return nil, ErrMalformedHash
	}
	b, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < bytesMin {
		return nil, ErrMalformedHash
	}
	return b, nil
}

// rabbitHash is four bytes of salt and the hash of the salt and the password.
type rabbitHash struct{ salt, sum []byte }

func parseRabbit(text string, size int) (storedHash, error) {
	if len(text) > base64.StdEncoding.EncodedLen(rabbitSaltBytes+size) {
		return nil, ErrMalformedHash
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != rabbitSaltBytes+size {
		return nil, ErrMalformedHash
	}
	return rabbitHash{b[:rabbitSaltBytes], b[rabbitSaltBytes:]}, nil
}

func (h rabbitHash) matches(password []byte) bool {
	salted := append(append(make([]byte, 0, rabbitSaltBytes+len(password)), h.salt...), password...)
	var sum []byte
	if len(h.sum) == sha512.Size {
		s := sha512.Sum512(salted)
		sum = s[:]
	} else {
		s := sha256.Sum256(salted)
		sum = s[:]
	}
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}
