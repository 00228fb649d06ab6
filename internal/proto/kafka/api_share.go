package kafka

// The keys about share groups.
const (
	keyShareGroupHeartbeat = 76
	keyShareGroupDescribe  = 77
	keyShareFetch          = 78
	keyShareAcknowledge    = 79

	keyDescribeShareGroupOffsets = 90
	keyAlterShareGroupOffsets    = 91
	keyDeleteShareGroupOffsets   = 92
)

// shareAPIs are the keys about share groups.
func shareAPIs() map[int16]*api {
	return map[int16]*api{
		keyShareGroupHeartbeat: {1, 1, true, (*conn).shareGroupHeartbeat},
		keyShareGroupDescribe:  {1, 1, true, (*conn).shareGroupDescribe},
		keyShareFetch:          {1, 2, true, (*conn).shareFetch},
		keyShareAcknowledge:    {1, 2, true, (*conn).shareAcknowledge},

		keyDescribeShareGroupOffsets: {0, 1, true, (*conn).describeShareGroupOffsets},
		keyAlterShareGroupOffsets:    {0, 0, true, (*conn).alterShareGroupOffsets},
		keyDeleteShareGroupOffsets:   {0, 0, true, (*conn).deleteShareGroupOffsets},
	}
}
