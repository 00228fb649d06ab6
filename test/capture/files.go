package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"weir/internal/checkpoint"
	"weir/internal/replica"
	"weir/internal/vfs"
	"weir/internal/wal"
)

// captureFiles keeps small files of a data directory nobody has open, and what is
// in the others. The directory is changed: its log is opened.
func captureFiles(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch parent := filepath.Base(filepath.Dir(path)); {
		case parent == "wal":
			b = bytes.TrimRight(b[:min(len(b), inputBytesMax)], "\x00")
			keep("internal/wal", "FuzzOpen", "file", true, b)
		case parent == "segments":
			keep("internal/segment", "FuzzReader", "file", true, b, true)
		case parent == "checkpoint":
			kind := strings.TrimPrefix(filepath.Ext(path), ".")
			keep("internal/checkpoint", "FuzzLoad", word(kind), true, b, true)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return errors.Join(captureEntries(dir), captureStates(dir))
}

// captureEntries keeps entries by what their first command is; those of shard 0,
// which has the definitions, are commands of another kind.
func captureEntries(dir string) error {
	log, err := wal.Open(wal.Options{FS: vfs.OS(), Dir: filepath.Join(dir, "wal")}, func(r wal.Record) error {
		const entryHeaderBytes = 8
		if r.Kind != replica.KindEntry || len(r.Payload) <= entryHeaderBytes {
			return nil
		}
		if r.Shard == 0 {
			keep("internal/meta", "FuzzDecode", "entry", true, bytes.Clone(r.Payload))
			return nil
		}
		keep("internal/shard", "FuzzEntry", fmt.Sprint("begins_", r.Payload[entryHeaderBytes]), true, bytes.Clone(r.Payload))
		return nil
	})
	if err != nil {
		return err
	}
	return log.Close()
}

// captureStates keeps the keys of checkpoints by their kind.
func captureStates(dir string) error {
	found, err := filepath.Glob(filepath.Join(dir, "*", "checkpoint"))
	if err != nil {
		return err
	}
	for _, at := range found {
		s, _, err := checkpoint.Open(vfs.OS(), at, func(key, value []byte) error {
			if len(key) == 0 {
				return nil
			}
			kind := fmt.Sprintf("key_%c", key[0])
			if bytes.HasPrefix(value, []byte("{")) && bytes.IndexByte(key, 0) == 1 || string(key) == "c" {
				if key[0] != 'u' {
					keep("internal/meta", "FuzzLoad", kind, true, string(key), bytes.Clone(value), "c", []byte("{}"))
				}
				return nil
			}
			keep("internal/shard", "FuzzRestore", kind, true, bytes.Clone(key), bytes.Clone(value))
			if key[0] == 'l' {
				keep("internal/shard", "FuzzLogState", kind, true, bytes.Clone(value))
			}
			return nil
		})
		if err != nil {
			return err
		}
		_ = s
	}
	return nil
}
