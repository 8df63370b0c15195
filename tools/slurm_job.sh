#!/usr/bin/env bash
# The batch job of tools/slurm_train.sh --requeue: train on from the last checkpoint, and come again if interrupted.
#
#     sbatch [...] tools/slurm_job.sh TOOLS CONFIG WORK_DIR [arguments of tools/train.py]

if [ $# -lt 3 ]; then
    echo "usage: sbatch [...] $0 TOOLS CONFIG WORK_DIR [arguments of tools/train.py]" >&2
    exit 2
fi

# A preemption may tell this script as well, which has to outlive the training. An empty trap would be inherited.
trap : TERM USR1
srun --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
    "${PYTHON:-python}" -u "$1/train.py" "$2" --work-dir "$3" --launcher slurm --resume "${@:4}"
STATUS=$?
# 75: it was told to end, and has saved.
if [ "$STATUS" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$STATUS"
