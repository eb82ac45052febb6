package agefile

import (
	"context"
	"errors"

	"purser/internal/credential"
	"purser/internal/store"
)

// The settings of a target.
const (
	Key        = "file"
	passphrase = "passphrase"
)

// Opener is what this kind needs from a program.
type Opener interface {
	AgeFile(c credential.Credential, t credential.Target) (Config, error)
}

// Kind describes encrypted files.
func Kind() store.Kind {
	return store.Kind{
		TargetKind: credential.TargetKind{
			Key: Key, Title: "an encrypted file", Noun: "File", Opener: "Identity", Local: true,
			Destination: func(t credential.Target) string { return "the encrypted file " + t.Name },
			Advise:      advise,
			Asks: func(t credential.Target) string {
				if !HasPassphrase(t) {
					return ""
				}
				return "its file needs a passphrase, which nobody can type for a credential helper; use an identity instead"
			},
		},
		What: "an encrypted file",
		Settings: []store.Setting{
			{
				Name: Key, Path: true, Example: "dockerhub.age.json", Without: "a secret is named",
				Doc: "The path of a file encrypted with age, relative to purser.yaml. ~/ is your home directory.",
			},
			{
				Name: passphrase, Flag: true, Without: "false",
				Doc: "Whether a passphrase opens the file, instead of your age identity. purser asks you for it.",
			},
		},
		Open: func(_ context.Context, from any, c credential.Credential, t credential.Target) (store.Store, error) {
			opener, ok := from.(Opener)
			if !ok {
				return nil, errors.New("this program opens no encrypted files")
			}
			cfg, err := opener.AgeFile(c, t)
			if err != nil {
				return nil, err
			}
			return New(cfg), nil
		},
	}
}

// HasPassphrase reports whether a target opens with a passphrase.
func HasPassphrase(t credential.Target) bool { return t.Options.Get(passphrase) != "" }

func advise(f *credential.Fault, again string) (string, []string) {
	if f.Reason != credential.SecretMissing {
		return "", nil
	}
	return "", []string{again}
}
