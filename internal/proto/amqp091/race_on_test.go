//go:build race

package amqp091_test

const raced = true
