// Package admin is the HTTP door: health, metrics and the part of RabbitMQ's
// management API that tools and the command line call.
//
// It stands on the waist like any dialect and sees nothing a client could not be
// given. It takes fixed verbs only: no path, class or URL in a request ever
// reaches a file or a shell.
//
// Concurrency: a Server serves any number of connections; handlers share nothing
// but the broker.
package admin
