// Command go is the suite of scenarios of github.com/rabbitmq/amqp091-go against
// the broker at CLIENTS_AMQP. test/clients/run starts it.
package main
