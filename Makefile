SHELL := bash
.SHELLFLAGS := -euo pipefail -c
GOLANGCI := go tool -modfile=tools/go.mod golangci-lint
# What takes long, and has little for the race detector: it starts hundreds of processes,
# or looks at millions of lines. What of it runs side by side is given to it by itself. Most
# of it waits for processes that are to end, so that more of it runs at once than most machines have cores.
LONG := ./cmd/purser ./cmd/purser-lambda ./cmd/purser-exposure ./internal/redact ./internal/soak ./internal/conformance
SIDE_BY_SIDE := Retiring|Rotations|Waiting|RotateDue|Agent|Decision|Ending
FUZZTIME := 10s
SOAK := 20m
SEED := 0
SINCE := HEAD

.PHONY: hostile soak help test quick doctor tools lint fuzz bench exposure build faults lambda man

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

test: tools lint ## everything that a change must pass; installs the tools it needs
	@race=-race; command -v "$$(go env CC)" >/dev/null || { race=; echo 'no C compiler: without the race detector' >&2; }; \
	times=$$(mktemp); trap 'rm -f "$$times"' EXIT; log() { go test -json -timeout 20m "$$@" | go run ./scripts/testlog "$$times"; }; \
	failed=0; log -p 3 -parallel 4 $(LONG) & long=$$!; \
	log $$race -p 1 $$(go list ./... | grep -vxF "$$(go list $(LONG))") || failed=1; \
	wait $$long || failed=1; \
	[[ -z $$race ]] || log -race -run '$(SIDE_BY_SIDE)' ./cmd/purser || failed=1; \
	echo 'the slowest ten:'; sort -rn "$$times" | sed -n 1,10p; \
	exit $$failed

quick: ## format, vet and the tests of what differs from SINCE (HEAD), in seconds
	@scripts/quick.sh $(SINCE)

doctor: ## what of the tools that tests use is on this machine, and what is not tested without
	@NO_INSTALL=1 scripts/test-tools.sh
	@go version; git --version; command -v docker >/dev/null || echo 'no docker: nothing needs it'

tools: ## install the programs that the tests are run against
	@scripts/test-tools.sh

lint: ## check form and house rules
	@files=$$(gofmt -l .); [[ -z $$files ]] || { printf 'not formatted; run gofmt -w on:\n%s\n' "$$files" >&2; exit 1; }
	@go vet ./...
	@$(GOLANGCI) run ./...
	@scripts/vulnerabilities.sh

fuzz: ## run each fuzz test for FUZZTIME (10s)
	@grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | while IFS=: read -r file name; do \
		go test -run '^$$' -fuzz "^$${name#func }$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$(dirname "$$file")" </dev/null; \
	done

bench: ## measure, and compare with other tools
	@go test -run '^$$' -bench . -benchmem ./...
	@go run ./bench

faults: ## the table of faults that runs are put to, one line each, and their number
	@go test -count=1 -v -run 'CutAtEveryCall|InvokedTwice|InEveryOrder|KilledAtEveryRequest' ./internal/lifecycle ./cmd/purser ./cmd/purser-lambda \
		| sed -nE 's/^.*_test\.go:[0-9]+: fault: //p; /^(--- FAIL|FAIL|panic)/p' \
		| awk '{ print } / green$$/ { green++; next } { red++ } END { printf "%d cases are green, %d lines are not\n", green, red; exit red > 0 || green < 200 }'

soak: ## random commands, kills and faults for SOAK (20m), with every promise looked at; SEED=N repeats a run
	@go test -count=1 -v -timeout 0 ./internal/soak -soak $(SOAK) -soak-seed $(SEED) | grep -v '^=== '

hostile: ## the threat model, row by row: what is tried, and whether it is held
	@cd cmd/purser && go test -count=1 -run '^TestTheThreatModelHolds$$' -args -hold

lambda: ## the rotation function's zip files, into bin/
	@go run ./deploy/lambda bin

exposure: build ## search everything that leaves purser for secrets; needs strace and root
	@CGO_ENABLED=0 go build -trimpath -tags leak -o bin/leaking/ ./cmd/purser
	@CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/purser-exposure
	@sudo=; [[ $$(id -u) == 0 ]] || sudo=sudo; $$sudo bin/purser-exposure --purser bin/purser --helper bin/docker-credential-purser --leaking bin/leaking/purser

man: ## the manual pages, into bin/man1; their date is the last commit's, or SOURCE_DATE_EPOCH
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} CGO_ENABLED=0 go run ./cmd/purser man bin/man1

build: ## the programs, into bin/
	@CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/ ./cmd/purser ./cmd/docker-credential-purser ./cmd/purser-lambda
