package askpage

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"time"
)

// stream writes the lines as they come: as events for the page's script, or as a page for
// browsers without scripts.
func (f *Form) stream(w http.ResponseWriter, req *http.Request, page bool) {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // the work may take long
	w.Header().Set("Connection", "close")     // the end of the connection marks the end of the lines
	if page {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		v := f.view()
		v.Problem = "purser has the token"
		_ = pages.ExecuteTemplate(w, "answer.html", v)
	} else {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	for next := 0; ; {
		f.mu.Lock()
		lines, more := f.lines[next:], f.more
		f.mu.Unlock()
		for _, l := range lines {
			next++
			if !write(w, l, page) {
				return
			}
			if l.Mark == "end" {
				f.mu.Lock()
				f.told = true
				f.mu.Unlock()
				return
			}
		}
		if control.Flush() != nil {
			return
		}
		select {
		case <-more:
		case <-req.Context().Done():
			return
		}
	}
}

func write(w http.ResponseWriter, l line, page bool) bool {
	var err error
	switch {
	case !page:
		text, _ := json.Marshal(l) // text always encodes
		_, err = fmt.Fprintf(w, "data: %s\n\n", text)
	case l.Mark == "end":
		_, err = fmt.Fprint(w, "<p>purser is done. You can close this page.</p>")
	default:
		mark := map[string]string{"ok": "✓", "bad": "✗"}[l.Mark]
		_, err = fmt.Fprintf(w, "<p class=\"line %s\"><span>%s</span> <strong>%s</strong> %s</p>\n", html.EscapeString(l.Mark), mark, html.EscapeString(l.Step), html.EscapeString(l.Text))
	}
	return err == nil
}
