package scan

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Machine says where a person's files are.
type Machine struct {
	Home    string // "": unknown, and nothing in it is searched
	Config  string // XDG_CONFIG_HOME, or ~/.config
	Data    string // XDG_DATA_HOME, or ~/.local/share
	Runtime string // XDG_RUNTIME_DIR; may be empty
	Extra   []string
	Proc    string // where the kernel shows processes; "": it does not
}

// Known is a place where programs keep what a person typed, pasted or signed in with.
type Known struct {
	What   string
	Paths  []string // with a pattern's signs; ~config and ~data are the XDG directories
	Source string   // the documentation of the program
}

// KnownPlaces are searched by Here. Folders are searched with all that is in them.
var KnownPlaces = []Known{
	{"logins of container clients", []string{
		"~/.docker", "~config/containers", "~runtime/containers", "~config/helm/registry", "~/Library/Preferences/helm/registry", "~config/oras",
	}, "https://docs.docker.com/reference/cli/docker/login/, containers-auth.json(5), https://helm.sh/docs/helm/helm/"},
	{"logins of package managers", []string{
		"~/.npmrc", "~/.yarnrc", "~/.yarnrc.yml", "~/.pypirc", "~/.pip/pip.conf", "~config/pip/pip.conf", "~/.m2/settings.xml", "~/.gradle/gradle.properties", "~/.cargo/credentials*", "~/.gem/credentials", "~config/composer/auth.json",
	}, "https://docs.npmjs.com/cli/configuring-npm/npmrc, https://pip.pypa.io/en/stable/topics/configuration/"},
	{"logins of other clients", []string{
		"~/.netrc", "~/_netrc", "~/.git-credentials", "~config/git/credentials", "~/.gitconfig", "~config/git/config", "~config/gh", "~config/glab-cli", "~/.kube", "~/.terraform.d", "~/.terraformrc", "~/.vault-token",
	}, "https://git-scm.com/docs/git-credential-store, https://everything.curl.dev/usingcurl/netrc"},
	{"AWS's caches and history", []string{"~/.aws"}, "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html"},
	{"shell start files", []string{
		"~/.profile", "~/.bashrc", "~/.bash_profile", "~/.bash_aliases", "~/.zshrc", "~/.zshenv", "~/.zprofile", "~config/fish", "~config/environment.d", "~/.pam_environment", "~/.envrc", "/etc/environment", "/etc/profile.d",
	}, "bash(1), zsh(1), environment.d(5)"},
	{"shell histories", []string{
		"~/.bash_history*", "~/.zsh_history*", "~/.zhistory", "~/.zsh_sessions", "~/.bash_sessions", "~/.sh_history", "~/.ash_history", "~/.ksh_history", "~/.history", "~data/fish/fish_history", "~config/nushell/history*",
		"~data/powershell/PSReadLine", "~/AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine", "~data/atuin", "~/.mcfly", "~/.local/state/bash", "~/.local/state/zsh",
	}, "bash(1), zshoptions(1), fish-history(1), about_PSReadLine"},
	{"histories of other programs", []string{
		"~/.python_history", "~/.node_repl_history", "~/.psql_history", "~/.mysql_history", "~/.sqlite_history", "~/.lesshst", "~/.wget-hsts", "~/.rediscli_history", "~/.viminfo", "~data/recently-used.xbel",
	}, "less(1), vim(1), https://docs.python.org/3/library/site.html"},
	{"editors' swap files, undo and local history", []string{
		"~/.vim", "~/.local/state/nvim", "~/.local/state/vim", "~data/nvim", "~/.emacs.d/auto-save-list", "~/.emacs.d/backups", "~/.saves", "~data/nano", "~/.*.swp", "~/*.swp",
		"~config/Code/User", "~config/VSCodium/User", "~/Library/Application Support/Code/User", "~/AppData/Roaming/Code/User", "~/.vscode-server/data/User", "~/.cache/JetBrains/*/LocalHistory", "~/Library/Caches/JetBrains/*/LocalHistory",
	}, "https://vimhelp.org/recover.txt.html, https://code.visualstudio.com/docs/sourcecontrol/overview#_timeline-view"},
	{"transcripts of AI agents", []string{
		"~/.claude", "~/.claude.json", "~/.codex", "~/.gemini", "~/.copilot", "~/.aider*", "~/.cursor", "~config/Cursor/User", "~/Library/Application Support/Cursor/User", "~/AppData/Roaming/Cursor/User",
		"~/.codeium", "~/.continue", "~data/opencode", "~data/goose", "~config/goose", "~data/amazon-q", "~data/crush", "~data/zed", "~/Library/Application Support/Zed", "~config/io.datasette.llm", "~/.cline", "~/.roo", "~data/amp", "~/.qwen",
	}, "https://docs.anthropic.com/en/docs/claude-code/settings, https://github.com/openai/codex, https://geminicli.com/docs, https://aider.chat/docs/config/options.html, https://opencode.ai/docs"},
	{"build agents", []string{"~/.buildkite-agent", "/etc/buildkite-agent", "~/.gitlab-runner", "/etc/gitlab-runner", "~/.jenkins"}, "https://buildkite.com/docs/agent/v3/configuration, https://docs.gitlab.com/runner/configuration/"},
}

