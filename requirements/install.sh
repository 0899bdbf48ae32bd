#!/usr/bin/env bash
# Install mmdet_ovis and everything it needs: requirements/install.sh [ovis] [tests] [docs]
#
# Into the environment that python.sh names; .venv is made where none is active
# (PYTHON=... chooses the interpreter it is made with). What is there already and fits
# is kept: torch, OpenCV, the OpenMMLab stack with compiled operators. A second call
# finds its stamp, looks whether the parts still work and ends within seconds.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd -P)
requirements=$root/requirements
torch_to_install=torch==2.13.0
doing='reading the arguments'
remedy='see the messages above'
log=
heartbeat_pid=

say() {
    printf '[install %4ds] %s\n' "$SECONDS" "$*"
}

stop() { # stop REASON REMEDY
    doing=$1
    remedy=$2
    exit 1
}

finish() {
    status=$?
    [ -z "$heartbeat_pid" ] || kill "$heartbeat_pid" 2>/dev/null || true
    [ "$status" -ne 0 ] || return 0
    if [ -n "$log" ]; then
        printf '%s\n' "--- end of $log ---" >&2
        tail -n 15 "$log" >&2
        printf '%s\n' '---' >&2
    fi
    printf '[install] FAILED: %s. Remedy: %s\n' "$doing" "$remedy" >&2
    exit "$status"
}
trap finish EXIT
trap "log='' doing=interrupted remedy='run the same command again'; exit 130" INT
trap "log='' doing=terminated remedy='run the same command again'; exit 143" TERM

answer() { # answer QUESTION: what probe.py finds in the environment
    "$python" "$requirements/probe.py" "$1" 2>/dev/null
}

fits() { # fits QUESTION: whether the answer is yes
    answer "$1" >/dev/null
}

reason() { # reason QUESTION: why the answer to QUESTION is no
    { "$python" "$requirements/probe.py" "$1" >/dev/null || true; } 2>&1
}

pip_install() { # pip_install DOING REMEDY ARGUMENT...: into the log
    doing=$1
    remedy=$2
    shift 2
    say "$doing"
    log=$env/mmdet_ovis_install.log
    printf '\n=== %s\n' "$doing" >>"$log"
    "$python" -m pip install --disable-pip-version-check "$@" >>"$log" 2>&1 9>&-
    log=
}

# ---------------------------------------------------------------- the environment

is_tested_python() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 10), (3, 11)))' \
        2>/dev/null
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

choose_base_python() { # the interpreter to make .venv with
    if [ -n "${PYTHON:-}" ]; then
        printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3 python3.11 python3.10; do
        if is_tested_python "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    printf '%s\n' python3
}

make_venv() {
    base=$(choose_base_python)
    is_new_enough "$base" || stop \
        "'$base' is no Python 3.10 or newer" \
        'install Python 3.11, or name one: make install PYTHON=/path/to/python3.11'
    say "making $env with $("$base" --version)"
    "$base" -m venv "$env" || stop \
        "'$base -m venv' failed" \
        "install Python's venv module (Debian, Ubuntu: apt-get install python3-venv)"
}

choose_environment() {
    python=$("$requirements/python.sh")
    env=${python%/bin/python}
    if [ "$env" = "$root/.venv" ]; then
        # Also where an interrupted call left one without pip.
        "$python" -c 'import pip' 2>/dev/null || make_venv
    fi
    [ -x "$python" ] || stop \
        "the active environment $env has no bin/python" \
        'deactivate it (then .venv is made), or install Python into it'
    is_new_enough "$python" || stop \
        "$env has $("$python" --version 2>&1), and 3.10 or newer is needed" \
        'activate another environment, or deactivate it (then .venv is made)'
    [ -w "$env" ] || stop \
        "$env cannot be written to" 'activate an environment of your own'
    # torch looks for ninja on the path when it compiles extensions.
    export PATH="$env/bin:$PATH"
}

lock_environment() { # one installation at a time
    command -v flock >/dev/null || return 0 # macOS has none
    exec 9>"$env/.mmdet_ovis_lock"
    flock -n 9 || {
        say "waiting for another installation into $env"
        flock 9
    }
}

# ---------------------------------------------------------------- the second call

stamp_has() { # stamp_has LINE
    grep -qxF "$1" "$stamp" 2>/dev/null
}

is_up_to_date() {
    stamp_has "$fingerprint" && fits project
}

install_missing_extras() {
    for extra; do
        stamp_has "$extra" || pip_install "installing what the $extra need" \
            'check the network and run it again' -r "$requirements/$extra.txt"
    done
}

write_stamp() {
    kept=
    ! stamp_has "$fingerprint" || kept=$(cat "$stamp")
    printf '%s\n' "$fingerprint" "$kept" "$@" | sort -u | grep . >"$stamp.new"
    mv "$stamp.new" "$stamp"
}

# ---------------------------------------------------------------- the steps

