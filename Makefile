# Every target sets up what it needs; a bare machine has Python 3.11 or newer, and make.
#
#   make demo    the product's main job, on real input
#   make test    the test suite
#   make lint docs e2e bench interop    see docs/contributing.md

SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO_READY := $(VENV)/.demo-ready
BROWSER_READY := $(VENV)/.browser-ready
NEWEST := .venv-newest
NEWEST_READY := $(NEWEST)/.ready
INTEROP := .venv-interop
INTEROP_READY := $(INTEROP)/.ready
PEERS := .venv-interop-s3
PEERS_READY := $(PEERS)/.ready
S3 := .venv-s3
S3_READY := $(S3)/.ready
TRAININGS := .venv-interop-trainings
TRAININGS_READY := $(TRAININGS)/.ready
AISTORE := .venv-interop-aistore
AISTORE_READY := $(AISTORE)/.ready
WORKSPACES := .venv-interop-workspaces
WORKSPACES_READY := $(WORKSPACES)/.ready
TORCH := .venv-torch
GRID := .venv-interop-artifacts
GRID_READY := $(GRID)/.ready
NVFLARE := .venv-interop-nvflare
NVFLARE_READY := $(NVFLARE)/.ready
S5CMD := .tools/bin/s5cmd

# A test that fails gets a second turn, and the end of the report names it ("RERUN"): on a machine that
# is busy with other things one in some thousands depends on luck. Each such name is a defect to mend.
AGAIN := --reruns 1 --reruns-delay 1 --rerun-except "from pytest-timeout" -raR

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)

.PHONY: help setup fmt lint test e2e demo docs bench interop docker emulators browser torch garage changes clean

help:
	@sed -n 's/^#   //p' Makefile

$(READY): pyproject.toml tests/constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found; install one or set PYTHON=/path/to/python"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		echo "Python cannot make a virtual environment; on Debian, install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip==25.3"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c tests/constraints.txt -e ".[azure,google,aistore,images,cli,local,trainings,fs]" --group dev
	@touch $@

$(DEMO_READY): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c tests/constraints.txt --group demo
	@touch $@

$(BROWSER_READY): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c tests/constraints.txt --group browser
	@touch $@

