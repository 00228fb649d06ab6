package broker_test

import (
	"strings"
	"testing"

	"weir/internal/broker"
	"weir/internal/vfs"
)

func login(t *testing.T, n *node, user, password string) broker.Principal {
	t.Helper()
	p, err := n.Authenticate(user, password, loopback)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func must(t *testing.T, err *broker.Error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err *broker.Error, code broker.Code) {
	t.Helper()
	if err == nil || err.Code != code {
		t.Errorf("error %v, want code %d", err, code)
	}
}

func TestManagedObjectsSurviveARestart(t *testing.T) {
	fs := vfs.NewMem()
	n := start(t, fs)
	guest := login(t, n, "guest", "guest")
	for _, name := range []string{"kept", "gone"} {
		created, err := n.PutNamespace(guest, name, "about "+name)
		must(t, err)
		if !created {
			t.Errorf("%s was there", name)
		}
		_, err = n.PutUser(guest, broker.UserSpec{Name: "user-" + name, Password: "p", Tags: []string{"management"}})
		must(t, err)
		must(t, n.PutPermission(guest, broker.PermissionInfo{User: "user-kept", Namespace: name, Configure: "^a", Read: ".*"}))
	}
	s, err := n.Open(guest, broker.SessionOptions{Namespace: "gone"})
	must(t, err)
	declare(t, s, broker.QueueSpec{Name: "q", Durable: true})
	must(t, n.DeleteNamespace(guest, "gone"))
	must(t, n.DeleteUser(guest, "user-gone"))
	s.Close()
	n.stop()

	n = start(t, fs)
	defer n.stop()
	guest = login(t, n, "guest", "guest")
	if got := n.Namespaces(); len(got) != 2 || got[1].Name != "kept" || got[1].Description != "about kept" {
		t.Errorf("namespaces %v", got)
	}
	users, err := n.Users(guest)
	must(t, err)
	if len(users) != 2 || users[1].Name != "user-kept" || !users[1].Password {
		t.Errorf("users %v", users)
	}
	permissions, err := n.Permissions(guest)
	must(t, err)
	want := broker.PermissionInfo{User: "user-kept", Namespace: "kept", Configure: "^a", Read: ".*"}
	if len(permissions) != 3 || permissions[2] != want {
		t.Errorf("permissions %v", permissions)
	}
	if n.Stats().Queues != 0 {
		t.Error("the queue of a deleted namespace is back")
	}
	login(t, n, "user-kept", "p")
}

func TestManagingNeedsTheTag(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	guest := login(t, n, "guest", "guest")
	_, err := n.PutUser(guest, broker.UserSpec{Name: "boss", Password: "p", Tags: []string{"administrator"}})
	must(t, err)
	boss := login(t, n, "boss", "p")
	_, err = n.PutNamespace(boss, "v", "")
	must(t, err)
	// The tag is taken away while he is logged in.
	_, err = n.PutUser(guest, broker.UserSpec{Name: "boss", Password: "p", Tags: []string{"management"}})
	must(t, err)
	_, err = n.PutNamespace(boss, "w", "")
	wantCode(t, err, broker.CodeAccessRefused)
	_, err = n.PutUser(boss, broker.UserSpec{Name: "boss", Password: "p", Tags: []string{"administrator"}})
	wantCode(t, err, broker.CodeAccessRefused)
	wantCode(t, n.DeleteNamespace(boss, "v"), broker.CodeAccessRefused)
	wantCode(t, n.DeleteNamespace(boss, "/"), broker.CodeAccessRefused)
	wantCode(t, n.DeleteUser(boss, "guest"), broker.CodeAccessRefused)
	wantCode(t, n.PutPermission(boss, broker.PermissionInfo{User: "boss", Namespace: "/", Read: ".*"}), broker.CodeAccessRefused)
	wantCode(t, n.DeletePermission(boss, "guest", "/"), broker.CodeAccessRefused)
	_, err = n.Users(boss)
	wantCode(t, err, broker.CodeAccessRefused)
	if got := n.Visible(boss); len(got) != 1 || got[0] != "v" {
		t.Errorf("sees %v", got)
	}
}

func TestManageRefusesBadNames(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	guest := login(t, n, "guest", "guest")
	for _, name := range []string{"", "a\x00b", "\xff", strings.Repeat("n", 256)} {
		_, err := n.PutNamespace(guest, name, "")
		wantCode(t, err, broker.CodeInvalid)
		_, err = n.PutUser(guest, broker.UserSpec{Name: name, Password: "p"})
		wantCode(t, err, broker.CodeInvalid)
	}
	_, err := n.PutUser(guest, broker.UserSpec{Name: "u"})
	wantCode(t, err, broker.CodeInvalid)
	malformed := "$argon2id$nonsense"
	_, err = n.PutUser(guest, broker.UserSpec{Name: "u", Hash: &malformed})
	wantCode(t, err, broker.CodeInvalid)
	wantCode(t, n.PutPermission(guest, broker.PermissionInfo{User: "guest", Namespace: "/", Read: "("}), broker.CodeInvalid)
	wantCode(t, n.DeleteNamespace(guest, "/"), broker.CodeNotAllowed)
	wantCode(t, n.DeleteNamespace(guest, "nope"), broker.CodeNotFound)
	wantCode(t, n.DeleteUser(guest, "nope"), broker.CodeNotFound)
}

func TestDeletingEndsSessions(t *testing.T) {
	n := start(t, vfs.NewMem())
	defer n.stop()
	guest := login(t, n, "guest", "guest")
	_, err := n.PutNamespace(guest, "v", "")
	must(t, err)
	_, err = n.PutUser(guest, broker.UserSpec{Name: "u", Password: "p"})
	must(t, err)
	must(t, n.PutPermission(guest, broker.PermissionInfo{User: "u", Namespace: "/", Configure: ".*"}))
	killed := make(chan string, 9)
	open := func(p broker.Principal, space, name string) *broker.Session {
		s, err := n.Open(p, broker.SessionOptions{Namespace: space, Name: name, Kill: func(string) { killed <- name }})
		must(t, err)
		return s
	}
	u := login(t, n, "u", "p")
	for _, s := range []*broker.Session{
		open(guest, "v", "in the namespace"), open(u, "/", "of the user"), open(guest, "/", "by name"), open(guest, "/", "stays"),
	} {
		defer s.Close()
	}
	wantCode(t, n.KillSession(u, "by name", ""), broker.CodeAccessRefused)
	wantCode(t, n.KillSession(guest, "nobody", ""), broker.CodeNotFound)
	homeless, gone := n.Open(guest, broker.SessionOptions{Namespace: "v", Kill: func(string) {}})
	must(t, gone)
	defer homeless.Close()
	must(t, n.DeleteNamespace(guest, "v"))
	if _, err := homeless.TopicByID(broker.TopicID{1}); err == nil || len(homeless.Topics())+len(homeless.QueueTopics())+len(homeless.Shares("g")) > 0 {
		t.Error("something is left in a namespace that was deleted: ", err)
	}
	must(t, n.DeleteUser(guest, "u"))
	must(t, n.KillSession(guest, "by name", "because"))
	for _, want := range []string{"in the namespace", "of the user", "by name"} {
		if got := <-killed; got != want {
			t.Errorf("killed %q, want %q", got, want)
		}
	}
	if len(killed) > 0 {
		t.Errorf("killed %q too", <-killed)
	}
}
