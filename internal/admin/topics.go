package admin

import (
	"net/http"
	"slices"

	"weir/internal/broker"
)

type topicPermissionItem struct {
	User     string `json:"user"`
	Vhost    string `json:"vhost"`
	Exchange string `json:"exchange"`
	Write    string `json:"write"`
	Read     string `json:"read"`
}

func topicRoutes() []entry {
	return []entry{
		newEntry("api/topic-permissions", accessUser, verbs{http.MethodGet: func(c *call) *failure {
			return c.sendTopics(func(*broker.TopicPermissionInfo) bool { return true })
		}}),
		newEntry("api/topic-permissions/*/*", accessUser, verbs{
			http.MethodGet: (*call).topicPermissions, http.MethodPut: (*call).putTopicPermission, http.MethodDelete: (*call).deleteTopicPermissions,
		}),
		newEntry("api/topic-permissions/*/*/*", accessUser, verbs{http.MethodDelete: (*call).deleteTopicPermissions}),
		newEntry("api/users/*/topic-permissions", accessUser, verbs{http.MethodGet: func(c *call) *failure {
			if _, f := c.findUser(c.args[0]); f != nil {
				return f
			}
			return c.sendTopics(func(t *broker.TopicPermissionInfo) bool { return t.User == c.args[0] })
		}}),
		newEntry("api/vhosts/*/topic-permissions", accessUser, verbs{http.MethodGet: func(c *call) *failure {
			if f := c.space(c.args[0]); f != nil {
				return f
			}
			return c.sendTopics(func(t *broker.TopicPermissionInfo) bool { return t.Namespace == c.args[0] })
		}}),
	}
}

func showTopic(t *broker.TopicPermissionInfo) topicPermissionItem {
	return topicPermissionItem{t.User, t.Namespace, t.Exchange, t.Write, t.Read}
}

func (c *call) findTopics(keep func(*broker.TopicPermissionInfo) bool) ([]broker.TopicPermissionInfo, *failure) {
	all, err := c.options.Broker.TopicPermissions(c.principal)
	if err != nil {
		return nil, failed(err)
	}
	return slices.DeleteFunc(all, func(t broker.TopicPermissionInfo) bool { return !keep(&t) }), nil
}

func (c *call) sendTopics(keep func(*broker.TopicPermissionInfo) bool) *failure {
	all, f := c.findTopics(keep)
	if f != nil {
		return f
	}
	return c.list(len(all), func(i int) string { return all[i].User }, func(i int) any { return showTopic(&all[i]) })
}

func (c *call) topicPermissions() *failure {
	all, f := c.findTopics(func(t *broker.TopicPermissionInfo) bool { return t.Namespace == c.args[0] && t.User == c.args[1] })
	if f != nil {
		return f
	}
	if len(all) == 0 {
		return notFound("no topic permission of user '" + c.args[1] + "' in vhost '" + c.args[0] + "'")
	}
	return c.list(len(all), func(i int) string { return all[i].Exchange }, func(i int) any { return showTopic(&all[i]) })
}

func (c *call) putTopicPermission() *failure {
	var body struct {
		Exchange *string `json:"exchange"`
		Write    *string `json:"write"`
		Read     *string `json:"read"`
		User     string  `json:"user"`
		Username string  `json:"username"`
		Vhost    string  `json:"vhost"`
	}
	if f := c.readObject(&body); f != nil {
		return f
	}
	if f := echoed(body.Vhost, c.args[0], body.User, c.args[1], body.Username, c.args[1]); f != nil {
		return f
	}
	if f := missing("exchange", body.Exchange != nil, "write", body.Write != nil, "read", body.Read != nil); f != nil {
		return f
	}
	exchange := exchangeName(*body.Exchange)
	had, f := c.findTopics(func(t *broker.TopicPermissionInfo) bool {
		return t.Namespace == c.args[0] && t.User == c.args[1] && t.Exchange == exchange
	})
	if f != nil {
		return f
	}
	err := c.options.Broker.PutTopicPermission(c.principal, broker.TopicPermissionInfo{
		User: c.args[1], Namespace: c.args[0], Exchange: exchange, Write: *body.Write, Read: *body.Read,
	})
	if err != nil && err.Code == broker.CodeNotFound {
		return badRequest("vhost_or_user_not_found")
	}
	if err != nil {
		return failed(err)
	}
	return c.done(len(had) == 0)
}

func (c *call) deleteTopicPermissions() *failure {
	var exchange *string
	if len(c.args) > 2 {
		name := exchangeName(c.args[2])
		exchange = &name
	}
	had, f := c.findTopics(func(t *broker.TopicPermissionInfo) bool { return t.Namespace == c.args[0] && t.User == c.args[1] })
	if f != nil {
		return f
	}
	if len(had) == 0 {
		return notFound("no topic permission of user '" + c.args[1] + "' in vhost '" + c.args[0] + "'")
	}
	if err := c.options.Broker.DeleteTopicPermissions(c.principal, c.args[1], c.args[0], exchange); err != nil {
		return failed(err)
	}
	return c.done(false)
}
