#!/usr/bin/env bash
# bash tools/slurm_extract.sh PARTITION JOB_NAME CONFIG CHECKPOINT --out FILE [options of tools/extract_pa_masks.py]
# The variables GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS: see slurm_run.sh. A
# process that fails leaves the others at work; repeating the command does the rest.
set -eu
if [ "$#" -lt 4 ]; then
    sed -n '2p' "$0" >&2
    exit 2
fi
export KILL_ON_BAD_EXIT="${KILL_ON_BAD_EXIT:-0}"
exec bash "$(dirname "$0")/slurm_run.sh" "$1" "$2" extract_pa_masks.py "${@:3}"
