# The two commands for a fresh clone: `make demo` and `make test`.  Both make what they need: a
# virtual environment for each Python on this machine, and the npm packages.

VERSIONS := $(shell tools/find-pythons | cut -d' ' -f1)
OLDEST := $(firstword $(VERSIONS))
NEWEST := $(lastword $(VERSIONS))
SOURCES := $(shell find csrc procwire -name '*.py' -o -name '*.py[xid]' -o -name '*.pxd' -o -name '*.[ch]') \
	pyproject.toml setup.py MANIFEST.in README.md
PYTEST_ARGS ?=

ifeq ($(VERSIONS),)
$(error no Python 3.11 or later was found)
endif

.PHONY: demo test lint clean dev
.SECONDARY:

demo: build/venv-$(NEWEST)/ready node_modules/.package-lock.json
	PYTHON=build/venv-$(NEWEST)/bin/python node examples/demo.mjs

test: lint $(VERSIONS:%=test-%)

test-%: build/venv-%/ready node_modules/.package-lock.json
	build/venv-$*/bin/pytest $(PYTEST_ARGS)

lint: build/venv-$(NEWEST)/ready
	build/venv-$(NEWEST)/bin/ruff check .
	build/venv-$(NEWEST)/bin/ruff format --check .
	build/venv-$(NEWEST)/bin/mypy

# An environment has the wheel that was built from the sdist, as a user gets it: the tests never
# see the source tree.
build/venv-%/ready: build/venv-%/tools dist/sdist
	rm -rf build/wheel-$*
	build/venv-$*/bin/pip wheel --quiet --no-deps --wheel-dir build/wheel-$* dist/procwire-*.tar.gz
	build/venv-$*/bin/pip uninstall --quiet --yes procwire
	build/venv-$*/bin/pip install --quiet build/wheel-$*/procwire-*.whl
	touch $@

build/venv-%/tools: pyproject.toml
	$(shell tools/find-pythons $*) -m venv --clear build/venv-$*
	build/venv-$*/bin/pip install --quiet 'pip>=25.1' build
	build/venv-$*/bin/pip install --quiet --group test --group lint
	touch $@

dist/sdist: build/venv-$(NEWEST)/tools $(SOURCES)
	rm -rf dist
	build/venv-$(NEWEST)/bin/python -m build --sdist --outdir dist . >build/sdist.log || (cat build/sdist.log; false)
	touch $@

node_modules/.package-lock.json: package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	touch $@

# The extension in the source tree, for working on it.
dev: build/venv-$(NEWEST)/tools
	build/venv-$(NEWEST)/bin/pip install --quiet --editable .

clean:
	rm -rf build dist node_modules

# ---- benchmarks: see benchmarks/README.md ------------------------------------------------------

.PHONY: bench bench-node bench-asv bench-instructions

# Half an hour on a quiet machine; BENCH_ARGS=--quick for a smoke run.
bench: build/venv-$(NEWEST)/ready
	build/venv-$(NEWEST)/bin/python benchmarks/compare.py $(BENCH_ARGS)

# What a Node user sees through the real parent, beside other ways to call Python.
bench-node: build/venv-bench-node/ready benchmarks/node/node_modules/.package-lock.json
	PYTHON=$(CURDIR)/build/venv-bench-node/bin/python node benchmarks/node/run.mjs $(BENCH_ARGS)

build/venv-bench-node/ready: benchmarks/node/requirements.txt dist/sdist
	$(shell tools/find-pythons $(NEWEST)) -m venv --clear build/venv-bench-node
	build/venv-bench-node/bin/pip install --quiet -r benchmarks/node/requirements.txt dist/procwire-*.tar.gz
	touch $@

benchmarks/node/node_modules/.package-lock.json: benchmarks/node/package-lock.json
	npm ci --prefix benchmarks/node --no-audit --no-fund --loglevel=error
	touch $@

# Fails when a request costs 5 % more instructions than was recorded; needs valgrind.
bench-instructions: build/venv-$(OLDEST)/ready
	build/venv-$(OLDEST)/bin/python benchmarks/instructions.py $(INSTRUCTIONS_ARGS)

# The newest commit; BENCH_ARGS="NAME..OTHER" for a range of them.
bench-asv: build/venv-asv/ready
	build/venv-asv/bin/asv --config benchmarks/asv.conf.json machine --yes
	build/venv-asv/bin/asv --config benchmarks/asv.conf.json run --show-stderr $(or $(BENCH_ARGS),--quick HEAD^!)

build/venv-asv/ready:
	$(shell tools/find-pythons $(NEWEST)) -m venv --clear build/venv-asv
	build/venv-asv/bin/pip install --quiet 'asv>=0.6.4,<0.7' virtualenv
	touch $@
