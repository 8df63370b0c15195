#!/usr/bin/env bash
# Everything that wants a GPU, in one go. First the main part, some 25 minutes, the most important first: throughput of
# pre-training in bf16, eager and compiled, beside mmpretrain's and Hugging Face's; what takes the time of a compiled
# step; detectors and segmentors beside mmdet's and mmsegmentation's; MMEngine's loop; what the trial of pretrain finds;
# the tests that want a GPU. Then the long parts: memory of a training step, attention in sequence, the demo; with
# DATA_DIR, a folder per class below train/ and validation/, also what pre-training is worth on it, and the full grid of
# the study; with DENSE_DIR, images with COCO files and label maps, also what it is worth in detection and segmentation.
# '' leaves DATA_DIR out.
#
# What is finished is kept in OUT_DIR, so that the same command goes on after an interruption. A part that fails does
# not end the others; it is named at the end, and tried again the next time. --main ends after the main part.
# Usage: tools/benchmarks/gpu.sh [--main] OUT_DIR [DATA_DIR [DENSE_DIR]]
set -uo pipefail

main_only=
if [ "${1:-}" = --main ]; then
    main_only=yes
    shift
fi
out=$(realpath -m "${1:?usage: tools/benchmarks/gpu.sh [--main] OUT_DIR [DATA_DIR [DENSE_DIR]]}")
data=${2:+$(realpath "$2")}
dense=${3:+$(realpath "$3")}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
mkdir -p "$out" || exit 1
failed=()

# part NAME COMMAND...: run a command once, with its output in OUT_DIR/NAME.log
part() {
    local name=$1
    shift
    if [ -e "$out/$name.done" ]; then
        echo "== $name: finished before"
        return
    fi
    echo "== $name: $*"
    if "$@" 2>&1 | tee "$out/$name.log"; then
        touch "$out/$name.done"
    else
        failed+=("$name")
    fi
}

# throughput ARCH BATCH [OPTION...]
throughput() {
    local arch=$1 batch=$2
    shift 2
    part "throughput_$arch" python tools/benchmarks/step/throughput.py --arch "$arch" --batch-size "$batch" \
        --dtype bfloat16 --device cuda --json "$out/throughput_$arch.json" "$@"
}

throughput swin-base 256
throughput vit-base 256
part profile_swin-base python tools/benchmarks/step/throughput.py --arch swin-base --batch-size 256 --dtype bfloat16 \
    --device cuda --contenders ours ours-compiled --steps 5 --profile --json "$out/profile_swin-base.json"
for task in det seg; do
    part "downstream_$task" python tools/benchmarks/step/downstream.py --task "$task" --arch base --dtype bfloat16 \
        --device cuda --compile --json "$out/downstream_$task.json"
done
part training_loop python tools/benchmarks/step/training_loop.py --json "$out/training_loop.json" \
    configs/pretrain/simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py
part trial python tools/benchmarks/step/trial.py "${data:-demo/data/aerial/train}" --json "$out/trial.json" \
    --arch swin-tiny swin-base swinv2-large vit-base
throughput swin-tiny 256
throughput swin-large 128
throughput swinv2-base 128
part tests python -m pytest -q tests -k 'cuda or sync'
part import_time python tools/benchmarks/import_time.py --json "$out/import_time.json"

if [ -z "$main_only" ]; then
    part memory python tools/analysis_tools/training_memory.py configs/det/*_coco_*0e.py configs/seg/*_ade20k-*0e.py \
        --step
    part sequential python tools/benchmarks/step/throughput.py --arch swinv2-base --img-size 1024 --window 32 \
        --batch-size 4 --dtype bfloat16 --device cuda --json "$out/sequential.json" \
        --contenders ours ours-sequential ours-recomputed ours-sequential-recomputed
    part demo python demo/run_demo.py
    if [ -n "$data" ]; then
        part transfer python tools/benchmarks/transfer/transfer.py "$data" --preset gpu --out "$out/transfer"
        part study python tools/benchmarks/study/study.py "$data" --preset gpu --out "$out/study" --jobs 2
    fi
    if [ -n "$dense" ]; then
        part dense_transfer python tools/benchmarks/transfer/dense_transfer.py "$dense" --preset gpu --out "$out/dense_transfer"
    fi
fi

if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]} (logs in $out)"
    exit 1
fi
