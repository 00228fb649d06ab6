package kafka

// transactionAPIs are the keys about producer ids and transactions.
func transactionAPIs() map[int16]*api {
	return map[int16]*api{}
}
