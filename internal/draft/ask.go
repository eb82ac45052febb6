package draft

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"purser/internal/config"
	"purser/internal/credential"
)

// Person answers questions.
type Person struct {
	Line    func(ctx context.Context, question string) (string, error)
	Say     func(string)
	Profile string // of AWS, if there is just one
	Secret  string // what a secret is called where it is
}

// Ask asks for what a draft leaves open. It asks for no secret, and refuses what looks like a token.
func (f *Wanted) Ask(ctx context.Context, p Person, e *config.Entry) error {
	if Complete(*e) == nil {
		return nil
	}
	e.Registry = cmp.Or(e.Registry, string(credential.Default()))
	e.Access = cmp.Or(e.Access, string(credential.Push))
	f.Profile = cmp.Or(f.Profile, p.Profile)
	repositories := strings.Join(e.Repositories, ", ")
	secret := ""
	if e.Kind == config.SecretKind {
		secret = e.Target
	}
	for _, q := range []question{
		{"Registry", "", &e.Registry, aHost},
		{"Account at the registry", "", &e.Username, nil},
		{"Repositories, with commas between", "", &repositories, notEmpty},
		{"Your CI needs to push or pull", "", &e.Access, anAccess},
		{p.Secret, "an encrypted file here", &secret, nil},
		{"AWS profile", "none", &f.Profile, nil},
		{"AWS region", "the profile's", &f.Region, nil},
	} {
		if err := p.put(ctx, q); err != nil {
			return err
		}
	}
	e.Repositories = nil
	for part := range strings.SplitSeq(repositories, ",") {
		if part = strings.TrimSpace(part); part != "" {
			e.Repositories = append(e.Repositories, part)
		}
	}
	e.Username = strings.TrimSpace(e.Username)
	if Keep(e, strings.TrimSpace(secret), ""); secret == "" && e.Kind == config.SecretKind {
		e.Kind, e.Target = "", ""
	}
	e.Name = cmp.Or(e.Name, NameOf(*e))
	return nil
}

// question asks for one value. Enter alone keeps what it has, or means empty.
type question struct {
	about, empty string
	value        *string
	check        func(string) error // nil: any text
}

// put asks until the answer is fit. It never repeats an answer: that may be a token.
func (p *Person) put(ctx context.Context, q question) error {
	kept := cmp.Or(*q.value, q.empty)
	if kept != "" {
		kept = " [" + kept + "]"
	}
	for {
		text, err := p.Line(ctx, q.about+kept+": ")
		if err != nil {
			return err
		}
		text = cmp.Or(text, *q.value)
		if err = noToken(text); err == nil && q.check != nil {
			err = q.check(text)
		}
		if err == nil {
			*q.value = text
			return nil
		}
		p.Say(err.Error())
	}
}

func aHost(text string) error {
	if _, err := credential.ParseHost(text); err != nil {
		return errors.New("give a host such as docker.io or ghcr.io")
	}
	return nil
}

func anAccess(text string) error {
	if text != string(credential.Push) && text != string(credential.Pull) {
		return errors.New("answer push or pull")
	}
	return nil
}

func notEmpty(text string) error {
	if text == "" {
		return errors.New("name at least one: purser checks the token there")
	}
	return nil
}

func noToken(text string) error {
	if credential.HoldsToken(text) {
		return errors.New("that looks like a token; purser.yaml must not hold one")
	}
	return nil
}
