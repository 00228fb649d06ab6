package broker

// Fingerprint is a hash of the shard's replicated state, for an Observer.
func (h *host) Fingerprint() uint64 { return h.machine.Fingerprint() }

// Fingerprint is a hash of the control state, for an Observer.
func (c *control) Fingerprint() uint64 { return c.state.Fingerprint() }
