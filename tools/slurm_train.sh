#!/usr/bin/env bash
# bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options of tools/train.py]
# The variables GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS: see slurm_run.sh.
set -eu
if [ "$#" -lt 4 ]; then
    sed -n '2p' "$0" >&2
    exit 2
fi
exec bash "$(dirname "$0")/slurm_run.sh" "$1" "$2" train.py "$3" --work-dir "$4" "${@:5}"
