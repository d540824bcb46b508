# `make help` lists the targets. Each one does the set-up it needs: Python 3.11+, Java 17+, Maven and make are all it takes.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
KAFKA_LIB := .wharf/kafka/lib

# .venv is of the Python that PYTHON names: another one makes it anew.
NAMED_VERSION := $(shell $(PYTHON) -c 'import sys; print(*sys.version_info[:2], sep=".")' 2>/dev/null)
VENV_VERSION := $(shell $(BIN)/python -c 'import sys; print(*sys.version_info[:2], sep=".")' 2>/dev/null)
ifneq ($(NAMED_VERSION),$(VENV_VERSION))
$(VENV)/.ready: another-python
endif

.PHONY: another-python help setup tools demo test fuzz sim check faults faults-controls bench bench-setup clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

tools:
	@command -v $(PYTHON) >/dev/null || { echo "wharf: $(PYTHON) is missing: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "wharf: $$($(PYTHON) --version) is too old: install Python 3.11 or newer, or set PYTHON=/path/to/it" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "wharf: Python's venv module is missing: install python3-venv" >&2; exit 1; }
	@command -v java >/dev/null || { echo "wharf: java is missing: install a Java 17+ runtime (openjdk-17-jre-headless)" >&2; exit 1; }
	@v=$$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1); [ "$${v:-0}" -ge 17 ] || { echo "wharf: Java $$v is too old: install Java 17 or newer" >&2; exit 1; }
	@command -v mvn >/dev/null || { echo "wharf: mvn is missing: install Maven 3.6 or newer" >&2; exit 1; }

$(VENV)/.ready: requirements/uv.txt requirements/dev.txt pyproject.toml | tools
	@echo "Setting up $(VENV) with Python $(NAMED_VERSION) (one to two minutes the first time)" >&2
	@[ "$(NAMED_VERSION)" = "$(VENV_VERSION)" ] || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(UV) --require-hashes --compile-bytecode -r requirements/dev.txt
	@$(UV) --no-deps --no-build-isolation -e .
	@touch $@

$(KAFKA_LIB)/.ready: ops/servers/kafka/pom.xml | tools
	@echo "Fetching Apache Kafka's jars" >&2
	@rm -rf $(KAFKA_LIB) && mkdir -p $(KAFKA_LIB)
	@mvn -q -B -f ops/servers/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/$(KAFKA_LIB)
	@touch $@

$(KAFKA_LIB)/wharf.jsa: $(VENV)/.ready $(KAFKA_LIB)/.ready
	@$(BIN)/python -m ops.servers.kafka.archive || echo "wharf: no class archive; Kafka starts a little slower" >&2

setup: $(VENV)/.ready $(KAFKA_LIB)/.ready $(KAFKA_LIB)/wharf.jsa ## Make .venv with the wharf command, fetch Kafka's jars

demo: setup ## Run the main job: 2,000 orders through everything, checked
	@$(BIN)/wharf demo --orders 2000 --seed 1

test: setup ## Run the tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

fuzz: setup ## Explore all property tests, machines and fuzzers anew (MINUTES=10, SEED=, TESTS=); findings become tests in .wharf/fuzz
	@$(BIN)/python tests/fuzz/run.py --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(TESTS)

SEEDS ?= 10000
FROM ?= 0
sim: setup ## Simulate 10,000 seeded runs with crashes at every step (SEEDS=, FROM=, TRACE=1)
	@$(BIN)/python tests/system/simulation/run.py --seeds $(SEEDS) --from $(FROM) $(if $(TRACE),--trace)

faults: setup ## Load and faults by a seed, every promise checked (DELIVERIES=, SEED=, PROFILE=short|standard|soak, MINUTES=, REPORT=)
	@$(BIN)/python tests/system/faults/run.py --deliveries $(or $(DELIVERIES),20000) --seed $(or $(SEED),1) --profile $(or $(PROFILE),standard) --report $(or $(REPORT),faults-report.json) $(if $(MINUTES),--minutes $(MINUTES))

faults-controls: setup ## The fault harness with a guard of the product switched off: it must report it
	@$(BIN)/python -m pytest -m faults tests/system/faults

check: setup ## Lint, types, import rule
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

BENCH_VENV := .wharf/bench
BENCH_STREAMS := bench/order_job/kafka_streams

$(BENCH_VENV)/.ready: bench/peers-requirements.txt | tools $(VENV)/.ready
	@echo "Setting up the benchmarks' peers in $(BENCH_VENV)" >&2
	@[ -x $(BENCH_VENV)/bin/python ] || $(PYTHON) -m venv $(BENCH_VENV)
	@$(BIN)/uv pip install --quiet --python $(BENCH_VENV)/bin/python --require-hashes -r bench/peers-requirements.txt
	@touch $@

$(BENCH_STREAMS)/target/.ready: $(BENCH_STREAMS)/pom.xml $(wildcard $(BENCH_STREAMS)/src/main/java/wharfinger/bench/*.java) | tools
	@echo "Building the Kafka Streams peer" >&2
	@mvn -q -B -f $(BENCH_STREAMS)/pom.xml package
	@touch $@

bench-setup: setup $(BENCH_VENV)/.ready $(BENCH_STREAMS)/target/.ready ## Install the benchmarks' peers: Faust, Quix Streams, Kafka Streams

bench: bench-setup ## Every benchmark, kept in bench/results and docs/benchmarks.md; alone, about a minute each: make bench-NAME
	@$(BIN)/python -m bench

# A name is a line of bench/__main__.py.
bench-order-job: bench-setup
bench-%: setup
	@$(BIN)/python -m bench --short $*

clean: ## Remove .venv, .wharf and what was built for the benchmarks
	@rm -rf $(VENV) .wharf $(BENCH_STREAMS)/target
