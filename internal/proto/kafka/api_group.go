package kafka

// The keys about groups and their offsets.
const (
	keyOffsetCommit           = 8
	keyOffsetFetch            = 9
	keyFindCoordinator        = 10
	keyJoinGroup              = 11
	keyHeartbeat              = 12
	keyLeaveGroup             = 13
	keySyncGroup              = 14
	keyDescribeGroups         = 15
	keyListGroups             = 16
	keyDeleteGroups           = 42
	keyOffsetDelete           = 47
	keyConsumerGroupHeartbeat = 68
	keyConsumerGroupDescribe  = 69
)

func groupAPIs() map[int16]*api {
	return map[int16]*api{
		keyOffsetCommit:           {2, 10, true, (*conn).offsetCommit},
		keyOffsetFetch:            {1, 10, true, (*conn).offsetFetch},
		keyFindCoordinator:        {0, 6, true, (*conn).findCoordinator},
		keyJoinGroup:              {0, 9, true, (*conn).joinGroup},
		keyHeartbeat:              {0, 4, true, (*conn).heartbeat},
		keyLeaveGroup:             {0, 5, true, (*conn).leaveGroup},
		keySyncGroup:              {0, 5, true, (*conn).syncGroup},
		keyDescribeGroups:         {0, 6, true, (*conn).describeGroups},
		keyListGroups:             {0, 5, true, (*conn).listGroups},
		keyDeleteGroups:           {0, 2, true, (*conn).deleteGroups},
		keyOffsetDelete:           {0, 0, true, (*conn).offsetDelete},
		keyConsumerGroupHeartbeat: {0, 1, true, (*conn).consumerGroupHeartbeat},
		keyConsumerGroupDescribe:  {0, 1, true, (*conn).consumerGroupDescribe},
	}
}
