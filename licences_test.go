package purser_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// licences lists the licences that purser, under Apache-2.0, may link, each with a sentence of
// its text; the first match counts. MPL-2.0 is allowed only for unmodified modules.
var licences = []struct{ name, text string }{
	{"Apache-2.0", `Apache License,? Version 2\.0`},
	{"MPL-2.0", `Mozilla Public License,? [Vv]ersion 2\.0`},
	{"BSD", `Redistribution and use in source and binary forms, with or without modification, are permitted`},
	{"MIT", `Permission is hereby granted, free of charge, to any person obtaining a copy`},
	{"ISC", `Permission to use, copy, modify, and(/or)? distribute this software for any purpose with or without fee`},
}

// A file that matches licenceFile holds a licence of code, unless it matches otherFile.
var (
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([.-].*)?$`)
	otherFile   = regexp.MustCompile(`(?i)summary|\.docs$`)
)

// TestLinkedPackagesHaveAnAllowedLicence covers every third-party package in purser's programs,
// on each system that purser is built for.
func TestLinkedPackagesHaveAnAllowedLicence(t *testing.T) {
	checked := map[string]bool{}
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, p := range linkedPackages(t, system) {
			files := licencesOf(t, p.Dir, p.Module.Dir)
			if len(files) == 0 {
				t.Errorf("%s has no licence", p.ImportPath)
			}
			for _, file := range files {
				if !checked[file] && licenceOf(t, file) == "" {
					t.Errorf("%s: %s is not an allowed licence", p.ImportPath, file)
				}
				checked[file] = true
			}
		}
	}
	if len(checked) < 20 {
		t.Errorf("only %d licences were found", len(checked))
	}
}

type linkedPackage struct {
	ImportPath, Dir string
	Module          *struct {
		Path string
		Dir  string
		Main bool
	}
}

func linkedPackages(t *testing.T, system string) (all []linkedPackage) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Dir,Module", "./cmd/...")
	cmd.Env, cmd.Stderr = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0"), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for list := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p linkedPackage
		if err := list.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module != nil && !p.Module.Main { // neither the standard library nor purser
			all = append(all, p)
		}
	}
}

// licencesOf returns the licence files from a package's folder up to its module's.
func licencesOf(t *testing.T, dir, module string) (files []string) {
	t.Helper()
	for ; strings.HasPrefix(dir, module); dir = filepath.Dir(dir) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !e.IsDir() && licenceFile.MatchString(e.Name()) && !otherFile.MatchString(e.Name()) {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
	}
	return files
}

// licenceOf returns the name of the licence in a file, or "" if it is not allowed.
func licenceOf(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return classify(string(raw))
}

// others matches licences that purser cannot comply with, even beside an allowed one.
var others = regexp.MustCompile(`(?i)GNU (Lesser |Affero |Library )?General Public License|Server Side Public License|Business Source License|Commons Clause`)

func classify(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	i := slices.IndexFunc(licences, func(l struct{ name, text string }) bool { return regexp.MustCompile(l.text).MatchString(text) })
	if i < 0 || licences[i].name != "MPL-2.0" && others.MatchString(text) { // MPL's own text mentions them
		return ""
	}
	return licences[i].name
}

func TestALicenceIsRecognizedByItsText(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n   Version 2.0, January 2004":                                                      "Apache-2.0",
		"Mozilla Public License, version 2.0 … the GNU General Public License, Version 2.0":                 "MPL-2.0",
		"Permission is hereby granted, free of charge, to any person\nobtaining a copy":                     "MIT",
		"GNU GENERAL PUBLIC LICENSE\nVersion 3":                                                             "",
		"Permission is hereby granted, free of charge, to any person obtaining a copy … \"Commons Clause\"": "",
		"All rights reserved.": "",
	} {
		if got := classify(text); got != want {
			t.Errorf("%q is recognized as %q, want %q", text, got, want)
		}
	}
}
