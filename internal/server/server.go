package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"weir/internal/admin"
	"weir/internal/broker"
	"weir/internal/listen"
	"weir/internal/proto/amqp091"
	"weir/internal/proto/amqp091/native"
	"weir/internal/proto/kafka"
	"weir/internal/proto/kafka/batch"
	"weir/internal/record"
	"weir/internal/wal"
)

// Version of this build.
const Version = "0.1.0"

// drainTimeout bounds how long clients may take to say goodbye at shutdown.
const drainTimeout = 5 * time.Second

// exitDisk is the exit status after a disk failure.
const exitDisk = 70

// Server is a running node.
type Server struct {
	config   Config
	on       Environment
	log      *slog.Logger
	broker   *broker.Broker
	amqp     *amqp091.Server
	kafka    *kafka.Server
	admin    *admin.Server
	identity *identity
	done     chan struct{} // closed with the server

	mu struct {
		sync.Mutex // the first doors serve before the last one is open
		doors      []*listen.Door
	}
}

// StartOn opens the store and the doors.
func StartOn(on Environment, c Config) (*Server, error) {
	s := &Server{config: c, on: on, log: NewLog(on.Log, c.Log), done: make(chan struct{})}
	skip, err := c.Storage.skips()
	if err != nil {
		return nil, err
	}
	s.broker, err = broker.Open(broker.Options{
		FS: on.FS, Dir: c.Data, Clock: on.Clock, Log: s.log, Fatal: s.fatal, Observer: on.Observer, Skip: skip,
		Shards: c.Storage.Shards, TailBytes: c.Storage.TailBytes, WALFileBytes: c.Storage.WALFileBytes,
		SyncMode: syncMode(c.Storage.Sync), SyncInterval: c.Storage.SyncInterval,
		MessageBytesMax: c.Limits.MessageBytes,
		DeadLetter:      map[record.Dialect]broker.DeadLetterFunc{record.DialectAMQP091: amqp091.DeadLetter},
		DeadLetterAs:    record.DialectAMQP091,
		DeadTopic:       batch.GivenUp,
		DeadTopicAs:     record.DialectKafka,
		Converters:      record.Converters{record.DialectAMQP091: native.Converter{}, record.DialectKafka: batch.Converter{}},
		Published:       map[record.Dialect]broker.PublishedFunc{record.DialectAMQP091: native.Published},
		Openers:         map[record.Dialect]record.Opener{record.DialectKafka: batch.Opener{}, record.DialectAMQP091: native.Opener{}},
	})
	if err != nil {
		return nil, err
	}
	s.amqp = amqp091.New(amqp091.Options{Broker: s.broker, Log: s.log, Clock: on.Clock, Identity: "weir " + Version, CertificateName: c.TLS.LoginFrom})
	if s.kafka, err = kafka.New(kafka.Options{
		Broker: s.broker, Log: s.log, Clock: on.Clock, CertificateName: c.TLS.LoginFrom, Token: c.OAuth.tokenChecker(),
		Loopback: loopbackName(c.Listen.Kafka), Advertised: c.Kafka.Advertised,
		NoAutoCreate: !c.Kafka.AutoCreateTopics, Partitions: c.Kafka.Partitions,
	}); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.admin = admin.New(admin.Options{Broker: s.broker, Log: s.log, Version: Version, Clock: on.Clock, Doors: s.openDoors})
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	go tidyLoop(on.Clock, s.done)
	return s, nil
}

func syncMode(name string) wal.SyncMode {
	switch name {
	case "interval":
		return wal.SyncInterval
	case "os":
		return wal.SyncOS
	}
	return wal.SyncAlways
}

