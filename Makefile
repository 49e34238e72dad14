# Needs Python 3.11 or later, and nothing else; the tests install what they need beside it (.ci/install).
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test check bench completions clean

demo: .venv/installed ## the main job, sign-in included, against the embedded sandbox
	@$(BIN)/python -m tcenv.sandbox.demo

test: .venv/developing ## all tests, in the real shells and a real browser
	.ci/install
	$(BIN)/pytest -q -n 2 --dist worksteal

check: .venv/developing ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	shellcheck .ci/run .ci/install shell/init.bash shell/init.sh shell/init.ksh
	shfmt -d -i 2 -ci .ci/run .ci/install shell/init.bash shell/init.sh

bench: .venv/developing ## measure, and write docs/performance.md
	.ci/install
	$(BIN)/python -m bench.run

completions: .venv/developing ## generate completions/ anew
	$(BIN)/python -m tcenv.completion

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/developing: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .tools build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
