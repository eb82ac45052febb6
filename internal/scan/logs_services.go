package scan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"purser/internal/credential"
)

func signBearer(r *http.Request, login credential.Login) {
	r.Header.Set("Authorization", "Bearer "+login.Token.Reveal())
}

func signPrivate(r *http.Request, login credential.Login) {
	r.Header.Set("PRIVATE-TOKEN", login.Token.Reveal())
}

func signBasic(r *http.Request, login credential.Login) {
	user, password := login.Username, login.Token.Reveal()
	if user == "" {
		user, password, _ = strings.Cut(password, ":")
	}
	r.SetBasicAuth(user, password)
}

// builds searches builds, the newest first, and reports whether to ask for more.
func builds[B any](c *logClient, all []B, search func(B) error) (more bool, err error) {
	for _, b := range all {
		if c.seen++; c.Since.IsZero() && c.seen > mostBuilds {
			return false, nil
		}
		if err := search(b); err != nil {
			return false, err
		}
	}
	return len(all) > 0, nil
}

// job is a part of a build that has a log.
type job struct {
	ID   int
	Name string
}

// eachJob calls each for the logs of a build's jobs, whose ids are between the parts of a path.
func eachJob(build int, all []job, before, after string, each func(buildLog) error) error {
	for _, j := range all {
		if err := each(buildLog{strconv.Itoa(build), j.Name, before + strconv.Itoa(j.ID) + after}); err != nil {
			return err
		}
	}
	return nil
}

// buildkite is https://buildkite.com/docs/apis/rest-api/builds and …/jobs.
var buildkite = service{
	base: "https://api.buildkite.com/v2", sign: signBearer, token: "an API token with the scopes read_builds and read_build_logs",
	list: func(ctx context.Context, c *logClient, each func(buildLog) error) error {
		org, pipeline, _ := strings.Cut(c.Project, "/")
		path := "/organizations/" + org + "/pipelines/" + pipeline + "/builds"
		type build struct {
			Number int
			Jobs   []struct{ ID, Name, Type string }
		}
		jobs := func(b build) error {
			for _, j := range b.Jobs {
				if j.Type != "script" || !isPlain(j.ID) {
					continue // a step that waits has no log
				}
				if err := each(buildLog{strconv.Itoa(b.Number), j.Name, fmt.Sprintf("%s/%d/jobs/%s/log.txt", path, b.Number, j.ID)}); err != nil {
					return err
				}
			}
			return nil
		}
		if c.Build != "" {
			var b build
			if _, err := c.into(ctx, path+"/"+c.Build, &b); err != nil {
				return err
			}
			return jobs(b)
		}
		query := url.Values{"per_page": {"100"}, "include_retried_jobs": {"true"}}
		if !c.Since.IsZero() {
			query.Set("created_from", c.Since.UTC().Format(time.RFC3339))
		}
		return pages(ctx, c, path+"?"+query.Encode(), func(all []build) (bool, error) { return builds(c, all, jobs) })
	},
}

// githubActions is https://docs.github.com/en/rest/actions/workflow-runs and …/workflow-jobs.
var githubActions = service{
	base: "https://api.github.com", sign: signBearer, token: "a token that may read the repository's actions",
	list: func(ctx context.Context, c *logClient, each func(buildLog) error) error {
		path := "/repos/" + c.Project + "/actions"
		type run struct{ ID int }
		type jobs struct{ Jobs []job }
		search := func(r run) error {
			return pages(ctx, c, fmt.Sprintf("%s/runs/%d/jobs?filter=all&per_page=100", path, r.ID), func(page jobs) (bool, error) {
				return true, eachJob(r.ID, page.Jobs, path+"/jobs/", "/logs", each)
			})
		}
		if c.Build != "" {
			id, err := strconv.Atoi(c.Build)
			if err != nil {
				return err
			}
			return search(run{id})
		}
		query := url.Values{"per_page": {"100"}}
		if !c.Since.IsZero() {
			query.Set("created", ">="+c.Since.UTC().Format(time.RFC3339))
		}
		type runs struct {
			Runs []run `json:"workflow_runs"`
		}
		return pages(ctx, c, path+"/runs?"+query.Encode(), func(page runs) (bool, error) { return builds(c, page.Runs, search) })
	},
}

// gitlabCI is https://docs.gitlab.com/api/pipelines/ and …/jobs/.
var gitlabCI = service{
	base:  "https://gitlab.com/api/v4",
	sign:  signPrivate,
	token: "a token with the scope read_api",
	list: func(ctx context.Context, c *logClient, each func(buildLog) error) error {
		path := "/projects/" + url.PathEscape(c.Project)
		type pipeline struct{ ID int }
		search := func(p pipeline) error {
			return pages(ctx, c, fmt.Sprintf("%s/pipelines/%d/jobs?include_retried=true&per_page=100", path, p.ID), func(page []job) (bool, error) {
				return true, eachJob(p.ID, page, path+"/jobs/", "/trace", each)
			})
		}
		if c.Build != "" {
			id, err := strconv.Atoi(c.Build)
			if err != nil {
				return err
			}
			return search(pipeline{id})
		}
		query := url.Values{"per_page": {"100"}, "order_by": {"id"}, "sort": {"desc"}}
		if !c.Since.IsZero() {
			query.Set("updated_after", c.Since.UTC().Format(time.RFC3339))
		}
		return pages(ctx, c, path+"/pipelines?"+query.Encode(), func(all []pipeline) (bool, error) { return builds(c, all, search) })
	},
}

// jenkins is https://www.jenkins.io/doc/book/using/remote-access-api/.
var jenkins = service{
	sign:  signBasic,
	token: "USER:TOKEN, an account's name and its API token, which may read the job",
	list: func(ctx context.Context, c *logClient, each func(buildLog) error) error {
		if c.Build != "" {
			return each(buildLog{build: c.Build, path: "/" + c.Build + "/consoleText"})
		}
		return jenkinsJob(ctx, c, "", each)
	},
}

// deepestFolder bounds folders in folders of Jenkins jobs.
const deepestFolder = 5

// jenkinsJob searches a job, or the jobs of a folder or of a multibranch pipeline.
func jenkinsJob(ctx context.Context, c *logClient, path string, each func(buildLog) error) error {
	var job struct {
		Builds []struct{ Number, Timestamp int64 }
		Jobs   []struct{ Name string }
	}
	tree := "builds[number,timestamp]{0," + strconv.Itoa(mostBuilds) + "},jobs[name]"
	if !c.Since.IsZero() {
		tree = "builds[number,timestamp],jobs[name]"
	}
	if _, err := c.into(ctx, path+"/api/json?"+url.Values{"tree": {tree}}.Encode(), &job); err != nil {
		return err
	}
	for _, b := range job.Builds {
		if time.UnixMilli(b.Timestamp).Before(c.Since) {
			break
		}
		n := strconv.FormatInt(b.Number, 10)
		if err := each(buildLog{build: strings.TrimPrefix(path+"/"+n, "/"), path: path + "/" + n + "/consoleText"}); err != nil {
			return err
		}
	}
	if len(job.Jobs) > 0 && strings.Count(path, "/job/") >= deepestFolder {
		return errors.New("its folders are too deep")
	}
	for _, j := range job.Jobs {
		if err := jenkinsJob(ctx, c, path+"/job/"+url.PathEscape(j.Name), each); err != nil {
			return err
		}
	}
	return nil
}