$(NEWEST_READY): $(READY)
	@test -x $(NEWEST)/bin/python || $(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip==25.3"
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check \
		-e ".[azure,google,aistore,images,cli,local,trainings,fs]" "moto[server]" blockbuster hypothesis pytest pytest-asyncio pytest-rerunfailures pytest-timeout pytest-xdist
	@touch $@

# The published client's dependencies stop at Python 3.11.
$(INTEROP_READY): tests/interop/requirements.txt
	@python=$$(for p in python3.11 python3.10; do command -v $$p >/dev/null 2>&1 && $$p -c "" 2>/dev/null \
		&& { echo $$p; break; }; done); \
	test -n "$$python" || { echo "The published client needs Python 3.10 or 3.11; install one"; exit 1; }; \
	test -x $(INTEROP)/bin/python || $$python -m venv $(INTEROP)
	$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/interop/requirements.txt
	@touch $@

$(PEERS_READY): tests/bench/requirements-buckets.txt
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Clients of S3 that others made; in three environments, for they want different versions of one library.
$(S3_READY): $(wildcard tests/interop/s3/*.txt)
	@for name in newest asynchronous older; do \
		test -x $(S3)/$$name/bin/python || $(PYTHON) -m venv $(S3)/$$name; \
		$(S3)/$$name/bin/python -m pip install --quiet --disable-pip-version-check \
			-r tests/interop/s3/$$name.txt || exit 1; \
	done
	@touch $@

# The published clients of Run:ai and AIStore, the newest and an older one of each.
$(TRAININGS_READY): $(wildcard tests/interop/trainings/*.txt)
	@for name in newest older; do \
		test -x $(TRAININGS)/$$name/bin/python || $(PYTHON) -m venv $(TRAININGS)/$$name; \
		$(TRAININGS)/$$name/bin/python -m pip install --quiet --disable-pip-version-check \
			-r tests/interop/trainings/$$name.txt || exit 1; \
	done
	@touch $@

# The published client of workspaces, of both generations.
$(WORKSPACES_READY): $(wildcard tests/interop/workspaces/*.txt)
	@for name in newest older; do \
		test -x $(WORKSPACES)/$$name/bin/python || $(PYTHON) -m venv $(WORKSPACES)/$$name; \
		$(WORKSPACES)/$$name/bin/python -m pip install --quiet --disable-pip-version-check \
			-r tests/interop/workspaces/$$name.txt || exit 1; \
	done
	@touch $@

$(AISTORE_READY): $(wildcard tests/interop/aistore/*.txt)
	@for name in newest-1 newest-2; do \
		test -x $(AISTORE)/$$name/bin/python || $(PYTHON) -m venv $(AISTORE)/$$name; \
		$(AISTORE)/$$name/bin/python -m pip install --quiet --disable-pip-version-check \
			-r tests/interop/aistore/$$name.txt || exit 1; \
	done
	@touch $@

# The published client of Grid runs on Python 3.8; left out where that is not installed.
$(GRID_READY): tests/interop/artifacts/requirements.txt
	@python=$$(for p in python3.8 $$HOME/.pyenv/versions/3.8.*/bin/python; do command -v $$p >/dev/null 2>&1 \
		&& $$p -c "" 2>/dev/null && { echo $$p; break; }; done); \
	if test -z "$$python"; then echo "There is no Python 3.8; the published client of Grid is left out"; else \
		test -x $(GRID)/bin/python || $$python -m venv $(GRID); \
		$(GRID)/bin/python -m pip install --quiet --disable-pip-version-check -r $< && touch $@; fi

# What runs the default files of a workspace.
$(NVFLARE_READY): tests/interop/nvflare/requirements.txt
	@test -x $(NVFLARE)/bin/python || $(PYTHON) -m venv $(NVFLARE)
	$(NVFLARE)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Left out where Go is not installed.
$(S5CMD): tests/interop/s3/s5cmd/go.mod
	@! command -v go >/dev/null 2>&1 || \
		(cd tests/interop/s3/s5cmd && go build -o $(CURDIR)/$@ github.com/peak/s5cmd/v2)

setup: $(READY)

fmt: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Two workers: the suites wait more than they work, and one file's tests share what they set up. What is
# marked as thorough is left to `make e2e`.
test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not thorough" $(AGAIN)

# What installs within minutes: the demo's flow as a test, with the real data set and classifier; every
# snippet of the documentation; the bad-weather suites in full, of which `make test` runs a share; and the suites over real sockets on
# the newest HTTP library, without the packages that stop at an older one, with emulators of the
# clouds, and with a real container engine.
e2e: $(DEMO_READY) $(NEWEST_READY) emulators docker browser torch
	$(BIN)/python -m pytest tests/e2e tests/docs/test_snippets.py --override-ini=addopts= -ra $(AGAIN)
	NEURO_CLIENT_FULL=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile tests/adversity $(AGAIN)
	$(NEWEST)/bin/python -m pytest -q -n 2 --dist loadfile tests/integration tests/unit/transfer tests/unit/jobs $(AGAIN)

# The published clients, unchanged, against the local platform; and programs that speak S3.
interop: docker $(READY) $(INTEROP_READY) $(S3_READY) $(S5CMD) $(TRAININGS_READY) $(WORKSPACES_READY) \
		$(NVFLARE_READY) $(AISTORE_READY) $(GRID_READY)
	$(BIN)/python -m tests.interop $(CURDIR)/$(INTEROP)/bin/python
	$(BIN)/python -m tests.interop.s3 $(S3) $(S5CMD)
	$(BIN)/python -m tests.interop.trainings $(CURDIR)/$(TRAININGS)
	$(BIN)/python -m tests.interop.workspaces $(CURDIR)/$(WORKSPACES)
	$(BIN)/python -m tests.interop.nvflare $(CURDIR)/$(NVFLARE)/bin/python
	$(BIN)/python -m tests.interop.aistore $(CURDIR)/$(AISTORE)/newest-1 $(CURDIR)/$(AISTORE)/newest-2
	$(BIN)/python -m tests.interop.artifacts $(CURDIR)/$(GRID)

# Ours, the published client and bare aiohttp in turns; `make bench ARGS="storage --rounds 9"`.
bench: $(READY) $(INTEROP_READY) $(PEERS_READY) $(TRAININGS_READY) $(WORKSPACES_READY) $(AISTORE_READY) $(GRID_READY)
	$(BIN)/python -m tests.bench $(ARGS)

# A container engine for the tests of images and of the Docker runner; started where none answers.
docker:
	@docker info >/dev/null 2>&1 || { \
		if ! command -v dockerd >/dev/null 2>&1 && test "$$(id -u)" = 0 && command -v apt-get >/dev/null 2>&1; then \
			apt-get update -qq && apt-get install -y -qq docker.io busybox-static tini >/dev/null; fi; \
		if test "$$(id -u)" = 0 && command -v dockerd >/dev/null 2>&1; then \
			mkdir -p .tools; (setsid dockerd >.tools/dockerd.log 2>&1 </dev/null &); \
			for i in $$(seq 60); do docker info >/dev/null 2>&1 && exit 0; sleep 0.5; done; \
		fi; echo "No container engine answers; its tests are skipped"; }

# Emulators of Azure and Google for the tests of buckets, where npm and Go are there to install them.
emulators:
	@if command -v npm >/dev/null 2>&1 && test ! -e .tools/azurite/package.json; then \
		timeout 180 npm install --silent --no-fund --no-audit --prefix .tools/azurite azurite@3.37.0 \
		|| echo "Azurite could not be installed; its tests are skipped"; fi
	@if command -v go >/dev/null 2>&1 && test ! -e .tools/bin/fake-gcs-server; then \
		GOBIN=$(CURDIR)/.tools/bin timeout 300 go install github.com/fsouza/fake-gcs-server@v1.56.1 \
		|| echo "fake-gcs-server could not be installed; its tests are skipped"; fi

# PyTorch without a graphics card, for the test of its data loaders. Debian has such a build; the one that
# pip knows for Linux on x86_64 brings gigabytes for graphics cards, so there it is not installed.
torch:
	@test -e $(TORCH)/.ready || { \
		if test "$$(id -u)" = 0 && command -v apt-get >/dev/null 2>&1; then \
			DEBIAN_FRONTEND=noninteractive timeout 600 sh -c 'apt-get update -qq; \
				apt-get install -y -qq --no-install-recommends python3-torch python3-venv' >/dev/null; fi; \
		if /usr/bin/python3 -c 'import sys, torch; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			/usr/bin/python3 -m venv --system-site-packages $(TORCH); \
		elif test "$$(uname -sm)" != "Linux x86_64"; then \
			$(PYTHON) -m venv $(TORCH) && \
				timeout 600 $(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check torch; \
		else false; fi \
		&& $(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check \
			-c tests/constraints.txt -e ".[aistore]" && touch $(TORCH)/.ready; \
	} || echo "PyTorch could not be installed; its test is skipped"

# A browser for the tests of the pages, and what drives it.
browser: $(BROWSER_READY)
	@command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || { \
		if test "$$(id -u)" = 0 && command -v apt-get >/dev/null 2>&1; then \
			DEBIAN_FRONTEND=noninteractive timeout 600 sh -c 'apt-get update -qq; apt-get install -y -qq --no-install-recommends \
				chromium fonts-dejavu-core' >/dev/null; fi; \
		command -v chromium >/dev/null 2>&1 || echo "Chromium could not be installed; its tests are skipped"; }

# A real object store for the tests of buckets; about twelve minutes, once.
garage: .tools/bin/garage

.tools/bin/garage:
	@command -v cargo >/dev/null 2>&1 || { echo "Garage is built with cargo; install Rust"; exit 1; }
	cargo install garage --version 2.5.0 --locked --quiet --root .tools

demo: $(DEMO_READY)
	@$(BIN)/python docs/example/demo.py

docs: $(READY)
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python -m pytest -q tests/docs

changes: $(READY)
	$(BIN)/towncrier build --draft --version unreleased

clean:
	rm -rf .tools .venv* .mypy_cache .ruff_cache .pytest_cache .hypothesis docs/_build docs/reference/generated
