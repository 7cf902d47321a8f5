#!/usr/bin/env bash
# Run all measurements that need a GPU, offline, in less than nine minutes:
#
#     scripts/bench_gpu.sh OUT [PYTHON]
#
# Writes OUT/report.md and every measurement to OUT/measured.jsonl. The text is random words (scripts/bench/texts.py) with a joint
# vocabulary of 32,000. If a step fails or exceeds its time limit, the report says so and the next step runs.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:?usage: scripts/bench_gpu.sh OUT [PYTHON]}
python=${2:-python3}
mkdir -p "$out"
out=$(realpath "$out")
report=$out/report.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONPATH=$PWD MT_CACHE=$work/cache
device=${DEVICE:-cuda}  # DEVICE=cpu tests the script
size=${SIZE:-base} big=${BIG:-big} pairs=${PAIRS:-60000} vocab=${VOCAB:-32000} tokens=${TOKENS:-25000} steps=${STEPS:-60} lines=${LINES:-2000} threads=${THREADS:-0}

step() { # step TITLE SECONDS COMMAND...
    local title=$1 limit=$2; shift 2
    printf '\n## %s\n\n' "$title" >> "$report"
    timeout "$limit" "$@" >> "$report" 2> "$work/errors" || { echo "FAILED ($?): $(tail -n 1 "$work/errors")" >> "$report"; tail -n 5 "$work/errors" >&2; }
    echo "$SECONDS s: $title" >&2
}

: > "$report"; : > "$out/measured.jsonl"
step "CPU = GPU" 45 "$python" scripts/check_gpu.py --device "$device"

train=("$python" scripts/bench_train.py --text made --pairs "$pairs" --vocab "$vocab" --batch-tokens "$tokens" --precisions bf16 --steps "$steps"
    --warm-up 20 --repeats 2 --device "$device" --threads "$threads" --folder "$work" --record "$out/measured.jsonl")
step "Transformer $size" 110 "${train[@]}" --families transformer --size "$size"
step "Transformer $size, compiled" 90 "${train[@]}" --families transformer --size "$size" --repeats 1 trainer.compile=true
step "Transformer $big" 75 "${train[@]}" --families transformer --size "$big" --repeats 1
step "RNN $size" 75 "${train[@]}" --families rnn --size "$size" --repeats 1

text=$work/text/made-$pairs-0-60000
model() {
    "$python" -m mt.train data=files data.train.src="$text.src" data.train.tgt="$text.tgt" data.train.limit="$pairs" data.holdout=20 \
        data.tokenizer.vocab_size="$vocab" model=transformer model/size="$size" optim.warmup=100 trainer.batch_tokens="$tokens" \
        trainer.max_minutes=0 trainer.max_steps="${MODEL_STEPS:-300}" trainer.val_every=0 trainer.test_beam=1 \
        trainer.device="$device" trainer.threads="$threads" \
        runs_dir="$work" name=model data.cache="$work/cache"
}
export -f model; export python text pairs vocab size tokens device work threads
step "A model to translate with" 70 bash -c model
step "Translation, Transformer $size, beam 4" 70 "$python" scripts/bench_translate.py --run "$work/model" --src "$text.src" --ref "$text.tgt" \
    --lines "$lines" --beams 4 --batch 128 --precisions bf16 --repeats 2 --device "$device" --threads "$threads" --folder "$work" --record "$out/measured.jsonl"
cat "$report"
