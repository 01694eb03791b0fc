#!/usr/bin/env bash
# The front door: makes .venv beside this file, installs the project, and runs it. See --help.
# Messages go to stderr, so that 'bash setup.sh --json' leaves one JSON object on stdout.

set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
venv=$root/.venv
stamp=$venv/.installed         # what was installed last, see wanted_state
PATH=${PATH//"$venv/bin:"/} # where .venv is activated: it cannot rebuild itself
uv=$(command -v uv || true)

readonly oldest=3.10 newest=3.14
readonly wrong_input=2 went_wrong=3 # as the exit codes of mirror-pipeline

usage() {
    cat <<'HELP'
usage: bash setup.sh [--refresh | --test | --help] [ARGUMENTS...]

  (nothing)   make the environment where needed, then 'mirror-pipeline setup'
  --refresh   the same with 'mirror-pipeline refresh': no infrastructure, only what is stale
  --test      install the test tools as well and run the whole test suite; with --cov it also
              tells which lines were run, in twice the time
  --help      this text

ARGUMENTS are handed to mirror-pipeline or pytest: bash setup.sh --test -k pages

The environment is .venv beside this file. It is made with uv where that is on the PATH, with venv and
pip otherwise, and left alone while pyproject.toml and constraints.txt are unchanged.
PYTHON=/path/to/python3.12 chooses the interpreter; otherwise the newest of 3.10 to 3.14 is taken.

Exit codes: those of mirror-pipeline or pytest; before that 2 (no usable Python) or 3 (no installation).
HELP
}

say() { printf '%s\n' "$*" >&2; }

fail() {
    local code=$1
    shift
    say "error: $*"
    exit "$code"
}

# --- Which Python -----------------------------------------------------------------------------------

# Whether an interpreter is one of the supported versions and has the named modules. It is run, not
# only looked up: pyenv's shims are on the PATH for versions that are switched off.
python_has() {
    local python=$1
    shift
    "$python" - "$oldest" "$newest" "$@" >/dev/null 2>&1 <<'PYTHON'
import importlib, sys
oldest, newest = (tuple(map(int, text.split("."))) for text in sys.argv[1:3])
if not oldest <= sys.version_info[:2] <= newest:
    sys.exit(1)
for name in sys.argv[3:]:
    importlib.import_module(name)
PYTHON
}

candidates() {
    if [ -n "${PYTHON:-}" ]; then
        printf '%s\n' "$PYTHON"
        return
    fi
    local minor
    for ((minor = ${newest#3.}; minor >= ${oldest#3.}; minor--)); do
        printf 'python3.%s\n' "$minor"
    done
    printf '%s\n' python3 python
    if [ -n "$uv" ]; then # an interpreter that only uv knows of; it is not asked to download one
        UV_PYTHON_DOWNLOADS=never "$uv" python find ">=$oldest,<3.$((${newest#3.} + 1))" 2>/dev/null || true
    fi
}

# Prints the interpreter to make the environment with.
find_python() {
    local needed=(ssl sqlite3) candidate incomplete=
    [ -n "$uv" ] || needed+=(venv ensurepip)
    while IFS= read -r candidate; do
        if python_has "$candidate" "${needed[@]}"; then
            command -v -- "$candidate"
            return
        fi
        if [ -z "$incomplete" ] && python_has "$candidate"; then incomplete=$candidate; fi
    done < <(candidates)
    if [ -n "$incomplete" ]; then
        fail $wrong_input "$incomplete lacks one of the modules: ${needed[*]}." \
            "Debian and Ubuntu have them in the package python3-venv."
    elif [ -n "${PYTHON:-}" ]; then
        fail $wrong_input "PYTHON=$PYTHON is not a Python from $oldest to $newest."
    fi
    fail $wrong_input "no Python from $oldest to $newest was found." \
        "Install one, or name it: PYTHON=/path/to/python3 bash setup.sh"
}

# --- Installing -------------------------------------------------------------------------------------

# What an installation is made from.
wanted_state() {
    printf '%s\n%s\n' "$root" "$(cat -- "$root/pyproject.toml" "$root/constraints.txt" | cksum)"
}

# Whether the environment works. One that was copied or moved here, or whose Python is gone, does not.
venv_works() {
    [ -f "$venv/.made-in" ] && [ "$(<"$venv/.made-in")" = "$root" ] && python_has "$venv/bin/python" &&
        { [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$venv/bin/python")" ]; }
}

version_of() { "$1" --version 2>&1 || true; }

# Whether what is asked for (extras: '' or 'dev') is there already.
is_installed() {
    [ -f "$stamp$1" ] && [ "$(<"$stamp$1")" = "$(wanted_state)" ] && venv_works
}

make_venv() {
    local python
    python=$(find_python)
    say "Making .venv: $(version_of "$python"), $([ -n "$uv" ] && echo uv || echo 'venv and pip')..."
    rm -rf -- "$venv"
    if [ -n "$uv" ]; then
        "$uv" venv --quiet --no-project --python "$python" "$venv"
    else
        "$python" -m venv "$venv"
    fi || fail $went_wrong "the environment could not be made: see above."
    printf '%s\n' "$root" >"$venv/.made-in"
}

install() {
    local extras=$1
    venv_works || make_venv
    rm -f -- "$stamp" "${stamp}dev"
    say "Installing mirror-pipeline${extras:+ and the test tools}..."
    if [ -n "$uv" ]; then with_uv "$extras"; else with_pip "$extras"; fi ||
        fail $went_wrong "the installation did not succeed: see above."
    wanted_state >"$stamp"
    if [ -n "$extras" ]; then wanted_state >"$stamp$extras"; fi
}

with_pip() {
    local pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check
        --constraint "$root/constraints.txt")
    PIP_USER=0 "${pip[@]}" --upgrade pip && # the one that came with Python may be too old for the next line
        PIP_USER=0 "${pip[@]}" --editable "$root${1:+[$1]}"
}

# In a subshell: what pip's configuration says is for this command alone.
with_uv() (
    as_pip_is_configured
    "$uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" \
        --constraint "$root/constraints.txt" --editable "$root${1:+[$1]}"
)

# uv does not read pip's configuration: hand over what it says, unless uv has been told itself.
as_pip_is_configured() {
    local listing
    listing=$(pip_listing || true)
    hand_over UV_DEFAULT_INDEX "${UV_INDEX_URL:-}" "$(pip_setting index-url)"
    hand_over UV_INDEX "${UV_EXTRA_INDEX_URL:-}" "$(pip_setting extra-index-url)"
    hand_over UV_FIND_LINKS "" "$(pip_setting find-links | tr ' ' ',')"
    hand_over UV_INSECURE_HOST "" "$(pip_setting trusted-host)"
    hand_over SSL_CERT_FILE "" "$(pip_setting cert)"
    hand_over ALL_PROXY "${HTTPS_PROXY:-}${https_proxy:-}${all_proxy:-}" "$(pip_setting proxy)"
    if [ -n "${UV_INDEX:-}" ]; then # pip takes the best version of all indexes
        export UV_INDEX_STRATEGY=${UV_INDEX_STRATEGY:-unsafe-best-match}
    fi
}

pip_listing() {
    local python
    for python in "$venv/bin/python" "${PYTHON:-python3}" python3 python; do
        if PIP_DISABLE_PIP_VERSION_CHECK=1 "$python" -m pip config list 2>/dev/null; then return; fi
    done
}

# One of pip's settings on one line, lists separated by spaces. A command's section wins over global.
pip_setting() {
    local section value words
    for section in ':env:' install global; do
        value=$(sed -n "s/^$section\.$1=//p" <<<"$listing")
        value=${value#[\'\"]}
        value=${value%[\'\"]}
        value=${value//\\n/ }
        read -r -a words <<<"$value"
        if [ ${#words[@]} -gt 0 ]; then
            printf '%s\n' "${words[*]}"
            return
        fi
    done
}

# hand_over VARIABLE OTHER VALUE: export VALUE, unless it is empty, or VARIABLE or OTHER is set.
hand_over() {
    if [ -n "$3" ] && [ -z "${!1:-}" ] && [ -z "$2" ]; then export "$1=$3"; fi
}

# --- What was asked for -----------------------------------------------------------------------------

mode=setup extras=
case ${1:-} in
--help | -h)
    usage
    exit 0
    ;;
--refresh)
    mode=refresh
    shift
    ;;
--test)
    mode=test extras=dev
    shift
    ;;
esac

if ! is_installed "$extras"; then install "$extras"; fi

if [ "$mode" = test ]; then
    cd -- "$root"
    unset MIRROR_CONFIG
    # A module's tests stay together: they share what takes long to make. conftest.py puts the longest first.
    exec "$venv/bin/python" -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder "$@"
fi
export MIRROR_CONFIG=${MIRROR_CONFIG:-$root/config.env}
exec "$venv/bin/mirror-pipeline" "$mode" "$@"
