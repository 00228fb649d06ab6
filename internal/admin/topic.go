package admin

import (
	"maps"
	"net/http"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/kafka/config"
	"weir/internal/record"
)

func partitionedRoutes() []entry {
	return []entry{
		newEntry("api/weir/topics/*", accessUser, verbs{http.MethodGet: (*call).partitionedTopics}),
		newEntry("api/weir/topics/*/*", accessUser, verbs{
			http.MethodGet: (*call).partitionedTopic, http.MethodPut: (*call).createPartitioned, http.MethodDelete: (*call).deletePartitioned,
		}),
		newEntry("api/weir/topics/*/*/alter", accessUser, verbs{http.MethodPost: (*call).alterPartitioned}),
		newEntry("api/weir/topics/*/*/trim", accessUser, verbs{http.MethodPost: (*call).trimPartitioned}),
	}
}

// partitionedItem is a topic in a listing.
type partitionedItem struct {
	Name       string        `json:"name"`
	Vhost      string        `json:"vhost"`
	Partitions int           `json:"partitions"`
	Messages   int64         `json:"messages"` // offsets from the first to the last; compaction may have left fewer
	Bytes      int64         `json:"bytes"`
	Settings   config.Values `json:"settings"` // its own
}

// partitionedDetail is one topic with its partitions.
type partitionedDetail struct {
	partitionedItem
	Details []partitionItem `json:"partition_details"`
}

type partitionItem struct {
	Partition int   `json:"partition"`
	First     int64 `json:"first"`
	Stable    int64 `json:"stable"`
	End       int64 `json:"end"`
	Bytes     int64 `json:"bytes"`
}

func (c *call) partitionedTopics() *failure {
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	all := s.Topics()
	return c.list(len(all), func(i int) string { return all[i].Name }, func(i int) any { return c.showPartitioned(s, &all[i]).partitionedItem })
}

func (c *call) partitionedTopic() *failure {
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	t, err := s.Topic(c.args[1])
	if err != nil {
		return failed(err)
	}
	return c.ok(c.showPartitioned(s, &t))
}

func (c *call) showPartitioned(s *broker.Session, t *broker.TopicInfo) *partitionedDetail {
	d := &partitionedDetail{partitionedItem: partitionedItem{Name: t.Name, Vhost: c.args[0], Partitions: t.Partitions, Settings: config.Read(t.Arguments)}}
	sizes := s.TopicBytes([]string{t.Name})[0]
	for i := range t.Partitions {
		b, err := s.Bounds(t.Name, i)
		if err != nil {
			continue // deleted meanwhile, or nothing that the caller may read
		}
		p := partitionItem{Partition: i, First: int64(b.First), Stable: int64(b.Stable), End: int64(b.End)}
		if i < len(sizes) {
			p.Bytes = sizes[i]
		}
		d.Details = append(d.Details, p)
		d.Messages, d.Bytes = d.Messages+p.End-p.First, d.Bytes+p.Bytes
	}
	return d
}

// partitionedBody creates or changes a topic. A setting of null goes back to its
// default.
type partitionedBody struct {
	Partitions int                `json:"partitions"`
	Settings   map[string]*string `json:"settings"`
}

// spec is what a topic with these settings becomes.
func (b *partitionedBody) spec(own config.Values, partitions int) (broker.TopicSpec, error) {
	own = maps.Clone(own)
	for name, value := range b.Settings {
		if value == nil {
			delete(own, name)
		} else {
			own[name] = *value
		}
	}
	return broker.TopicSpec{Partitions: partitions, Settings: own.Settings(), Arguments: own.Arguments()}, own.Check()
}

func (c *call) createPartitioned() *failure {
	body := partitionedBody{Partitions: 1}
	if f := c.read(&body); f != nil {
		return f
	}
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	spec, wrong := body.spec(config.Values{}, body.Partitions)
	if wrong != nil {
		return badRequest(wrong.Error())
	}
	spec.Name = c.args[1]
	if _, err := s.CreateTopic(spec); err != nil {
		return failed(err)
	}
	return c.done(true)
}

func (c *call) deletePartitioned() *failure {
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	if err := s.DeleteTopic(c.args[1]); err != nil {
		return failed(err)
	}
	return c.done(false)
}

func (c *call) alterPartitioned() *failure {
	var body partitionedBody
	if f := c.read(&body); f != nil {
		return f
	}
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	var wrong error
	stop := &broker.Error{Code: broker.CodeInvalid}
	err := s.AlterTopic(c.args[1], auth.Configure, func(now broker.TopicInfo) (broker.TopicSpec, *broker.Error) {
		partitions := now.Partitions
		if body.Partitions != 0 {
			partitions = body.Partitions
		}
		var spec broker.TopicSpec
		if spec, wrong = body.spec(config.Read(now.Arguments), partitions); wrong != nil {
			return spec, stop
		}
		return spec, nil
	})
	switch {
	case wrong != nil:
		return badRequest(wrong.Error())
	case err != nil:
		return failed(err)
	}
	return c.done(false)
}

// trimPartitioned deletes the messages of one partition, or of all, below an offset;
// without one all there are.
func (c *call) trimPartitioned() *failure {
	var body struct {
		Partition *int    `json:"partition"`
		Before    *uint64 `json:"before"`
	}
	if f := c.read(&body); f != nil {
		return f
	}
	s, f := c.openGroups()
	if f != nil {
		return f
	}
	t, err := s.Topic(c.args[1])
	if err != nil {
		return failed(err)
	}
	for i := range t.Partitions {
		if body.Partition != nil && *body.Partition != i {
			continue
		}
		b, err := s.Bounds(t.Name, i)
		if err != nil {
			return failed(err)
		}
		before := b.End
		if body.Before != nil {
			before = record.Offset(*body.Before)
		}
		if _, err := s.Trim(t.Name, i, before); err != nil {
			return failed(err)
		}
	}
	return c.done(false)
}
