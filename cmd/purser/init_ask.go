package main

import (
	"cmp"
	"errors"
	"strings"

	"charm.land/huh/v2"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/draft"
	"purser/internal/present"
)

// askDraft asks for what a draft leaves open. It asks for no secret, and refuses what looks
// like a token.
func (a *app) askDraft(f *initFlags, e *config.Entry) error {
	if draft.Complete(*e) == nil {
		return nil
	}
	tty, err := a.tty.Open()
	if err != nil {
		return err
	}
	defer func() { _ = tty.Close() }()
	e.Registry = cmp.Or(e.Registry, string(credential.Default()))
	e.Access = cmp.Or(e.Access, string(credential.Push))
	f.Profile = cmp.Or(f.Profile, a.onlyProfile())
	repositories := strings.Join(e.Repositories, ", ")
	secret := ""
	if e.Kind == config.SecretKind {
		secret = e.Target
	}
	form := huh.NewForm(huh.NewGroup(
		huh.NewInput().Title("Registry").Value(&e.Registry).Validate(func(text string) error {
			if _, err := credential.ParseHost(text); err != nil {
				return errors.New("give a host such as docker.io or ghcr.io")
			}
			return nil
		}),
		huh.NewInput().Title("Account at the registry").Value(&e.Username).Validate(noToken),
		huh.NewInput().Title("Repositories").Description("separate them with commas, such as mockserver/mockserver").Value(&repositories).Validate(func(text string) error {
			if strings.TrimSpace(text) == "" {
				return errors.New("name at least one: purser checks the token there")
			}
			return noToken(text)
		}),
		huh.NewSelect[string]().Title("What your CI does there").Options(huh.NewOption("push", "push"), huh.NewOption("pull", "pull")).Value(&e.Access),
	), huh.NewGroup(
		huh.NewInput().Title("Secret in "+titleOf(config.SecretKind)).Description("leave it empty for an encrypted file on this machine").Value(&secret).Validate(noToken),
		huh.NewInput().Title("AWS profile").Value(&f.Profile).Validate(noToken),
		huh.NewInput().Title("AWS region").Value(&f.Region).Validate(noToken),
	)).WithInput(tty).WithOutput(tty).WithAccessible(a.env.Accessible || a.env.Term == "dumb")
	if err := form.Run(); err != nil {
		return present.Declined(err)
	}
	e.Repositories = nil
	for part := range strings.SplitSeq(repositories, ",") {
		if part = strings.TrimSpace(part); part != "" {
			e.Repositories = append(e.Repositories, part)
		}
	}
	e.Username = strings.TrimSpace(e.Username)
	if draft.Keep(e, strings.TrimSpace(secret), ""); secret == "" && e.Kind == config.SecretKind {
		e.Kind, e.Target = "", ""
	}
	e.Name = cmp.Or(e.Name, draft.NameOf(*e))
	return nil
}

func noToken(text string) error {
	if credential.HoldsToken(text) {
		return errors.New("that looks like a token; purser.yaml must not hold one")
	}
	return nil
}

// onlyProfile returns AWS's profile if there is just one.
func (a *app) onlyProfile() string {
	names, err := a.wire().Profiles().Names()
	if err != nil || len(names) != 1 {
		return ""
	}
	return names[0]
}
