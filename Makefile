# Needs Python 3.11 or later, and nothing else; the tests install what they need beside it (.ci/install).
# The first of these that is new enough and has venv (a name on the PATH may be a version manager's empty shim).
PYTHON ?= $(shell for name in python3.11 python3 python3.12 python3.13 python3.14 python; do \
	$$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
# Where a virtual environment has its programs.
PROGRAMS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := .venv/$(PROGRAMS)
RELEASE := .tools/release/$(PROGRAMS)
# The locks are whole: pip resolves nothing, and takes no file whose hash is not in them.
FROM_LOCK := -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
PYTEST := $(BIN)/python -m pytest -q -p no:xonsh
SHELL_CODE := .ci/run .ci/install .ci/powershell .ci/windows .ci/debian-shells shell/init.bash shell/init.sh shell/init.ksh shell/direnv.sh shell/subshell/rc.bash shell/subshell/rc.sh shell/remote/lifeline.sh shell/remote/run.sh
PYTHON_CODE := tcenv tests bench hatch_build.py .ci
# What people read, beside help and messages.
UNREAD = docs/commands.md docs/reliability.md
PROSE = README.md SECURITY.md CONTRIBUTING.md CHANGELOG.md $(filter-out changes/template.md,$(wildcard changes/*.md)) \
	$(filter-out $(UNREAD),$(wildcard docs/*.md))
# What tells that other versions of the libraries do: everything but browsers, the pages of docs/, most shells and what needs root.
CORE = tests/unit tests/shells/test_statements.py $(shell grep -rLE 'tests.chromium|playwright' $(filter-out %/docs,$(wildcard tests/e2e/*)) --include='test_*.py')
CLIENTS := $(patsubst .ci/taskcluster/%.txt,.tools/taskcluster/%,$(wildcard .ci/taskcluster/*.txt))
# The oldest xonsh and nushell that are supported, in all tests; the others are in `make shells`.
OLDEST := .tools/shells/xonsh-0.12.6 .tools/shells/nu-0.98.0

.PHONY: help demo test windows quick shells fuzz check words check-lowest check-newest workflows update bench generated pictures changelog dist tools clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: .venv/installed ## the main job, sign-in included, against the embedded sandbox
	@$(BIN)/python -m tcenv.sandbox.demo

# Eight workers also on two cores: many tests wait for a browser, a terminal or the network.
# xonsh's own plugin for pytest starts a shell inside of the tests, which fails where TERM is dumb.
test: ## all tests, in the real shells and a real browser
	@$(MAKE) --no-print-directory -j2 .venv/developing tools .tools/words/installed
	$(PYTEST) -n 8 --dist worksteal

ifeq ($(OS),Windows_NT)
windows: .venv/developing
	$(BIN)/python -m tests.windows CON
else
windows: .venv/locked ## the tests of the Windows wheel, by Windows' Python under wine
	.ci/windows $(BIN)/python
endif

quick: .venv/developing ## under a minute, for the person who edits: no browser, no terminal, bash, zsh and fish alone
	$(PYTEST) -n 4 --dist worksteal tests/unit -k 'not remote' --ignore tests/unit/reliability
	$(PYTEST) -n 4 --dist worksteal tests/shells -k '(bash or zsh or fish) and not (terminal or security or completion or shell_options or traces or statements or install or integration)'

shells: .venv/developing tools .tools/shells/xonsh-0.13.4 .tools/shells/bullseye .tools/shells/trixie ## the oldest and newest versions of each shell
	TCENV_TEST_SHELLS=all $(PYTEST) tests/shells/test_versions.py

fuzz: .venv/developing tools ## the long form of the attacks and faults, and write docs/reliability.md
	$(PYTEST) -n 4 --dist worksteal -m fuzz
	$(BIN)/python -m tests.reliability.page

check: .venv/developing tools ## format, lint, types, locks, layers, generated files
	$(BIN)/ruff format --check $(PYTHON_CODE)
	$(BIN)/ruff check $(PYTHON_CODE)
	$(BIN)/mypy
	$(BIN)/python .ci/locks.py check
	@$(MAKE) --no-print-directory words
	$(PYTEST) tests/unit/test_layers.py tests/e2e/test_generated.py -k "layers or current or stale"
	shellcheck $(SHELL_CODE)
	shfmt -d -i 2 -ci $(SHELL_CODE)

words: .venv/developing .tools/words/installed ## spelling and style of docs, help and messages (docs/style.md)
	@rm -rf .tools/said
	@$(BIN)/python .ci/words.py .tools/said
	@$(BIN)/codespell $(PROSE) tcenv shell .tools/said
	@NODE_PATH=.tools/words/node_modules .tools/words/node_modules/.bin/textlint -c .ci/npm/words/textlintrc.yml -f unix $(PROSE) '.tools/said/**/*.txt'

check-lowest: .tools/release/installed tools ## the core of the tests with the lowest versions that pyproject.toml admits
check-newest: .tools/release/installed tools ## the same with the newest
# The table of calls is that of the newest client library.
check-lowest: CORE += --deselect=tests/e2e/proxy/test_credential_calls.py
check-lowest check-newest: check-%:
	$(RELEASE)/python .ci/locks.py install $* .tools/$*
	.tools/$*/$(PROGRAMS)/python -m pytest -q -p no:xonsh -n 2 --dist worksteal $(CORE)

workflows: .tools/release/installed .tools/bin/actionlint ## lint .github
	$(RELEASE)/zizmor --offline --no-progress --quiet --persona pedantic .github
	.tools/bin/actionlint .github/workflows/*.yml

update: .tools/release/installed ## renew the locks, and print what changed
	$(RELEASE)/python .ci/locks.py update

bench: .venv/developing tools ## measure, and write docs/performance.md
	$(BIN)/python -m bench.run

generated: .venv/developing ## write anew what is made from the command line's declaration
	$(BIN)/python -m tcenv.cli.parsing.generate

pictures: .venv/developing tools .tools/svg-term/installed ## write docs/terminal.svg anew, from a real session
	$(BIN)/python -m tests.docs.picture

changelog: .tools/release/installed ## show what the next release brings
	@$(RELEASE)/towncrier build --draft --version "(next)"

dist: .venv/developing .tools/release/installed ## the sdist and the wheels of a release, twice with the same bytes, checked and tried
	$(BIN)/python .ci/dist.py $(RELEASE)

clean: ## remove what these targets made
	rm -rf .venv .tools .bench build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

tools:
	@.ci/install

.venv/locked: requirements.txt requirements-build.txt
	@test -n "$(PYTHON)" || { echo "tcenv needs Python 3.11 or later with venv (Debian: python3-venv), or say make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python $(FROM_LOCK) -r requirements.txt -r requirements-build.txt
	@touch $@

.venv/installed: .venv/locked pyproject.toml hatch_build.py $(wildcard tcenv/bin/*)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
	@touch $@

.venv/developing: .venv/installed requirements-dev.txt $(CLIENTS) $(OLDEST)
	$(BIN)/python $(FROM_LOCK) -r requirements-dev.txt
	@touch $@

# Other versions of the client library that are supported, beside the one that is installed: tests hold them to what tcenv relies on.
$(CLIENTS): .tools/taskcluster/%: .ci/taskcluster/%.txt .venv/locked
	@rm -rf $@ $@.part
	$(BIN)/python $(FROM_LOCK) --no-compile --target $@.part -r $<
	@mv $@.part $@
	@touch $@

.tools/shells/xonsh-%: .ci/shells/xonsh-%.txt .venv/locked
	$(PYTHON) -m venv --clear --without-pip $@
	$(BIN)/python -m pip --python $@ $(wordlist 3,9,$(FROM_LOCK)) -r $<
	@touch $@

# Its program is inside of a package, which there is for Linux alone.
.tools/shells/nu-%: .ci/npm/nu-%/package-lock.json
	mkdir -p $@/bin
	cp $(<D)/package.json $(<D)/package-lock.json $(<D)/.npmrc $@
	! command -v npm >/dev/null || npm ci --silent --ignore-scripts --prefix $@
	! test -x $@/node_modules/@nushell/linux-x64/bin/nu || ln -f $@/node_modules/@nushell/linux-x64/bin/nu $@/bin/nu
	@touch $@

# Debian's other releases have other versions of most shells.
.tools/shells/bullseye .tools/shells/trixie: .ci/debian-shells
	.ci/debian-shells $(@F) $@
	@touch $@

.tools/release/installed: requirements-release.txt
	@test -n "$(PYTHON)" || { echo "This needs Python 3.11 or later with venv, or say make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv --clear .tools/release
	$(RELEASE)/python $(FROM_LOCK) -r $<
	@touch $@

.tools/bin/actionlint: .ci/actionlint/go.mod .ci/actionlint/go.sum
	@command -v go >/dev/null || { echo "This needs Go, which builds actionlint." >&2; exit 1; }
	go -C $(<D) build -o $(CURDIR)/$@ github.com/rhysd/actionlint/cmd/actionlint

.tools/words/installed: .ci/npm/words/package-lock.json
	mkdir -p .tools/words
	cp .ci/npm/words/package.json .ci/npm/words/package-lock.json .ci/npm/words/.npmrc .tools/words
	npm ci --silent --ignore-scripts --prefix .tools/words
	@touch $@

.tools/svg-term/installed: .ci/npm/pictures/package-lock.json
	mkdir -p .tools/svg-term
	cp .ci/npm/pictures/package.json .ci/npm/pictures/package-lock.json .ci/npm/pictures/.npmrc .tools/svg-term
	npm ci --silent --ignore-scripts --prefix .tools/svg-term
	@touch $@
