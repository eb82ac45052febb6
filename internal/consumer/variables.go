package consumer

import (
	"fmt"
	"strings"

	"purser/internal/credential"
)

var variableName = credential.NewPattern(`^[A-Za-z_][A-Za-z0-9_]*$`)

// EnvNames are the two variables that --env names; none is "".
func EnvNames(text string) (user, token string, err error) {
	if text == "" {
		return "", "", nil
	}
	user, token, ok := strings.Cut(text, ",")
	if !ok || !variableName.MatchString(user) || !variableName.MatchString(token) || user == token {
		return "", "", &credential.Fault{Reason: credential.Usage, What: "--env must name two variables, such as REGISTRY_USER,REGISTRY_TOKEN"}
	}
	return user, token, nil
}

// Inject puts the login into the command's environment, because the person requested it.
func (c *Consumer) Inject(userVar, tokenVar string, logins []credential.Login) error {
	if len(logins) != 1 {
		return &credential.Fault{Reason: credential.Usage, What: "--env needs one credential", Why: fmt.Sprintf("there are %d; name the one: purser exec --env %s,%s NAME -- …", len(logins), userVar, tokenVar)}
	}
	c.Vars[userVar], c.Vars[tokenVar] = logins[0].Username, logins[0].Token.Reveal()
	return nil
}
