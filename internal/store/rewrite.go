package store

import (
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
}

// RewriteRun is one run of a file being rewritten. The owner sets Wanted to the
// ranges of offsets to keep before the job runs.
type RewriteRun struct {
	Log         record.LogID
	First, Last record.Offset
	Wanted      [][2]record.Offset
	file        *file
}

// PlanRewrite picks files that are mostly dead, or many small ones. It returns
// nil when there is nothing worth doing.
func (s *Shelf) PlanRewrite() *Rewrite {
	var dead, small []*file
	for _, f := range s.files {
		switch {
		case f.busy:
		case f.live*2 < f.total:
			dead = append(dead, f)
		case f.bytes < smallFileBytes:
			small = append(small, f)
		}
	}
	picked := dead
	if len(small) > smallFilesMax {
		picked = append(picked, small...)
	}
	if len(picked) == 0 {
		return nil
	}
	slices.SortFunc(picked, func(a, b *file) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	var size int64
	for i, f := range picked {
		if size += f.bytes; size > rewriteBytesMax && i > 0 {
			picked = picked[:i]
			break
		}
	}
	return s.planOf(picked)
}

func (s *Shelf) planOf(files []*file) *Rewrite {
	j := &Rewrite{name: s.NextName(), files: files}
	for _, f := range files {
		f.busy = true
		for _, info := range f.reader.Runs() {
			j.Runs = append(j.Runs, RewriteRun{Log: info.Log, First: info.First, Last: info.Last, file: f})
		}
	}
	slices.SortFunc(j.Runs, func(a, b RewriteRun) int {
		if a.Log != b.Log {
			if a.Log < b.Log {
				return -1
			}
			return 1
		}
		if a.First < b.First {
			return -1
		}
		return 1
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
			if err := copyRun(w, r); err != nil {
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

func copyRun(w *segment.Writer, r RewriteRun) error {
	var failed error
	for _, wanted := range r.Wanted {
		from := wanted[0]
		for from < wanted[1] && failed == nil {
			next := from
			err := r.file.reader.Read(r.Log, from, 1<<20, func(e segment.Entry) bool {
				if e.Offset >= wanted[1] {
					next = wanted[1]
					return false
				}
				next = e.Offset + 1
				failed = w.Add(e)
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

// Abandon gives up a rewrite that failed.
func (s *Shelf) Abandon(j *Rewrite) {
	for _, f := range j.files {
		f.busy = false
	}
}
