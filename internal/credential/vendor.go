package credential

import (
	"slices"
	"strings"
)

// vendor is a company whose registry is known by its host and, where it marks its
// tokens, by their prefix.
type vendor struct {
	title string
	hosts []string // its own; one that begins with a dot stands for all below it
	// everywhere says that others run the vendor's software on hosts of their own, whose
	// tokens have the same prefix.
	everywhere bool
}

var (
	docker = &vendor{title: "Docker Hub", hosts: []string{string(DockerHub)}}
	github = &vendor{title: "GitHub", hosts: []string{"ghcr.io", ".pkg.github.com", ".ghe.com"}, everywhere: true}
	gitlab = &vendor{title: "GitLab", hosts: []string{"registry.gitlab.com"}, everywhere: true}
)

// vendors are all that are known by their hosts. The last ones mark no tokens.
var vendors = []*vendor{
	docker, github, gitlab,
	{title: "Amazon ECR", hosts: []string{".amazonaws.com", ".amazonaws.com.cn", "public.ecr.aws"}},
	{title: "Azure", hosts: []string{".azurecr.io", ".azurecr.cn", ".azurecr.us"}},
	{title: "Google", hosts: []string{"gcr.io", ".gcr.io", ".pkg.dev"}},
	{title: "Quay", hosts: []string{"quay.io"}},
}

func (v *vendor) has(host Host) bool {
	name := host.Hostname()
	return slices.ContainsFunc(v.hosts, func(own string) bool {
		return name == own || own[0] == '.' && strings.HasSuffix(name, own)
	})
}

// markedBy is the vendor whose form the token has, perhaps with something around it that
// was copied as well; nil for a token of no known form.
func markedBy(token Secret) *vendor {
	text := token.Reveal()
	for _, k := range knownForms {
		if k.index(text) >= 0 {
			return k.vendor
		}
	}
	return nil
}

// IsHome reports whether the form of a token says that it belongs to the registry, so
// that nobody has to say it again.
func IsHome(host Host, token Secret) bool {
	v := markedBy(token)
	return v != nil && v.has(host)
}

// Misplaced names the vendor of a token that must never be sent to the registry,
// whatever a configuration says; "" for a token that may be. Docker Hub's tokens go to
// Docker Hub alone. GitHub's and GitLab's may go to hosts that are no other vendor's:
// both sell servers that customers run under names of their own.
func Misplaced(host Host, token Secret) string {
	v := markedBy(token)
	switch {
	case v == nil || v.has(host):
		return ""
	case !v.everywhere || slices.ContainsFunc(vendors, func(other *vendor) bool { return other.has(host) }):
		return v.title
	}
	return ""
}
