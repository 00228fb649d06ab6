// Command kafkabadinput sends the broker what no Kafka client would: lying lengths
// and counts, bombs, what nobody asked for. Each case wants the right error or the
// end of that connection alone, bounded memory, and nothing stored.
package main
