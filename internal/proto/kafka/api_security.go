package kafka

const (
	keySaslHandshake                = 17
	keyDescribeACLs                 = 29
	keyCreateACLs                   = 30
	keyDeleteACLs                   = 31
	keySaslAuthenticate             = 36
	keyDescribeClientQuotas         = 48
	keyAlterClientQuotas            = 49
	keyDescribeUserScramCredentials = 50
	keyAlterUserScramCredentials    = 51
)

// securityAPIs are the keys about who clients are and what they may do.
func securityAPIs() map[int16]*api {
	return map[int16]*api{
		keySaslHandshake:                {0, 1, false, (*conn).saslHandshake},
		keyDescribeACLs:                 {1, 3, true, (*conn).describeACLs},
		keyCreateACLs:                   {1, 3, true, (*conn).createACLs},
		keyDeleteACLs:                   {1, 3, true, (*conn).deleteACLs},
		keySaslAuthenticate:             {0, 2, false, (*conn).saslAuthenticate},
		keyDescribeClientQuotas:         {0, 1, true, (*conn).describeClientQuotas},
		keyAlterClientQuotas:            {0, 1, true, (*conn).alterClientQuotas},
		keyDescribeUserScramCredentials: {0, 0, true, (*conn).describeUserScramCredentials},
		keyAlterUserScramCredentials:    {0, 0, true, (*conn).alterUserScramCredentials},
	}
}
