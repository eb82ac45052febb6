package redact

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"

	"purser/internal/credential"
)

// Tell adds a login to the redactor of a Buildkite agent. The agent replaces literal text,
// so Tell adds the token in each of its usual forms, through a pipe. The error of an agent
// without a redactor (before v3.67) quotes the agent.
func Tell(ctx context.Context, agent string, l credential.Login) error {
	token := l.Token.Reveal()
	values := map[string]string{
		"token": token, "base64": base64.StdEncoding.EncodeToString([]byte(token)),
		"auth": base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + token)),
	}
	for i, f := range append(spellings(token), form{text: each(token, "%%%02X")}, form{text: each(token, `\x%02x`)}) {
		values["form-"+string(rune('a'+i))] = f.text
	}
	raw, err := json.Marshal(values)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, agent, "redactor", "add", "--format", "json")
	cmd.Stdin = strings.NewReader(string(raw))
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.New("buildkite-agent redactor add: " + strings.TrimSpace(string(out)))
	}
	return nil
}