// Here looks where programs on this machine keep what a person typed, and through the
// environments and arguments of the processes that the caller may read.
func (s *Scanner) Here(ctx context.Context, m Machine) error {
	if err := s.Files(ctx, m.places()...); err != nil {
		return err
	}
	return s.processes(ctx, m.Proc)
}

// places returns the known places that exist.
func (m Machine) places() []string {
	found := slices.Clone(m.Extra)
	dirs := []struct{ sign, dir string }{{"~config/", m.Config}, {"~data/", m.Data}, {"~runtime/", m.Runtime}, {"~/", m.Home}}
	for _, known := range KnownPlaces {
		for _, path := range known.Paths {
			for _, d := range dirs {
				if rest, ok := strings.CutPrefix(path, d.sign); ok {
					path = ""
					if d.dir != "" {
						path = filepath.Join(literally(d.dir), filepath.FromSlash(rest))
					}
					break
				}
			}
			all, _ := filepath.Glob(path) // the patterns above are good
			found = append(found, all...)
		}
	}
	found = slices.DeleteFunc(found, func(path string) bool { _, err := os.Lstat(path); return path == "" || errors.Is(err, fs.ErrNotExist) })
	slices.Sort(found)
	return slices.Compact(found)
}

// literally keeps a folder's name from being a pattern.
func literally(dir string) string {
	if filepath.Separator == '\\' {
		return dir // Windows has no escapes in patterns
	}
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(dir)
}

// processes looks through what proc(5) shows of processes. Other users' are not the caller's
// to read, and some end meanwhile: neither is missed.
func (s *Scanner) processes(ctx context.Context, proc string) error {
	entries, err := os.ReadDir(proc)
	if proc == "" || err != nil {
		return ctx.Err()
	}
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		folder := filepath.Join(proc, e.Name())
		name := ""                                                               // of the program
		if text, err := os.ReadFile(filepath.Join(folder, "comm")); err == nil { //nolint:gosec // the kernel's
			name = strings.TrimSpace(string(text))
		}
		for _, about := range []struct{ file, what string }{{"environ", "environment"}, {"cmdline", "arguments"}} {
			text, err := os.ReadFile(filepath.Join(folder, about.file)) //nolint:gosec // the kernel's
			if err != nil {
				continue
			}
			for i, part := range bytes.Split(text, []byte{0}) {
				where := Where{Path: about.what, Process: id, Program: name}
				if key, _, ok := bytes.Cut(part, []byte("=")); ok && about.file == "environ" {
					where.Path = "environment variable " + string(key)
				} else if about.file == "cmdline" {
					where.Path = "argument " + strconv.Itoa(i)
				}
				s.short(where, nil, part)
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}
