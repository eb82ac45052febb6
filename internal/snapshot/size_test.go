package snapshot_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"purser/internal/snapshot"
)

// BenchmarkALargeAccount saves and loads 5,000 roles, 10,000 policies and 1,000 secrets.
func BenchmarkALargeAccount(b *testing.B) {
	s := &snapshot.Snapshot{About: snapshot.About{Schema: snapshot.Schema, Account: account, Taken: taken}}
	statement := `{"Sid":"S%d","Effect":"Allow","Action":["s3:GetObject","s3:ListBucket","secretsmanager:GetSecretValue"],"Resource":["arn:aws:s3:::bucket-%d/*"]}`
	document := func(i, statements int) snapshot.Document {
		all := make([]string, statements)
		for j := range all {
			all[j] = fmt.Sprintf(statement, j, i)
		}
		return snapshot.Document(`{"Version":"2012-10-17","Statement":[` + strings.Join(all, ",") + `]}`)
	}
	for i := range 5000 {
		s.Roles = append(s.Roles, snapshot.Role{ARN: fmt.Sprintf("arn:aws:iam::%s:role/r%05d", account, i), Trust: document(i, 1), Inline: []snapshot.Inline{{Name: "inline", Document: document(i, 5)}}})
	}
	for i := range 10_000 {
		s.Policies = append(s.Policies, snapshot.Policy{ARN: fmt.Sprintf("arn:aws:iam::%s:policy/p%05d", account, i), Default: "v1", Versions: []snapshot.Version{{ID: "v1", Document: document(i, 15)}}})
	}
	for i := range 1000 {
		s.Secrets = append(s.Secrets, snapshot.Secret{ARN: fmt.Sprintf("arn:aws:secretsmanager:eu-west-2:%s:secret:s%04d-AbCdEf", account, i), Policy: document(i, 2)})
	}
	dir := b.TempDir()
	if err := s.Save(dir); err != nil {
		b.Fatal(err)
	}
	b.Run("save", func(b *testing.B) {
		for b.Loop() {
			if err := s.Save(dir); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := snapshot.Load(dir); err != nil {
				b.Fatal(err)
			}
		}
	})
	if info, err := os.Stat(dir + "/" + account + "/policies.json"); err == nil {
		b.Logf("policies.json has %d MB", info.Size()>>20)
	}
}
