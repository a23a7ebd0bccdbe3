# make demo: set up and run the main job.  make test: set up, lint, types, tests.
UV_VERSION := 0.13.9
PYTHON ?= python3
BIN := .venv/bin
export UV_COMPILE_BYTECODE := 1

.PHONY: demo test lint types slow bench lock clean

demo: .venv/installed
	sh examples/demo.sh $(BIN)/neyman

test: lint types
	$(BIN)/python -m pytest -q -n 2 --dist worksteal tests

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed
	$(BIN)/ty check

slow: .venv/installed
	$(BIN)/python -m pytest -q tests --slow

bench: .venv/installed
	for name in benchmarks/*.py; do $(BIN)/python $$name --quick || exit 1; done

.venv/installed: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --compile-bytecode -e .
	touch $@

lock:
	$(BIN)/uv pip compile --universal --generate-hashes --no-annotate --no-header --all-extras --group dev pyproject.toml -o requirements.lock

clean:
	rm -rf .venv build dist
