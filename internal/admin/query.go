package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	pageSizeDefault = 100
	pageSizeMax     = 500
	patternBytesMax = 1024
)

// list answers with those of the items the query asks for: filtered by name,
// sorted, cut into pages, reduced to columns. name gives an item's name, view
// the item itself; view is called only for what is sent where nothing is sorted.
func (c *call) list(n int, name func(i int) string, view func(i int) any) *failure {
	q := c.r.URL.Query()
	index, f := filter(q, n, name)
	if f != nil {
		return f
	}
	total := len(index)
	if by := q.Get("sort"); by != "" {
		if f := sortBy(index, view, by, q.Get("sort_reverse") == "true"); f != nil {
			return f
		}
	}
	show := func(i int) any { return view(index[i]) }
	if columns := q.Get("columns"); columns != "" {
		whole := show
		show = func(i int) any { return reduced(whole(i), strings.Split(columns, ",")) }
	}
	if q.Get("page") == "" {
		return c.each(len(index), show)
	}
	page, size, f := pageOf(q)
	if f != nil {
		return f
	}
	pages := max((total+size-1)/size, 1)
	if page > pages {
		return &failure{
			status: http.StatusBadRequest, name: "page_out_of_range",
			reason: fmt.Sprintf("Page out of range, page: %d page size: %d, len: %d", page, size, total),
		}
	}
	from, to := (page-1)*size, min(page*size, total)
	items := make([]any, 0, size)
	for i := from; i < to; i++ {
		items = append(items, show(i))
	}
	return c.ok(struct {
		Filtered  int   `json:"filtered_count"`
		Count     int   `json:"item_count"`
		Items     []any `json:"items"`
		Page      int   `json:"page"`
		PageCount int   `json:"page_count"`
		PageSize  int   `json:"page_size"`
		Total     int   `json:"total_count"`
	}{total, len(items), items, page, pages, size, n})
}

func filter(q url.Values, n int, name func(i int) string) ([]int, *failure) {
	keep := func(string) bool { return true }
	if text := q.Get("name"); text != "" {
		keep = func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(text)) }
		if q.Get("use_regex") == "true" {
			if len(text) > patternBytesMax {
				return nil, badRequest("name: pattern too long")
			}
			re, err := regexp.Compile(text)
			if err != nil {
				return nil, badRequest("name: " + err.Error())
			}
			keep = re.MatchString
		}
	}
	index := make([]int, 0, n)
	for i := range n {
		if keep(name(i)) {
			index = append(index, i)
		}
	}
	return index, nil
}

func pageOf(q url.Values) (page, size int, f *failure) {
	page, err := strconv.Atoi(q.Get("page"))
	if err != nil || page < 1 {
		return 0, 0, badRequest("page: not a positive number")
	}
	size = pageSizeDefault
	if text := q.Get("page_size"); text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 1 || size > pageSizeMax {
			return 0, 0, badRequest(fmt.Sprintf("page_size: not between 1 and %d", pageSizeMax))
		}
	}
	return page, size, nil
}

// plain turns an item into maps, for those who ask for parts of it.
func plain(item any) map[string]any {
	var m map[string]any
	b, err := json.Marshal(item)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		err = d.Decode(&m)
	}
	if err != nil {
		return nil
	}
	return m
}

// lookup follows a dotted path.
func lookup(m map[string]any, path string) (any, bool) {
	if v, ok := m[path]; ok {
		return v, true
	}
	head, rest, ok := strings.Cut(path, ".")
	if !ok {
		return nil, false
	}
	inner, ok := m[head].(map[string]any)
	if !ok {
		return nil, false
	}
	v, ok := inner[rest]
	return v, ok
}

func reduced(item any, columns []string) map[string]any {
	m, out := plain(item), map[string]any{}
	for _, column := range columns {
		v, ok := lookup(m, column)
		if !ok {
			continue
		}
		head, rest, dotted := strings.Cut(column, ".")
		if !dotted {
			out[column] = v
			continue
		}
		inner, ok := out[head].(map[string]any)
		if !ok {
			inner = map[string]any{}
			out[head] = inner
		}
		inner[rest] = v
	}
	return out
}

func sortBy(index []int, view func(i int) any, column string, reverse bool) *failure {
	keys := make(map[int]any, len(index))
	for _, i := range index {
		keys[i], _ = lookup(plain(view(i)), column)
	}
	slices.SortStableFunc(index, func(a, b int) int {
		n := compare(keys[a], keys[b])
		if reverse {
			return -n
		}
		return n
	})
	return nil
}

func compare(a, b any) int {
	x, isNumber := a.(json.Number)
	y, both := b.(json.Number)
	if isNumber && both {
		fx, _ := x.Float64()
		fy, _ := y.Float64()
		return cmp.Compare(fx, fy)
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}
