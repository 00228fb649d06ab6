// Package config knows the settings of Kafka's topics: their names, types,
// defaults and ranges, and what they mean to a topic of the waist.
//
// It is not where they are kept or enforced.
//
// Invariants: a value that Check takes has an effect, or could have none on a
// node of this kind; every other one is refused.
//
// Concurrency: pure functions and tables that never change.
//
// Entry points: Check, Read, Keys.
package config
