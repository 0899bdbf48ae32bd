#!/usr/bin/env bash
# bash tools/dist_extract.sh CONFIG CHECKPOINT PROCESSES --out FILE [options of tools/extract_pa_masks.py]
set -eu
if [ "$#" -lt 3 ]; then
    sed -n '2p' "$0" >&2
    exit 2
fi
exec bash "$(dirname "$0")/dist_run.sh" "$3" extract_pa_masks.py "$1" "$2" "${@:4}"
