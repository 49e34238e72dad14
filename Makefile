# Needs Python 3.11 or later, and nothing else; the tests install what they need beside it (.ci/install).
# The first of these that is new enough and has venv (a name on the PATH may be a version manager's empty shim).
PYTHON ?= $(shell for name in python3.11 python3 python3.12 python3.13 python3.14 python; do \
	$$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
SHELL_CODE := .ci/run .ci/install shell/init.bash shell/init.sh shell/init.ksh shell/direnv.sh shell/subshell/rc.bash shell/subshell/rc.sh
PYTHON_CODE := tcenv tests bench hatch_build.py

.PHONY: demo test fuzz check bench generated pictures wheels clean

demo: .venv/installed ## the main job, sign-in included, against the embedded sandbox
	@$(BIN)/python -m tcenv.sandbox.demo

# Real shells in real terminals lose a key now and then on a machine under load: what fails is run again, and is said to have been.
# xonsh's own plugin for pytest starts a shell inside of the tests, which fails where TERM is dumb.
test: .venv/developing ## all tests, in the real shells and a real browser
	@.ci/install
	$(BIN)/pytest -q -p no:xonsh -n 2 --dist worksteal --reruns 2

fuzz: .venv/developing ## the long form of the attacks and faults, and write docs/reliability.md
	@.ci/install
	$(BIN)/python -m tests.reliability.page

check: .venv/developing ## format, lint, types, floors, generated files
	@.ci/install
	$(BIN)/ruff format --check $(PYTHON_CODE)
	$(BIN)/ruff check $(PYTHON_CODE)
	$(BIN)/mypy
	$(BIN)/pytest -q -p no:xonsh tests/unit/test_floors.py tests/e2e/test_generated.py -k 'floors or current or stale'
	shellcheck $(SHELL_CODE)
	shfmt -d -i 2 -ci $(SHELL_CODE)

bench: .venv/developing ## measure, and write docs/performance.md
	@.ci/install
	$(BIN)/python -m bench.run

generated: .venv/developing ## write anew what is made from the command line's declaration
	$(BIN)/python -m tcenv.cli.parsing.generate

pictures: .venv/developing .tools/svg-term ## write docs/terminal.svg anew, from a real session
	@.ci/install
	$(BIN)/python -m tests.docs.picture

.tools/svg-term:
	npm install --silent --no-audit --no-fund --prefix $@ svg-term-cli@2.1.1

wheels: .venv/developing ## the pure wheel, the one for Windows, and the sdist, in dist/
	TCENV_WHEEL=pure $(BIN)/python -m hatchling build
	TCENV_WHEEL=windows $(BIN)/python -m hatchling build -t wheel

.venv/installed: pyproject.toml $(wildcard tcenv/bin/*)
	@test -n "$(PYTHON)" || { echo "tcenv needs Python 3.11 or later with venv (Debian: python3-venv), or say make PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(PIP) --editable .
	@touch $@

.venv/developing: .venv/installed
	$(PIP) --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .tools .bench build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