// open opens the doors that are not off.
func (s *Server) open() error {
	l := s.config.Listen
	if l.AMQPS != off || l.KafkaS != off {
		var err error
		if s.identity, err = newIdentity(s.config.TLS); err != nil {
			return err
		}
	}
	limits := s.config.Limits
	budget, addresses := listen.NewBudget(connectionBudget()), listen.NewAddresses(limits.ConnectionsPerAddress)
	handshakes := listen.NewHandshakes(limits.Handshakes)
	for _, d := range []listen.Options{
		{Name: "amqp", Address: l.AMQP, Handler: s.amqp.Serve},
		{Name: "amqps", Address: l.AMQPS, Handler: s.amqp.Serve},
		{Name: "kafka", Address: l.Kafka, Handler: s.kafka.Serve},
		{Name: "kafkas", Address: l.KafkaS, Handler: s.kafka.Serve},
		{Name: "http", Address: l.HTTP, Handler: s.admin.ServeConn},
	} {
		if d.Address == off {
			continue
		}
		if d.Name == "amqps" || d.Name == "kafkas" {
			d.TLS = s.identity.config()
		}
		d.Log, d.Clock, d.Listen = s.log, s.on.Clock, s.on.Listen
		d.ConnectionsMax, d.AcceptsPerSecond = limits.Connections, limits.AcceptsPerSecond
		d.Budget, d.Addresses, d.Handshakes = budget, addresses, handshakes
		door, err := listen.Open(d)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.mu.doors = append(s.mu.doors, door)
		s.mu.Unlock()
	}
	return nil
}

// doors are those that are open so far.
func (s *Server) doors() []*listen.Door {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.doors
}

const off = "off"

// loopbackName is the name of a door on every loopback address, empty for others.
func loopbackName(address string) string {
	if host, _, _ := net.SplitHostPort(address); host == "localhost" {
		return host
	}
	return ""
}

// url is how a client on this machine reaches the door.
func (s *Server) url(d *listen.Door) string {
	host, port, err := net.SplitHostPort(d.Addr().String())
	if err != nil {
		return d.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	user := "guest:guest@"
	switch d.Name() {
	case "http":
		user = ""
	case "kafka", "kafkas": // its clients take no URL
		return net.JoinHostPort(host, port)
	}
	return fmt.Sprintf("%s://%s%s", d.Name(), user, net.JoinHostPort(host, port))
}

// openDoors tells the admin API which doors are open.
func (s *Server) openDoors() []admin.Door {
	open := s.doors()
	doors := make([]admin.Door, 0, len(open))
	for _, d := range open {
		door := admin.Door{Name: d.Name(), Addr: d.Addr(), TLS: d.TLS(), Refused: d.Refused()}
		if door.TLS && s.identity != nil {
			door.Expires = s.identity.expires()
		}
		doors = append(doors, door)
	}
	return doors
}

// Addr returns where the named door listens, or nil.
func (s *Server) Addr(name string) net.Addr {
	for _, d := range s.doors() {
		if d.Name() == name {
			return d.Addr()
		}
	}
	return nil
}

// Reload reads the certificates again. Ones that cannot be read leave those there were.
func (s *Server) Reload() {
	if s.identity == nil {
		return
	}
	if err := s.identity.reload(); err != nil {
		s.log.Error("certificates not reloaded, the old ones stay", "err", err)
		return
	}
	s.log.Info("certificates reloaded")
}

// Close drains: no new connections, a goodbye to the open ones, then everything
// down to the disk.
func (s *Server) Close() error {
	var errs []error
	close(s.done)
	for _, d := range s.doors() {
		errs = append(errs, d.StopAccepting())
	}
	if s.amqp != nil {
		s.amqp.Drain()
	}
	if s.kafka != nil {
		s.kafka.Drain()
		s.kafka.Close()
	}
	var draining sync.WaitGroup
	for _, d := range s.doors() {
		if d.Name() == "http" {
			d.Close() // its clients ask again
			continue
		}
		draining.Go(func() { d.Drain(drainTimeout) })
	}
	draining.Wait()
	if s.broker != nil {
		errs = append(errs, s.broker.Close())
	}
	return errors.Join(errs...)
}

// fatal ends the process: the disk failed, and going on would acknowledge what
// may be lost.
func (s *Server) fatal(err error) {
	s.log.Error("stopping: storage failed", "err", err)
	s.on.Exit(exitDisk)
}

// NewLog is the log a node keeps with that configuration.
func NewLog(to io.Writer, c Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(to, o))
	}
	return slog.New(slog.NewTextHandler(to, o))
}
