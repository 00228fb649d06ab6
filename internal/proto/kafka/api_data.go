package kafka

// The keys that move records, and those every client begins with.
const (
	keyProduce     = 0
	keyFetch       = 1
	keyListOffsets = 2
	keyMetadata    = 3
	keyAPIVersions = 18
	keyLeaderEpoch = 23
)

func dataAPIs() map[int16]*api {
	return map[int16]*api{
		keyProduce:     {0, 13, true, (*conn).produce},
		keyFetch:       {4, 18, true, (*conn).fetch},
		keyListOffsets: {1, 11, true, (*conn).listOffsets},
		keyMetadata:    {0, 13, true, (*conn).metadata},
		keyLeaderEpoch: {2, 4, true, (*conn).offsetForLeaderEpoch},
		keyAPIVersions: {0, 4, false, (*conn).apiVersions},
	}
}
