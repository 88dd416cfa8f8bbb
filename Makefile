# make demo and make test need Debian's packages beside Go: as root they install
# what is missing and say so, otherwise they name the command that does.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null)
FUZZTIME ?= 10s
SOAK     ?= 3m
LINTER   := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# Tests make network namespaces. Who isn't root may do so as the root of a user
# namespace, in a network namespace that belongs to it, where modules can't be
# fetched any more.
INSIDE := $(if $(filter 0,$(shell id -u)),,$(GO) mod download && unshare --user --map-root-user --mount --net sh -c 'ip link set lo up && exec "$$0" "$$@"')

# Debian's kernels that some tests are run on, in virtual machines.
KERNELS := $(if $(filter amd64,$(shell $(GO) env GOARCH)),6.1 6.12)

.PHONY: build man demo test bench bench-quick bench-go soak lint fuzz check-deps kernels

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/namewall ./cmd/namewall

# man writes a manual page for each command, for packages.
man: build
	bin/namewall man bin/man

demo: check-deps
	$(GO) run ./integration/demo

# No result is taken from the cache: it knows nothing of the binary that tests build.
test: check-deps kernels
	$(INSIDE) $(GO) test -race -count 1 -timeout 30m ./...

# bench measures what namewall costs, against its peers, in 16 minutes, and writes
# docs/benchmarks.md; bench-quick shows in two minutes that it does. bench-go runs
# every Go benchmark; compare two runs with benchstat.
bench bench-quick: check-deps
	$(GO) run ./integration/bench -smartdns "$$(sh integration/bench/require.sh)" $(if $(filter bench-quick,$@),-quick)

bench-go: check-deps
	$(INSIDE) $(GO) test -run '^$$' -bench . -benchmem ./...

# soak is the test of expiry for as long as SOAK says.
soak: check-deps
	$(INSIDE) $(GO) test -count 1 -v -timeout 0 -run TestExpiryKeepsUp ./internal/gate -soak $(SOAK)

# The last two build what isn't built otherwise: the stubs for other systems, and
# for the other architecture that gateways have.
lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l . && echo "run gofmt -w on these" && false; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) run $(LINTER) run ./...
	GOOS=darwin CGO_ENABLED=0 $(GO) build ./cmd/... ./internal/... ./plugin/...
	GOARCH=arm64 CGO_ENABLED=0 $(GO) build ./...

fuzz:
	.ci/fuzz $(FUZZTIME)

check-deps:
	sh integration/lab/require.sh

kernels:
	sh integration/kernels/fetch.sh $(KERNELS)
