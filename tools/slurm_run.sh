#!/usr/bin/env bash
# bash tools/slurm_run.sh PARTITION JOB_NAME TOOL [arguments of the tool]
# Runs GPUS processes (8), GPUS_PER_NODE (8, or GPUS if that is less) on a machine, with
# one GPU and CPUS_PER_TASK (5) cores each. SRUN_ARGS goes to srun after all that, so it
# may change it: SRUN_ARGS='--gres=none' takes machines without a GPU. A process that
# fails ends the others, unless KILL_ON_BAD_EXIT=0.
set -eu
if [ "$#" -lt 3 ]; then
    sed -n '2p' "$0" >&2
    exit 2
fi
PARTITION=$1
JOB_NAME=$2
TOOL=$3
shift 3
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
ROOT=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck disable=SC2086  # SRUN_ARGS holds several arguments
PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" exec srun \
    --partition="$PARTITION" \
    --job-name="$JOB_NAME" \
    --gres="gpu:$GPUS_PER_NODE" \
    --ntasks="$GPUS" \
    --ntasks-per-node="$GPUS_PER_NODE" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit="${KILL_ON_BAD_EXIT:-1}" \
    ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$ROOT/tools/$TOOL" "$@" --launcher slurm
