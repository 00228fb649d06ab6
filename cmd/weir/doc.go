// Command weir is the broker and everything to run it with: one binary.
//
// serve is the broker, bench drives one, dump and verify read a data directory
// nobody has open, config shows and checks settings; everything else is a client
// of a broker's HTTP door. The commands hold flags and output only; what they do
// is in the packages below, or behind that door.
//
// Exit statuses: 0 done, 1 error, 2 usage, 3 not found, 4 conflict, 5 nobody
// answers.
package main
