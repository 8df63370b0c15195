#!/usr/bin/env bash
# Everything that wants a GPU, in one go: throughput of pre-training (Swin-T and -B, bf16, eager and compiled, beside
# mmpretrain's), memory of a training step, then the demo with its detector and segmentor; with DATA_DIR, a folder per
# class below train/ and validation/, also what pre-training is worth on it, and the full grid of the study; with
# DENSE_DIR, images with COCO files and label maps, also what it is worth in detection and segmentation. '' leaves
# DATA_DIR out.
# Usage: tools/benchmarks/gpu.sh OUT_DIR [DATA_DIR [DENSE_DIR]]
set -euo pipefail

out=$(realpath -m "${1:?usage: tools/benchmarks/gpu.sh OUT_DIR [DATA_DIR [DENSE_DIR]]}")
data=${2:+$(realpath "$2")}
dense=${3:+$(realpath "$3")}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
mkdir -p "$out"

for arch in tiny base; do
    python tools/benchmarks/throughput.py --arch "$arch" --batch-size 256 --dtype bfloat16 --compile --device cuda \
        --json "$out/throughput_$arch.json" | tee "$out/throughput_$arch.md"
done
python tools/analysis_tools/training_memory.py configs/det/*_coco_*0e.py configs/seg/*_ade20k-*0e.py --step |
    tee "$out/memory.md"
python demo/run_demo.py 2>&1 | tee "$out/demo.log"
if [ -n "$data" ]; then
    python tools/benchmarks/transfer.py "$data" --preset gpu --out "$out/transfer" 2>&1 | tee "$out/transfer.log"
    python tools/benchmarks/study.py "$data" --preset gpu --out "$out/study" --jobs 2 2>&1 | tee "$out/study.log"
fi
if [ -n "$dense" ]; then
    python tools/benchmarks/dense_transfer.py "$dense" --preset gpu --out "$out/dense_transfer" 2>&1 |
        tee "$out/dense_transfer.log"
fi
