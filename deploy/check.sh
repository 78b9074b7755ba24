#!/bin/sh
# `make deployment`: every file that deploys syncd, read by the tool that will read it in earnest; no engine is needed.
# A tool that this machine does not have is named on a line that begins with SKIPPED; what is wrong ends it with 1.
set -eu
cd "$(dirname "$0")/.."
venv=.venv
skipped() { echo "SKIPPED: $1"; }

"$venv/bin/hadolint" Dockerfile
"$venv/bin/check-jsonschema" --quiet --builtin-schema vendor.compose-spec docker-compose.yml

# Docker's own program, out of a wheel. The command that the wheel installs answers 0 whatever happens: not that one.
compose="$venv/compose/compose/docker-compose"
if [ "$(uname -sm)" = "Linux x86_64" ]; then
  for profiles in "" demo observability demo,observability; do
    COMPOSE_PROFILES="$profiles" "$compose" --file docker-compose.yml config --quiet
  done
else
  skipped "docker compose config: there is no wheel of it for $(uname -sm)"
fi

if command -v systemd-analyze > /dev/null; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  version=$(systemd-analyze --version | awk 'NR == 1 { print $2 }')
  # The program is elsewhere here; and a systemd that does not know notify-reload yet would call the line an error.
  sed "s,^ExecStart=/opt/syncd/bin/syncd,ExecStart=$PWD/$venv/bin/syncd," deploy/systemd/syncd.service \
    | if [ "$version" -ge 253 ]; then cat; else grep -v '^Type=notify-reload$'; fi > "$scratch/syncd.service"
  # What it does not know, it ignores, says so, and answers 0.
  systemd-analyze verify --man=no --recursive-errors=no "$scratch/syncd.service" > "$scratch/problems" 2>&1 \
    && ! grep syncd.service "$scratch/problems" || { cat "$scratch/problems"; exit 1; }
  # Exposure below 2.0 of 10, or it fails.
  systemd-analyze security --no-pager --offline=true --threshold=20 "$scratch/syncd.service" > "$scratch/exposure" \
    || { cat "$scratch/exposure"; exit 1; }
  tail -1 "$scratch/exposure"
else
  skipped "systemd-analyze verify and security: install the package systemd"
fi

# The alerts for Prometheus, by its own tool; those for Loki are read by tests/alerts.
if command -v promtool > /dev/null; then
  promtool check rules deploy/alerts/prometheus/syncd.yml
  "$venv/bin/python" -m tests.alerts.promtool promtool
else
  skipped "promtool check rules and test rules: install the package prometheus"
fi
