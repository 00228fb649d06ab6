package admin

import "net/http"

type verbs = map[string]handler

// table is everything the door offers.
func table() []entry {
	get := func(pattern string, a access, h handler) entry {
		return newEntry(pattern, a, verbs{http.MethodGet: h})
	}
	stream := func(pattern string, h handler) entry {
		r := newEntry(pattern, accessUser, verbs{http.MethodPost: h})
		r.stream = true
		return r
	}
	routes := []entry{
		get("health/live", accessOpen, (*call).live),
		get("health/ready", accessOpen, (*call).ready),
		get("metrics", accessMetrics, (*call).metrics),
		get("metrics/per-object", accessMetrics, (*call).metricsPerObject),
		get("metrics/detailed", accessMetrics, (*call).metricsDetailed),
		get("api/overview", accessUser, (*call).overview),
		get("api/version", accessUser, (*call).version),
		newEntry("api/cluster-name", accessUser, verbs{http.MethodGet: (*call).clusterName, http.MethodPut: (*call).putClusterName}),
		get("api/extensions", accessUser, (*call).nothing),
		get("api/feature-flags", accessUser, (*call).featureFlags),
		newEntry("api/feature-flags/*/enable", accessUser, verbs{http.MethodPut: (*call).enableFlag}),
		get("api/deprecated-features", accessUser, (*call).deprecatedFeatures),
		get("api/deprecated-features/used", accessUser, (*call).nothing),
		newEntry("api/rebalance/queues", accessUser, verbs{http.MethodPost: (*call).rebalance}),
		get("api/whoami", accessUser, (*call).whoami),
		get("api/nodes", accessMonitor, (*call).nodes),
		get("api/nodes/*", accessMonitor, (*call).oneNode),
		get("api/channels", accessUser, (*call).channels),
		get("api/channels/*", accessUser, (*call).channel),
		get("api/consumers", accessUser, (*call).consumers),
		get("api/consumers/*", accessUser, (*call).consumers),
		get("api/connections", accessUser, (*call).connections),
		newEntry("api/connections/*", accessUser, verbs{http.MethodGet: (*call).connection, http.MethodDelete: (*call).closeConnection}),
		newEntry("api/connections/username/*", accessUser, verbs{
			http.MethodGet: (*call).userConnections, http.MethodDelete: (*call).closeUserConnections,
		}),
		get("api/connections/*/channels", accessUser, (*call).connectionChannels),
		get("api/vhosts/*/connections", accessUser, (*call).vhostConnections),
		get("api/vhosts/*/channels", accessUser, (*call).vhostChannels),
		get("api/aliveness-test/*", accessUser, (*call).aliveness),
		get("api/healthchecks/node", accessUser, (*call).ready),
		get("api/healthchecks/node/*", accessUser, (*call).nodeReady),
		get("api/weir/queues/*/*/messages", accessUser, (*call).peek),
		newEntry("api/weir/queues/*/*/rewind", accessUser, verbs{http.MethodPost: (*call).rewind}),
		stream("api/weir/queues/*/*/redrive", (*call).redrive),
		stream("api/weir/publish/*/*", (*call).publishStream),
		stream("api/weir/subscribe/*/*", (*call).subscribeStream),
	}
	routes = append(routes, checkRoutes()...)
	routes = append(routes, groupRoutes()...)
	routes = append(routes, transactionRoutes()...)
	routes = append(routes, partitionedRoutes()...)
	routes = append(routes, peopleRoutes()...)
	routes = append(routes, policyRoutes()...)
	routes = append(routes, limitRoutes()...)
	routes = append(routes, topicRoutes()...)
	routes = append(routes, parameterRoutes()...)
	routes = append(routes, definitionRoutes()...)
	routes = append(routes, queueRoutes()...)
	return append(routes, exchangeRoutes()...)
}

func checkRoutes() []entry {
	get := func(pattern string, h handler) entry {
		return newEntry("api/health/checks/"+pattern, accessUser, verbs{http.MethodGet: h})
	}
	return []entry{
		get("alarms", (*call).checkAlarms), get("local-alarms", (*call).checkAlarms),
		get("virtual-hosts", (*call).checkVhosts), get("is-in-service", (*call).checkService),
		get("ready-to-serve-clients", (*call).checkClients), get("below-node-connection-limit", (*call).live),
		get("certificate-expiration/*/*", (*call).checkCertificates),
		get("metadata-store/initialized", (*call).live), get("metadata-store/initialized/with-data", (*call).live),
		get("node-is-quorum-critical", (*call).checkAlone),
		get("quorum-queues-without-elected-leaders/all-vhosts", (*call).checkLeaders),
		get("quorum-queues-without-elected-leaders/all-vhosts/pattern/*", (*call).checkLeaders),
		get("quorum-queues-without-elected-leaders/vhost/*", (*call).checkLeadersOf),
		get("quorum-queues-without-elected-leaders/vhost/*/pattern/*", (*call).checkLeadersOf),
		get("port-listener/*", (*call).checkPort), get("protocol-listener/*", (*call).checkProtocol),
	}
}

