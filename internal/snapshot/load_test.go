package snapshot_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purser/internal/audit"
	"purser/internal/snapshot"
)

// saved copies the golden account, and returns its folder.
func saved(t testing.TB) (dir, folder string) {
	t.Helper()
	dir = t.TempDir()
	folder = filepath.Join(dir, account)
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("testdata", "account"))); err != nil {
		t.Fatal(err)
	}
	return dir, folder
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestABrokenFileIsNamedWithItsLine(t *testing.T) {
	for what, c := range map[string]struct{ file, text, want string }{
		"cut off":           {"users.json", "[\n {\n  \"ARN\": \"a", "users.json:3: the file is cut off"},
		"cut after a list":  {"users.json", "[\n {\"ARN\": \"a\"},\n", "users.json:3: the file is cut off"},
		"empty":             {"users.json", "", "users.json:1: the file is cut off"},
		"not JSON":          {"users.json", "[\n {\n  \"ARN\": nope\n }\n]", "users.json:3: it is not JSON"},
		"not JSON, later":   {"users.json", "[\n {\"ARN\": \"a\"},\n {\"ARN\" \"b\"}\n]", "users.json:3: it is not JSON"},
		"no list":           {"roles.json", "{}", "roles.json:1: it must be a list"},
		"a wrong kind":      {"keys.json", "[\n {\n  \"ARN\": \"a\",\n  \"RotatesDays\": \"x\"\n }\n]", "keys.json:4: RotatesDays has a value of a kind that does not belong there"},
		"an unknown member": {"groups.json", "[\n {\n  \"ARN\": \"a\",\n  \"Secret\": \"x\"\n }\n]", "groups.json:2: json: unknown field \"Secret\""},
		"text after it":     {"instances.json", "[]\n[]", "instances.json:2: text follows the end"},
		"a bad date":        {"users.json", "[\n {\"Created\": \"yesterday " + token + "\"}\n]", "users.json:2: "},
		"deep nesting":      {"policies.json", strings.Repeat("[", 200_000), "policies.json:1: "},
		"a huge entry":      {"policies.json", "[\n\"" + strings.Repeat("x", 5<<20), "policies.json:2: an entry is larger than 4 MiB"},
		"other schema":      {"snapshot.json", `{"Schema": 99, "New": true}`, "snapshot.json: the files have schema 99"},
		"other account":     {"snapshot.json", `{"Schema": 1, "Account": "210987654321", "Taken": "2026-01-01T00:00:00Z"}`, "another account"},
		"no date":           {"snapshot.json", `{"Schema": 1, "Account": "123456789012"}`, "does not say when"},
		"a broken history":  {"history.json", "{\n\"Uses\": 7}", "history.json:2: Uses has a value"},
	} {
		t.Run(what, func(t *testing.T) {
			dir, folder := saved(t)
			write(t, filepath.Join(folder, c.file), c.text)
			_, err := snapshot.Load(dir)
			bad, ok := errors.AsType[*snapshot.BadFile](err)
			if !ok || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "FAKEFAKE") || len(err.Error()) > 600 {
				t.Errorf("%v, want %s", err, c.want)
			}
			if ok && bad.Path != filepath.Join(folder, c.file) {
				t.Errorf("path %s", bad.Path)
			}
		})
	}
}

func TestAMissingFileIsNamed(t *testing.T) {
	for _, name := range []string{"snapshot.json", "roles.json", "organization.json"} {
		dir, folder := saved(t)
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := snapshot.Load(dir); err == nil || !strings.Contains(err.Error(), name+": the file is missing") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFolderWithoutAnswersSaysWhatWritesThem(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if _, err := snapshot.Load(dir); err == nil || !strings.Contains(err.Error(), dir) {
			t.Error(err)
		}
	}
}

// A folder from elsewhere must not lead purser to other files.
func TestLinksAreNotFollowed(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, outside, "[]")
	for what, link := range map[string]string{"out": outside, "up": "../../outside", "inside": "groups.json", "itself": "users.json", "device": os.DevNull} {
		dir, folder := saved(t)
		at := filepath.Join(folder, "users.json")
		if err := errors.Join(os.Remove(at), os.Symlink(link, at)); err != nil {
			t.Skip("no links here: skipped")
		}
		if _, err := snapshot.Load(dir); err == nil || !strings.Contains(err.Error(), "users.json: it is no regular file") {
			t.Errorf("%s: %v", what, err)
		}
	}
	dir, folder := saved(t)
	if err := errors.Join(os.Rename(folder, filepath.Join(t.TempDir(), "moved")), os.Symlink(filepath.Join(filepath.Dir(outside)), folder)); err != nil {
		t.Fatal(err)
	}
	if _, err := snapshot.Load(dir); err == nil {
		t.Error("a link to a folder outside was followed")
	}
}

