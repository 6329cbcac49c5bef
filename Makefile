# The commands of the project. Each works alone on a machine with Python >= 3.11, make and a package index:
# it makes its environment in .venv first, and again when pyproject.toml or constraints.txt change.
# To take another interpreter or place: make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
OUT ?= out
ARGS ?=

BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
REQUIREMENTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: demo test browser test-machines lint format bench campaign docs docs-test dist clean distclean help

demo: $(VENV)/.dev ## measure handwritten threes against eights: a table, and a figure in out/
	@mkdir -p $(OUT)
	$(BIN)/otgan measure digits:3 digits:8 --plot $(OUT)/digits-3-vs-8.png

# One thread a worker: the problems of the tests are small, and threads that spin for them slow each other down.
test: $(VENV)/.dev ## run the tests, the doctests and the examples of the documents (ARGS="-k emd" to choose)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 $(ARGS)

# The browsers that Playwright would download are not needed: Debian's own is driven.
browser: ## install the browser that the tests of pages drive, where none is (Debian, as root)
	@for name in $${OTGAN_CHROMIUM:-chromium chromium-browser google-chrome}; do \
	  if command -v $$name; then exit 0; fi; \
	done; \
	if [ -z "$$OTGAN_CHROMIUM" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-liberation; \
	else \
	  echo "make: no chromium on the PATH; as root on Debian this target installs it, or name one: OTGAN_CHROMIUM=path" >&2; exit 1; \
	fi

test-machines: $(VENV)/.dev ## run the tests as other processors, thread counts, orders and Pythons would (ARGS=--each tells them apart)
	$(BIN)/python -m tests.machines $(ARGS)

lint: $(VENV)/.dev ## check style, formatting, types, docstrings, spelling, and that the quoted tables are those that were measured
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONUTF8=1 $(BIN)/numpydoc lint $$(find otgan -name '*.py')
	$(BIN)/codespell *.md docs otgan benchmarks examples
	$(BIN)/python -m benchmarks.render --check

format: $(VENV)/.dev ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench ## run every benchmark by its defaults, and render the pages (ARGS=--quick for a glance)
	$(BIN)/python -m benchmarks $(ARGS)

campaign: $(VENV)/.dev ## search for wrong numbers, hangs and raw errors: an hour of two cores, resumable (ARGS=--failures to see them)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.adversarial.campaign $(ARGS)

docs: $(VENV)/.docs ## build the pages into docs/_build/html; a warning or a broken link is an error
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
	$(BIN)/python -m tests.browser.links docs/_build/html

# The gallery is not run for it, which takes minutes: its pages have the code and a placeholder for every figure.
docs-test: $(VENV)/.docs $(VENV)/.dev ## build the pages without running the gallery, and read them in a browser
	$(BIN)/python -m sphinx -W --keep-going -q -b html -D plot_gallery=0 docs docs/_build/quick
	OTGAN_PAGES=docs/_build/quick OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 \
	  tests/browser/test_links.py tests/browser/test_documentation.py $(ARGS)

dist: $(VENV)/.dist ## build what is released into dist/, check it, and try the wheel in an environment of its own
	$(BIN)/python -m tests.dist

clean: ## remove what the other targets wrote, the environment excepted
	rm -rf $(OUT) build dist docs/_build docs/_extra docs/gallery docs/api/generated
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find otgan tests benchmarks examples docs -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the environment as well
	rm -rf $(VENV)

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.dev $(VENV)/.docs $(VENV)/.bench $(VENV)/.dist: $(VENV)/.%: $(BIN)/python $(REQUIREMENTS)
	$(INSTALL) ".[$*]"
	@touch $@

# Debian's python3 comes without ensurepip: its own pip, where there is one, can then fill the environment.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "make: no '$(PYTHON)' on the PATH; install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: Python 3.11 or newer is needed, '$(PYTHON)' is $$($(PYTHON) --version 2>&1); name another: make PYTHON=python3.12" >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  $(PYTHON) -m venv --clear $(VENV); \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	  $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; \
	else \
	  echo "make: '$(PYTHON)' can make no environment: it has neither ensurepip nor pip (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; \
	fi || { rm -rf $(VENV); exit 1; }
