// Package report keeps what benchmark runs measured and renders it: statistics of
// per-round ratios, tables in Markdown and charts in SVG, all from one Results
// value, so that tables and charts cannot disagree.
//
// Invariants: a Comparison never mixes durability classes; a ratio is always of two
// neighbouring runs; what is rendered depends on Results alone.
//
// Concurrency: none; everything belongs to the caller.
package report
