package history

import "github.com/anishathalye/porcupine"

// named is an input that concerns one object only.
type named interface{ object() string }

// byObject takes a history apart: what happens to one object says nothing about
// another. Operations on all objects, such as a restart, belong to each of them.
func byObject(events []porcupine.Event) [][]porcupine.Event {
	var names []string
	part := map[string][]porcupine.Event{}
	owner := map[int]string{}
	for _, e := range events {
		if e.Kind != porcupine.CallEvent {
			continue
		}
		name := e.Value.(named).object()
		owner[e.Id] = name
		if _, ok := part[name]; !ok && name != "" {
			part[name] = nil
			names = append(names, name)
		}
	}
	for _, e := range events {
		if name := owner[e.Id]; name != "" {
			part[name] = append(part[name], e)
			continue
		}
		for _, name := range names {
			part[name] = append(part[name], e)
		}
	}
	all := make([][]porcupine.Event, 0, len(names))
	for _, name := range names {
		all = append(all, part[name])
	}
	return all
}
