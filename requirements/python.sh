#!/bin/sh
# Print the path of the interpreter that everything in this repository runs with.
#
# The one place where this is decided (install.sh and the Makefile ask here): an active
# virtual environment, else an active conda environment, else .venv in the repository.
# conda's base does not count: most shells activate it without being asked.
set -eu

if [ -n "${VIRTUAL_ENV:-}" ]; then
    printf '%s\n' "$VIRTUAL_ENV/bin/python"
elif [ -n "${CONDA_PREFIX:-}" ] && [ "${CONDA_DEFAULT_ENV:-}" != base ]; then
    printf '%s\n' "$CONDA_PREFIX/bin/python"
else
    printf '%s\n' "$(cd "$(dirname "$0")/.." && pwd -P)/.venv/bin/python"
fi
