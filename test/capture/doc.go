// Command capture stands in for the broker's binary in the suites of test/clients
// and writes what real clients say into the corpora of the fuzz targets. Its
// arguments are those of weir: "serve" runs CAPTURE_BIN on doors of its own and
// passes through what comes to the doors it was asked for. "capture files DIR"
// writes corpora of what a data directory has in it.
package main
