package dockerhub_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/sandbox"
)

func TestEvidenceOfUse(t *testing.T) {
	h := newHubBench(t)
	body := `{"next":null,"results":[{"name":"latest","tag_last_pushed":"2026-11-20T10:00:00Z","last_updater_username":"mockserver"},` +
		`{"name":"old","tag_last_pushed":"2025-01-01T00:00:00Z","last_updater_username":"x"},{"name":"never","tag_last_pushed":null},` +
		`{"name":"\u001b[2Jtag","tag_last_pushed":"2026-11-21T10:00:00Z","last_updater_username":"dckr_pat_FAKEFAKEFAKEFAKEFAKEFAKEFAK"}]}`
	h.box.Hub.Fault("repositories", sandbox.Fault{Status: http.StatusOK, Body: body})
	since := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	pushes, complete, err := h.account("").Pushes(t.Context(), "mockserver/mockserver", since)
	if err != nil || !complete || len(pushes) != 2 || pushes[0].Tag != "latest" || pushes[0].By != "mockserver" {
		t.Fatalf("%+v %t %v", pushes, complete, err)
	}
	if text := pushes[1].Tag + pushes[1].By; strings.ContainsRune(text, 0x1b) || strings.Contains(text, "dckr_pat_") {
		t.Errorf("untrusted text is not escaped: %q", text)
	}
	for name, c := range map[string]struct {
		fault sandbox.Fault
		want  credential.Reason
	}{
		"a next page elsewhere": {sandbox.Fault{Status: http.StatusOK, Body: `{"next":"https://elsewhere.example/v2/x","results":[]}`}, credential.RegistryStrange},
		"a next page in a loop": {sandbox.Fault{Status: http.StatusOK, Body: `{"next":"?page=1&page_size=100","results":[]}`}, credential.RegistryStrange},
		"no list":               {sandbox.Fault{Status: http.StatusOK, Body: `{}`}, credential.RegistryStrange},
		"a page":                {sandbox.Fault{HTML: true}, credential.RegistryStrange},
		"hidden":                {sandbox.Fault{Status: http.StatusNotFound, Body: `{"message":"object not found"}`}, credential.RegistryStrange},
		"down":                  {sandbox.Fault{Status: http.StatusServiceUnavailable}, credential.RegistryStrange},
		"cut":                   {sandbox.Fault{Times: -1}, credential.RegistryUnreachable},
	} {
		h.box.Hub.Fault("repositories", c.fault)
		_, complete, err := h.account("").Pushes(t.Context(), "mockserver/mockserver", since)
		if h.is(name, err, c.want); complete {
			t.Errorf("%s is complete", name)
		}
	}
	h.box.Hub.Fault("repositories", sandbox.Fault{Status: http.StatusOK, Times: -1, Body: `{"next":"?page=2&page_size=100","results":[]}`})
	if _, _, err := h.account("").Pushes(t.Context(), "mockserver/mockserver", since); credential.ReasonOf(err) != credential.RegistryStrange {
		t.Errorf("an endless list: %v", err)
	}

	h.box.Hub.Fault("audit", sandbox.Fault{Status: http.StatusOK, Body: `{"logs":[{"actor":"mockserver","action":"repo.tag.push","name":"acme/app:1","timestamp":"2026-11-20T10:00:00Z"}]}`})
	events, complete, err := h.account("acme").Events(t.Context(), since)
	if err != nil || !complete || len(events) != 1 || events[0].Action != "repo.tag.push" {
		t.Errorf("%+v %t %v", events, complete, err)
	}
	if events, _, err = h.account("acme").Events(t.Context(), since); err != nil || len(events) != 0 {
		t.Errorf("an empty log: %+v %v", events, err)
	}
	_, _, err = h.account("mockserver").Events(t.Context(), since)
	h.is("a person's log", err, credential.NotPermitted)
	_, _, err = h.account("../x").Events(t.Context(), since)
	h.is("a name with a path", err, credential.Usage)
}
