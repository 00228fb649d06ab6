package auth

import (
	"bytes"
	"errors"
)

// ErrMalformedPlain reports a response that is not SASL PLAIN.
var ErrMalformedPlain = errors.New("auth: malformed SASL PLAIN response")

// ParseSASLPlain reads the response of the PLAIN mechanism (RFC 4616):
//
//	authorisation id (may be empty) · 0 · user · 0 · password
//
// None of them contains a zero byte, and user is not empty. The password shares
// the memory of the response.
func ParseSASLPlain(response []byte) (authzid, user string, password []byte, err error) {
	first, rest, ok := bytes.Cut(response, []byte{0})
	if !ok {
		return "", "", nil, ErrMalformedPlain
	}
	second, password, ok := bytes.Cut(rest, []byte{0})
	if !ok || len(second) == 0 || bytes.IndexByte(password, 0) >= 0 {
		return "", "", nil, ErrMalformedPlain
	}
	return string(first), string(second), password, nil
}
