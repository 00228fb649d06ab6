package kafka

import (
	"encoding/binary"
	"net"

	"weir/internal/record"
)

const (
	fetchHasErrors   = 7  // and sessions
	fetchHasFirst    = 5  // the partition's first offset
	fetchHasReplica  = 11 // a better one to read from
	fetchFlexible    = 12 // has tagged fields
	batchPlaceBytes  = 16 // of a batch: base offset, length and leader epoch, which its checksum leaves out
	referencedAtMost = 2 << 10
)

// gather puts an answer together of own bytes and of stored batches, which are not
// copied if they are large.
type gather struct {
	own    []byte
	pieces []piece
	bytes  int // of foreign pieces
}

// piece is bytes that stand behind so many own ones.
type piece struct {
	at      int
	foreign []byte
}

func (g *gather) int16(n int16) { g.own = binary.BigEndian.AppendUint16(g.own, uint16(n)) }
func (g *gather) int32(n int32) { g.own = binary.BigEndian.AppendUint32(g.own, uint32(n)) }
func (g *gather) int64(n int64) { g.own = binary.BigEndian.AppendUint64(g.own, uint64(n)) }

// count writes the length of an array or of bytes.
func (g *gather) count(n int, compact bool) {
	if compact {
		g.own = binary.AppendUvarint(g.own, uint64(n)+1)
	} else {
		g.int32(int32(n))
	}
}

func (g *gather) tags(compact bool) {
	if compact {
		g.own = append(g.own, 0)
	}
}

// stored adds a stored batch with its place in the log.
func (g *gather) stored(rec []byte, base record.Offset) {
	var e record.Envelope
	native, err := record.Decode(rec, &e)
	if err != nil || e.Dialect != record.DialectKafka || len(native) < referencedAtMost {
		g.own = appendStored(g.own, rec, base)
		return
	}
	g.int64(int64(base))
	g.own = append(g.own, native[8:12]...)
	g.int32(leaderEpoch)
	g.pieces = append(g.pieces, piece{len(g.own), native[batchPlaceBytes:]})
	g.bytes += len(native) - batchPlaceBytes
}

// writeTo writes the whole answer, without a copy where the connection can do
// that: others would make a small write of each piece.
func (g *gather) writeTo(to net.Conn) (int64, error) {
	if _, direct := to.(*net.TCPConn); !direct {
		whole := make([]byte, 0, len(g.own)+g.bytes)
		for _, b := range g.buffers() {
			whole = append(whole, b...)
		}
		n, err := to.Write(whole)
		return int64(n), err
	}
	b := g.buffers()
	return b.WriteTo(to)
}

func (g *gather) buffers() net.Buffers {
	out := make(net.Buffers, 0, 2*len(g.pieces)+1)
	at := 0
	for _, p := range g.pieces {
		out = append(out, g.own[at:p.at], p.foreign)
		at = p.at
	}
	return append(out, g.own[at:])
}

// writeFetched answers a fetch. It is written by hand, for most of it lies ready.
func (c *conn) writeFetched(r *request, code int16, session int32, all []fetchedPart) error {
	compact := r.version >= fetchFlexible
	g := gather{own: append(c.out[:0], 0, 0, 0, 0)}
	g.int32(r.correlation)
	g.tags(compact)
	throttled := len(g.own)
	g.int32(0)
	if r.version >= fetchHasErrors {
		g.int16(code)
		g.int32(session)
	}
	topics := runs(all)
	g.count(len(topics), compact)
	for _, t := range topics {
		g.topic(r.version, t)
	}
	g.tags(compact)
	binary.BigEndian.PutUint32(g.own, uint32(len(g.own)-4+g.bytes))
	binary.BigEndian.PutUint32(g.own[throttled:], uint32(c.throttle(quotaConsume, g.bytes)))
	_, err := g.writeTo(c.net)
	if c.out = g.own[:0]; cap(c.out) > frameMore {
		c.out = nil
	}
	return err
}

// runs are partitions of one topic each that stand together.
func runs(all []fetchedPart) [][]fetchedPart {
	var topics [][]fetchedPart
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].part.topic == all[0].part.topic && all[n].part.id == all[0].part.id {
			n++
		}
		topics, all = append(topics, all[:n]), all[n:]
	}
	return topics
}

func (g *gather) topic(version int16, parts []fetchedPart) {
	compact := version >= fetchFlexible
	switch name := parts[0].part.topic; {
	case version >= fetchIDs:
		g.own = append(g.own, parts[0].part.id[:]...)
	case compact:
		g.count(len(name), true)
		g.own = append(g.own, name...)
	default:
		g.int16(int16(len(name)))
		g.own = append(g.own, name...)
	}
	g.count(len(parts), compact)
	for i := range parts {
		g.partition(version, &parts[i])
	}
	g.tags(compact)
}

func (g *gather) partition(version int16, f *fetchedPart) {
	compact := version >= fetchFlexible
	end, stable, first := int64(f.End), int64(f.Stable), int64(f.First)
	if f.code != errNone {
		end, stable, first = -1, -1, -1
	}
	g.int32(f.part.partition)
	g.int16(f.code)
	g.int64(end)
	g.int64(stable)
	if version >= fetchHasFirst {
		g.int64(first)
	}
	g.count(len(f.Aborted), compact)
	for _, a := range f.Aborted {
		g.int64(int64(a.Producer))
		g.int64(int64(a.First))
		g.tags(compact)
	}
	if version >= fetchHasReplica {
		g.int32(-1)
	}
	g.records(f, compact)
	g.tags(compact)
}

// records writes the batches of a partition behind their length.
func (g *gather) records(f *fetchedPart, compact bool) {
	inner := gather{own: make([]byte, 0, 256)}
	for i, rec := range f.Records {
		inner.stored(rec, f.Offsets[i])
	}
	g.count(len(inner.own)+inner.bytes, compact)
	for i := range inner.pieces {
		inner.pieces[i].at += len(g.own)
	}
	g.own = append(g.own, inner.own...)
	g.pieces = append(g.pieces, inner.pieces...)
	g.bytes += inner.bytes
}
