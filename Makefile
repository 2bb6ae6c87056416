# What a developer does here; `make` alone lists it. Everything else is `go` as usual, with the tags below.

# Loading SQLite extensions is compiled out: nobody needs it, and it would run native code named by SQL.
TAGS := sqlite_omit_load_extension
STATIC_TAGS := $(TAGS),netgo,osusergo,timetzdata
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TESTFLAGS ?=
BENCH ?= .

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Debian keeps the PostgreSQL server's programs off the PATH.
export PATH := $(PATH):$(lastword $(sort $(wildcard /usr/lib/postgresql/*/bin)))

.PHONY: help
help:
	@sed -n 's/^\([a-z-]*\):.*## */  make \1\t/p' Makefile | expand -t 22

.PHONY: demo
demo: build ## build and start the console with a simulated HSS at http://127.0.0.1:8080
	@exec bin/web demo

.PHONY: build
build: ## build bin/web
	@[ -e bin/web ] || echo "Building bin/web; the first time takes a few minutes, SQLite is compiled from its C source."
	@go build -tags $(TAGS) -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/web ./cmd/web

.PHONY: static-build
static-build: ## build bin/web without any shared library, as the container has it
	@go build -tags $(STATIC_TAGS) -trimpath -buildvcs=false -ldflags '$(LDFLAGS) -linkmode external -extldflags "-static"' -o bin/web ./cmd/web

.PHONY: test
test: ## run all tests; prepares Chromium and PostgreSQL where it can
	@build/prepare
	go test -tags $(TAGS) -timeout 45m $(TESTFLAGS) ./...

.PHONY: race
race: ## run all tests under the race detector (slow)
	@build/prepare
	go test -tags $(TAGS) -race -timeout 45m $(TESTFLAGS) ./...

.PHONY: torture
torture: ## kill the console 200 times in the middle of bulk changes, and one of two replicas 50 times
	@build/prepare
	WTP_TORTURE_KILLS=200 WTP_TORTURE_KILLS_POSTGRES=50 go test -tags $(TAGS) -count=1 -timeout 60m -v -run '^TestTorture' $(TESTFLAGS) ./internal/e2e

.PHONY: bench
bench: ## run the benchmarks; BENCH=name picks some
	go test -tags $(TAGS) -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: fmt
fmt: ## format Go and templ files
	@build/gofiles | xargs gofmt -w
	@go tool templ fmt .

.PHONY: generate
generate: ## make the _templ.go files anew
	@go tool templ generate

.PHONY: check
check: ## the gate for form: format, generated files, vet, staticcheck, known vulnerabilities, imports, checksums
	@echo "gofmt" && unformatted=$$(build/gofiles | xargs gofmt -l) && \
	  if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi
	@echo "templ generate" && build/drift
	@echo "go vet" && go vet -tags $(TAGS) ./...
	@echo "staticcheck" && go run $(STATICCHECK) -tags $(TAGS) ./...
	@echo "govulncheck" && build/vulncheck -tags $(TAGS) ./...
	@echo "imports, house rules, checksums" && go test -tags $(TAGS) ./internal ./static

.PHONY: clean
clean: ## remove what was built; data/ stays
	@rm -rf bin coverage.out
