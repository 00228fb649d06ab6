package auth

import "strings"

// Roles is a set of roles. RabbitMQ calls them tags.
type Roles uint8

// The roles. Their numbers are on disk and never change.
const (
	Administrator Roles = 1 << 0 // everything
	Monitoring    Roles = 1 << 1 // sees what all users do
	Policymaker   Roles = 1 << 2 // sets policies where he may enter
	Management    Roles = 1 << 3 // uses the admin API for what is his
)

var roleNames = []struct {
	role Roles
	name string
}{
	{Administrator, "administrator"},
	{Monitoring, "monitoring"},
	{Policymaker, "policymaker"},
	{Management, "management"},
}

// ParseRoles reads names of roles, one or several with commas in a string, and
// returns those that are none: they mean nothing here, but users keep them.
func ParseRoles(tags []string) (roles Roles, others []string) {
	for _, tag := range tags {
		for name := range strings.SplitSeq(tag, ",") {
			name = strings.TrimSpace(name)
			if role := roleOf(name); role != 0 {
				roles |= role
			} else if name != "" {
				others = append(others, name)
			}
		}
	}
	return roles, others
}

func roleOf(name string) Roles {
	for _, r := range roleNames {
		if r.name == name {
			return r.role
		}
	}
	return 0
}

// Names returns the names of the roles in the set.
func (r Roles) Names() (names []string) {
	for _, n := range roleNames {
		if r&n.role != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// Has tells whether the roles include another, by itself or by what they imply:
// an administrator has every role, and every role has management.
func (r Roles) Has(role Roles) bool {
	switch {
	case r&Administrator != 0:
		r |= Monitoring | Policymaker | Management
	case r != 0:
		r |= Management
	}
	return r&role == role
}

// Principal is somebody who has proved who he is.
type Principal struct {
	Name  string
	Roles Roles
}
