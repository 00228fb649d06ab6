package kafka

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/kafka/config"
	"weir/internal/proto/kafka/group"
)

// settingLedgers begin the names of ledgers with the settings of groups.
const settingLedgers = "kafka group settings/"

// The settings of groups that are offered.
const (
	settingReset     = "share.auto.offset.reset"
	settingLock      = "share.record.lock.duration.ms"
	settingIsolation = "share.isolation.level"
	settingDeadTopic = "errors.deadletterqueue.topic.name"
	settingDeadWhole = "errors.deadletterqueue.copy.record.enable"

	settingSession      = "consumer.session.timeout.ms"
	settingBeats        = "consumer.heartbeat.interval.ms"
	settingShareSession = "share.session.timeout.ms"
	settingShareBeats   = "share.heartbeat.interval.ms"
)

// deadTopicPrefix begins the names of topics that groups may send to what they give
// up.
const deadTopicPrefix = "dlq."

const shareLockDefault = 30 * time.Second

// times are the settings that are times, with what they are if they are not set
// and the bounds that Kafka's brokers have for them.
var times = map[string]struct{ otherwise, least, most time.Duration }{
	settingLock:         {shareLockDefault, 15 * time.Second, 60 * time.Second},
	settingSession:      {modernSession, 45 * time.Second, 60 * time.Second},
	settingShareSession: {modernSession, 45 * time.Second, 60 * time.Second},
	settingBeats:        {beatInterval, 5 * time.Second, 15 * time.Second},
	settingShareBeats:   {beatInterval, 5 * time.Second, 15 * time.Second},
}

func timeKey(name, doc string) config.Key {
	return config.Key{Name: name, Default: strconv.FormatInt(times[name].otherwise.Milliseconds(), 10), Kind: config.Int, Doc: doc}
}

const isolationCommitted, isolationUncommitted = "read_committed", "read_uncommitted"

var groupKeys = []config.Key{
	{
		Name: settingDeadWhole, Default: "false", Kind: config.Boolean,
		Doc: "Whether key and value of a record go to the dead-letter topic too, or only where it stood and why it is there.",
	},
	{
		Name: settingDeadTopic, Default: "", Kind: config.String,
		Doc: "The topic that a share group sends what it rejects or gives up to; its name begins with " + deadTopicPrefix + " and its " +
			config.TakesDead + " is true.",
	},
	{
		Name: settingReset, Default: "latest", Kind: config.String,
		Doc: "Where a share group begins that has no offsets: earliest, latest or by_duration:<ISO 8601 duration>.",
	},
	{
		Name: settingIsolation, Default: isolationUncommitted, Kind: config.String,
		Doc: "Whether a share group gets messages of transactions that are open or were aborted: read_committed or read_uncommitted.",
	},
	timeKey(settingLock, "How long a member of a share group may keep a message."),
	timeKey(settingSession, "Without a heartbeat for so long a member of a consumer group is out."),
	timeKey(settingBeats, "How often members of a settled consumer group heartbeat."),
	timeKey(settingShareSession, "Without a heartbeat for so long a member of a share group is out."),
	timeKey(settingShareBeats, "How often members of a settled share group heartbeat."),
}

// groupSettings are those of one group; nil has none.
type groupSettings config.Values

// groupSettings are those that were set for the group. Where they cannot be read
// the defaults hold.
func (c *conn) groupSettings(group string) groupSettings {
	notes, err := c.session.Ledger(settingLedgers + group)
	if err != nil {
		return nil
	}
	own := groupSettings{}
	for _, n := range notes {
		own[n.Key] = string(n.Value)
	}
	return own
}

// time is a setting that is one.
func (g groupSettings) time(name string) time.Duration {
	if ms, err := strconv.ParseInt(g[name], 10, 64); err == nil {
		return time.Duration(ms) * time.Millisecond
	}
	return times[name].otherwise
}

func (g groupSettings) lock() time.Duration { return g.time(settingLock) }

func (g groupSettings) session(shared bool) group.Millis {
	if shared {
		return group.Millis(g.time(settingShareSession).Milliseconds())
	}
	return group.Millis(g.time(settingSession).Milliseconds())
}

func (g groupSettings) beats(shared bool) time.Duration {
	if shared {
		return g.time(settingShareBeats)
	}
	return g.time(settingBeats)
}

func (g groupSettings) deadWhole() bool { return strings.EqualFold(g[settingDeadWhole], "true") }

func (g groupSettings) uncommitted() bool { return g[settingIsolation] != isolationCommitted }

// begin is where a group begins.
func (g groupSettings) begin(now time.Time) (broker.Position, error) {
	switch reset := g[settingReset]; reset {
	case "", "latest":
		return broker.Position{End: true}, nil
	case "earliest":
		return broker.Position{}, nil
	default:
		back, err := resetDuration(reset)
		return broker.Position{UnixMillis: max(now.Add(-back).UnixMilli(), 1)}, err
	}
}

