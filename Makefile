# Needs Python 3.12 or newer, make and git. The first target that is called makes .venv; `make PYTHON=…` picks its Python.

BIN := .venv/bin
READY := .venv/ready
GROUPS := test lint docs bench

# Where Python is told to write no bytecode, each of the many processes that tests start compiles every library anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test unit hosts older test-ha types-ha lint format docs pictures bench generate ci clean

help:  ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(READY): pyproject.toml constraints.txt .ci/venv
	@PYTHON="$(PYTHON)" .ci/venv .venv -e ".[zigbee,zwave,emulated,keyring,node]" $(GROUPS:%=--group %)
	@touch $@

demo: $(READY)  ## Show an emulated house let a lamp in and keep a stranger out
	@$(BIN)/python -m examples.demo

# Many tests wait for an emulated air, so more of them run at once than there are cores; ARGS="-n 0" runs them one by one.
test: $(READY)  ## Run every test
	@$(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

unit: $(READY)  ## Run the fast tests only
	@$(BIN)/python -m pytest -n 2 -m "not slow and not hosts" $(ARGS)

hosts: $(READY)  ## Run every supported host version on the emulated network
	@$(BIN)/python tests/emulated/hosts/run.py $(ARGS)

older: $(READY)  ## Run the guard's tests on the bellows before the newest
	@.ci/venv .venv-older -e ".[zigbee,emulated]" --group test bellows==1.1.0 zigpy==2.3.0
	@.venv-older/bin/python -m pytest tests/zigbee --ignore tests/zigbee/attacks $(ARGS)

# Home Assistant pins its own versions of everything and needs Python 3.13. Its tests run on the built wheel: what they import
# is what a user installs. Nothing is resolved, and the wheel is made again only when something in it changed.
HA := .venv-ha/bin
HA_WHEEL_SOURCES := $(shell find hubsec radios policies -not -name "*.pyc" -not -name __pycache__)

.venv-ha/ready: constraints-ha.txt .ci/venv
	@PYTHON="$(or $(PYTHON),python3.13 $(wildcard $(HOME)/.pyenv/versions/3.13.*/bin/python3))" .ci/venv .venv-ha --no-deps -r constraints-ha.txt
	@touch $@

.venv-ha/wheel: .venv-ha/ready pyproject.toml README.md LICENSE NOTICE $(HA_WHEEL_SOURCES)
	@rm -rf build/ha
	@$(HA)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir build/ha .
	@$(HA)/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall build/ha/hubsec-*.whl
	@touch $@

test-ha: .venv-ha/wheel  ## Run the tests on Home Assistant with its own ZHA
	@$(HA)/pytest -c tests/home_assistant/pytest.ini --dist loadgroup $(if $(findstring tests/,$(ARGS)),,tests/home_assistant) $(ARGS)

types-ha: .venv-ha/ready  ## Check the types of what runs in Home Assistant
	@$(HA)/mypy --python-version 3.13 -p custom_components.hubsec

lint: $(READY)  ## Check style, types, architecture and dead code
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/vulture && echo "vulture: nothing unused."

format: $(READY)  ## Mend what can be mended by itself
	@$(BIN)/ruff check --fix --exit-zero --quiet
	@$(BIN)/ruff format

docs: $(READY)  ## Build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet && echo "docs: site/index.html"

# A browser's driver, on top of the environment of `make test-ha`.
PICTURES := tests/home_assistant/pictures
.venv-pictures/ready: .venv-ha/ready $(PICTURES)/requirements.txt
	@PYTHON="$(CURDIR)/$(HA)/python" .ci/venv .venv-pictures --no-deps -r $(PICTURES)/requirements.txt
	@$(HA)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" >"$$(.venv-pictures/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/home-assistant.pth"
	@touch $@

pictures: .venv-pictures/ready .venv-ha/wheel  ## Take the pictures of the documentation, in a real Home Assistant; needs Chromium
	@cd tests/home_assistant && $(CURDIR)/.venv-pictures/bin/python -m pictures $(ARGS)

generate: $(READY)  ## Write the parts of docs/ that come from the code
	@$(BIN)/python -m hubsec.events_schema docs/events.schema.json

bench: $(READY) .venv-bench/ready  ## Measure against peers and limits; writes build/bench.json
	@$(BIN)/python -m benchmarks $(ARGS)

# Home Assistant pins its own versions of everything, so its bus is measured from an environment of its own. Without it
# the table says that those rows were not run.
.venv-bench/ready: pyproject.toml .ci/venv
	@PYTHON="$(PYTHON)" .ci/venv .venv-bench --group bench-ha || echo "bench: no Home Assistant to compare with" >&2
	@mkdir -p .venv-bench && touch $@

ci:  ## Do in a clean clone of HEAD what the build server does
	@.ci/run

clean:  ## Remove what was built
	rm -rf build dist site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