check_compiler() {
    doing='looking for a C++ compiler'
    if [ -z "${CXX:-}" ] && ! command -v c++ >/dev/null && ! command -v g++ >/dev/null
    then
        stop 'there is no C++ compiler (c++ or g++)' \
            'apt-get install build-essential python3-dev (Debian, Ubuntu), conda install -c conda-forge cxx-compiler (conda), or set CXX'
    fi
    fits headers || stop \
        "$(reason headers)" \
        "install the headers of this Python (Debian, Ubuntu: apt-get install python3-dev)"
}

install_torch() {
    version=$(answer torch) && status=0 || status=$?
    case $status in
    0) say "keeping torch $version" ;;
    1)
        pip_install "installing $torch_to_install" \
            'check the network; to choose the build, install torch by hand first' \
            "$torch_to_install" -c "$requirements/build.txt"
        ;;
    *)
        stop "$(reason torch)" 'upgrade torch, or use another environment'
        ;;
    esac
}

install_packages() { # install_packages EXTRA...
    list=$env/.mmdet_ovis_requirements.txt
    for name in build runtime mmdeps "$@"; do
        cat "$requirements/$name.txt"
    done >"$list"
    # An OpenCV that works is kept, whatever its kind: a second one in the same folder
    # would break both.
    if fits foreign-opencv; then
        say 'keeping the OpenCV that is installed'
        grep -v '^opencv' "$list" >"$list.new"
        mv "$list.new" "$list"
    fi
    pip_install 'installing Python packages' 'check the network and run it again' \
        -r "$list"
    rm -f "$list"
    fits opencv || repair_opencv
}

repair_opencv() {
    say "OpenCV does not import ($(reason opencv)): replacing it by the headless build"
    "$python" -m pip uninstall --yes opencv-python opencv-contrib-python \
        opencv-python-headless opencv-contrib-python-headless \
        >>"$env/mmdet_ovis_install.log" 2>&1
    pip_install 'installing the headless OpenCV' 'check the network and run it again' \
        --no-deps "$(grep '^opencv' "$requirements/runtime.txt")"
    fits opencv || stop "$(reason opencv)" 'start from a fresh environment'
}

install_openmmlab() {
    fits no-conflict || stop "$(reason no-conflict)" \
        'uninstall them, or use a fresh environment'
    if ! { fits mmengine && fits mmdet; }; then
        pip_install 'installing mmengine and mmdetection' \
            'check the network and run it again' \
            --no-deps "$(requirement onedl-mmengine)" \
            "$(requirement onedl-mmdetection)" "$(requirement imaug)"
    fi
    if fits mmcv; then
        say 'keeping mmcv and its compiled operators'
        return
    fi
    fits cuda-toolkit || stop "$(reason cuda-toolkit)" \
        "install the CUDA toolkit that fits torch and set CUDA_HOME, or compile for the CPU: CUDA_VISIBLE_DEVICES= make install"
    export MAX_JOBS="${MAX_JOBS:-$(answer cores)}"
    compile_mmcv
    # pip caches the wheel under mmcv's version alone, so the one it has may have been
    # compiled against another torch.
    fits mmcv || compile_mmcv --no-cache-dir
    fits mmcv || stop "mmcv was compiled and does not work: $(reason mmcv)" \
        "look into $env/mmdet_ovis_install.log, or start from a fresh environment"
}

requirement() { # requirement NAME: its line in mminstall.txt
    grep "^$1[=>]=" "$requirements/mminstall.txt"
}

compile_mmcv() { # compile_mmcv PIP_OPTION...
    heartbeat &
    heartbeat_pid=$!
    pip_install \
        "compiling mmcv's operators (about 10 minutes on 2 cores, or from pip's cache)" \
        'if memory ran out, compile with fewer jobs: MAX_JOBS=1 make install' \
        -v --no-build-isolation --no-deps --force-reinstall "$@" \
        "$(requirement onedl-mmcv)"
    kill "$heartbeat_pid" 2>/dev/null || true
    heartbeat_pid=
}

heartbeat() { # ninja's counter, once a minute
    exec 9>&-
    while sleep 60 >/dev/null 2>&1; do
        counter=$(sed -nE 's#^ *\[([0-9]+)/([0-9]+)\].*#\1 of \2 files#p' \
            "$env/mmdet_ovis_install.log" | tail -n 1)
        say "  still compiling${counter:+: $counter}"
    done
}

install_project() {
    pip_install 'building the kernels of pa_lib and installing mmdet_ovis' \
        'read the compiler messages above' \
        --no-build-isolation --no-deps -e "$root"
    fits project || stop "the installation does not work: $(reason project)" \
        'report it with this line'
}

# ---------------------------------------------------------------- all of it

for extra; do
    [ "$extra" = ovis ] || [ "$extra" = tests ] || [ "$extra" = docs ] || stop \
        "unknown argument '$extra'" 'requirements/install.sh [ovis] [tests] [docs]'
done
choose_environment
lock_environment
stamp=$env/.mmdet_ovis_stamp
fingerprint=$(answer fingerprint)
if is_up_to_date; then
    install_missing_extras "$@"
    write_stamp "$@"
    say "up to date: $env"
    exit 0
fi
say "installing into $env"
: >"$env/mmdet_ovis_install.log"
check_compiler
install_torch
install_packages "$@"
install_openmmlab
install_project
write_stamp "$@"
say "done: $env"
