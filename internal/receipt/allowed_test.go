package receipt_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"purser/internal/receipt"
)

func TestAllowedSignersAllowTheirKeys(t *testing.T) {
	k := newSSH(t)
	line := seal(t, example(), k.signer)
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.public)))
	other := string(ssh.MarshalAuthorizedKey(newSSH(t).public))
	for _, test := range []struct {
		name, file, by, want string
	}{
		{"plain", "me@x " + key, "me@x", ""},
		{"many", "me@x,*@y " + key, "me@x,*@y", ""},
		{"quoted principals", `"me@x,you y" ` + key, "me@x,you y", ""},
		{"comments, blanks, tabs, CRLF", "# of us\r\n\r\n \t # more\n\tme@x\t " + key + "\tmy key\r\n", "me@x", ""},
		{"no line's end", "you@x " + other + "me@x " + key, "me@x", ""},
		{"namespace", `me@x namespaces="purser-receipt" ` + key, "me@x", ""},
		{"namespaces", `me@x namespaces="git,purser-*,file" ` + key, "me@x", ""},
		{"one letter", `me@x Namespaces="purser?receipt" ` + key, "me@x", ""},
		{"blank in an option", `me@x namespaces="a b,purser-receipt" ` + key, "me@x", ""},
		{"no special letters", `me@x namespaces="purser.receipt" ` + key, "", "not allowed to sign for the namespace"},
		{"another namespace", `me@x namespaces="git,file" ` + key, "", "not allowed to sign for the namespace"},
		{"other case", `me@x namespaces="Purser-Receipt" ` + key, "", "not allowed to sign for the namespace"},
		{"part of it", `me@x namespaces="purser" ` + key, "", "not allowed to sign for the namespace"},
		{"not this namespace", `me@x namespaces="*,!purser-receipt" ` + key, "", "not allowed to sign for the namespace"},
		{"only not another", `me@x namespaces="!git" ` + key, "", "not allowed to sign for the namespace"},
		{"valid", `me@x valid-after="20260304Z",valid-before="20260305Z" ` + key, "me@x", ""},
		{"from this second", `me@x valid-after="20260304120000Z" ` + key, "me@x", ""},
		{"until this second", `me@x valid-before="20260304120000Z" ` + key, "me@x", ""},
		{"not yet", `me@x valid-after="202603041201Z" ` + key, "", "valid only from 2026-03-04T12:01:00Z"},
		{"no more", `me@x valid-before="20260304115959Z" ` + key, "", "was valid until 2026-03-04T11:59:59Z"},
		{"local time, not yet", `me@x valid-after="202603041030" ` + key, "", "valid only from 2026-03-04T10:30:00-02:00"},
		{"local time", `me@x valid-after="202603041000" ` + key, "me@x", ""},
		{"again, later", `old@x valid-before="20260101Z" ` + key + "\n" + `me@x valid-after="20260101Z" ` + key, "me@x", ""},
		{"nobody", "# nobody\n", "", "is not trusted"},
		{"somebody else", "me@x " + other, "", "is not trusted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, err := receipt.ParseAllowedSigners([]byte(test.file), time.FixedZone("", -2*3600))
			if err != nil {
				t.Fatal(err)
			}
			got, err := receipt.Open(t.Context(), line, receipt.SSHVerifier(a, noon.Add(999*time.Millisecond)))
			if test.want != "" {
				wantError(t, err, test.want)
				return
			}
			if err != nil || got.SignedBy != test.by {
				t.Errorf("signed by %q: %v", got.SignedBy, err)
			}
		})
	}
}

func TestAllowedSignersRefuseMalformedLines(t *testing.T) {
	k := newSSH(t)
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.public)))
	kind, encoded, _ := strings.Cut(key, " ")
	for _, test := range []struct{ name, line, want string }{
		{"one word", "me@x", "it has no public key"},
		{"key alone", key, "there is no option"},
		{"no principals", `"" ` + key, "no principals"},
		{"open principals", `"me@x ` + key, "a quotation mark is not closed"},
		{"open option", `me@x namespaces="file ` + key, "a quotation mark is not closed"},
		{"unknown option", `me@x no-touch-required ` + key, `there is no option "no-touch-required"`},
		{"empty option", `me@x ,namespaces="x" ` + key, `there is no option ""`},
		{"authority", `*@x cert-authority ` + key, "cert-authority"},
		{"twice", `me@x namespaces="a",NAMESPACES="b" ` + key, `"namespaces" is given twice`},
		{"no value", `me@x namespaces ` + key, "namespaces needs a value"},
		{"no marks", `me@x namespaces=file ` + key, "namespaces needs a value"},
		{"empty value", `me@x namespaces="" ` + key, "namespaces needs a value"},
		{"two values", `me@x namespaces="a"b"c" ` + key, "namespaces needs a value"},
		{"no time", `me@x valid-after="soon" ` + key, `"soon" is not a time`},
		{"no such day", `me@x valid-before="20260231" ` + key, "is not a time"},
		{"hours only", `me@x valid-before="2026020312Z" ` + key, "is not a time"},
		{"zone", `me@x valid-before="20260203+01" ` + key, "is not a time"},
		{"never valid", `me@x valid-after="20260203",valid-before="20260203" ` + key, "not later than"},
		{"options only", `me@x namespaces="file"`, "it has no public key"},
		{"no base64", `me@x ` + kind + ` !`, "not in base64"},
		{"no key in it", `me@x ` + kind + ` AAAA`, "read its public key"},
		{"cut off", `me@x ` + key[:len(key)-8], "read its public key"},
		{"wrong kind", `me@x ssh-rsa ` + encoded, `the key is "ssh-ed25519"`},
		{"options after the key's kind", `me@x ` + kind + ` namespaces="x" ` + encoded, "not in base64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, err := receipt.ParseAllowedSigners([]byte("# first\nme@x "+key+"\n"+test.line+"\n"), time.UTC)
			wantError(t, err, "allowed signers, line 3: ")
			wantError(t, err, test.want)
			if a != nil {
				t.Errorf("it gave %v besides", a)
			}
		})
	}
}

func FuzzAllowedSigners(f *testing.F) {
	k := newSSHForFuzz(f)
	key := string(ssh.MarshalAuthorizedKey(k.public))
	for _, options := range []string{
		"", `namespaces="purser-*,!x" `, `valid-after="20260101Z",valid-before="202701010000" `, `cert-authority `, `namespaces="\"" `,
	} {
		f.Add([]byte("# a\n\"me\" " + options + key))
	}
	_, payload := unpack(f, seal(f, example(), nil))
	message := receipt.PAE(receipt.PayloadType, payload)
	sig, err := k.signer.Sign(f.Context(), message)
	if err != nil {
		f.Fatal(err)
	}
	encoded := strings.Fields(key)[1]
	f.Fuzz(func(t *testing.T, file []byte) {
		a, err := receipt.ParseAllowedSigners(file, time.UTC)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "allowed signers, line ") {
				t.Error(err)
			}
			return
		}
		// A key that is not in the file must not be trusted.
		by, err := receipt.SSHVerifier(a, noon).Verify(t.Context(), k.signer.KeyID(), message, sig)
		if err == nil && (by == "" || !strings.Contains(string(file), strings.TrimRight(encoded, "="))) {
			t.Errorf("signed by %q", by)
		}
		more, err := receipt.ParseAllowedSigners(append(append([]byte("# x\n"), file...), "\n \n"...), time.UTC)
		if err != nil || len(more) != len(a) {
			t.Errorf("%d signers and not %d: %v", len(more), len(a), err)
		}
	})
}
