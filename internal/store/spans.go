package store

import (
	"weir/internal/record"
)

// Span is what one file holds of a log.
type Span struct {
	First, Last  record.Offset
	Bytes        int64
	MaxTimestamp int64 // unix milliseconds; 0 unknown
}

// Spans lists what the shelf holds of a log, in order.
func (s *Shelf) Spans(log record.LogID) []Span {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var spans []Span
	for _, r := range s.mu.runs[log] {
		for _, info := range r.file.reader.Runs() {
			if info.Log == log {
				spans = append(spans, Span{info.First, info.Last, info.Bytes, info.MaxTimestamp})
			}
		}
	}
	return spans
}

// OffsetByTime returns the first shelved offset of log with a timestamp of at
// least unixMillis. It reads files and may be called from any goroutine.
func (s *Shelf) OffsetByTime(log record.LogID, unixMillis int64) (record.Offset, bool, error) {
	for runs := s.find(log, 0, ^record.Offset(0)); len(runs) > 0; {
		f := runs[0].file
		runs = runs[1:]
		f.use.RLock()
		if f.closed { // rewritten or gone since the look-up
			f.use.RUnlock()
			runs = s.find(log, 0, ^record.Offset(0))
			continue
		}
		o, ok, err := f.reader.OffsetByTime(log, unixMillis)
		f.use.RUnlock()
		if ok || err != nil {
			return o, ok, err
		}
	}
	return 0, false, nil
}
