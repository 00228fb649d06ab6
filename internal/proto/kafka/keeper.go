package kafka

import (
	"errors"
	"slices"
	"strings"

	"weir/internal/broker"
	"weir/internal/proto/kafka/group"
)

// Kept implements broker.GroupKeeper.
func (k *coordinator) Kept(s *broker.Session) []string {
	all := k.names()
	for _, ledger := range s.Ledgers(groupLedgers) {
		all = append(all, strings.TrimPrefix(ledger, groupLedgers))
	}
	return all
}

// Describe implements broker.GroupKeeper.
func (k *coordinator) Describe(_ *broker.Session, name string) (info broker.GroupInfo, ok bool, refused *broker.Error) {
	err := k.inGroup(k.ended, name, func(h *hosted) {
		if ok = h.exists(); ok {
			info = h.info()
		}
	})
	return info, ok, asRefusal(err)
}

// asRefusal is an error of the coordinator as the waist's.
func asRefusal(err error) *broker.Error {
	var refused *broker.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused
	}
	return &broker.Error{Code: broker.CodeUnavailable, Object: broker.ObjectGroup, Text: err.Error()}
}

func (h *hosted) info() broker.GroupInfo {
	info := broker.GroupInfo{Name: h.name}
	if h.classic != nil {
		info.Kind, info.State = "classic", h.classic.State().String()
		for _, m := range h.classic.Members() {
			info.Members = append(info.Members, broker.GroupMember{
				ID: m.ID, Instance: m.Instance, Client: m.Client, Host: m.Host, Parts: classicParts(m),
			})
		}
		return info
	}
	info.Kind, info.State = kindOf(h.modern.Shared()), string(h.modern.State())
	for _, m := range h.modern.Members() {
		o := broker.GroupMember{ID: m.ID, Instance: m.Instance, Client: m.Client, Host: m.Host}
		for _, p := range m.Assigned {
			name, _ := h.modern.TopicNamed(p.Topic)
			o.Parts = append(o.Parts, broker.GroupPart{Topic: name, Partition: int(p.Number)})
		}
		info.Members = append(info.Members, o)
	}
	return info
}

// classicParts reads an assignment, if it is one of consumers.
func classicParts(m *group.Member) []broker.GroupPart {
	var parts []broker.GroupPart
	for topic, numbers := range m.Parts() {
		for _, number := range numbers {
			parts = append(parts, broker.GroupPart{Topic: topic, Partition: int(number)})
		}
	}
	return parts
}

// inUse refuses what a group with members does not allow.
func (h *hosted) inUse(space string) *broker.Error {
	return &broker.Error{Code: broker.CodeInUse, Object: broker.ObjectGroup, Name: h.name, Space: space, Text: "the group has members"}
}

// Forget implements broker.GroupKeeper.
func (k *coordinator) Forget(s *broker.Session, name string) *broker.Error {
	var failed error
	err := k.inGroup(k.ended, name, func(h *hosted) {
		if !h.empty() {
			failed = h.inUse(s.Namespace())
			return
		}
		if no := s.DeleteShares(name); no != nil {
			failed = no
			return
		}
		failed = h.forget(k, k.ended)
	})
	return asRefusal(errors.Join(err, failed))
}

// Quietly implements broker.GroupKeeper.
func (k *coordinator) Quietly(s *broker.Session, name string, topics []string, change func() *broker.Error) *broker.Error {
	var failed *broker.Error
	err := k.inGroup(k.ended, name, func(h *hosted) {
		reads := func(topic string) bool { return slices.Contains(h.subscribed(), topic) }
		if !h.empty() && (len(topics) == 0 || slices.ContainsFunc(topics, reads)) {
			failed = h.inUse(s.Namespace())
			return
		}
		failed = change()
	})
	if failed != nil {
		return failed
	}
	return asRefusal(err)
}
