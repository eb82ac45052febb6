package agent

import (
	"context"
	"io/fs"
	"path"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"purser/docs"
	"purser/skills"
)

// addPages serves the documentation and the skills, which are embedded in the program.
func (s *Server) addPages() {
	for root, files := range map[string]fs.FS{"docs": docs.Pages, "skills": skills.Files} {
		_ = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error { // embedded files are always readable
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(files, name)
			if err == nil {
				s.addPage("purser://"+root+"/"+name, name, string(text))
			}
			return err
		})
	}
}

func (s *Server) addPage(uri, name, text string) {
	s.AddResource(&mcp.Resource{URI: uri, Name: strings.TrimSuffix(name, path.Ext(name)), Title: heading(text), MIMEType: "text/markdown", Size: int64(len(text))},
		func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
			return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: uri, MIMEType: "text/markdown", Text: text}}}, nil
		})
}

// heading returns a page's first heading.
func heading(text string) string {
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			return strings.TrimSpace(title)
		}
	}
	return ""
}
