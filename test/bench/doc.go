// Command bench puts weir next to real brokers: RabbitMQ, Apache Kafka and NATS
// JetStream, each driven by its own official tool, in interleaved rounds (weir,
// peer, peer, weir). Ratios of neighbouring runs mean something; absolute figures
// of a shared machine mean little. What it finds goes to docs/performance.json,
// and from there alone to the tables and charts of docs/performance.md.
//
// Brokers are started by the scripts in the folder that $PEERS names
// (../shared/peers by default) or, where there are none, by this program's own
// means: the machine's packages, Maven and Go. All listen on loopback only, and
// what was started is stopped. What cannot be had is skipped and said so.
//
// Invariants: one table holds one pair of durability classes; a round during which
// the disk changed is repeated; only the time after the warm-up counts.
package main
