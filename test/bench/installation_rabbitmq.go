package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// rabbitScripts are where Debian's package has RabbitMQ's own scripts: those in
// PATH are wrappers, which change the user.
const rabbitScripts = "/usr/lib/rabbitmq/bin"

// rabbitServer finds the server's script, or installs the system's package.
func rabbitServer() (string, error) {
	find := func() string {
		if path := filepath.Join(rabbitScripts, "rabbitmq-server"); isFile(path) {
			return path
		}
		path, _ := exec.LookPath("rabbitmq-server")
		return path
	}
	if path := find(); path != "" {
		return path, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return "", errors.New("no rabbitmq-server in PATH, and its package cannot be installed (that takes root and apt-get)")
	}
	// The package starts a server of its own unless a policy forbids it.
	const policy = "/usr/sbin/policy-rc.d"
	if !isFile(policy) {
		if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return "", err
		}
		defer os.Remove(policy)
	}
	for _, args := range [][]string{{"update", "-qq"}, {"install", "-y", "-qq", "rabbitmq-server"}} {
		c := exec.Command("apt-get", args...)
		c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := c.CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get: %w: %s", err, tail(string(out)))
		}
	}
	if path := find(); path != "" {
		return path, nil
	}
	return "", errors.New("the package has no rabbitmq-server")
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// startRabbit starts RabbitMQ with its management as a node of its own, with a
// port mapper of its own.
func (in *installation) startRabbit(data string, port int) (*process, error) {
	server, err := rabbitServer()
	if err != nil {
		return nil, err
	}
	config, plugins := filepath.Join(data, "rabbitmq.conf"), filepath.Join(data, "enabled_plugins")
	text := fmt.Sprintf("listeners.tcp.local = 127.0.0.1:%d\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %d\n", port, port+10_000)
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o644), os.WriteFile(plugins, []byte("[rabbitmq_management].\n"), 0o644)); err != nil {
		return nil, err
	}
	mapper := "ERL_EPMD_PORT=" + strconv.Itoa(port+1)
	env := []string{
		"HOME=" + data, "RABBITMQ_NODENAME=weirbench@localhost", "RABBITMQ_CONFIG_FILE=" + config, "RABBITMQ_ENABLED_PLUGINS_FILE=" + plugins,
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(data, "store"), "RABBITMQ_LOG_BASE=" + filepath.Join(data, "log"),
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(freePort()), mapper, "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	}
	p, err := in.launch("rabbitmq", port, data, env, func() *exec.Cmd { return exec.Command(server) })
	if err != nil {
		return nil, err
	}
	return in.readyRabbit(p, mapper)
}

// readyRabbit waits for the node behind the port, and makes its machine the one
// that is measured, not the shell that has started it.
func (in *installation) readyRabbit(p *process, mapper string) (*process, error) {
	stop, again := p.stop, p.again
	p.stop = func() error {
		err := stop()
		c := exec.Command("epmd", "-kill")
		c.Env = append(os.Environ(), mapper)
		_ = c.Run() // it may serve somebody else
		return err
	}
	p.again = func() (*process, error) {
		next, err := again()
		if err != nil {
			return nil, err
		}
		return in.readyRabbit(next, mapper)
	}
	for late := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := p.manage(http.MethodGet, "overview", nil)
		if err == nil {
			break
		}
		if time.Now().After(late) {
			return nil, errors.Join(err, p.stop())
		}
	}
	if pid := descendant(p.pid, "beam.smp"); pid != 0 {
		p.pid = pid
	}
	return p, nil
}

// descendant finds a program among a process and those it has started.
func descendant(pid int, name string) int {
	base := fmt.Sprintf("/proc/%d", pid)
	comm, err := os.ReadFile(base + "/comm")
	if err != nil {
		return 0
	}
	if strings.TrimSpace(string(comm)) == name {
		return pid
	}
	files, err := filepath.Glob(base + "/task/*/children")
	if err != nil {
		return 0
	}
	for _, file := range files {
		children, _ := os.ReadFile(file)
		for f := range strings.FieldsSeq(string(children)) {
			child, _ := strconv.Atoi(f)
			if found := descendant(child, name); found != 0 {
				return found
			}
		}
	}
	return 0
}
