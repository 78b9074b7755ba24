#!/bin/sh
# `make package`: an sdist, a wheel made of nothing but that sdist, and that wheel installed where no checkout is: does
# it bring its SQL, its command and its completion along, and does it mirror? Leaves both files in dist/.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
scratch=$(mktemp -d)
chmod 0711 "$scratch"           # a root's PostgreSQL runs as another user, who must be able to pass
trap 'rm -rf "$scratch"' EXIT
pip() { "${PY:-python3}" -m pip --python "$scratch/venv/bin/python" install --quiet --disable-pip-version-check --root-user-action ignore "$@"; }

rm -rf dist
.venv/bin/hatchling build --directory dist --target sdist
tar --extract --gzip --file dist/*.tar.gz --directory "$scratch" --strip-components 1
(cd "$scratch" && "$root/.venv/bin/hatchling" build --directory "$root/dist" --target wheel)

"${PY:-python3}" -m venv --without-pip "$scratch/venv"
pip --require-hashes --only-binary=:all: --requirement requirements/run.txt
pip --no-deps --no-index dist/*.whl

cd "$scratch/venv"
syncd() { env -i PATH="$PATH" HOME="$scratch" XDG_DATA_HOME="$scratch/data" "$@"; }
syncd bin/syncd --version
syncd _SYNCD_COMPLETE=bash_source bin/syncd | grep --quiet 'complete -o'
syncd bin/syncd demo --once | grep 'What the mirror says now'
