package vfs

import "io"

// OpKind names an operation of FS or File.
type OpKind uint8

// The operations an injector sees.
const (
	OpOpen OpKind = iota + 1
	OpCreate
	OpRename
	OpRemove
	OpMkdir
	OpList
	OpSyncDir
	OpLock
	OpFree
	OpRead
	OpWrite
	OpSize
	OpTruncate
	OpReserve
	OpPreallocate
	OpSync
	OpClose
)

var opNames = [...]string{
	"none", "open", "create", "rename", "remove", "mkdir", "list", "syncdir", "lock", "free",
	"read", "write", "size", "truncate", "reserve", "preallocate", "sync", "close",
}

func (k OpKind) String() string {
	if int(k) < len(opNames) {
		return opNames[k]
	}
	return "unknown"
}

// Changes says whether the operation alters what is on the device or what of
// it is durable.
func (k OpKind) Changes() bool {
	switch k {
	case OpCreate, OpRename, OpRemove, OpMkdir, OpSyncDir, OpWrite, OpTruncate, OpReserve, OpPreallocate, OpSync:
		return true
	default:
		return false
	}
}

// Op is one operation about to happen.
type Op struct {
	Kind   OpKind
	Name   string // path as given to the FS, also for operations of an open file
	To     string // target of a rename
	Offset int64  // of a read or write; the size for truncate, reserve and preallocate
	Length int64  // of a read or write
}

// Inject returns fs with f called before every operation. An error of f is
// returned in the operation's place, which then does not happen; nil lets it
// through, so f serves as an observer too. f runs on the caller's goroutine.
func Inject(fs FS, f func(op Op) error) FS { return &injectFS{fs: fs, f: f} }

type injectFS struct {
	fs FS
	f  func(Op) error
}

func (i *injectFS) file(kind OpKind, name string, open func(string) (File, error)) (File, error) {
	if err := i.f(Op{Kind: kind, Name: name}); err != nil {
		return nil, err
	}
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	return &injectFile{file: file, name: name, f: i.f}, nil
}

func (i *injectFS) Open(name string) (File, error) { return i.file(OpOpen, name, i.fs.Open) }
func (i *injectFS) OpenReadWrite(name string) (File, error) {
	return i.file(OpOpen, name, i.fs.OpenReadWrite)
}
func (i *injectFS) Create(name string) (File, error) { return i.file(OpCreate, name, i.fs.Create) }

func (i *injectFS) Rename(from, to string) error {
	if err := i.f(Op{Kind: OpRename, Name: from, To: to}); err != nil {
		return err
	}
	return i.fs.Rename(from, to)
}

func (i *injectFS) Remove(name string) error {
	if err := i.f(Op{Kind: OpRemove, Name: name}); err != nil {
		return err
	}
	return i.fs.Remove(name)
}

func (i *injectFS) MkdirAll(dir string) error {
	if err := i.f(Op{Kind: OpMkdir, Name: dir}); err != nil {
		return err
	}
	return i.fs.MkdirAll(dir)
}

func (i *injectFS) List(dir string) ([]string, error) {
	if err := i.f(Op{Kind: OpList, Name: dir}); err != nil {
		return nil, err
	}
	return i.fs.List(dir)
}

func (i *injectFS) SyncDir(dir string) error {
	if err := i.f(Op{Kind: OpSyncDir, Name: dir}); err != nil {
		return err
	}
	return i.fs.SyncDir(dir)
}

func (i *injectFS) Lock(name string) (io.Closer, error) {
	if err := i.f(Op{Kind: OpLock, Name: name}); err != nil {
		return nil, err
	}
	return i.fs.Lock(name)
}

func (i *injectFS) Free(dir string) (uint64, error) {
	if err := i.f(Op{Kind: OpFree, Name: dir}); err != nil {
		return 0, err
	}
	return i.fs.Free(dir)
}

func (i *injectFS) Total(dir string) (uint64, error) {
	if err := i.f(Op{Kind: OpFree, Name: dir}); err != nil {
		return 0, err
	}
	return i.fs.Total(dir)
}

type injectFile struct {
	file File
	name string // as opened; a rename does not change it
	f    func(Op) error
}

func (i *injectFile) ReadAt(p []byte, off int64) (int, error) {
	if err := i.f(Op{Kind: OpRead, Name: i.name, Offset: off, Length: int64(len(p))}); err != nil {
		return 0, err
	}
	return i.file.ReadAt(p, off)
}

func (i *injectFile) WriteAt(p []byte, off int64) (int, error) {
	if err := i.f(Op{Kind: OpWrite, Name: i.name, Offset: off, Length: int64(len(p))}); err != nil {
		return 0, err
	}
	return i.file.WriteAt(p, off)
}

func (i *injectFile) WriteVecAt(parts [][]byte, off int64) error {
	var n int64
	for _, p := range parts {
		n += int64(len(p))
	}
	if err := i.f(Op{Kind: OpWrite, Name: i.name, Offset: off, Length: n}); err != nil {
		return err
	}
	return i.file.WriteVecAt(parts, off)
}

func (i *injectFile) Size() (int64, error) {
	if err := i.f(Op{Kind: OpSize, Name: i.name}); err != nil {
		return 0, err
	}
	return i.file.Size()
}

func (i *injectFile) Truncate(size int64) error {
	if err := i.f(Op{Kind: OpTruncate, Name: i.name, Offset: size}); err != nil {
		return err
	}
	return i.file.Truncate(size)
}

func (i *injectFile) Reserve(size int64) error {
	if err := i.f(Op{Kind: OpReserve, Name: i.name, Offset: size}); err != nil {
		return err
	}
	return i.file.Reserve(size)
}

func (i *injectFile) Preallocate(size int64) error {
	if err := i.f(Op{Kind: OpPreallocate, Name: i.name, Offset: size}); err != nil {
		return err
	}
	return i.file.Preallocate(size)
}

func (i *injectFile) Sync() error {
	if err := i.f(Op{Kind: OpSync, Name: i.name}); err != nil {
		return err
	}
	return i.file.Sync()
}

func (i *injectFile) Close() error {
	if err := i.f(Op{Kind: OpClose, Name: i.name}); err != nil {
		return err
	}
	return i.file.Close()
}
