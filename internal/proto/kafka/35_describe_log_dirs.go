package kafka

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// describeLogDirs tells how much of the disk partitions take. All of them share
// one directory.
func (c *conn) describeLogDirs(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeLogDirsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	asked := map[string][]int32{}
	for i := range m.Topics {
		asked[m.Topics[i].Topic] = append(asked[m.Topics[i].Topic], m.Topics[i].Partitions...)
	}
	var names []string
	for _, t := range c.session.Topics() {
		if _, is := asked[t.Name]; (is || m.Topics == nil) && c.sees(t.Name) {
			names = append(names, t.Name)
		}
	}
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir = c.server.options.Broker.Dir()
	dir.TotalBytes, dir.UsableBytes = c.server.options.Broker.Disk()
	for i, sizes := range c.session.TopicBytes(names) {
		topic := kmsg.NewDescribeLogDirsResponseDirTopic()
		topic.Topic = names[i]
		for number, bytes := range sizes {
			if m.Topics != nil && !slices.Contains(asked[names[i]], int32(number)) {
				continue
			}
			p := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
			p.Partition, p.Size = int32(number), bytes
			topic.Partitions = append(topic.Partitions, p)
		}
		dir.Topics = append(dir.Topics, topic)
	}
	answer := kmsg.NewPtrDescribeLogDirsResponse()
	answer.Dirs = append(answer.Dirs, dir)
	return answer, nil
}
