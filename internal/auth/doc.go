// Package auth decides who somebody is and what he may do: stored passwords and
// their verification, permissions by name pattern, and roles. It stores nothing and
// looks nobody up; users and permissions are handed in.
//
// Passwords are stored as one string that says how to verify it: argon2id in the
// PHC form, or a RabbitMQ hash taken over as it is. The empty string is a user
// who cannot log in with a password.
//
// Permissions are RabbitMQ's: three regular expressions, for configuring,
// writing and reading, that match anywhere in a name unless they are anchored.
// Nothing is allowed that no pattern matches. The language is RE2, so matching
// is linear in the name; lookaheads are taken right behind ^ alone, and back
// references are refused.
//
// Invariant: what a user can choose (his name, his client id) never becomes part
// of a pattern but as plain text.
//
// Concurrency: everything is immutable and may be shared, but a Verifier, which
// may be shared too because it locks. Verifying a password takes some 20 ms and
// 19 MiB on purpose; it belongs on the connection's goroutine.
package auth
