// Command badinput gives a real broker what no client should send, over raw
// sockets, and sees after each piece of it that the broker answers with a clear
// error or a close, that its memory is bounded by what it received, and that
// another client is still served. test/clients/run starts it.
package main
