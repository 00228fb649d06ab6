package report

import (
	"math/rand/v2"
	"slices"
)

const (
	// intervalPairsMin is from how many pairs on an interval is given: with fewer, it
	// would be the spread itself.
	intervalPairsMin = 5
	resamples        = 4000
)

// Median of v, which is left as it is; of an even number, the middle of the two
// in the middle. It is 0 of nothing.
func Median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	switch n := len(s); {
	case n == 0:
		return 0
	case n%2 == 0:
		return (s[n/2-1] + s[n/2]) / 2
	default:
		return s[n/2]
	}
}

// Quantile of v, which is left as it is: the smallest value that at least the part
// q, from 0 to 1, of them does not exceed. It is 0 of nothing.
func Quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	rank := int(q * float64(len(s)))
	if float64(rank) == q*float64(len(s)) {
		rank--
	}
	return s[min(max(rank, 0), len(s)-1)]
}

// Summary is the distribution of a ratio over its pairs.
type Summary struct {
	Median, Low, High float64
	// From and To bound the median with 95 % confidence, by resampling the pairs; both
	// are 0 with fewer than five pairs.
	From, To float64
	Pairs    int
}

// Summarize describes v. The same v gives the same Summary.
func Summarize(v []float64) Summary {
	if len(v) == 0 {
		return Summary{}
	}
	s := Summary{Median: Median(v), Low: slices.Min(v), High: slices.Max(v), Pairs: len(v)}
	if len(v) >= intervalPairsMin {
		s.From, s.To = bootstrap(v)
	}
	return s
}

// bootstrap is the 95 % percentile interval of the median.
func bootstrap(v []float64) (from, to float64) {
	random := rand.New(rand.NewPCG(1, 2)) // fixed, so that a document can be rendered again
	medians := make([]float64, resamples)
	sample := make([]float64, len(v))
	for i := range medians {
		for k := range sample {
			sample[k] = v[random.IntN(len(v))]
		}
		medians[i] = Median(sample)
	}
	return Quantile(medians, 0.025), Quantile(medians, 0.975)
}
