SHELL := bash
.SHELLFLAGS := -euo pipefail -c
GOLANGCI := go tool -modfile=tools/go.mod golangci-lint
# These packages take long and give the race detector little: they start hundreds of
# processes, or read millions of lines. make test runs their concurrent tests (SIDE_BY_SIDE)
# under the race detector separately. Most of them wait for processes to end, so more of
# them run at the same time than most machines have cores.
LONG := ./cmd/purser ./cmd/purser-lambda ./cmd/purser-exposure ./internal/redact ./internal/soak ./internal/conformance
SIDE_BY_SIDE := Retiring|Rotations|Waiting|RotateDue|Agent|Decision|Ending
# What the prose check reads: Markdown, and of Go files the comments and strings.
PROSE := README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md SECURITY.md docs deploy skills cmd internal bench
FUZZTIME := 10s
SOAK := 20m
SEED := 0
SINCE := HEAD

.PHONY: site pictures wine release release-snapshot release-test release-tools hostile soak help test quick doctor tools lint fuzz bench exposure build faults lambda man rules

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

test: tools lint ## run everything that a change must pass; installs the tools it needs
	@race=-race; command -v "$$(go env CC)" >/dev/null || { race=; echo 'no C compiler: without the race detector' >&2; }; \
	times=$$(mktemp); trap 'rm -f "$$times"' EXIT; log() { go test -json -timeout 20m "$$@" | go run ./scripts/testlog "$$times"; }; \
	failed=0; log -p 3 -parallel 4 $(LONG) & long=$$!; \
	log $$race -p 1 $$(go list ./... | grep -vxF "$$(go list $(LONG))") || failed=1; \
	wait $$long || failed=1; \
	[[ -z $$race ]] || log -race -run '$(SIDE_BY_SIDE)' ./cmd/purser || failed=1; \
	echo 'the slowest ten:'; sort -rn "$$times" | sed -n 1,10p; \
	exit $$failed

quick: ## check format, vet and the tests of what differs from SINCE (HEAD), in seconds
	@scripts/quick.sh $(SINCE)

doctor: ## list the test tools that this machine has, and what it cannot test without the others
	@NO_INSTALL=1 scripts/test-tools.sh
	@go version; git --version; command -v docker >/dev/null || echo 'no docker: nothing needs it'

tools: ## install the programs that the tests run
	@scripts/test-tools.sh

lint: ## check form, house rules and prose
	@files=$$(gofmt -l .); [[ -z $$files ]] || { printf 'not formatted; run gofmt -w on:\n%s\n' "$$files" >&2; exit 1; }
	@go vet ./...
	@$(GOLANGCI) run ./...
	@go run ./scripts/prose $(PROSE)
	@for os in darwin windows freebsd; do GOOS=$$os CGO_ENABLED=0 go vet ./... || { echo "lint: this does not build for $$os" >&2; exit 1; }; done
	@scripts/lint-shell.sh
	@scripts/vulnerabilities.sh

fuzz: ## run each fuzz test for FUZZTIME (10s)
	@grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | while IFS=: read -r file name; do \
		go test -run '^$$' -fuzz "^$${name#func }$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$(dirname "$$file")" </dev/null; \
	done

bench: ## measure, and compare with other tools
	@go test -run '^$$' -bench . -benchmem ./...
	@go run ./bench

faults: ## print the faults that tests put runs through, one line each, and their number
	@go test -count=1 -v -run 'CutAtEveryCall|InvokedTwice|InEveryOrder|KilledAtEveryRequest' ./internal/lifecycle ./cmd/purser ./cmd/purser-lambda \
		| sed -nE 's/^.*_test\.go:[0-9]+: fault: //p; /^(--- FAIL|FAIL|panic)/p' \
		| awk '{ print } / green$$/ { green++; next } { red++ } END { printf "%d cases are green, %d lines are not\n", green, red; exit red > 0 || green < 200 }'

soak: ## run random commands, kills and faults for SOAK (20m), and check every promise; SEED=N repeats a run
	@go test -count=1 -v -timeout 0 ./internal/soak -soak $(SOAK) -soak-seed $(SEED) | grep -v '^=== '

hostile: ## try every row of the threat model, and print whether it is held
	@cd cmd/purser && go test -count=1 -run '^TestTheThreatModelHolds$$' -args -hold

wine: ## run the tests for Windows under Wine, as far as it is installed
	@scripts/wine.sh test -short $$(scripts/portable.sh --list)
	@scripts/wine.sh run ./cmd/purser sandbox try >/dev/null

lambda: ## build the rotation function's zip files into bin/
	@go run ./deploy/lambda bin

exposure: build ## search everything that leaves purser for secrets; needs strace and root
	@CGO_ENABLED=0 go build -trimpath -tags leak -o bin/leaking/ ./cmd/purser
	@CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/purser-exposure
	@sudo=; [[ $$(id -u) == 0 ]] || sudo=sudo; $$sudo bin/purser-exposure --purser bin/purser --helper bin/docker-credential-purser --leaking bin/leaking/purser

rules: ## write gitleaks' rules about registries' tokens into internal/scan/rules.json
	@rules=$$(go -C tools/rules run .); printf '%s\n' "$$rules" >internal/scan/rules.json

site: ## build the documentation's site into bin/site
	@rm -rf bin/site; cd site; [[ node_modules/.package-lock.json -nt package-lock.json ]] || npm ci --silent; npm run --silent build

pictures: ## draw the pictures of the documentation from runs, and from the code
	@go test -count=1 -run 'House' . -update
	@go test -count=1 -run 'Samples' ./cmd/purser -update

man: ## write the manual pages into bin/man1; their date is the last commit's, or SOURCE_DATE_EPOCH
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} CGO_ENABLED=0 go run ./cmd/purser man bin/man1

build: ## build the programs into bin/
	@CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/ ./cmd/purser ./cmd/docker-credential-purser ./cmd/purser-lambda

release-tools: ## install what a release uses: goreleaser, syft, cosign, crane
	go install github.com/goreleaser/goreleaser/v2@v2.15.4 # 2.15.1 changes the checksums after it signed them
	go install -ldflags='-X main.version=1.57.1' github.com/anchore/syft/cmd/syft@v1.57.1
	go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3
	go install github.com/google/go-containerregistry/cmd/crane@v0.22.1

release-snapshot: ## build a whole release into dist/, and publish nothing
	@deploy/release/release.sh snapshot

release-test: release-snapshot ## build a release, and walk every road to it; the packages need root and Debian's mirror
	@go test -count=1 -v ./deploy/... | grep -vE '^ *(=== |--- PASS)' # and what was skipped

release: ## publish a release; the release workflow runs it, on a tag
	@deploy/release/release.sh publish
