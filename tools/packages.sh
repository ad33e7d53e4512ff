#!/usr/bin/env bash
# Installs the Debian packages that a make target needs: `tools/packages.sh TARGET`.
# The list is tools/packages.txt. As root with apt it installs what is missing; otherwise it says
# what to ask for and fails.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
while read -r target command package; do
  if [ "$target" = "$1" ] && ! command -v "$command" >/dev/null; then
    missing+=("$package")
  fi
done < <(grep -vE '^(#|$)' packages.txt)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "make $1 needs system packages that are not here and that only root may install with apt:" >&2
  echo "    apt-get install --yes --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "make $1: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2 || echo "make $1: apt-get update failed; trying with the lists at hand" >&2
apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" >/dev/null
