package kafka

import (
	"fmt"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Clients ask for the nodes they speak to; there are no others.
const (
	endpointBrokers     = 1
	endpointControllers = 2
)

func (c *conn) describeCluster(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeClusterRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDescribeClusterResponse()
	switch m.EndpointType {
	case endpointBrokers:
	case endpointControllers:
		answer.ErrorCode = kerr.MismatchedEndpointType.Code
		answer.ErrorMessage = kmsg.StringPtr("The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER")
		return answer, nil
	default:
		answer.ErrorCode = kerr.UnsupportedEndpointType.Code
		answer.ErrorMessage = kmsg.StringPtr(fmt.Sprintf("Unsupported endpoint type %d", m.EndpointType))
		return answer, nil
	}
	answer.ClusterID, answer.ControllerID = c.server.options.ClusterID, nodeID
	node := kmsg.NewDescribeClusterResponseBroker()
	node.NodeID = nodeID
	node.Host, node.Port = c.address()
	answer.Brokers = append(answer.Brokers, node)
	if m.IncludeClusterAuthorizedOperations {
		answer.ClusterAuthorizedOperations = c.clusterRights()
	}
	return answer, nil
}
