// Command weir is the broker and everything to run it with: one binary.
//
// It holds flags and output only; what they do is in the packages below.
package main
