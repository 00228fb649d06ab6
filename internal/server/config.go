package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/record"
)

// Config is everything that can be set. Each field's YAML path is also its
// environment variable (WEIR_STORAGE__SHARDS) and its --set key (storage.shards).
type Config struct {
	Data    string  `yaml:"data"`
	Listen  Listen  `yaml:"listen"`
	TLS     TLS     `yaml:"tls"`
	OAuth   OAuth   `yaml:"oauth"`
	Kafka   Kafka   `yaml:"kafka"`
	Storage Storage `yaml:"storage"`
	Limits  Limits  `yaml:"limits"`
	Log     Log     `yaml:"log"`
}

// Listen holds one address per door: host:port, or "off".
type Listen struct {
	AMQP   string `yaml:"amqp"`
	AMQPS  string `yaml:"amqps"`
	HTTP   string `yaml:"http"`
	Kafka  string `yaml:"kafka"`
	KafkaS string `yaml:"kafkas"`
}

// Kafka is what Kafka's clients are told.
type Kafka struct {
	Advertised       string `yaml:"advertised"`         // host:port; empty is what they have dialled
	AutoCreateTopics bool   `yaml:"auto_create_topics"` // a topic is made that one of them names
	Partitions       int    `yaml:"num_partitions"`     // of a topic whose maker does not say
}

// TLS is the identity of the doors that speak TLS. The files are read again on
// SIGHUP.
type TLS struct {
	Certificate string `yaml:"certificate"` // PEM file
	Key         string `yaml:"key"`         // PEM file
	ClientCA    string `yaml:"client_ca"`   // PEM file; set: clients are asked for a certificate
	Client      string `yaml:"client"`      // with client_ca: certificates are required or optional
	LoginFrom   string `yaml:"login_from"`  // part of a client's certificate that is the user name
}

// The values of tls.client.
const (
	clientRequired = "required"
	clientOptional = "optional"
)

// Storage is how messages are kept.
type Storage struct {
	Shards       int           `yaml:"shards"`         // durable shards of a new store
	TailBytes    int64         `yaml:"tail_bytes"`     // memory for messages
	WALFileBytes int64         `yaml:"wal_file_bytes"` // size of one log file
	Sync         string        `yaml:"sync"`           // always, interval or os
	SyncInterval time.Duration `yaml:"sync_interval"`  // for interval
	Skip         []string      `yaml:"skip"`           // entries not to apply, as SHARD/ENTRY
}

// Limits bound what clients may ask for.
type Limits struct {
	MessageBytes          int64 `yaml:"message_bytes"`
	Connections           int   `yaml:"connections"`             // per door
	ConnectionsPerAddress int   `yaml:"connections_per_address"` // over all doors, 0 is no limit
	AcceptsPerSecond      int   `yaml:"accepts_per_second"`      // per door, 0 is no limit
	Handshakes            int   `yaml:"handshakes"`              // of TLS that compute at once, 0 is one per processor
}

// Log is what the process says of itself on standard error.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // text or json
}

// Default is the configuration of a machine that was told nothing: every door on
// loopback only.
func Default() Config {
	return Config{
		Data:   "weir-data",
		TLS:    TLS{Client: clientRequired, LoginFrom: auth.CertificateNames[0]},
		Listen: Listen{AMQP: "localhost:5672", AMQPS: "off", HTTP: "localhost:15672", Kafka: "localhost:9092", KafkaS: off},
		Kafka:  Kafka{AutoCreateTopics: true, Partitions: 1},
		OAuth:  OAuth{UserClaim: "sub"},
		Storage: Storage{
			Shards: 1, TailBytes: 128 << 20, WALFileBytes: 64 << 20,
			Sync: "always", SyncInterval: 100 * time.Millisecond,
		},
		Limits: Limits{MessageBytes: 16 << 20, Connections: 200_000},
		Log:    Log{Level: "info", Format: "text"},
	}
}

const envPrefix = "WEIR_"

// TailBytesMin is the least that storage.tail_bytes may be.
const TailBytesMin = 1 << 20

// Load puts a configuration together: defaults c, then the file (if any), then the
// environment, then the settings ("storage.shards=2") of the command line.
func Load(c Config, file string, environ, settings []string) (Config, error) {
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return c, fmt.Errorf("configuration: %w", err)
		}
		if err := yaml.UnmarshalWithOptions(b, &c, yaml.Strict()); err != nil {
			return c, fmt.Errorf("configuration %s: %w", file, err)
		}
	}
	for _, kv := range environ {
		key, value, _ := strings.Cut(kv, "=")
		if name, ok := strings.CutPrefix(key, envPrefix); ok && !slices.Contains(notSettings, name) {
			if err := c.set(strings.Split(strings.ToLower(name), "__"), value); err != nil {
				return c, fmt.Errorf("environment %s: %w", key, err)
			}
		}
	}
	for _, s := range settings {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return c, fmt.Errorf("setting %q is not KEY=VALUE", s)
		}
		if err := c.set(strings.Split(key, "."), value); err != nil {
			return c, fmt.Errorf("setting %s: %w", key, err)
		}
	}
	return c, c.check()
}

