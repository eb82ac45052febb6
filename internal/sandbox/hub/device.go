package hub

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"purser/internal/credential"
)

// LoginHost is where docker login signs people in with their browser. The stand-in answers what
// the docker CLI asks there (docker/cli, internal/oauth), following RFC 8628.
const LoginHost = "login.docker.com"

// DeviceLogin is Docker's browser sign-in: docker shows a code, a person opens the page and
// agrees, and docker receives a session that can manage tokens.
type DeviceLogin struct {
	hub  *Hub
	Page string // the page's URL, on loopback

	mu      sync.Mutex // guards what follows
	made    int
	waiting map[string]*deviceCode // by device code
	refresh map[string]string      // account by refresh token
}

type deviceCode struct {
	user, account string // account: who agreed; "": pending
	until         time.Time
}

const (
	deviceLife  = 15 * time.Minute
	sessionLife = time.Hour
)

// NewDeviceLogin makes a browser sign-in for hub.
func NewDeviceLogin(hub *Hub) *DeviceLogin {
	return &DeviceLogin{hub: hub, waiting: map[string]*deviceCode{}, refresh: map[string]string{}}
}

// ServeHTTP serves docker's requests and the page.
func (d *DeviceLogin) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch req.Method + " " + req.URL.Path {
	case "POST /oauth/device/code":
		d.begin(w)
	case "POST /oauth/token":
		d.token(w, req)
	case "POST /oauth/revoke":
		d.revoke(w, req)
	case "GET /activate":
		d.show(w, req)
	case "POST /activate":
		d.agree(w, req)
	default:
		oauthError(w, http.StatusNotFound, "not_found")
	}
}

func oauthError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": "the stand-in says " + code})
}

func (d *DeviceLogin) begin(w http.ResponseWriter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made++
	device, user := fmt.Sprintf("FAKE-docker-device-%d", d.made), fmt.Sprintf("FAKE-%04d", d.made)
	d.waiting[device] = &deviceCode{user: user, until: d.hub.now().Add(deviceLife)}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"device_code": device, "user_code": user, "verification_uri": d.Page, "verification_uri_complete": d.Page + "?user_code=" + user,
		"expires_in": int(deviceLife.Seconds()), "interval": 1,
	})
}

// token answers docker's polling during a sign-in, and later its requests to renew the session.
func (d *DeviceLogin) token(w http.ResponseWriter, req *http.Request) {
	_ = req.ParseForm() // a missing value is refused below
	d.mu.Lock()
	defer d.mu.Unlock()
	var account string
	switch req.PostForm.Get("grant_type") {
	case "refresh_token":
		account = d.refresh[req.PostForm.Get("refresh_token")]
		if account == "" {
			oauthError(w, http.StatusForbidden, "invalid_grant")
			return
		}
		delete(d.refresh, req.PostForm.Get("refresh_token"))
	default:
		code := d.waiting[req.PostForm.Get("device_code")]
		switch {
		case code == nil:
			oauthError(w, http.StatusForbidden, "invalid_grant")
			return
		case d.hub.now().After(code.until):
			oauthError(w, http.StatusForbidden, "expired_token")
			return
		case code.account == "":
			oauthError(w, http.StatusForbidden, "authorization_pending")
			return
		}
		account = code.account
		delete(d.waiting, req.PostForm.Get("device_code"))
	}
	d.give(w, account)
}

// give answers with a session and a refresh token.
func (d *DeviceLogin) give(w http.ResponseWriter, account string) {
	session, err := d.hub.Session(account, sessionLife)
	if err != nil {
		oauthError(w, http.StatusInternalServerError, "server_error")
		return
	}
	d.made++
	refresh := credential.NewSecret(fmt.Sprintf("FAKE-docker-refresh-%d", d.made))
	d.refresh[refresh.Reveal()] = account
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": session.Reveal(), "id_token": session.Reveal(), "refresh_token": refresh.Reveal(),
		"scope": "openid offline_access", "expires_in": int(sessionLife.Seconds()), "token_type": "Bearer",
	})
}

func (d *DeviceLogin) revoke(_ http.ResponseWriter, req *http.Request) {
	_ = req.ParseForm()
	token := req.PostForm.Get("token")
	if token == "" {
		var body struct{ Token string }
		_ = json.NewDecoder(io.LimitReader(req.Body, 64<<10)).Decode(&body) // the CLI sends JSON
		token = body.Token
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.refresh, token)
}

var activatePage = template.Must(template.New("activate").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Docker's sign-in, a stand-in</title>
<h1>Sign in to the stand-in for Docker</h1>
<form method="post"><input type="hidden" name="user_code" value="{{.Code}}">
<p>The code is <b>{{.Code}}</b>.</p>
{{range .Accounts}}<p><button name="account" value="{{.}}">Sign in as {{.}}</button></p>
{{end}}</form></html>
`))

func (d *DeviceLogin) show(w http.ResponseWriter, req *http.Request) {
	d.hub.accounts.mu.Lock()
	names := slices.Sorted(maps.Keys(d.hub.accounts.passwords))
	d.hub.accounts.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = activatePage.Execute(w, map[string]any{"Code": req.URL.Query().Get("user_code"), "Accounts": names})
}

func (d *DeviceLogin) agree(w http.ResponseWriter, req *http.Request) {
	_ = req.ParseForm()
	if !d.Agree(req.Form.Get("user_code"), req.PostForm.Get("account")) {
		http.Error(w, "no pending sign-in has this code, or the account does not exist", http.StatusNotFound)
		return
	}
	_, _ = io.WriteString(w, "Signed in. You can return to docker.\n")
}

// Agree approves the pending sign-in with this code for an account, and reports whether it could.
func (d *DeviceLogin) Agree(code, account string) bool {
	account = strings.ToLower(account)
	d.hub.accounts.mu.Lock()
	_, known := d.hub.accounts.passwords[account]
	d.hub.accounts.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.waiting {
		if w.user == code && known {
			w.account = account
			return true
		}
	}
	return false
}

// desktopGenerate is POST /v2/access-tokens/desktop-generate: docker makes itself a token after a
// sign-in. An account has five of these; the sixth replaces the oldest.
func (l *tokenList) desktopGenerate(w http.ResponseWriter) {
	const most = 5
	a := l.hub.accounts
	a.mu.Lock()
	defer a.mu.Unlock()
	var generated []*Token
	for _, t := range l.all() {
		if t.Generated == autoGenerated {
			generated = append(generated, t)
		}
	}
	if len(generated) >= most {
		a.drop(func(t *Token) bool { return t == generated[0] })
	}
	t, err := a.addToken("dckr_pat_", l.owner, Admin)
	if err != nil {
		hubError(w, http.StatusInternalServerError, "cannot make a token", nil)
		return
	}
	t.Generated, t.Label = autoGenerated, "docker login"
	if l.hub.Minted != nil {
		l.hub.Minted(t.Secret)
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]string{"token": t.Secret.Reveal()}})
}

const autoGenerated = "auto"
