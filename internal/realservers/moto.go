package realservers

import (
	"net/http"
	"strconv"
	"testing"
)

// Moto starts moto's server, an emulator of AWS written by other people, and
// returns its address. It takes any credentials and enforces no policies, and it
// differs from AWS in places; what is proved against it holds for the AWS SDK's
// protocol, not for every rule of Secrets Manager.
func Moto(t testing.TB) string {
	t.Helper()
	program, ok := find("moto_server")
	if !ok {
		t.Skip("moto_server is not on this machine: skipped; the stand-in covers Secrets Manager. " +
			"`pip install 'moto[server]'` installs it")
	}
	port := freePort(t)
	address := "http://" + loopback(port)
	s := start(t, nil, program, "-H", "127.0.0.1", "-p", strconv.Itoa(port))
	s.ready(t, plainClient(), address+"/moto-api/", http.StatusOK)
	return address
}
