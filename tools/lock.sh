#!/usr/bin/env bash
# Writes requirements/*.txt anew: every package with its version and hashes, from pyproject.toml.
# Locked with the oldest supported Python, Debian 12's 3.11.2: the newer ones install its set too,
# while a package's newest version may ask for a patch release that Debian does not have.
# Arguments go to pip-compile: `tools/lock.sh --upgrade`.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-/usr/bin/python3.11}"
"$python" -c 'import sys; sys.exit(sys.version_info[:3] > (3, 11, 2))' || {
  echo "lock: $python is newer than 3.11.2; set PYTHON to one that is not" >&2
  exit 1
}
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
unset PIP_FIND_LINKS # a wheel built on this machine has a hash that no other machine will meet

compile() {
  CUSTOM_COMPILE_COMMAND=tools/lock.sh "$scratch/venv/bin/pip-compile" --quiet --strip-extras \
    --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-trusted-host \
    --no-emit-find-links --no-emit-options "$@"
}

"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet pip-tools
compile "$@" --output-file=requirements/runtime.txt pyproject.toml
compile "$@" --output-file=requirements/dev.txt --extra=dev \
  --constraint=requirements/runtime.txt pyproject.toml requirements/build.in
compile "$@" --output-file=requirements/compile.txt --constraint=requirements/dev.txt \
  requirements/build.in requirements/compile.in

if grep -nE '://|/(home|opt|root|tmp|usr)/' requirements/*.txt; then
  echo "lock: an address or a path of this machine is in the files above" >&2
  exit 1
fi
