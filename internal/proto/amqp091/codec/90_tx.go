package codec

// TxSelect is tx.select (90.10).
type TxSelect struct{}

// ID returns the method's class and number.
func (*TxSelect) ID() ID { return IDTxSelect }

// Decode reads the arguments of tx.select.
func (*TxSelect) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*TxSelect) Append(dst []byte) []byte { return dst }

// TxSelectOk is tx.select-ok (90.11).
type TxSelectOk struct{}

// ID returns the method's class and number.
func (*TxSelectOk) ID() ID { return IDTxSelectOk }

// Decode reads the arguments of tx.select-ok.
func (*TxSelectOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*TxSelectOk) Append(dst []byte) []byte { return dst }

// TxCommit is tx.commit (90.20).
type TxCommit struct{}

// ID returns the method's class and number.
func (*TxCommit) ID() ID { return IDTxCommit }

// Decode reads the arguments of tx.commit.
func (*TxCommit) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*TxCommit) Append(dst []byte) []byte { return dst }

// TxCommitOk is tx.commit-ok (90.21).
type TxCommitOk struct{}

// ID returns the method's class and number.
func (*TxCommitOk) ID() ID { return IDTxCommitOk }

// Decode reads the arguments of tx.commit-ok.
func (*TxCommitOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*TxCommitOk) Append(dst []byte) []byte { return dst }

// TxRollback is tx.rollback (90.30).
type TxRollback struct{}

// ID returns the method's class and number.
func (*TxRollback) ID() ID { return IDTxRollback }

// Decode reads the arguments of tx.rollback.
func (*TxRollback) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*TxRollback) Append(dst []byte) []byte { return dst }

// TxRollbackOk is tx.rollback-ok (90.31).
type TxRollbackOk struct{}

// ID returns the method's class and number.
func (*TxRollbackOk) ID() ID { return IDTxRollbackOk }

// Decode reads the arguments of tx.rollback-ok.
func (*TxRollbackOk) Decode(b []byte) error { return empty(b) }

// Append writes the arguments behind dst.
func (*TxRollbackOk) Append(dst []byte) []byte { return dst }
