#!/usr/bin/env bash
# Train on a Slurm cluster. GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS say on what.
#
#     GPUS=16 tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]
#
# With --requeue first, a batch job is submitted that resumes by itself, after its time limit (SRUN_ARGS='--time=...'),
# a preemption or the failure of a node, until the training has finished. GRACE is how many seconds before the limit it
# saves (default: 120).
#
#     GPUS=16 tools/slurm_train.sh --requeue PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]

set -e
REQUEUE=
if [ "${1:-}" = --requeue ]; then
    REQUEUE=1
    shift
fi
if [ $# -lt 4 ]; then
    echo "usage: [GPUS=8] $0 [--requeue] PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]" >&2
    exit 2
fi

TOOLS=$(cd "$(dirname "$0")" && pwd)
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
WHERE=(-p "$1"
    --job-name="$2"
    --gres=gpu:"$GPUS_PER_NODE"
    --ntasks="$GPUS"
    --ntasks-per-node="$GPUS_PER_NODE"
    --cpus-per-task="${CPUS_PER_TASK:-5}")
export PYTHONPATH="$TOOLS/..${PYTHONPATH:+:$PYTHONPATH}"

if [ -z "$REQUEUE" ]; then
    # SRUN_ARGS is a list of arguments: it is split at blanks on purpose.
    # shellcheck disable=SC2086
    exec srun "${WHERE[@]}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
        "${PYTHON:-python}" -u "$TOOLS/train.py" "$3" --work-dir "$4" --launcher slurm "${@:5}"
fi

for argument in "${@:5}"; do
    case "$argument" in
    --resume | --resume=*)
        echo "error: --requeue resumes from the last checkpoint in WORK_DIR by itself: leave --resume out." >&2
        exit 2
        ;;
    esac
done
mkdir -p "$4"
# The signal goes to the processes of the training. %j, the number of the job, stays the same when it is requeued.
# shellcheck disable=SC2086
exec sbatch "${WHERE[@]}" --requeue --signal=USR1@"${GRACE:-120}" --open-mode=append --output="$4/slurm-%j.log" \
    ${SRUN_ARGS:-} "$TOOLS/slurm_job.sh" "$TOOLS" "$3" "$4" "${@:5}"
