# make demo   the main job on real images, from nothing
# make test   the tests, from nothing
# make help   the rest

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test test-train test-remote test-browser test-export test-all test-lowest lint docs pictures release size bench clean

help:
	@echo "make demo        install into .venv and run the main job on real images"
	@echo "make test        install into .venv and run the tests"
	@echo "make test-train  the tests of training (installs torch)"
	@echo "make test-remote stores and HTTP by servers of this machine (npm, for Azure's)"
	@echo "make test-browser  the pages in a browser (needs chromium and npm)"
	@echo "make test-export an exported model in Node, in a browser and in C++ (needs npm, g++, chromium)"
	@echo "make test-all    also the slow proofs (installs torch and OpenVINO)"
	@echo "make test-lowest the tests with the lowest version that pyproject.toml allows of each package"
	@echo "make lint        ruff, and mypy for Linux, Windows and macOS"
	@echo "make docs        build the documentation as a site into build/site"
	@echo "make pictures    run the gallery's examples and write their pages"
	@echo "make release     wheel, sdist and bill of materials in dist/, checked"
	@echo "make size        measure what an installation takes on disk"
	@echo "make bench       measure the solver and the way from files to scores, with peers"
	@echo "make clean       remove .venv and everything that was built"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras: installed again only when pyproject.toml changes.
$(VENV)/installed-%: pyproject.toml | $(BIN)/python
	@echo "installing oneclass[$*] into $(VENV) ..."
	$(PIP) install --editable '.[$*]'
	@touch $@

demo: $(VENV)/installed-demo
	$(BIN)/oneclass demo build/demo

# As many processes as cores, but no more than memory is made for; a file's tests stay together.
test: $(VENV)/installed-test
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test-train: $(VENV)/installed-test $(VENV)/installed-train
	$(BIN)/python -m pytest tests/auxiliary

# S3, Google's and Azure's stores and HTTP by servers of this machine, and Parquet. Azurite, 186 MB,
# comes from npm; where it cannot be had, the tests of Azure's store say that they are skipped.
AZURITE ?= $(CURDIR)/build/azurite/node_modules/.bin/azurite-blob
test-remote: $(VENV)/installed-test-remote
	test -x $(AZURITE) || npm install --silent --no-audit --no-fund --prefix build/azurite azurite@3.35.0 || true
	AZURITE=$$(ls $(AZURITE)) $(BIN)/python -m pytest tests/cluster/test_stores.py tests/detector/test_http.py tests/results/test_parts.py

test-browser: $(VENV)/installed-test-browser
	npm install --silent --no-audit --no-fund --prefix build/axe axe-core@4.14.1
	$(BIN)/python -m pytest tests/serve/test_browser.py -m slow

# The examples in Node, in a browser and in C++. What these need comes from npm and from Debian 13;
# where it cannot be had, tests say that they are skipped.
WEB := $(CURDIR)/build/web/node_modules/onnxruntime-web
test-export: $(VENV)/installed-test-browser
	-npm install --silent --no-audit --no-fund --fetch-timeout 20000 --fetch-retries 1 --prefix build/web onnxruntime-web@1.30.0
	-tools/onnxruntime_headers.sh build/onnxruntime
	ONNXRUNTIME_WEB=$$(ls -d $(WEB)) ONNXRUNTIME_INCLUDE=$(CURDIR)/build/onnxruntime \
	  $(BIN)/python -m pytest -rs tests/export/test_web.py tests/export/test_files.py tests/export/test_page.py

test-all: $(VENV)/installed-test $(VENV)/installed-train $(VENV)/installed-parity $(VENV)/installed-openvino
	$(BIN)/python -m pytest -m 'slow or not slow'

# Training, and what OpenVINO does, are tested in the versions that their extras pin or bring.
# The starlette that goes with the lowest fastapi tests through httpx, by a name that anyio gives up.
LOWEST := test export
test-lowest:
	rm -rf build/lowest && mkdir -p build
	$(PYTHON) -m venv build/lowest
	$(PYTHON) tools/lowest_versions.py $(LOWEST) > build/lowest.txt
	build/lowest/bin/pip --disable-pip-version-check --quiet install --requirement build/lowest.txt \
	  --editable . httpx
	build/lowest/bin/python -m pytest --ignore tests/auxiliary \
	  -W 'ignore:The anyio.abc.BlockingPortal:DeprecationWarning'

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32
	$(BIN)/mypy --platform darwin

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

pictures: $(VENV)/installed-test
	$(BIN)/python tools/gallery.py

release: $(VENV)/installed-release
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python tools/sbom.py dist/*.whl -o dist/oneclass.cdx.json

size:
	rm -rf build/size && mkdir -p build
	$(PYTHON) -m venv build/size
	build/size/bin/pip --disable-pip-version-check --quiet install .
	du -sm build/size

bench: $(VENV)/installed-bench
	$(BIN)/python benchmarks/bench_svm.py
	$(BIN)/python benchmarks/bench_decoding.py
	$(BIN)/python benchmarks/bench_extraction.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