func peopleRoutes() []entry {
	return []entry{
		newEntry("api/vhosts", accessUser, verbs{http.MethodGet: (*call).vhosts}),
		newEntry("api/vhosts/*", accessUser, verbs{
			http.MethodGet: (*call).vhost, http.MethodPut: (*call).putVhost, http.MethodDelete: (*call).deleteVhost,
		}),
		newEntry("api/vhosts/*/permissions", accessUser, verbs{http.MethodGet: (*call).vhostPermissions}),
		newEntry("api/users", accessUser, verbs{http.MethodGet: (*call).users}),
		newEntry("api/users/bulk-delete", accessUser, verbs{http.MethodPost: (*call).deleteUsers}),
		newEntry("api/users/without-permissions", accessUser, verbs{http.MethodGet: (*call).usersWithoutPermissions}),
		newEntry("api/users/*", accessUser, verbs{
			http.MethodGet: (*call).user, http.MethodPut: (*call).putUser, http.MethodDelete: (*call).deleteUser,
		}),
		newEntry("api/users/*/permissions", accessUser, verbs{http.MethodGet: (*call).userPermissions}),
		newEntry("api/permissions", accessUser, verbs{http.MethodGet: (*call).permissions}),
		newEntry("api/permissions/*/*", accessUser, verbs{
			http.MethodGet: (*call).permission, http.MethodPut: (*call).putPermission, http.MethodDelete: (*call).deletePermission,
		}),
	}
}

func queueRoutes() []entry {
	return []entry{
		newEntry("api/queues", accessUser, verbs{http.MethodGet: (*call).queues}),
		newEntry("api/queues/*", accessUser, verbs{http.MethodGet: (*call).queues}),
		newEntry("api/queues/*/*", accessUser, verbs{
			http.MethodGet: (*call).queue, http.MethodPut: (*call).putQueue, http.MethodDelete: (*call).deleteQueue,
		}),
		newEntry("api/queues/*/*/contents", accessUser, verbs{http.MethodDelete: (*call).purgeQueue}),
		newEntry("api/queues/*/*/get", accessUser, verbs{http.MethodPost: (*call).getMessages}),
		newEntry("api/queues/*/*/actions", accessUser, verbs{http.MethodPost: (*call).queueAction}),
		newEntry("api/queues/*/*/bindings", accessUser, verbs{http.MethodGet: (*call).queueBindings}),
	}
}

func exchangeRoutes() []entry {
	end := verbs{http.MethodGet: (*call).endBindings, http.MethodPost: (*call).bind}
	one := verbs{http.MethodGet: (*call).oneBinding, http.MethodDelete: (*call).unbind}
	return []entry{
		newEntry("api/exchanges", accessUser, verbs{http.MethodGet: (*call).exchanges}),
		newEntry("api/exchanges/*", accessUser, verbs{http.MethodGet: (*call).exchanges}),
		newEntry("api/exchanges/*/*", accessUser, verbs{
			http.MethodGet: (*call).exchange, http.MethodPut: (*call).putExchange, http.MethodDelete: (*call).deleteExchange,
		}),
		newEntry("api/exchanges/*/*/publish", accessUser, verbs{http.MethodPost: (*call).publish}),
		newEntry("api/exchanges/*/*/bindings/source", accessUser, verbs{http.MethodGet: (*call).sourceBindings}),
		newEntry("api/exchanges/*/*/bindings/destination", accessUser, verbs{http.MethodGet: (*call).destinationBindings}),
		newEntry("api/bindings", accessUser, verbs{http.MethodGet: (*call).bindings}),
		newEntry("api/bindings/*", accessUser, verbs{http.MethodGet: (*call).bindings}),
		newEntry("api/bindings/*/e/*/q/*", accessUser, end),
		newEntry("api/bindings/*/e/*/e/*", accessUser, end),
		newEntry("api/bindings/*/e/*/q/*/*", accessUser, one),
		newEntry("api/bindings/*/e/*/e/*/*", accessUser, one),
	}
}
