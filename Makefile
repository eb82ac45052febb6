SHELL := bash
.SHELLFLAGS := -euo pipefail -c
GOLANGCI := go tool -modfile=tools/go.mod golangci-lint
# LONG packages run without the race detector: they start hundreds of processes or read millions
# of lines, and have little concurrency. SIDE_BY_SIDE names their concurrent tests, which run under it.
LONG := ./cmd/purser ./cmd/purser-lambda ./cmd/purser-exposure ./internal/redact ./internal/soak ./internal/conformance
SIDE_BY_SIDE := Retiring|Rotations|Waiting|RotateDue|Agent|Decision|Ending
FUZZTIME := 10s
SOAK := 20m
SEED := 0
SINCE := HEAD

.PHONY: hostile soak help test quick doctor tools lint fuzz bench exposure build faults lambda

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

test: tools lint ## run everything that a change must pass; installs missing tools
	@race=-race; command -v "$$(go env CC)" >/dev/null || { race=; echo 'no C compiler: running without the race detector' >&2; }; \
	times=$$(mktemp); trap 'rm -f "$$times"' EXIT; log() { go test -json -timeout 20m "$$@" | go run ./scripts/testlog "$$times"; }; \
	failed=0; log -p 3 -parallel 4 $(LONG) & long=$$!; \
	log $$race -p 1 $$(go list ./... | grep -vxF "$$(go list $(LONG))") || failed=1; \
	wait $$long || failed=1; \
	[[ -z $$race ]] || log -race -run '$(SIDE_BY_SIDE)' ./cmd/purser || failed=1; \
	echo 'the slowest ten:'; sort -rn "$$times" | sed -n 1,10p; \
	exit $$failed

quick: ## check format, vet and tests of what differs from SINCE (HEAD), in seconds
	@scripts/quick.sh $(SINCE)

doctor: ## list the missing test tools, and what stays untested without them
	@NO_INSTALL=1 scripts/test-tools.sh
	@go version; git --version; command -v docker >/dev/null || echo 'no docker: nothing needs it'

tools: ## install the programs that the tests need
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

bench: ## run the benchmarks, and compare with other tools
	@go test -run '^$$' -bench . -benchmem ./...
	@go run ./bench

faults: ## run every injected fault, and print one line for each
	@go test -count=1 -v -run 'CutAtEveryCall|InvokedTwice|InEveryOrder|KilledAtEveryRequest' ./internal/lifecycle ./cmd/purser ./cmd/purser-lambda \
		| sed -nE 's/^.*_test\.go:[0-9]+: fault: //p; /^(--- FAIL|FAIL|panic)/p' \
		| awk '{ print } / green$$/ { green++; next } { red++ } END { printf "%d cases passed, %d lines did not\n", green, red; exit red > 0 || green < 200 }'

soak: ## run random commands, kills and faults for SOAK (20m), checking every promise; SEED=N repeats a run
	@go test -count=1 -v -timeout 0 ./internal/soak -soak $(SOAK) -soak-seed $(SEED) | grep -v '^=== '

hostile: ## try every attack in the threat model, and print whether purser withstands it
	@cd cmd/purser && go test -count=1 -run '^TestTheThreatModelHolds$$' -args -hold

lambda: ## build the rotation function's zip files into bin/
	@go run ./deploy/lambda bin

exposure: build ## search everything that leaves purser for secrets; needs strace and root
	@CGO_ENABLED=0 go build -trimpath -tags leak -o bin/leaking/ ./cmd/purser
	@CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/purser-exposure
	@sudo=; [[ $$(id -u) == 0 ]] || sudo=sudo; $$sudo bin/purser-exposure --purser bin/purser --helper bin/docker-credential-purser --leaking bin/leaking/purser

build: ## build the programs into bin/
	@CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/ ./cmd/purser ./cmd/docker-credential-purser ./cmd/purser-lambda
