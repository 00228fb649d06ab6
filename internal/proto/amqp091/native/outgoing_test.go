package native

import "testing"

func TestExpiration(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1": 1, "60000": 60000, "+5": 5, "-0": 0, "315360000000": 315360000000} {
		if n, e := expiration([]byte(text)); e != nil || n != want {
			t.Errorf("%q: %d, %v", text, n, e)
		}
	}
	for text, want := range map[string]string{
		"":             "invalid expiration '': no_integer",
		"soon":         "invalid expiration 'soon': no_integer",
		"10s":          "invalid expiration '10s': {leftover_string,\"s\"}",
		"-1":           "invalid expiration '-1': {value_negative,-1}",
		"315360000001": "invalid expiration '315360000001': {value_too_large,315360000001}",
		"99999999999999999999999": "invalid expiration '99999999999999999999999': " +
			"{value_too_large,99999999999999999999999}",
	} {
		if _, e := expiration([]byte(text)); e == nil || e.Text != want {
			t.Errorf("%q: %+v", text, e)
		}
	}
}
