// Package admin is the HTTP door: health, metrics, the part of RabbitMQ's
// management API that tools call, and the streams the command line publishes
// and consumes through.
//
// It stands on the waist like any dialect and sees nothing a client could not be
// given: every change goes through a session of the caller, or through the
// broker's own check for administrators. It takes fixed verbs only: no path,
// class or URL in a request ever reaches a file or a shell. What it does not
// offer is 404 with a reason, never an empty success.
//
// Paths are split before they are unescaped, since %2F is the usual name of a
// namespace and an empty segment that of the default exchange. Names with NUL,
// invalid UTF-8 or more than 255 bytes are refused before anything looks at them.
//
// Messages it publishes and shows are of the AMQP 0-9-1 dialect: that is the one
// this API has words for. A message of another dialect shows its native bytes.
// What arguments, properties and headers mean is that dialect's own code (package
// native), so this door takes and refuses what the AMQP one does, in its words.
//
// Limits: 1 MiB of body (publishing streams: one message per line), 64 KiB of
// header, time limits on everything but the streams. Cross-origin browser
// requests that would change something are refused.
//
// Concurrency: a Server serves any number of connections; handlers share nothing
// but the broker, the counters and the rate samples, which lock.
package admin
