package auth

import "strings"

// Resource is the kind of thing a grant is about. The names are on disk.
type Resource string

// The kinds.
const (
	ResourceTopic       Resource = "topic"
	ResourceGroup       Resource = "group"
	ResourceTransaction Resource = "transaction" // by its id
	ResourceCluster     Resource = "cluster"     // the broker itself; its name is ClusterName
)

// ClusterName is the name of the only resource of its kind.
const ClusterName = "cluster"

// Everybody and Anything are the users, hosts and names that stand for all of them.
const (
	Everybody = "*"
	Anything  = "*"
)

// Grant allows or denies somebody something, beside the permissions of users.
type Grant struct {
	User     string   `json:"user"` // or Everybody
	Host     string   `json:"host"` // an address, or Anything
	Verb     Verb     `json:"verb"` // or All
	Resource Resource `json:"resource"`
	Name     string   `json:"name"`             // or Anything
	Prefix   bool     `json:"prefix,omitempty"` // Name is what names begin with
	Deny     bool     `json:"deny,omitempty"`
}

// Ask is what somebody wants to do.
type Ask struct {
	User, Host string
	Verb       Verb
	Resource   Resource
	Name       string
}

// Judgment is what grants say of an ask.
type Judgment uint8

// The judgments.
const (
	Silent  Judgment = iota // nothing
	Allowed                 // at least one allows it and none denies it
	Denied
)

// Judge goes through the grants.
func Judge(grants []Grant, a *Ask) Judgment {
	found := Silent
	for i := range grants {
		g := &grants[i]
		if !g.concerns(a) {
			continue
		}
		if g.Deny {
			if g.Verb == All || g.Verb == a.Verb {
				return Denied
			}
			continue
		}
		if g.Verb == All || g.Verb == a.Verb || implies(g.Verb, a.Verb) {
			found = Allowed
		}
	}
	return found
}

func (g *Grant) concerns(a *Ask) bool {
	return g.Resource == a.Resource && (g.User == Everybody || g.User == a.User) && (g.Host == Anything || g.Host == a.Host) && g.Names(a.Name)
}

// Names says whether the grant is about what has the name.
func (g *Grant) Names(name string) bool {
	if g.Prefix {
		return strings.HasPrefix(name, g.Name)
	}
	return g.Name == Anything || g.Name == name
}

// implies says that who may do one thing may do the other: see what he uses.
func implies(has, asked Verb) bool {
	switch asked {
	case Describe:
		return has == Read || has == Write || has == Delete || has == Alter
	case DescribeConfigs:
		return has == AlterConfigs
	}
	return false
}
