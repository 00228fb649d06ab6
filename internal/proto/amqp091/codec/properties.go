package codec

import (
	"encoding/binary"

	"weir/internal/wire"
)

// Property flags of class basic, in the order in which the properties stand.
const (
	FlagContentType     = 1 << 15
	FlagContentEncoding = 1 << 14
	FlagHeaders         = 1 << 13
	FlagDeliveryMode    = 1 << 12
	FlagPriority        = 1 << 11
	FlagCorrelationID   = 1 << 10
	FlagReplyTo         = 1 << 9
	FlagExpiration      = 1 << 8
	FlagMessageID       = 1 << 7
	FlagTimestamp       = 1 << 6
	FlagType            = 1 << 5
	FlagUserID          = 1 << 4
	FlagAppID           = 1 << 3
	FlagClusterID       = 1 << 2

	flagsReserved = 1<<1 | 1<<0 // the lowest would announce further flags
)

// Properties are those of a message. A property counts only where its flag is
// set; slices alias what was decoded.
type Properties struct {
	Flags           uint16
	DeliveryMode    uint8
	Priority        uint8
	Timestamp       uint64 // seconds
	ContentType     []byte
	ContentEncoding []byte
	Headers         Table
	CorrelationID   []byte
	ReplyTo         []byte
	Expiration      []byte
	MessageID       []byte
	Type            []byte
	UserID          []byte
	AppID           []byte
	ClusterID       []byte
}

// Has reports whether all properties of flags are there.
func (p *Properties) Has(flags uint16) bool { return p.Flags&flags == flags }

// DecodeProperties reads flags and properties and checks the header table.
func DecodeProperties(b []byte, p *Properties) error {
	r := wire.NewReader(b)
	*p = Properties{Flags: r.Uint16()}
	if p.Flags&flagsReserved != 0 {
		return ErrSyntax
	}
	f := p.Flags
	if f&FlagContentType != 0 {
		p.ContentType = readShort(&r)
	}
	if f&FlagContentEncoding != 0 {
		p.ContentEncoding = readShort(&r)
	}
	if f&FlagHeaders != 0 {
		p.Headers = r.Bytes(r.Uint32())
		if err := CheckTable(p.Headers); err != nil {
			return err
		}
	}
	if f&FlagDeliveryMode != 0 {
		p.DeliveryMode = r.Uint8()
	}
	if f&FlagPriority != 0 {
		p.Priority = r.Uint8()
	}
	if f&(FlagCorrelationID|FlagReplyTo|FlagExpiration|FlagMessageID) != 0 {
		p.decodeIDs(&r)
	}
	if f&FlagTimestamp != 0 {
		p.Timestamp = r.Uint64()
	}
	if f&(FlagType|FlagUserID|FlagAppID|FlagClusterID) != 0 {
		p.decodeNames(&r)
	}
	return finish(&r)
}

func (p *Properties) decodeIDs(r *wire.Reader) {
	if p.Flags&FlagCorrelationID != 0 {
		p.CorrelationID = readShort(r)
	}
	if p.Flags&FlagReplyTo != 0 {
		p.ReplyTo = readShort(r)
	}
	if p.Flags&FlagExpiration != 0 {
		p.Expiration = readShort(r)
	}
	if p.Flags&FlagMessageID != 0 {
		p.MessageID = readShort(r)
	}
}

func (p *Properties) decodeNames(r *wire.Reader) {
	if p.Flags&FlagType != 0 {
		p.Type = readShort(r)
	}
	if p.Flags&FlagUserID != 0 {
		p.UserID = readShort(r)
	}
	if p.Flags&FlagAppID != 0 {
		p.AppID = readShort(r)
	}
	if p.Flags&FlagClusterID != 0 {
		p.ClusterID = readShort(r)
	}
}

// Append writes flags and properties behind dst.
func (p *Properties) Append(dst []byte) []byte {
	f := p.Flags
	dst = binary.BigEndian.AppendUint16(dst, f)
	dst = appendIf(dst, f&FlagContentType, p.ContentType)
	dst = appendIf(dst, f&FlagContentEncoding, p.ContentEncoding)
	if f&FlagHeaders != 0 {
		dst = appendLong(dst, p.Headers)
	}
	if f&FlagDeliveryMode != 0 {
		dst = append(dst, p.DeliveryMode)
	}
	if f&FlagPriority != 0 {
		dst = append(dst, p.Priority)
	}
	dst = appendIf(dst, f&FlagCorrelationID, p.CorrelationID)
	dst = appendIf(dst, f&FlagReplyTo, p.ReplyTo)
	dst = appendIf(dst, f&FlagExpiration, p.Expiration)
	dst = appendIf(dst, f&FlagMessageID, p.MessageID)
	if f&FlagTimestamp != 0 {
		dst = binary.BigEndian.AppendUint64(dst, p.Timestamp)
	}
	dst = appendIf(dst, f&FlagType, p.Type)
	dst = appendIf(dst, f&FlagUserID, p.UserID)
	dst = appendIf(dst, f&FlagAppID, p.AppID)
	return appendIf(dst, f&FlagClusterID, p.ClusterID)
}

func appendIf(dst []byte, flag uint16, b []byte) []byte {
	if flag == 0 {
		return dst
	}
	return appendShort(dst, b)
}
