#!/usr/bin/env bash
# bash tools/dist_run.sh PROCESSES TOOL [arguments of the tool]
# Processes talk through NCCL, or through gloo where there is no GPU. On one machine the
# port is free unless PORT names one, so that several jobs may run there.
set -eu
if [ "$#" -lt 2 ]; then
    sed -n '2p' "$0" >&2
    exit 2
fi
PROCESSES=$1
TOOL=$2
shift 2
ROOT=$(cd "$(dirname "$0")/.." && pwd)
if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}" ]; then
    RENDEZVOUS=(--standalone)
else
    RENDEZVOUS=(
        --nnodes="${NNODES:-1}"
        --node_rank="${NODE_RANK:-0}"
        --master_addr="${MASTER_ADDR:-127.0.0.1}"
        --master_port="${PORT:-29500}"
    )
fi
PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python}" -m torch.distributed.run \
    "${RENDEZVOUS[@]}" \
    --nproc_per_node="$PROCESSES" \
    "$ROOT/tools/$TOOL" "$@" --launcher pytorch
