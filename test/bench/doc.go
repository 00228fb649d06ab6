// Command bench puts weir next to a real RabbitMQ: the same tool against both, in
// interleaved rounds, and prints medians of per-round ratios. Absolute figures of
// a shared machine mean little; ratios of neighbouring rounds mean something.
//
// It starts RabbitMQ through the script that $PEERS names (../shared/peers by
// default) and both brokers on loopback only, and stops what it started.
package main
