package realservers

import (
	"net/http"
	"strconv"
	"testing"
)

// Moto starts moto's server, a third-party emulator of AWS, and returns its address. It accepts any
// credentials, enforces no policies, and differs from AWS in places: it can show that purser speaks
// the AWS SDK's protocol, but not that it follows every rule of Secrets Manager.
func Moto(t testing.TB) string {
	t.Helper()
	program, ok := find("moto_server")
	if !ok {
		t.Skip("skipped: moto_server is not installed; the sandbox covers Secrets Manager. " +
			"`pip install 'moto[server]'` installs it")
	}
	port := freePort(t)
	address := "http://" + loopback(port)
	s := start(t, nil, program, "-H", "127.0.0.1", "-p", strconv.Itoa(port))
	s.ready(t, plainClient(), address+"/moto-api/", http.StatusOK)
	return address
}
