// Package frugal is the oracle of fuzz targets: what reads bytes of a stranger, or
// of a damaged file, may take memory and time only as far as their number explains.
// Only tests import it.
package frugal