// resetDuration reads by_duration:PnDTnHnMn.nS.
func resetDuration(reset string) (time.Duration, error) {
	text, ok := strings.CutPrefix(reset, "by_duration:")
	if !ok {
		return 0, fmt.Errorf("kafka: unknown reset strategy %q", reset)
	}
	rest, ok := strings.CutPrefix(strings.ToUpper(text), "P")
	if !ok || rest == "" {
		return 0, fmt.Errorf("kafka: %q is no ISO 8601 duration", text)
	}
	days, times, timed := strings.Cut(rest, "T")
	var d time.Duration
	if days != "" {
		n, ok := strings.CutSuffix(days, "D")
		count, err := strconv.ParseUint(n, 10, 31)
		if !ok || err != nil {
			return 0, fmt.Errorf("kafka: %q is no ISO 8601 duration", text)
		}
		d = time.Duration(min(count, 36_500)) * 24 * time.Hour
	}
	if timed {
		of, err := time.ParseDuration(strings.ToLower(times))
		if err != nil || of < 0 || strings.Contains(times, "MS") || strings.Contains(times, "U") || strings.Contains(times, "N") {
			return 0, fmt.Errorf("kafka: %q is no ISO 8601 duration", text)
		}
		d += of
	}
	return d, nil
}

// checkGroupSettings says what is wrong with the settings of a group.
func checkGroupSettings(own config.Values) refusal {
	for name, value := range own {
		bad := ""
		switch name {
		case settingReset:
			if _, err := (groupSettings{settingReset: value}).begin(time.Unix(0, 0)); err != nil {
				bad = err.Error()
			}
		case settingIsolation:
			if value != isolationCommitted && value != isolationUncommitted {
				bad = "String must be one of: " + isolationCommitted + ", " + isolationUncommitted
			}
		case settingDeadTopic:
			if value != "" && !strings.HasPrefix(value, deadTopicPrefix) {
				bad = "must begin with " + deadTopicPrefix
			}
		case settingDeadWhole:
			if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
				bad = "Expected value to be either true or false"
			}
		default:
			bounds, known := times[name]
			if !known {
				return refusal{kerr.InvalidConfig.Code, "Unknown group config name: " + name}
			}
			ms, err := strconv.ParseInt(value, 10, 32)
			if d := time.Duration(ms) * time.Millisecond; err != nil || d < bounds.least || d > bounds.most {
				bad = fmt.Sprintf("must be between %d and %d", bounds.least.Milliseconds(), bounds.most.Milliseconds())
			}
		}
		if bad != "" {
			return refusal{kerr.InvalidConfig.Code, fmt.Sprintf("Invalid value %s for configuration %s: %s", value, name, bad)}
		}
	}
	return refusal{}
}

// describeGroupSettings lists the settings of a group.
func (c *conn) describeGroupSettings(group string) ([]kmsg.DescribeConfigsResponseResourceConfig, refusal) {
	if group == "" {
		return nil, refusal{kerr.InvalidRequest.Code, "Default group resources are not allowed."}
	}
	if c.session.MayGroup(auth.DescribeConfigs, group) != nil {
		return nil, refusal{kerr.GroupAuthorizationFailed.Code, ""}
	}
	own := config.Values(c.groupSettings(group))
	all := make([]kmsg.DescribeConfigsResponseResourceConfig, 0, len(groupKeys))
	for i := range groupKeys {
		k := describeKey(&groupKeys[i], own)
		if !k.IsDefault {
			k.Source = kmsg.ConfigSourceGroupConfig
			for n := range k.ConfigSynonyms {
				k.ConfigSynonyms[n].Source = k.Source
			}
		}
		all = append(all, k)
	}
	return all, refusal{}
}

// alterGroupSettings changes the settings of a group.
func (c *conn) alterGroupSettings(group string, validateOnly bool, change change) refusal {
	switch {
	case group == "":
		return refusal{kerr.InvalidRequest.Code, "Default group resources are not allowed."}
	case c.session.MayGroup(auth.AlterConfigs, group) != nil:
		return refusal{kerr.GroupAuthorizationFailed.Code, ""}
	}
	own := config.Values(c.groupSettings(group))
	next, no := change(own)
	if no.code == errNone {
		no = checkGroupSettings(next)
	}
	if no.code != errNone || validateOnly {
		return no
	}
	var notes []broker.Note
	for name := range own {
		if _, kept := next[name]; !kept {
			notes = append(notes, broker.Note{Key: name})
		}
	}
	for name, value := range next {
		notes = append(notes, broker.Note{Key: name, Value: []byte(value)})
	}
	if len(notes) == 0 {
		return refusal{}
	}
	if err := note(c.session, settingLedgers+group, notes, c.ended); err != nil {
		return refusal{kerr.KafkaStorageError.Code, err.Error()}
	}
	for _, topic := range c.session.Shares(group) {
		if err := c.startShare(group, topic); err != nil && err.Code != broker.CodeNotFound {
			return refusal{code(err), err.Text}
		}
	}
	return refusal{}
}

// groupsWithSettings are those of which something was set, as far as the session
// may see them.
func (c *conn) groupsWithSettings() []string {
	var groups []string
	for _, ledger := range c.session.Ledgers(settingLedgers) {
		group := strings.TrimPrefix(ledger, settingLedgers)
		if c.session.MayGroup(auth.Read, group) == nil {
			groups = append(groups, group)
		}
	}
	slices.Sort(groups)
	return groups
}
