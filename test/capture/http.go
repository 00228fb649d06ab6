package main

import (
	"bufio"
	"io"
	"net/http"
	"strings"
)

// cutHTTP keeps calls by their method and the words of their path that are the
// interface's own.
func cutHTTP(c *conversation) {
	go drain(c.broker)
	defer drain(c.client)
	r := bufio.NewReader(c.client)
	for {
		call, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(call.Body)
		if err != nil {
			return
		}
		parts := strings.Split(strings.Trim(call.URL.EscapedPath(), "/"), "/")
		if len(parts) < 2 || parts[0] != "api" || parts[1] == "users" || parts[1] == "whoami" {
			continue
		}
		kind := call.Method + "_" + parts[1]
		if len(parts) > 4 {
			kind += "_" + parts[4]
		}
		keep("internal/admin", "FuzzCall", word(kind), true, call.Method, call.RequestURI, string(body))
		switch {
		case parts[1] == "definitions" && call.Method == http.MethodPost:
			keep("internal/admin", "FuzzDefinitions", "import", true, string(body))
		case call.Method == http.MethodPost && parts[len(parts)-1] == "publish":
			keep("internal/admin", "FuzzPublish", "publish", true, string(body))
		}
	}
}
