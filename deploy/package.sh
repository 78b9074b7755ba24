#!/bin/sh
# `make package`: sdist, wheel and bill of materials into dist/, byte by byte the same from the same commit; the wheel is
# made of nothing but the sdist, and tried where no checkout is, without and with each extra (deploy/try-wheel.sh).
set -eu
cd "$(dirname "$0")/.."
root=$PWD
scratch=$(mktemp -d)
chmod 0711 "$scratch"           # a root's PostgreSQL runs as another user, who must be able to pass
trap 'rm -rf "$scratch"' EXIT
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || date -r pyproject.toml +%s)}
export SOURCE_DATE_EPOCH
build() { "$root/.venv/bin/hatchling" build "$@"; }

rm -rf dist
build --directory dist --target sdist
mkdir "$scratch/source"
(umask 077 && tar --extract --gzip --no-same-permissions --file dist/*.tar.gz --directory "$scratch/source" --strip-components 1)
(cd "$scratch/source" && build --directory "$root/dist" --target wheel)

# The same once more the other way round, in the other directory: modes, umask, time zone and place make no difference.
build --directory "$scratch/again" --target wheel
(cd "$scratch/source" && TZ=Asia/Tokyo build --directory "$scratch/again" --target sdist)
for file in dist/*; do cmp "$file" "$scratch/again/${file#dist/}"; done

# What is committed is in the sdist, and nothing else: neither a page that somebody forgot, nor somebody's notes.
if git rev-parse --git-dir > /dev/null 2>&1; then
  git ls-files | sort > "$scratch/committed"
  (cd "$scratch/source" && find . -type f ! -path ./PKG-INFO | sed 's,^\./,,' | sort) | diff "$scratch/committed" - \
    || { echo "package: the sdist (>) differs from what is committed (<)"; exit 1; }
fi

deploy/try-wheel.sh dist/*.whl "$scratch"
wheel=$(basename dist/*.whl)
.venv/release/cyclonedx-bom/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
  --output-file "dist/${wheel%%-py3*}.cdx.json" "$scratch/venv/bin/python"
(cd dist && sha256sum -- *)
