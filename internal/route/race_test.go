//go:build race

package route_test

// The race detector makes sync.Pool forget on purpose, which allocates.
func init() { allocsMax = 3 }
