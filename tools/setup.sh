#!/usr/bin/env bash
# Makes .venv with the locked packages and the command `custody`; does nothing when it is current.
# Current means: made in this directory, with this Python, from these requirements.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "setup: $*" >&2
  exit 1
}

# Without PYTHON it stays with the one that .venv was made with.
python="${PYTHON:-$(readlink -e .venv/bin/python || echo python3)}"
command -v "$python" >/dev/null || fail "no $python here; install Python 3.11 or newer, or set PYTHON"
version="$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$python is Python $version; Custody needs 3.11 or newer (set PYTHON to choose another)"

exec 9<requirements/dev.txt
flock 9 # two targets started at once take turns

digest() { sha256sum | cut -d' ' -f1; }
current() { [ "$(cat ".venv/$1" 2>/dev/null)" = "$2" ]; }

packages="$({ pwd; echo "$version"; cat requirements/dev.txt; } | digest)"
if ! current packages.stamp "$packages"; then
  "$python" -c 'import ensurepip, venv' 2>/dev/null || tools/packages.sh setup
  echo "setup: making .venv with Python $version"
  rm -rf .venv
  "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --require-hashes --requirement requirements/dev.txt
  echo "$packages" >.venv/packages.stamp
fi

project="$(digest <pyproject.toml)"
if ! current project.stamp "$project"; then
  .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --no-deps --no-build-isolation --editable .
  echo "$project" >.venv/project.stamp
fi

.venv/bin/python -m tools.compile
