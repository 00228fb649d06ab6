package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPoliciesAndLimits(t *testing.T) {
	serve(t).script(`
		queue add logs.a
		policy set short ^logs\. max-length=2 overflow=drop-head --priority 3 --apply-to classic_queues
		> policy short set
		policy set short ^logs\. max-length=3 --priority 3 --apply-to classic_queues
		> was there
		policy ls
		> ^NAME +PATTERN +APPLY-TO +PRIORITY +DEFINITION
		> ^short +\^logs\\\. +classic_queues +3 +{"max-length":3}
		policy show short
		> ^definition +{"max-length":3}
		policy set cap .* max-length=1 --operator
		policy ls --operator
		> ^cap +\.\* +all
		pub logs.a 1
		pub logs.a 2
		queue ls -o json
		> "effective_policy_definition": {
		queue ls
		> ^logs.a +classic +1 
		policy rm cap --operator
		!3 policy rm cap --operator
		!3 policy show nope
		!1 policy set bad .* max-length=many
		> Validation failed
		!1 policy set bad ( max-length=1
		!1 policy set bad .* frobnicate=1
		> not recognised policy settings
		!1 policy set bad .* max-length=1 --apply-to nothing
		!2 policy set bad .*
		!2 policy set bad .* max-length
		!2 policy

		limit set / max-queues=1 max-connections=-1
		> limit max-queues of / set
		limit ls
		> ^/ +{"max-connections":-1,"max-queues":1}
		!1 queue add second
		> queue limit in vhost '/' \(1\) is reached
		limit rm / max-queues
		queue add second
		limit set guest max-channels=5 --user
		limit ls --user
		> ^guest +{"max-channels":5}
		limit rm guest max-channels --user
		!1 limit set / max-things=1
		!3 limit set nope max-queues=1
		!3 limit set nope max-channels=1 --user
		!2 limit set / max-queues=many
		!2 limit set /

		topic-permission set guest amq.topic --write ^{username}\. --read .*
		topic-permission ls
		> ^guest +amq.topic +\^{username}\\\. +\.\*
		!1 topic-permission set guest amq.topic --write (
		!1 topic-permission set nobody amq.topic
		topic-permission rm guest amq.topic
		!3 topic-permission rm guest
		!3 topic-permission rm nobody
	`)
}

func TestDefinitions(t *testing.T) {
	b, file := serve(t), filepath.Join(t.TempDir(), "definitions.json")
	b.script(`
		vhost add v
		queue add orders --arg x-max-length=100
		policy set p .* max-length=5
		definitions export ` + file + `
		> definitions written
		definitions export
		> "x-max-length":100
		definitions export -V v
		> "rabbitmq_definition_format":"single_virtual_host"
		!3 definitions export -V nope
		!1 definitions export -V v ` + filepath.Dir(file) + `
	`)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	other := serve(t)
	other.script(`
		definitions import ` + file + `
		> definitions imported
		definitions import ` + file + `
		queue show orders
		> ^arguments +.*"x-max-length":100
		policy ls
		> ^p +\.\*
		vhost ls
		> ^v 
		!1 definitions import ` + file + `.none
		< {"queues":[{"name":"bad","vhost":"/","arguments":{"x-max-length":"many"}}]}
		!1 definitions import -
		> queue 'bad' in vhost '/'
		!2 definitions import
	`)
	if r := run(t, []string{"WEIR_URL=" + other.url}, `{"queues":[{"name":"stdin"}]}`, "definitions", "import", "-V", "v", "-"); r.status != 0 || !strings.Contains(r.err, "imported") {
		t.Errorf("%d %s", r.status, r.err)
	}
	other.script(`
		queue show stdin -V v
		> ^name +stdin
	`)
}
