package agefile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/armor"

	"purser/internal/credential"
)

// envelope is the plaintext of a value. The version's id and the registry in it reveal a
// value that was moved to another version, and a forged mark.
type envelope struct {
	ID       credential.VersionID `json:"id"`
	Registry credential.Host      `json:"registry,omitempty"` // "": not marked
	Value    string               `json:"value"`
}

func (a *File) encrypt(ctx context.Context, id credential.VersionID, registry credential.Host, value credential.Secret) (string, error) {
	to, err := a.recipient(ctx)
	if err != nil {
		return "", err
	}
	text := value.Reveal()
	plain, err := json.Marshal(envelope{id, registry, text})
	if err != nil || !utf8.ValidString(text) { // JSON would change such a value
		return "", a.fault("the value cannot be encrypted", "it is not text")
	}
	var sealed bytes.Buffer
	letters := armor.NewWriter(&sealed)
	w, err := age.Encrypt(letters, to)
	if err != nil {
		return "", a.fault("the value cannot be encrypted", err.Error())
	}
	_, err = w.Write(plain)
	if err := errors.Join(err, w.Close(), letters.Close()); err != nil {
		return "", a.fault("the value cannot be encrypted", err.Error())
	}
	return sealed.String(), nil
}

// decrypt opens a version. It also returns the registry encrypted with the value.
func (a *File) decrypt(ctx context.Context, v *version) (credential.Secret, credential.Host, error) {
	none := credential.Secret{}
	r, err := a.open(ctx, v.Value)
	if err != nil {
		return none, "", err
	}
	plain, err := io.ReadAll(io.LimitReader(r, sizeLimit))
	var e envelope
	if err != nil || json.Unmarshal(plain, &e) != nil {
		return none, "", a.fault(a.cfg.Path+" is damaged", "a value in it is incomplete")
	}
	if e.ID != v.ID {
		return none, "", a.fault(a.cfg.Path+" was tampered with", "a value in it comes from another version")
	}
	return credential.NewSecret(e.Value), e.Registry, nil
}

// open returns the plaintext of a value, with the first key that opens it.
func (a *File) open(ctx context.Context, sealed string) (io.Reader, error) {
	if a.cfg.Passphrase != nil {
		return a.openByPassphrase(ctx, sealed)
	}
	var tried []string
	for _, find := range a.places() {
		k, err := find(ctx)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if r, err := age.Decrypt(armor.NewReader(strings.NewReader(sealed)), k.identity); err == nil {
			return r, nil
		}
		tried = append(tried, k.where)
	}
	if len(tried) == 0 {
		return nil, a.noKey()
	}
	return nil, a.fault("purser cannot decrypt "+a.cfg.Path, strings.Join(tried, " or ")+" is not the one it was encrypted for, or the file is damaged")
}

func (a *File) openByPassphrase(ctx context.Context, sealed string) (io.Reader, error) {
	if err := a.ask(ctx, false); err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(a.passphrase.Reveal())
	if err != nil {
		return nil, a.fault("the passphrase cannot be used", "it is empty")
	}
	if a.cfg.WorkFactor > 0 {
		id.SetMaxWorkFactor(a.cfg.WorkFactor)
	}
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(sealed)), id)
	if err != nil {
		a.passphrase = credential.Secret{} // ask again
		return nil, a.fault("purser cannot decrypt "+a.cfg.Path, "the passphrase is not the one it was encrypted for, or the file is damaged")
	}
	return r, nil
}

func (a *File) recipient(ctx context.Context) (age.Recipient, error) {
	if a.cfg.Passphrase == nil {
		k, err := a.firstKey(ctx)
		if errors.Is(err, fs.ErrNotExist) {
			k, err = a.makeKey(ctx)
		}
		return k.recipient, err
	}
	d, err := a.Describe(ctx)
	if err := a.ask(ctx, err != nil || len(d.Versions) == 0); err != nil {
		return nil, err
	}
	to, err := age.NewScryptRecipient(a.passphrase.Reveal())
	if err != nil {
		return nil, a.fault("the passphrase cannot be used", "it is empty")
	}
	if a.cfg.WorkFactor > 0 {
		to.SetWorkFactor(a.cfg.WorkFactor)
	}
	return to, nil
}

func (a *File) ask(ctx context.Context, confirm bool) error {
	if !a.passphrase.IsZero() {
		return nil
	}
	p, err := a.cfg.Passphrase(ctx, confirm)
	a.passphrase = p
	return err
}
