package install

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Component is a GitLab CI/CD component, as far as ours uses its form.
type Component struct {
	Spec struct {
		Inputs map[string]struct {
			Description string
			Default     *string
			Regex       string
			Options     []string
		}
	}
	jobs string
}

// ParseComponent reads a component's file.
func ParseComponent(file []byte) (c Component, err error) {
	spec, jobs, ok := strings.Cut(string(file), "\n---\n")
	if !ok {
		return c, fmt.Errorf("there is no line of --- between spec and jobs")
	}
	c.jobs = jobs
	return c, yaml.UnmarshalWithOptions([]byte(spec), &c, yaml.Strict())
}

// Script returns a job's before_script with the inputs, which it checks as GitLab does before
// it makes a pipeline.
func (c Component) Script(job string, inputs map[string]string) (string, error) {
	for name := range inputs {
		if _, ok := c.Spec.Inputs[name]; !ok {
			return "", fmt.Errorf("unknown input %s", name)
		}
	}
	text := c.jobs
	for name, input := range c.Spec.Inputs {
		value, given := inputs[name]
		switch {
		case given:
		case input.Default == nil:
			return "", fmt.Errorf("the input %s is required", name)
		default:
			value = *input.Default
		}
		matches, err := regexp.MatchString(input.Regex, value)
		if err != nil {
			return "", err
		}
		if !matches || len(input.Options) > 0 && !slices.Contains(input.Options, value) {
			return "", fmt.Errorf("the input %s must not be %q", name, value)
		}
		text = strings.ReplaceAll(text, "$[[ inputs."+name+" ]]", value)
	}
	jobs := map[string]struct {
		BeforeScript []string `yaml:"before_script"`
	}{}
	if err := yaml.UnmarshalWithOptions([]byte(text), &jobs, yaml.Strict()); err != nil {
		return "", err
	}
	found, ok := jobs[job]
	if !ok {
		return "", fmt.Errorf("the component has no job %s", job)
	}
	return strings.Join(found.BeforeScript, "\n"), nil
}
