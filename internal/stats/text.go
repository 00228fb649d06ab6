package stats

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"
)

// Kind is what Prometheus calls a metric's type.
type Kind string

// The kinds.
const (
	Gauge   Kind = "gauge"
	Counter Kind = "counter"
)

// Writer streams the Prometheus text format, version 0.0.4. Errors stay until
// Flush.
type Writer struct {
	out     *bufio.Writer
	scratch []byte
}

// NewWriter returns a writer on w. Flush it at the end.
func NewWriter(w io.Writer) *Writer { return &Writer{out: bufio.NewWriterSize(w, 32<<10)} }

// Flush writes what is buffered and returns the first error there was.
func (w *Writer) Flush() error { return w.out.Flush() }

// Begin writes the head of a metric. Its samples follow.
func (w *Writer) Begin(name, help string, k Kind) { w.head(name, help, string(k)) }

func (w *Writer) head(name, help, kind string) {
	b := append(w.scratch[:0], "# HELP "...)
	b = append(append(append(b, name...), ' '), help...)
	b = append(append(append(b, "\n# TYPE "...), name...), ' ')
	w.write(append(append(b, kind...), '\n'))
}

// Sample writes one sample; labels are names and values in turn.
func (w *Writer) Sample(name string, value float64, labels ...string) {
	b := append(w.scratch[:0], name...)
	for i := 0; i+1 < len(labels); i += 2 {
		b = append(b, "{,"[min(i, 1)])
		b = append(append(b, labels[i]...), '=', '"')
		b = append(appendEscaped(b, labels[i+1]), '"')
	}
	if len(labels) > 1 {
		b = append(b, '}')
	}
	b = append(b, ' ')
	if whole := int64(value); float64(whole) == value {
		b = strconv.AppendInt(b, whole, 10)
	} else {
		b = strconv.AppendFloat(b, value, 'g', -1, 64)
	}
	w.write(append(b, '\n'))
}

// One writes a metric of one sample.
func (w *Writer) One(name, help string, k Kind, value float64, labels ...string) {
	w.Begin(name, help, k)
	w.Sample(name, value, labels...)
}

// Histogram writes a histogram whose bucket i counts durations below 2^i
// microseconds and whose last bucket has no bound.
func (w *Writer) Histogram(name, help string, counts []uint64, sum time.Duration) {
	w.head(name, help, "histogram")
	var total uint64
	for i, n := range counts {
		total += n
		bound := "+Inf"
		if i < len(counts)-1 {
			bound = strconv.FormatFloat(float64(uint64(1)<<i)/1e6, 'g', -1, 64)
		}
		w.Sample(name+"_bucket", float64(total), "le", bound)
	}
	w.Sample(name+"_sum", sum.Seconds())
	w.Sample(name+"_count", float64(total))
}

func (w *Writer) write(b []byte) {
	w.scratch = b
	_, _ = w.out.Write(b) // the error stays in out
}

// appendEscaped writes a label value as the format wants it.
func appendEscaped(dst []byte, value string) []byte {
	if !strings.ContainsAny(value, "\\\"\n") {
		return append(dst, value...)
	}
	for i := range len(value) {
		switch c := value[i]; c {
		case '\\', '"':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
