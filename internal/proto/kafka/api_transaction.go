package kafka

const (
	keyInitProducerID       = 22
	keyAddPartitionsToTxn   = 24
	keyAddOffsetsToTxn      = 25
	keyEndTxn               = 26
	keyWriteTxnMarkers      = 27
	keyTxnOffsetCommit      = 28
	keyDescribeProducers    = 61
	keyDescribeTransactions = 65
	keyListTransactions     = 66
)

// transactionAPIs are the keys about producer ids and transactions.
func transactionAPIs() map[int16]*api {
	return map[int16]*api{
		keyInitProducerID:       {0, 5, true, (*conn).initProducerID},
		keyAddPartitionsToTxn:   {0, 5, true, (*conn).addPartitionsToTxn},
		keyAddOffsetsToTxn:      {0, 4, true, (*conn).addOffsetsToTxn},
		keyEndTxn:               {0, 5, true, (*conn).endTxn},
		keyWriteTxnMarkers:      {1, 2, true, (*conn).writeTxnMarkers},
		keyTxnOffsetCommit:      {0, 5, true, (*conn).txnOffsetCommit},
		keyDescribeProducers:    {0, 0, true, (*conn).describeProducers},
		keyDescribeTransactions: {0, 0, true, (*conn).describeTransactions},
		keyListTransactions:     {0, 2, true, (*conn).listTransactions},
	}
}
