package realservers

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	tokenService = "real-registry"
	tokenIssuer  = "real-token-server"
	// owner is the token server's only account. It has all rights under its own name and none elsewhere.
	owner = "team"
)

// tokenServer is distribution's token server behind nginx. The token server has one account; nginx
// has the users, signs in as that account, and reduces the pull-only user's requests to pull. A
// registry with scopes answers the same way: 200, with less than was requested.
type tokenServer struct {
	realm    string // the address in challenges
	certFile string // the signing key in a certificate, for registry 2
	jwksFile string // the signing key as a JSON Web Key Set, for registry 3

	server, front *server
	certs         certs
	end           func(testing.TB) // removes the user who may push
}

// startTokenServer starts both and waits for them.
func startTokenServer(t testing.TB, c certs, push, pull User) *tokenServer {
	t.Helper()
	program, nginx := Need(t, "token-server"), Need(t, "nginx")
	dir, key := t.TempDir(), newKey(t)
	inner := User{owner, rand.Text()}
	innerPort, port := freePort(t), freePort(t)
	ts := &tokenServer{
		// Some clients refuse a token service at a loopback IP address.
		realm:    fmt.Sprintf("%s://localhost:%d/token", c.scheme(), port),
		certFile: write(t, filepath.Join(dir, "signer.pem"), signerCert(t, key)),
		jwksFile: write(t, filepath.Join(dir, "jwks.json"), jwks(t, key)),
		certs:    c,
	}
	ts.server = start(t, cleanEnv(dir), program,
		"-addr", loopback(innerPort), "-realm", "rig", "-issuer", tokenIssuer,
		"-key", write(t, filepath.Join(dir, "signer.key"), keyPEM(t, key)),
		"-passwd", write(t, filepath.Join(dir, "account"), htpasswd(t, inner)))
	users, left := filepath.Join(dir, "users"), fmt.Sprintf("%s:{PLAIN}%s\n", pull.Name, pull.Password)
	ts.end = func(t testing.TB) { t.Helper(); write(t, users, left) } // nginx reads it with each request
	conf := nginxConf{
		dir: dir, listen: loopback(port), upstream: loopback(innerPort), certs: c,
		users: write(t, users, left+fmt.Sprintf("%s:{PLAIN}%s\n", push.Name, push.Password)), account: inner, cut: pull.Name,
	}
	ts.front = start(t, cleanEnv(dir), nginx,
		"-e", "stderr", "-p", dir, "-c", write(t, filepath.Join(dir, "nginx.conf"), conf.text()))
	// Wait for both: nginx alone also answers 401 to anonymous requests, but then 502.
	ts.server.ready(t, plainClient(), "http://"+loopback(innerPort)+"/token/", http.StatusUnauthorized)
	ts.front.ready(t, c.client(t), ts.realm, http.StatusUnauthorized)
	return ts
}

type nginxConf struct {
	dir, listen, upstream, users string
	account                      User
	cut                          string // the pull-only user
	certs                        certs
}

// text is nginx's configuration. A single process without a master keeps its user, so root's private
// folders stay readable, and is easy to kill. The pull-only user gets the first requested repository.
// docker's request for a refresh token is dropped, or docker would store that instead of the password.
func (n nginxConf) text() string {
	tls, login := "", base64.StdEncoding.EncodeToString([]byte(n.account.Name+":"+n.account.Password))
	if n.certs.ca != "" {
		n.listen += " ssl"
		tls = fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s;", n.certs.cert, n.certs.key)
	}
	return strings.NewReplacer("DIR", n.dir, "LISTEN", n.listen, "TLS", tls, "UPSTREAM", n.upstream,
		"USERS", n.users, "LOGIN", login, "CUT", n.cut).Replace(`
daemon off;
master_process off;
pid DIR/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path DIR/body;
  proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi;
  scgi_temp_path DIR/scgi;

  map $args $online {
    default $args;
    "~^(?<before>.*)offline_token=true(?<after>.*)$" $before$after;
  }
  map $arg_scope $pulled {
    default "";
    "~^(?<type>[a-z]+)(:|%3[Aa])(?<name>([^:%+]|%2[Ff])+)(:|%3[Aa])" $type:$name:pull;
  }
  map $remote_user $granted {
    default $online;
    CUT service=$arg_service&scope=$pulled;
  }
  server {
    listen LISTEN;
    TLS
    location = /token {
      if ($request_method != GET) { return 405; }
      auth_basic rig;
      auth_basic_user_file USERS;
      proxy_set_header Authorization "Basic LOGIN";
      proxy_pass http://UPSTREAM/token/?$granted;
    }
  }
}
`)
}

// htpasswd returns a line of a password file. distribution reads only bcrypt.
func htpasswd(t testing.TB, u User) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(u.Password), bcrypt.MinCost)
	if err != nil {
		t.Fatalf("hash a password for the real servers: %v", err)
	}
	return u.Name + ":" + string(hash) + "\n"
}

func signerCert(t testing.TB, key *ecdsa.PrivateKey) string {
	t.Helper()
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: tokenIssuer},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	return sign(t, cert, cert, &key.PublicKey, key)
}

// jwks returns the key set for registry 3, which finds keys by the token's key ID. The token server
// uses libtrust's IDs: the first 30 bytes of the public key's SHA-256 in base32, in groups of four.
func jwks(t testing.TB, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatalf("encode the signing key: %v", err)
	}
	point, err := key.PublicKey.Bytes() // 0x04, then x and y of 32 bytes each
	if err != nil {
		t.Fatalf("encode the signing key: %v", err)
	}
	sum := sha256.Sum256(der)
	id := base32.StdEncoding.EncodeToString(sum[:30])
	var groups []string
	for ; id != ""; id = id[4:] {
		groups = append(groups, id[:4])
	}
	b64 := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:]),
		"kid": strings.Join(groups, ":"), "alg": "ES256", "use": "sig",
	}}})
	if err != nil {
		t.Fatalf("encode the signing key: %v", err)
	}
	return string(set)
}
