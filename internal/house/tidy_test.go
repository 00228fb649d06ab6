package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	fileLinesMax     = 1000
	functionLinesMax = 70
	docLinesMax      = 60
)

// naked are words that mark unfinished work; each needs an issue number.
var naked = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b(\(#\d+\))?`)

func goFiles(t *testing.T, visit func(path string, source []byte)) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && d.Name() != "." || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		visit(path, source)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSizesAndMarks(t *testing.T) {
	set := token.NewFileSet()
	goFiles(t, func(path string, source []byte) {
		if n := strings.Count(string(source), "\n"); n > fileLinesMax {
			t.Errorf("%s has %d lines, at most %d", path, n, fileLinesMax)
		}
		for _, m := range naked.FindAllStringSubmatch(string(source), -1) {
			if m[2] == "" {
				t.Errorf("%s: %s without an issue number", path, m[1])
			}
		}
		file, err := parser.ParseFile(set, path, source, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; n > functionLinesMax {
				t.Errorf("%s: %s has %d lines, at most %d", path, f.Name.Name, n, functionLinesMax)
			}
		}
	})
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	docs := map[string]int{}
	dirs := map[string]bool{}
	set := token.NewFileSet()
	goFiles(t, func(path string, source []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		dir := filepath.Dir(path)
		dirs[dir] = true
		file, err := parser.ParseFile(set, path, source, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if file.Doc == nil {
			return
		}
		docs[dir]++
		if filepath.Base(path) != "doc.go" && !strings.Contains(dir, "examples") { // those are one file to read
			t.Errorf("%s: the package comment belongs in doc.go", path)
		}
		if n := strings.Count(file.Doc.Text(), "\n"); n > docLinesMax {
			t.Errorf("%s: package comment of %d lines, at most %d", path, n, docLinesMax)
		}
	})
	for dir := range dirs {
		if docs[dir] != 1 && !strings.Contains(dir, "examples") {
			t.Errorf("%s has %d package comments, wants one", dir, docs[dir])
		}
	}
}