// notSettings are variables with the prefix that are read elsewhere.
var notSettings = []string{"CONFIG", "URL"}

var errUnknownKey = errors.New("no such setting")

// set gives the field at the YAML path its value, parsed as YAML.
func (c *Config) set(path []string, value string) error {
	v := reflect.ValueOf(c).Elem()
	for _, name := range path {
		if v.Kind() != reflect.Struct {
			return errUnknownKey
		}
		i := slices.IndexFunc(reflect.VisibleFields(v.Type()), func(f reflect.StructField) bool { return f.Tag.Get("yaml") == name })
		if i < 0 {
			return errUnknownKey
		}
		v = v.Field(i)
	}
	switch {
	case v.Kind() == reflect.Struct:
		return errUnknownKey
	case v.Kind() == reflect.String:
		v.SetString(value)
		return nil
	}
	if err := yaml.Unmarshal([]byte(value), v.Addr().Interface()); err != nil {
		return fmt.Errorf("%q: %w", value, err)
	}
	return nil
}

// check refuses what cannot work.
func (c *Config) check() error {
	var errs []error
	in := func(key, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			errs = append(errs, fmt.Errorf("%s: %q is not one of %s", key, value, strings.Join(allowed, ", ")))
		}
	}
	between := func(key string, value, low, high int64) {
		if value < low || value > high {
			errs = append(errs, fmt.Errorf("%s: %d is not between %d and %d", key, value, low, high))
		}
	}
	in("storage.sync", c.Storage.Sync, "always", "interval", "os")
	in("tls.client", c.TLS.Client, clientRequired, clientOptional)
	in("tls.login_from", c.TLS.LoginFrom, auth.CertificateNames...)
	in("log.level", c.Log.Level, "debug", "info", "warn", "error")
	in("log.format", c.Log.Format, "text", "json")
	between("storage.shards", int64(c.Storage.Shards), 1, 64)
	between("storage.tail_bytes", c.Storage.TailBytes, TailBytesMin, 1<<40)
	between("storage.wal_file_bytes", c.Storage.WALFileBytes, 1<<20, 1<<30)
	between("limits.message_bytes", c.Limits.MessageBytes, 1, 128<<20)
	between("limits.connections", int64(c.Limits.Connections), 1, 10_000_000)
	between("limits.connections_per_address", int64(c.Limits.ConnectionsPerAddress), 0, 10_000_000)
	between("limits.accepts_per_second", int64(c.Limits.AcceptsPerSecond), 0, 1_000_000)
	between("limits.handshakes", int64(c.Limits.Handshakes), 0, 100_000)
	between("kafka.num_partitions", int64(c.Kafka.Partitions), 1, broker.PartitionsMax)
	if host, port, err := net.SplitHostPort(c.Kafka.Advertised); c.Kafka.Advertised != "" && (err != nil || host == "" || port == "") {
		errs = append(errs, fmt.Errorf("kafka.advertised: %q is not host:port", c.Kafka.Advertised))
	}
	if _, err := c.Storage.skips(); err != nil {
		errs = append(errs, err)
	}
	if c.Data == "" {
		errs = append(errs, errors.New("data: no directory"))
	}
	for name, address := range map[string]string{"amqps": c.Listen.AMQPS, "kafkas": c.Listen.KafkaS} {
		if address != off && c.TLS.Certificate == "" {
			errs = append(errs, fmt.Errorf("listen.%s: needs tls.certificate and tls.key", name))
		}
	}
	if c.OAuth.Issuer != "" && (c.OAuth.JWKS == "" || c.OAuth.UserClaim == "") {
		errs = append(errs, errors.New("oauth: an issuer needs jwks and user_claim"))
	}
	for _, f := range []string{c.TLS.Certificate, c.TLS.Key, c.TLS.ClientCA} {
		if _, err := os.Stat(f); f != "" && errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("tls: %s does not exist", f))
		}
	}
	return errors.Join(errs...)
}

// skips reads Skip.
func (s *Storage) skips() (map[record.ShardID][]record.Index, error) {
	all := map[record.ShardID][]record.Index{}
	for _, text := range s.Skip {
		shard, entry, _ := strings.Cut(text, "/")
		id, err := strconv.ParseUint(shard, 10, 32)
		index, err2 := strconv.ParseUint(entry, 10, 64)
		if err != nil || err2 != nil {
			return nil, fmt.Errorf("storage.skip: %q is not SHARD/ENTRY", text)
		}
		all[record.ShardID(id)] = append(all[record.ShardID(id)], record.Index(index))
	}
	return all, nil
}
