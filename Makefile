# The two commands for a fresh clone: `make demo` and `make test`.  Both make what they need: a
# virtual environment for each Python on this machine, and the npm packages.

VERSIONS := $(shell tools/find-pythons | cut -d' ' -f1)
OLDEST := $(firstword $(VERSIONS))
NEWEST := $(lastword $(VERSIONS))
SOURCES := $(shell find csrc procwire -name '*.py' -o -name '*.py[xid]' -o -name '*.pxd' -o -name '*.[ch]') \
	pytest_procwire.py pyproject.toml setup.py MANIFEST.in README.md
PYTEST_ARGS ?=
# Many tests wait for a worker's time limits: more of them run at once than there are processors.
TEST_JOBS ?= 6
BUILD_JOBS ?= 2
# Every compiled module has stubs; that for named pipes is there on Windows alone.
EXTENSIONS := $(patsubst procwire/%.pyx,procwire.%,$(filter-out %/_named_pipe.pyx,$(wildcard procwire/*.pyx)))

ifeq ($(VERSIONS),)
$(error no Python 3.11 or later was found)
endif

.PHONY: demo test ready test-rust test-parents test-lowest test-debian soak lint style types types-windows typing clean dev
.SECONDARY:

demo: build/venv-$(NEWEST)/ready node_modules/.package-lock.json
	PYTHON=build/venv-$(NEWEST)/bin/python node examples/demo.mjs

# Compilers and checkers use one processor each: they run side by side, the suites one after the other.
test:
	$(MAKE) --no-print-directory --jobs=$(BUILD_JOBS) --output-sync=target ready lint
	$(MAKE) --no-print-directory $(VERSIONS:%=test-%)

ready: $(VERSIONS:%=build/venv-%/ready) node_modules/.package-lock.json

# Where there are enough of them, each is tested on one event loop: asyncio, or for those between, uvloop.
BETWEEN := $(filter-out $(OLDEST) $(NEWEST),$(VERSIONS))
ifneq ($(BETWEEN),)
ON_ASYNCIO := $(OLDEST) $(NEWEST)
$(ON_ASYNCIO:%=test-%) $(ON_ASYNCIO:%=test-wheel-%): export TEST_LOOPS ?= asyncio
$(BETWEEN:%=test-%) $(BETWEEN:%=test-wheel-%): export TEST_LOOPS ?= uvloop
endif

test-%: build/venv-%/ready node_modules/.package-lock.json
	TEST_JOBS=$(TEST_JOBS) tools/run-suite build/venv-$*/bin/pytest $(PYTEST_ARGS)

# The Python parent drives a worker on the published Rust client.
CARGO = $(shell command -v cargo)
RUST_WORKER := build/rust/debug/procwire-test-worker

test-rust: build/venv-$(OLDEST)/ready node_modules/.package-lock.json
	$(if $(CARGO),cargo build --quiet --target-dir build/rust --manifest-path tests/parent/workers/rust/Cargo.toml)
	$(if $(CARGO),RUST_WORKER=$(CURDIR)/$(RUST_WORKER) build/venv-$(OLDEST)/bin/pytest tests/parent -k rust $(PYTEST_ARGS),\
		@echo '$@: SKIPPED, nothing was checked: cargo is missing (https://rustup.rs)')

# Versions of the parent that package.json does not have: docs/compatibility.md says how they did.
PARENTS := 1.1.0 1.3.0
test-parents: $(PARENTS:%=test-parent-%)

# The others need what core 1.1.0 does not have yet.
test-parent-1.1.0: FILES := aborts acks_and_events codecs golden handlers streams values_from_node values_from_python

test-parent-%: build/venv-$(OLDEST)/ready
	tools/test-parent $* build/venv-$(OLDEST)/bin/python build/parents/$* $(FILES)

# The lowest versions that pyproject.toml allows of what the package and its users' types are made with.
test-lowest: build/venv-lowest/ready node_modules/.package-lock.json
	TEST_WHEEL=$$(echo $(CURDIR)/build/wheel-lowest/*.whl) TEST_JOBS=$(TEST_JOBS) \
		tools/run-suite build/venv-lowest/bin/pytest $(PYTEST_ARGS)

build/venv-lowest/tools: pyproject.toml tests/lowest.txt
	$(shell tools/find-pythons $(OLDEST)) -m venv --clear build/venv-lowest
	build/venv-lowest/bin/pip install --quiet 'pip>=25.1' build
	build/venv-lowest/bin/pip install --quiet --group test --constraint tests/lowest.txt
	touch $@

# Pythons that are newer than those of this machine, in a system of its own; only root can.
test-debian: node_modules/.package-lock.json
	tools/test-debian build/debian $(PYTEST_ARGS)

lint: style types types-windows typing

style: build/venv-$(NEWEST)/ready
	build/venv-$(NEWEST)/bin/ruff check .
	build/venv-$(NEWEST)/bin/ruff format --check .

types: build/venv-$(NEWEST)/ready
	build/venv-$(NEWEST)/bin/mypy

NOT_ON_WINDOWS := '/(credentials|debug_sockets|unix_listener)\.py$$'
types-windows: build/venv-$(NEWEST)/ready
	build/venv-$(NEWEST)/bin/mypy --platform win32 --cache-dir .mypy_cache/windows --exclude $(NOT_ON_WINDOWS) procwire pytest_procwire.py

# What users get, so away from the source tree: the stubs are held against the compiled modules, and
# both type checkers against a file that says what they have to find.
TYPING := cd tests/typing && PATH=$(CURDIR)/build/venv-$(NEWEST)/bin:$(CURDIR)/node_modules/.bin:$$PATH
typing: build/venv-$(NEWEST)/ready node_modules/.package-lock.json
	$(TYPING) stubtest $(EXTENSIONS)
	$(TYPING) mypy --config-file= --strict --warn-unreachable --python-version 3.11 --module uses
	$(TYPING) pyright --pythonpath $(CURDIR)/build/venv-$(NEWEST)/bin/python

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
	build/venv-$*/bin/pip install --quiet --group test $(if $(filter $*,$(NEWEST)),--group lint)
	touch $@

dist/sdist: build/venv-$(NEWEST)/tools $(SOURCES)
	rm -rf dist
	build/venv-$(NEWEST)/bin/python -m build --sdist --outdir dist . >build/sdist.log || (cat build/sdist.log; false)
	touch $@

node_modules/.package-lock.json: package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	touch $@

# Ten minutes of load with random kills, on one Python; SECONDS=3600 LOOP=uvloop for another.
soak: SECONDS ?= 600
soak: build/venv-$(NEWEST)/ready node_modules/.package-lock.json
	cd tests/node && SECONDS=$(SECONDS) PYTHON=$(CURDIR)/build/venv-$(NEWEST)/bin/python node soak.mjs

# The extension in the source tree, for working on it.
dev: build/venv-$(NEWEST)/tools
	build/venv-$(NEWEST)/bin/pip install --quiet --editable .

clean:
	rm -rf build dist node_modules

# ---- wheels for others: see RELEASING.md -------------------------------------------------------

.PHONY: wheels wheels-check wheel-aarch64

# The C library that a wheel asks for is that of an old system, whatever this one has: zig brings it.
GLIBC := 2.17
MACHINE := $(shell uname -m)
# Of the files in a wheel: the same source gives the same bytes.  Asked for once: a commit between the
# two builds that are compared is not to tell them apart.
ifndef SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 946684800)
endif
# Debian's own, which there is for the other machine as well.
DEBIAN_PYTHON := 3.11

# Without docker, on Linux: each wheel has to pass all tests where it is installed.
wheels: wheels-check $(VERSIONS:%=test-wheel-%)

# Each is built twice, at different times in different places, and is the same to the byte.
wheels-check: $(VERSIONS:%=build/wheels/%) $(VERSIONS:%=build/wheels-again/%)
	for version in $(VERSIONS); do \
		cmp build/wheels/$$version/*.whl build/wheels-again/$$version/*.whl || exit 1; \
	done
	$(call check_wheels,$(VERSIONS:%=build/wheels/%/*.whl),dist/*.tar.gz)

test-wheel-%: build/wheels/% node_modules/.package-lock.json
	TEST_JOBS=$(TEST_JOBS) tools/test-wheel $(shell tools/find-pythons $*) build/wheels/$*/*.whl $(PYTEST_ARGS)

build/wheels/%: build/venv-%/tools build/venv-wheels/ready dist/sdist
	$(call build_wheel,$@,build/venv-$*,$(MACHINE),manylinux_2_17_$(MACHINE))

build/wheels-again/%: build/wheels/%
	$(call build_wheel,$@,build/venv-$*,$(MACHINE),manylinux_2_17_$(MACHINE))

# A wheel for a machine that is not here, and its tests in an emulator.  auditwheel does not take the
# name of another machine's platform: tools/check_wheels.py looks at the one that it finds.
wheel-aarch64: build/wheels-aarch64
	$(call check_wheels,build/wheels-aarch64/*.whl)
	tools/test-aarch64 build/wheels-aarch64/*.whl $(PYTEST_ARGS)

# pip takes itself to be on that machine: it cannot install what the build needs.
build/wheels-aarch64: build/venv-aarch64/ready build/venv-wheels/ready dist/sdist
	_PYTHON_HOST_PLATFORM=linux-aarch64 SETUPTOOLS_EXT_SUFFIX=.cpython-$(subst .,,$(DEBIAN_PYTHON))-aarch64-linux-gnu.so \
	$(call build_wheel,$@,build/venv-aarch64,aarch64,auto,--no-build-isolation)

build/venv-aarch64/ready: pyproject.toml
	$(call venv_for_building,build/venv-aarch64,$(DEBIAN_PYTHON))

build/venv-wheels/ready: pyproject.toml
	$(shell tools/find-pythons $(NEWEST)) -m venv --clear build/venv-wheels
	build/venv-wheels/bin/pip install --quiet 'pip>=25.1'
	build/venv-wheels/bin/pip install --quiet --group wheels
	touch $@

# What the build needs, where pip cannot install it by itself.  $(1): environment, $(2): version
define venv_for_building
	$(shell tools/find-pythons $(2)) -m venv --clear $(1)
	$(1)/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		>$(1)/requirements.txt
	$(1)/bin/pip install --quiet -r $(1)/requirements.txt
	touch $(1)/ready
endef

# $(1): where it goes, $(2): environment, $(3): machine, $(4): platform, $(5): options of pip
define build_wheel
	tools/build-wheel $(2)/bin/pip $(3)-linux-gnu.$(GLIBC) $(4) $(1) $(SOURCE_DATE_EPOCH) dist/procwire-*.tar.gz $(5)
endef

# $(1): wheels, $(2): an sdist
define check_wheels
	build/venv-wheels/bin/python tools/check_wheels.py $(1)
	build/venv-wheels/bin/check-wheel-contents $(1)
	build/venv-wheels/bin/twine check --strict $(1) $(2)
endef

# ---- Windows, under wine: see CONTRIBUTING.md ----------------------------------------------------

.PHONY: test-windows-wine wheel-windows

# That of tools/windows/requirements.txt.  The wheel is built with the headers of a Python of the same
# version that is here.
WINDOWS_PYTHON := 3.13
WINDOWS_PINS := $(addprefix tools/windows/,set-up requirements.txt requirements.py package-lock.json) \
	$(wildcard tools/windows/missing/*)

# PYTEST_ARGS for tests of pytest's that are chosen by hand, and no others.
test-windows-wine:
	@reason=$$(tools/windows/why-not $(WINDOWS_PYTHON)); if [ -n "$$reason" ]; then \
		echo "$@: SKIPPED, nothing was checked: $$reason"; \
	else \
		$(MAKE) --no-print-directory build/windows/ready wheel-windows node_modules/.package-lock.json && \
		tools/windows/run-tests build/venv-wheels $(WINDOWS_PYTHON) build/wheels-windows/*.whl $(PYTEST_ARGS); \
	fi

wheel-windows: build/wheels-windows/ready

build/wheels-windows/ready: tools/windows/build-wheel tools/windows/pyconfig.h build/venv-windows/ready build/windows/ready dist/sdist
	tools/windows/build-wheel build/venv-windows build/wheels-windows $(SOURCE_DATE_EPOCH) dist/procwire-*.tar.gz
	touch $@

build/venv-windows/ready: pyproject.toml
	$(call venv_for_building,build/venv-windows,$(WINDOWS_PYTHON))

build/windows/ready: $(WINDOWS_PINS) pyproject.toml build/venv-wheels/ready
	tools/windows/set-up build/venv-wheels $(WINDOWS_PYTHON)
	touch $@

# ---- documentation: docs/ as a site --------------------------------------------------------------

.PHONY: docs docs-serve

docs: build/venv-docs/ready
	NO_MKDOCS_2_WARNING=1 build/venv-docs/bin/mkdocs build --strict

docs-serve: build/venv-docs/ready
	NO_MKDOCS_2_WARNING=1 build/venv-docs/bin/mkdocs serve

# The package itself is not in there: the reference is read from the sources.
build/venv-docs/ready: pyproject.toml
	$(shell tools/find-pythons $(NEWEST)) -m venv --clear build/venv-docs
	build/venv-docs/bin/pip install --quiet 'pip>=25.1'
	build/venv-docs/bin/pip install --quiet --group docs
	touch $@

# ---- benchmarks: see benchmarks/README.md ------------------------------------------------------

.PHONY: bench bench-node bench-tables bench-asv bench-instructions

# Half an hour on a quiet machine; BENCH_ARGS=--quick for a smoke run.
bench: build/venv-$(NEWEST)/ready
	build/venv-$(NEWEST)/bin/python benchmarks/compare.py $(BENCH_ARGS)

# What a Node user sees through the real parent, beside other ways to call Python.
bench-node: build/venv-bench-node/ready benchmarks/node/node_modules/.package-lock.json
	PYTHON=$(CURDIR)/build/venv-bench-node/bin/python node benchmarks/node/run.mjs $(BENCH_ARGS)

# Arrow tables there and back: Python workers beside the Node worker.
bench-tables: build/venv-bench-node/ready benchmarks/node/node_modules/.package-lock.json
	PYTHON=$(CURDIR)/build/venv-bench-node/bin/python node benchmarks/node/tables/run.mjs $(BENCH_ARGS)

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

# The newest commit; BENCH_ARGS="NAME..OTHER" for a range of them.  asv looks on the path for its
# own version of Python, where pyenv may have a shim that runs another one.
bench-asv: export PATH := $(CURDIR)/build/venv-asv/bin:$(PATH)
bench-asv: build/venv-asv/ready
	build/venv-asv/bin/asv --config benchmarks/asv.conf.json machine --yes
	build/venv-asv/bin/asv --config benchmarks/asv.conf.json run --show-stderr $(or $(BENCH_ARGS),--quick HEAD^!)

build/venv-asv/ready:
	$(shell tools/find-pythons $(NEWEST)) -m venv --clear build/venv-asv
	build/venv-asv/bin/pip install --quiet 'asv>=0.6.4,<0.7' virtualenv
	touch $@

# ---- sanitizers and fuzzing: see CONTRIBUTING.md -----------------------------------------------

.PHONY: sanitize sanitize-workers fuzz fuzz-corpus
SANITIZERS := address,undefined
FUZZ_SANITIZERS := $(SANITIZERS),fuzzer-no-link
# Deferred: only what needs it asks the compiler.
LIBASAN = $(wildcard $(shell gcc -print-file-name=libasan.so 2>/dev/null))
FUZZ_TARGETS ?= reader decode encode extensions typed

# What workers weigh under a sanitizer means nothing.
MEASURED := flow memory

define run_sanitized
	@$(if $(LIBASAN),tests/sanitize/run build/venv-sanitize $(1),\
		echo '$@: SKIPPED, nothing was checked: gcc with libasan is missing (Debian: apt-get install gcc)')
endef

.SECONDEXPANSION:
sanitize sanitize-workers: $$(if $$(LIBASAN),build/venv-sanitize/ready)

sanitize:
	$(call run_sanitized,tests/unit tests/fuzz tests/sanitize $(PYTEST_ARGS))

# Real workers; without the tests that measure their memory, of which the sanitizers keep much.
sanitize-workers:
	$(call run_sanitized,tests/integration $(MEASURED:%=--ignore=tests/integration/test_%.py) -k "not cost and not leave_no_memory" $(PYTEST_ARGS))

build/venv-sanitize/ready: build/venv-sanitize/tools dist/sdist tests/sanitize/planted.c
	PROCWIRE_SANITIZE=$(SANITIZERS) CC=gcc build/venv-sanitize/bin/pip install --quiet --no-cache-dir \
		--force-reinstall --no-deps dist/procwire-*.tar.gz
	$(call build_planted,gcc,$(SANITIZERS),build/venv-sanitize)
	touch $@

build/venv-sanitize/tools: pyproject.toml
	$(shell tools/find-pythons $(OLDEST)) -m venv --clear build/venv-sanitize
	build/venv-sanitize/bin/pip install --quiet 'pip>=25.1'
	build/venv-sanitize/bin/pip install --quiet --group test 'msgpack>=1.1,<2'
	touch $@

# Each target for SECONDS; FUZZ_TARGETS="decode" for some of them.
fuzz: SECONDS ?= 60
fuzz: build/venv-fuzz/ready
	tests/fuzz/run build/venv-fuzz $(SECONDS) $(FUZZ_TARGETS)

# Makes the stored corpus of all that `make fuzz` has found, as small as covers the same.
fuzz-corpus: build/venv-fuzz/ready
	tests/fuzz/run build/venv-fuzz minimise $(FUZZ_TARGETS)

build/venv-fuzz/ready: build/venv-fuzz/tools dist/sdist tests/sanitize/planted.c
	PROCWIRE_SANITIZE=$(FUZZ_SANITIZERS) CC=clang LDSHARED='clang -shared' build/venv-fuzz/bin/pip install \
		--quiet --no-cache-dir --force-reinstall --no-deps dist/procwire-*.tar.gz
	$(call build_planted,clang,$(FUZZ_SANITIZERS),build/venv-fuzz)
	touch $@

# msgpack is instrumented as well, so that the engine finds its way through it.
build/venv-fuzz/tools: pyproject.toml
	@echo | clang -shared -fsanitize=$(FUZZ_SANITIZERS) -x c - -o /dev/null || { \
		echo 'make fuzz needs clang and its sanitizers (Debian: apt-get install clang libclang-rt-14-dev)' >&2; \
		exit 2; }
	$(shell tools/find-pythons $(OLDEST)) -m venv --clear build/venv-fuzz
	build/venv-fuzz/bin/pip install --quiet 'pip>=25.1' 'atheris>=3,<4' 'msgspec>=0.22,<1'
	CC=clang LDSHARED='clang -shared' CFLAGS='-O1 -g -fsanitize=address,fuzzer-no-link' \
		build/venv-fuzz/bin/pip install --quiet --no-cache-dir --no-binary msgpack 'msgpack>=1.1,<2'
	touch $@

# $(1): compiler, $(2): sanitizers, $(3): environment
define build_planted
	$(1) -shared -fPIC -O1 -g -fno-omit-frame-pointer -fsanitize=$(2) -fno-sanitize-recover=all \
		$$($(3)/bin/python -c 'import sysconfig as s; print("-I" + s.get_path("include"))') \
		tests/sanitize/planted.c -o $$($(3)/bin/python -c 'import sysconfig as s; print(s.get_path("platlib"))')/planted.so
endef
