package route

// fan is a set of targets, each as often as there are bindings that lead to it
// there.
type fan struct {
	targets []Target
	counts  []uint32
	at      map[Target]int32 // nil while the set is small enough to scan
}

const fanScanMax = 16

func (f *fan) find(target Target) int {
	if f.at != nil {
		if i, ok := f.at[target]; ok {
			return int(i)
		}
		return -1
	}
	for i, t := range f.targets {
		if t == target {
			return i
		}
	}
	return -1
}

func (f *fan) add(target Target) {
	if i := f.find(target); i >= 0 {
		f.counts[i]++
		return
	}
	f.targets = append(f.targets, target)
	f.counts = append(f.counts, 1)
	switch {
	case f.at != nil:
		f.at[target] = int32(len(f.targets) - 1)
	case len(f.targets) > fanScanMax:
		f.at = make(map[Target]int32, 2*fanScanMax)
		for i, t := range f.targets {
			f.at[t] = int32(i)
		}
	}
}

func (f *fan) remove(target Target) {
	i := f.find(target)
	if f.counts[i]--; f.counts[i] > 0 {
		return
	}
	last := len(f.targets) - 1
	f.targets[i], f.counts[i] = f.targets[last], f.counts[last]
	f.targets, f.counts = f.targets[:last], f.counts[:last]
	if f.at == nil {
		return
	}
	delete(f.at, target)
	if i < last {
		f.at[f.targets[i]] = int32(i)
	}
	if last == 0 {
		*f = fan{}
	}
}
