// Package examples has no code of its own: its folders are programs to read and
// to run, and its test runs them all. Start with README.md.
package examples