func TestAFolderInPlaceOfAFileIsNamed(t *testing.T) {
	dir, folder := saved(t)
	at := filepath.Join(folder, "keys.json")
	if err := errors.Join(os.Remove(at), os.Mkdir(at, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := snapshot.Load(dir); err == nil || !strings.Contains(err.Error(), "keys.json: it is no regular file") {
		t.Error(err)
	}
}

// Other files and folders in the same place do not matter.
func TestAccountsAreLoadedInOrder(t *testing.T) {
	dir, folder := saved(t)
	other := filepath.Join(dir, "000000000001")
	if err := os.CopyFS(other, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(other, "snapshot.json"), `{"Schema": 1, "Account": "000000000001", "Taken": "2026-01-01T00:00:00Z"}`)
	write(t, filepath.Join(dir, "notes.txt"), "x")
	all, err := snapshot.Load(dir)
	if err != nil || len(all) != 2 || all[0].About.Account != "000000000001" || all[1].About.Account != account {
		t.Errorf("%d: %v", len(all), err)
	}
}

// An interrupted save must not look whole.
func TestAnInterruptedSaveIsNotLoaded(t *testing.T) {
	dir, folder := saved(t)
	all, err := snapshot.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(filepath.Join(folder, "users.json")), os.Mkdir(filepath.Join(folder, "users.json"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := all[0].Save(dir); err == nil {
		t.Fatal("a file took a folder's place")
	}
	if _, err := snapshot.Load(dir); err == nil || !strings.Contains(err.Error(), "snapshot.json: the file is missing") {
		t.Error(err)
	}
}

func TestTheHistoryIsKept(t *testing.T) {
	dir, _ := saved(t)
	all, err := snapshot.Load(dir)
	if err != nil || all[0].History != nil {
		t.Fatalf("%+v: %v", all, err)
	}
	all[0].History = &audit.History{Since: taken, Until: taken, Uses: []audit.Use{{Event: "GetSecretValue", Count: 2, Days: map[string]int{"2026-11-23": 2}}}}
	if err := all[0].Save(dir); err != nil {
		t.Fatal(err)
	}
	again, err := snapshot.Load(dir)
	if err != nil || again[0].History == nil || again[0].History.Uses[0].Count != 2 {
		t.Errorf("%+v: %v", again, err)
	}
}

func TestASnapshotOfNoAccountIsNotSaved(t *testing.T) {
	for _, id := range []string{"", "../../etc", "12345678901x"} {
		s := &snapshot.Snapshot{About: snapshot.About{Account: id}}
		if err := s.Save(t.TempDir()); err == nil {
			t.Errorf("%q was saved", id)
		}
	}
}

func TestSavedFilesAreForTheirOwner(t *testing.T) {
	dir, _ := saved(t)
	all, err := snapshot.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "new")
	if err := all[0].Save(to); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{to, filepath.Join(to, account), filepath.Join(to, account, "users.json")} {
		if info, err := os.Stat(at); err != nil || info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
			t.Errorf("%s: %v, %v", at, info.Mode(), err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "account", "*"))
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(filepath.Base(path), string(raw))
	}
	f.Add("users.json", "[{\"Inline\":[{\"Document\":[\"\",\"\\u0000\"]}]}]")
	f.Add("history.json", `{"Uses":[{"Days":{"x":-1}}]}`)
	f.Fuzz(func(t *testing.T, name, text string) {
		known := map[string]bool{"users.json": true, "groups.json": true, "roles.json": true, "policies.json": true, "secrets.json": true, "keys.json": true, "instances.json": true, "organization.json": true, "snapshot.json": true, "history.json": true}
		if !known[name] {
			return
		}
		dir, folder := saved(t)
		write(t, filepath.Join(folder, name), text)
		all, err := snapshot.Load(dir)
		if err != nil {
			if _, ok := errors.AsType[*snapshot.BadFile](err); !ok {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		// What can be loaded can be saved, and says the same again.
		if err := all[0].Save(dir); err != nil {
			t.Fatal(err)
		}
		first, err := os.ReadFile(filepath.Join(folder, name))
		if errors.Is(err, os.ErrNotExist) && name == "history.json" {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if all, err = snapshot.Load(dir); err != nil {
			t.Fatalf("what was saved cannot be loaded: %v", err)
		}
		if err := all[0].Save(dir); err != nil {
			t.Fatal(err)
		}
		if second, _ := os.ReadFile(filepath.Join(folder, name)); string(first) != string(second) {
			t.Errorf("saved again it is another:\n%s\n%s", first, second)
		}
	})
}
