package kafka

// groupAPIs are the keys about groups and their offsets.
func groupAPIs() map[int16]*api {
	return map[int16]*api{}
}
