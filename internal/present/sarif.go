package present

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"

	"purser/internal/atomicfile"
	"purser/internal/scan"
)

// The part of SARIF 2.1.0 that code scanning services read:
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/ and
// https://docs.github.com/en/code-security/reference/code-scanning/sarif-support-for-code-scanning.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID         string         `json:"id"`
		Short      sarifText      `json:"shortDescription"`
		Help       sarifText      `json:"help"`
		Properties map[string]any `json:"properties"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		Rule         string            `json:"ruleId"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region struct {
				Line int `json:"startLine"`
			} `json:"region"`
		} `json:"physicalLocation"`
	}
)

// sarifRules tell the states of a token. Their order is that of severity.
var sarifRules = []struct{ state, level, severity, short, help string }{
	{"live", "error", "9.5", "A token that CI uses now", "End and replace the token first, with purser respond NAME. Then remove it: a file or commit without it does not help while the registry accepts it."},
	{"works", "error", "9.0", "A token that its registry accepts", "End it where it was made, and then remove it."},
	{"staged", "error", "9.0", "A token that a rotation is about to make current", "End and replace the token first, with purser respond NAME, and then remove it."},
	{"previous", "warning", "5.0", "A token that purser replaced", "It may work until purser revokes it. Remove it."},
	{"dead", "note", "1.0", "A token that its registry refuses", "Remove it."},
	{"unknown", "warning", "5.0", "A token known by its form", "See whether it works, end it where it was made, and remove it."},
}

// WriteSARIF writes SARIF to a file; dir is the working directory, "" the process's.
func WriteSARIF(r *scan.Result, dir, path, version string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	text, err := SARIF(r, dir, version)
	if err != nil {
		return err
	}
	return atomicfile.Replace(path, text, 0o644)
}

// SARIF describes a scan for code scanning services. Paths are relative to dir where they are
// in it.
func SARIF(r *scan.Result, dir, version string) ([]byte, error) {
	var run sarifRun
	run.Tool.Driver = sarifDriver{Name: "purser", Version: version}
	for _, rule := range sarifRules {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: rule.state, Short: sarifText{rule.short}, Help: sarifText{rule.help},
			Properties: map[string]any{"tags": []string{"security"}, "security-severity": rule.severity},
		})
	}
	inv := sarifInvocation{Successful: len(r.Missed)+len(r.Faults) == 0}
	for _, m := range r.Missed {
		inv.Notifications = append(inv.Notifications, sarifNotification{"warning", sarifText{"not searched: " + m.Where.String() + ": " + m.Why}})
	}
	for _, err := range r.Faults {
		inv.Notifications = append(inv.Notifications, sarifNotification{"error", sarifText{ErrorReport(err).What}})
	}
	run.Invocations, run.Results = []sarifInvocation{inv}, []sarifResult{}
	for _, f := range r.Findings {
		run.Results = append(run.Results, sarifOf(f, dir))
	}
	text, err := json.MarshalIndent(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}}, "", "  ")
	return append(text, '\n'), err
}

func sarifOf(f scan.Finding, dir string) sarifResult {
	state := stateOf(f)
	level := "warning"
	for _, rule := range sarifRules {
		if rule.state == state {
			level = rule.level
		}
	}
	var at sarifLocation
	path := f.Where.Path
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsAbs(path) && filepath.IsLocal(rel) {
		path = rel
	}
	at.Physical.Artifact.URI = (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
	at.Physical.Region.Line = max(1, f.Where.Line) // services want a line
	// Nothing of the token goes into it: it tells places apart.
	place := sha256.Sum256([]byte(strings.Join(append([]string{state, f.Who(), path, f.Where.Object}, f.Where.Inside...), "\x00")))
	return sarifResult{
		Rule: state, Level: level, Locations: []sarifLocation{at}, Fingerprints: map[string]string{"place/v1": hex.EncodeToString(place[:16])},
		Message: sarifText{"The token of " + f.Who() + " is here, " + formOf(f) + ": " + f.Where.String()},
	}
}
