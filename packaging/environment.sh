#!/usr/bin/env bash
# Makes the virtual environment .venv of this clone, or brings it up to date: environment.sh [EXTRA].
# With nothing to do it returns at once. Two runs at once wait for one another. Whatever fails says so in one line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extra=${1:-}
environment=.venv
oldest="3.11"

say() { printf '%s\n' "$*" >&2; }
stop() { say "telefonista: $*"; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
        if new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    stop "needs Python $oldest or newer, and none is on the PATH: install one, or name it: make PYTHON=/path/to/python3"
}

# What the environment was made from. Kept in the environment, so that a change, or a clone that was moved, is noticed.
wanted() { printf '%s\n' "$PWD"; cksum setup.cfg pyproject.toml; }

stamp="$environment/made-for${extra:+-$extra}"
made_already() {
    [ -x "$environment/bin/python" ] && new_enough "$environment/bin/python" && [ "$(cat "$stamp" 2>/dev/null)" = "$(wanted)" ]
}

made_already && exit 0

if command -v flock >/dev/null; then
    exec 9>.venv.lock
    flock -n 9 || { say "waiting for another run that is making $environment"; flock 9; }
    made_already && exit 0
fi

if [ -e "$environment" ] && ! grep -qxF "$PWD" "$environment"/made-for* 2>/dev/null; then
    say "$environment was made for another place or left half-done: making it anew"
    rm -rf "$environment"
fi
if ! new_enough "$environment/bin/python"; then
    rm -rf "$environment"
    python=$(find_python)
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        stop "$python lacks the venv module: install it (Debian and Ubuntu: apt install python3-venv)"
    say "making $environment with $("$python" --version)"
    "$python" -m venv "$environment" || stop "could not make $PWD/$environment: see the message above"
fi

say "installing the Python packages into $environment; the first time takes a minute or two"
log="$environment/install.log"
installed=yes
"$environment/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
    --editable ".${extra:+[$extra]}" 2>&1 </dev/null | tee "$log" |
    sed -un -e 's/^Collecting \([^ ]*\).*/  \1/p' -e 's/^Installing collected packages.*/  unpacking/p' >&2 || installed=no
if [ "$installed" = no ]; then
    reason=$(grep -m1 -iE 'No space left|Permission denied' "$log" || grep -E '^ *ERROR' "$log" | tail -n1 || tail -n1 "$log")
    reason=$(sed -E 's/^ *(ERROR: )?//' <<<"$reason")
    stop "the Python packages could not be installed: ${reason:0:300} (no network? pip's own settings apply; all of it: $PWD/$log)"
fi
# Without an extra is a part of with it, so one stamp does not spoil the other.
wanted >"$environment/made-for"
wanted >"$stamp"
