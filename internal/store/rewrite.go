package store

import (
	"cmp"
	"slices"

	"weir/internal/record"
	"weir/internal/segment"
)

const (
	// Files smaller than this are worth joining with their neighbours.
	smallFileBytes = 4 << 20
	// How many small files may stand before some are joined.
	smallFilesMax = 8
	// How much one rewrite reads, so that it ends soon.
	rewriteBytesMax = 256 << 20
)

// Rewrite is a job that copies the wanted messages of some files into a new one.
type Rewrite struct {
	name  string
	files []*file
	// Runs are the ranges whose wanted messages the owner has to tell.
	Runs []RewriteRun
	// Filter, if not nil, says what becomes of a wanted record: itself, one in its
	// stead at the same offset, or nil to leave it out.
	Filter Filter
}

// Filter changes records on their way into a rewritten file.
type Filter func(log record.LogID, e segment.Entry) ([]byte, error)

// RewriteRun is one run of a file being rewritten. The owner sets Wanted to the
// ranges of offsets to keep before the job runs.
type RewriteRun struct {
	Log         record.LogID
	First, Last record.Offset
	Wanted      [][2]record.Offset
	file        *file
}

// PlanRewrite picks neighbours in age that are mostly dead, or many small ones. It
// returns nil when there is nothing worth doing.
func (s *Shelf) PlanRewrite() *Rewrite {
	files := make([]*file, 0, len(s.files))
	for _, f := range s.files {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b *file) int { return cmp.Compare(a.age, b.age) })
	var group []*file
	var size int64
	for _, f := range files {
		joins := !f.busy && (f.dead() || f.bytes < smallFileBytes)
		if joins && size+f.bytes <= rewriteBytesMax {
			group, size = append(group, f), size+f.bytes
			continue
		}
		if worth(group) {
			break
		}
		group, size = nil, 0
		if joins {
			group, size = append(group, f), f.bytes
		}
	}
	if !worth(group) {
		return nil
	}
	return s.planOf(group)
}

// PlanCompact plans to rewrite, each by itself, the files that have records of one
// of the logs below an offset.
func (s *Shelf) PlanCompact(below map[record.LogID]record.Offset) []*Rewrite {
	var jobs []*Rewrite
	for _, f := range s.files {
		concerns := func(r segment.RunInfo) bool { return r.First < below[r.Log] }
		if !f.busy && slices.ContainsFunc(f.reader.Runs(), concerns) {
			jobs = append(jobs, s.planOf([]*file{f}))
		}
	}
	return jobs
}

// dead says that most of the file is not wanted any more.
func (f *file) dead() bool { return f.live*2 < f.total }

func worth(group []*file) bool {
	return len(group) > smallFilesMax || slices.ContainsFunc(group, (*file).dead)
}

func (s *Shelf) planOf(files []*file) *Rewrite {
	j := &Rewrite{name: fileName(files[0].age, files[0].generation+1), files: files}
	for _, f := range files {
		f.busy = true
		for _, info := range f.reader.Runs() {
			j.Runs = append(j.Runs, RewriteRun{Log: info.Log, First: info.First, Last: info.Last, file: f})
		}
	}
	slices.SortFunc(j.Runs, func(a, b RewriteRun) int {
		return cmp.Or(cmp.Compare(a.Log, b.Log), cmp.Compare(a.First, b.First))
	})
	return j
}

// Run copies the wanted messages. It runs on a background goroutine.
func (s *Shelf) Run(j *Rewrite) (*Written, error) {
	w, err := s.Write(j.name, func(w *segment.Writer) error {
		var current record.LogID
		begun := false
		for _, r := range j.Runs {
			if len(r.Wanted) == 0 {
				continue
			}
			if !begun || r.Log != current {
				if err := w.Begin(r.Log); err != nil {
					return err
				}
				current, begun = r.Log, true
			}
			if err := copyRun(w, r, j.Filter); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	w.replaces = j.files
	return w, nil
}

func copyRun(w *segment.Writer, r RewriteRun, filter Filter) error {
	var failed error
	for _, wanted := range r.Wanted {
		from := wanted[0]
		for from < wanted[1] && failed == nil {
			next := from
			err := r.file.reader.Read(r.Log, from, 1<<20, nil, func(e segment.Entry) bool {
				if e.Offset >= wanted[1] {
					next = wanted[1]
					return false
				}
				var env record.Envelope
				if _, failed = record.Decode(e.Record, &env); failed == nil {
					next = e.Offset + record.Offset(env.Count)
					failed = addFiltered(w, r.Log, e, filter)
				}
				return failed == nil
			})
			if err != nil {
				return err
			}
			if next == from {
				break // no more of this range in the file
			}
			from = next
		}
	}
	return failed
}

func addFiltered(w *segment.Writer, log record.LogID, e segment.Entry, filter Filter) error {
	if filter != nil {
		rec, err := filter(log, e)
		if err != nil || rec == nil {
			return err
		}
		e.Record = rec
	}
	return w.Add(e)
}

// Abandon gives up a rewrite that failed.
func (s *Shelf) Abandon(j *Rewrite) {
	for _, f := range j.files {
		f.busy = false
	}
}
