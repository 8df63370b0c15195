#!/usr/bin/env bash
# Train with several processes on this machine, or on several machines (NNODES, NODE_RANK, MASTER_ADDR, PORT).
# Without a GPU the processes share the CPU. SIGTERM, SIGHUP and SIGUSR1 are passed on: the run saves, and the exit status
# is 75 (docs/pretraining.md, "Interrupted runs").
#
#     tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]

set -e
if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [arguments of tools/train.py]" >&2
    exit 2
fi

TOOLS=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH="$TOOLS/..${PYTHONPATH:+:$PYTHONPATH}" \
exec "${PYTHON:-python}" -m mmsimmim launch \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$2" \
    "$TOOLS/train.py" "$1" --launcher pytorch "${@:3}"
