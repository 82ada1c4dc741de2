# `make demo` and `make test` do all of their own set-up; see packaging/setup.sh.
PYTEST_ARGS ?=
PYTEST = .venv/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test suite setup lint lock clean

demo: setup
	.venv/bin/python benchmarks/demo.py

test: lint suite

suite: setup
	$(PYTEST) $(PYTEST_ARGS)

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

setup:
	@sh packaging/setup.sh

# Writes the lock file anew; hashes, and no index address.
lock:
	uv pip compile --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev --extra build --extra providers \
	  pyproject.toml -o packaging/requirements.lock

clean:
	rm -rf build .venv
