// Package group decides what happens in a group of consumers: who is a member, in
// which generation, and who owns which partitions.
//
// It is pure: time, new member ids and requests come in, answers come out, and
// nothing is read, written or waited for. A request that is not answered at once
// has a Ticket, which its answer carries later.
//
// Classic is the protocol of JoinGroup and SyncGroup, where a member assigns the
// partitions; the errors and their order follow Kafka's coordinator.
//
// Invariants: the generation never falls; a member waits for a join or for a sync,
// never for both; every ticket is answered once.
//
// Concurrency: a group belongs to whoever holds it; nothing here is safe for two
// goroutines at once.
package group
