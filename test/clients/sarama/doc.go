// Command sarama runs scenarios of Sarama against the broker at CLIENTS_KAFKA (and
// CLIENTS_KAFKAS with TLS). It is a module of its own: nothing else needs Sarama.
package main
