package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// endpointBrokers asks for the nodes that clients speak to; there are no others.
const endpointBrokers = 1

func (c *conn) describeCluster(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrDescribeClusterRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrDescribeClusterResponse()
	answer.EndpointType = m.EndpointType
	if m.EndpointType != endpointBrokers {
		answer.ErrorCode = kerr.MismatchedEndpointType.Code
		answer.ErrorMessage = kmsg.StringPtr("The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER")
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
