# Bare `make` lists the targets.
.DEFAULT_GOAL := help
GO ?= go
T ?= 20s
N ?= 20
JOBS ?= 1
# Of bench-peers: ABBA rounds, seconds measured and before it, and which loads.
ROUNDS ?= 3
SECONDS ?= 3
WARMUP ?= 2
GROUP ?= all
ONLY ?=

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: ## build and run the broker on ./weir-data
	$(GO) run ./cmd/weir serve

test: ## unit, model, golden and crash-clone tests
	$(GO) test ./...

check: ## format, vet, lint (if installed), house rules
	@test -z "$$(gofmt -l cmd internal test)" || { gofmt -l cmd internal test; exit 1; }
	$(GO) vet ./...
	$(GO) test ./internal/house
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else echo "golangci-lint is not installed: skipped"; fi

race: ## all tests under the race detector
	$(GO) test -race ./...

fuzz: ## every fuzz target for T (default 20s) each; F is a regular expression of some
	test/fuzz/run $(T) '$(or $(F),.)'

corpus: ## what real clients say, into the corpora of the fuzz targets (S: suites of test/clients)
	test/capture/run $(S)

bench: ## micro-benchmarks with allocation counts
	$(GO) test -run '^$$' -bench . -benchmem ./internal/...

crash: ## kill -9 the real binary under load N times (default 20), JOBS at once
	$(GO) run ./test/crash -n $(N) -jobs $(JOBS)

sim: ## worlds from seeds: SEED=1 N=1; one prints its history, the same each time
	$(GO) run ./test/sim -seed $(or $(SEED),1) -n $(if $(filter file,$(origin N)),1,$(N))

clients: ## real clients of every dialect against the built binary
	test/clients/run

bench-peers: ## weir next to real brokers, interleaved: ROUNDS SECONDS WARMUP GROUP ONLY EVERY=1 QUICK=1 PEERS
	$(GO) run ./test/bench -rounds $(ROUNDS) -seconds $(SECONDS) -warmup $(WARMUP) -group $(GROUP) -only "$(ONLY)" \
	  $(if $(EVERY),-every) $(if $(QUICK),-quick,-write)

.PHONY: help run test check race fuzz corpus bench crash sim clients bench-peers
