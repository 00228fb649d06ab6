// Package house holds the rules of the source tree as tests: layers, sizes,
// package comments, and what no line may contain. It exports nothing.
package house
