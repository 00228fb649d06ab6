package kafka

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
)

func (c *conn) describeShareGroupOffsets(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDescribeShareGroupOffsetsResponse()
	for i := range m.Groups {
		asked := &m.Groups[i]
		out := kmsg.NewDescribeShareGroupOffsetsResponseGroup()
		out.GroupID = asked.GroupID
		refused, err := c.shareGroup(asked.GroupID, auth.Describe, false)
		if err != nil {
			return nil, err
		}
		if out.ErrorCode = refused; refused == errNone && asked.Topics == nil {
			topics := c.session.Shares(asked.GroupID)
			slices.Sort(topics)
			for _, t := range topics {
				if !c.sees(t) {
					continue
				}
				out.Topics = append(out.Topics, c.shareOffsets(asked.GroupID, t, nil))
			}
		}
		for k := 0; refused == errNone && k < len(asked.Topics); k++ {
			out.Topics = append(out.Topics, c.shareOffsets(asked.GroupID, asked.Topics[k].Topic, asked.Topics[k].Partitions))
		}
		answer.Groups = append(answer.Groups, out)
	}
	return answer, nil
}
