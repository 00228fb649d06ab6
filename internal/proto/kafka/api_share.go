package kafka

// shareAPIs are the keys about share groups.
func shareAPIs() map[int16]*api {
	return map[int16]*api{}
}
