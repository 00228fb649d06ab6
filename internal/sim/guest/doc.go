// Command guest is the world as a program for WASI: its host gives it time and
// chance.
package main
