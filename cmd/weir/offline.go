package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"weir/internal/checkpoint"
	"weir/internal/segment"
	"weir/internal/vfs"
	"weir/internal/wal"
)

func dumpCommand() *cobra.Command {
	group := &cobra.Command{Use: "dump", Short: "Print files of a data directory nobody has open"}
	one := func(use, short string, dump func(fs vfs.FS, path string, w io.Writer) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: cobra.MinimumNArgs(1), RunE: func(c *cobra.Command, args []string) error {
			w := bufio.NewWriter(c.OutOrStdout())
			for _, path := range args {
				if _, err := os.Stat(path); err != nil {
					return notThere(err)
				}
				if err := dump(vfs.OS(), path, w); err != nil {
					return errors.Join(err, w.Flush())
				}
			}
			return w.Flush()
		}}
	}
	group.AddCommand(
		one("wal DIR...", "Print the records of write-ahead logs", wal.Dump),
		one("segment FILE...", "Print the entries of segments", segment.Dump),
		one("checkpoint DIR...", "Print the entries of checkpoints", checkpoint.Dump),
	)
	return group
}

func notThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &statusError{exitNotFound, err}
	}
	return err
}

func verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify DIR", Short: "Check every byte of a data directory nobody has open", Args: cobra.ExactArgs(1),
		Long: "Check every byte of a data directory that no broker has open, and change nothing.\n" +
			"Damage is printed with file and offset; the exit status is then 1.",
		RunE: func(c *cobra.Command, args []string) error { return verify(c.OutOrStdout(), args[0]) },
	}
}

// verify checks all files of a data directory. It goes on after damage, so that
// one run tells all of it.
func verify(w io.Writer, dir string) (err error) {
	files := vfs.OS()
	if _, err := os.Stat(filepath.Join(dir, "wal")); err != nil {
		return notThere(fmt.Errorf("%s is no data directory: %w", dir, err))
	}
	if _, err := os.Stat(filepath.Join(dir, "lock")); err == nil {
		lock, err := files.Lock(filepath.Join(dir, "lock"))
		if err != nil {
			return fmt.Errorf("a broker has %s open: %w", dir, err)
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	bad := 0
	tell := func(what string, err error) error {
		if err == nil {
			_, err = fmt.Fprintf(w, "ok   %s\n", what)
			return err
		}
		bad++
		_, err = fmt.Fprintf(w, "BAD  %s: %v\n", what, err)
		return err
	}
	report, err := wal.Verify(files, filepath.Join(dir, "wal"))
	what := fmt.Sprintf("wal: %d files, %d records, %d bytes", report.Files, report.Records, report.Bytes)
	if err := tell(what, err); err != nil {
		return err
	}
	names, err := files.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "shard-") {
			if err := verifyShard(files, filepath.Join(dir, name), name, tell); err != nil {
				return err
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d damaged", bad)
	}
	return nil
}

func verifyShard(files vfs.FS, dir, name string, tell func(what string, err error) error) error {
	if err := tell(name+": checkpoint", checkpoint.Verify(files, filepath.Join(dir, "checkpoint"))); err != nil {
		return err
	}
	segments, err := files.List(filepath.Join(dir, "segments"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the control shard has none
	}
	if err != nil {
		return err
	}
	for _, s := range segments {
		if err := tell(name+": segment "+s, segment.Verify(files, filepath.Join(dir, "segments", s))); err != nil {
			return err
		}
	}
	return nil
}
