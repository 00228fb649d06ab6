package kafka

// securityAPIs are the keys about who clients are and what they may do.
func securityAPIs() map[int16]*api {
	return map[int16]*api{}
}
