package wal

import (
	"errors"
	"fmt"
	"io"

	"weir/internal/vfs"
)

// Report is what Verify found.
type Report struct {
	Files   int // with records
	Void    int // prepared or given up, without records that count
	Records uint64
	Bytes   int64 // up to the end of each file's records
	// Tail is the last file with records and End where they end. What stands
	// behind was never acknowledged.
	Tail string
	End  int64
}

// Verify reads a log that nobody has open and changes nothing. Damage is a
// *vfs.CorruptError with the first bad place; the report then covers what is
// in front of it.
func Verify(fs vfs.FS, dir string) (Report, error) {
	return walk(fs, dir, nil, func(string, int64, *stored) error { return nil })
}

// Dump prints every record of a log that nobody has open.
func Dump(fs vfs.FS, dir string, w io.Writer) error {
	head := func(s *fileScan) error {
		_, err := fmt.Fprintf(w, "file %s number %08x salt %08x continues %08x at %d\n",
			s.name, s.tag.number(), uint32(s.tag>>32), s.link.number, s.link.end)
		return err
	}
	report, err := walk(fs, dir, head, func(_ string, off int64, r *stored) error {
		var err error
		switch r.Kind {
		case kindLink:
		case kindMark:
			_, err = fmt.Fprintf(w, "%d mark durable %d\n", off, r.syncOffset)
		default:
			_, err = fmt.Fprintf(w, "%d kind %d shard %d incarnation %d term %d index %d bytes %d durable %d\n",
				off, r.Kind, r.Shard, r.Incarnation, r.Term, r.Index, len(r.Payload), r.syncOffset)
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "end %s at %d: %d files, %d records, %d bytes\n",
		report.Tail, report.End, report.Files, report.Records, report.Bytes)
	return err
}

func walk(fs vfs.FS, dir string, head func(*fileScan) error,
	each func(name string, off int64, r *stored) error,
) (report Report, err error) {
	c, err := readCatalog(fs, dir, fs.Open)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	live, void, err := c.chain(dir)
	if err != nil {
		return report, err
	}
	report.Void = len(void)
	for _, s := range live {
		if head != nil {
			if err := head(s); err != nil {
				return report, err
			}
		}
		report.Files++
		t, err := s.scan(func(off int64, r *stored) error {
			if r.Kind <= KindMax {
				report.Records++
			}
			return each(s.name, off, r)
		})
		report.Bytes += t.end
		report.Tail, report.End = s.name, t.end
		if err != nil {
			return report, err
		}
		s.chunk = nil
	}
	return report, nil
}
