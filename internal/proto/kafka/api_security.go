package kafka

const (
	keySaslHandshake                = 17
	keySaslAuthenticate             = 36
	keyDescribeUserScramCredentials = 50
	keyAlterUserScramCredentials    = 51
)

// securityAPIs are the keys about who clients are and what they may do.
func securityAPIs() map[int16]*api {
	return map[int16]*api{
		keySaslHandshake:                {0, 1, false, (*conn).saslHandshake},
		keySaslAuthenticate:             {0, 2, false, (*conn).saslAuthenticate},
		keyDescribeUserScramCredentials: {0, 0, true, (*conn).describeUserScramCredentials},
		keyAlterUserScramCredentials:    {0, 0, true, (*conn).alterUserScramCredentials},
	}
}
