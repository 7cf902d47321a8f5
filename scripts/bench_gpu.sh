#!/usr/bin/env bash
# Run all measurements that need a GPU, offline, in less than nine minutes:
#
#     scripts/bench_gpu.sh OUT [PYTHON]
#
# Writes OUT/report.md and every measurement to OUT/measured.jsonl. The text is random words (scripts/bench/texts.py) with a joint
# vocabulary of 32,000; the minutes to 39 BLEU need Multi30k (MULTI30K=FOLDER with train, val and test2016 as .en.gz and .de.gz).
# If a step fails or exceeds its time limit, the report says so and the next step runs. DEVICE=cpu and small sizes test the script.
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
device=${DEVICE:-cuda} size=${SIZE:-base} big=${BIG:-big} pairs=${PAIRS:-60000} vocab=${VOCAB:-32000} tokens=${TOKENS:-25000}
steps=${STEPS:-60} model_steps=${MODEL_STEPS:-300} lines=${LINES:-2000} minutes=${MINUTES:-2} threads=${THREADS:-0}
end=${SECONDS_IN_ALL:-525} patience=${LIMIT_FACTOR:-1}
multi30k=${MULTI30K:-${MT_REALDATA:-../shared/data}/multi30k-ende}

step() { # step TITLE SECONDS COMMAND...
    local title=$1 limit=$(($2 * patience)) left=$((end - SECONDS)) errors; shift 2
    errors=$(mktemp -p "$work")
    printf '\n## %s\n\n' "$title" >> "$report"
    if [ "$left" -lt 15 ]; then
        echo "SKIPPED: $end seconds are over" >> "$report"
    else
        timeout "$((limit < left ? limit : left))" "$@" >> "$report" 2> "$errors" \
            || { echo "FAILED ($?): $(tail -n 1 "$errors")" >> "$report"; tail -n 5 "$errors" >&2; }
    fi
    echo "$SECONDS s: $title" >&2
}

text=$work/text/made-$pairs-0-60000  # bench_train.py writes it
model() { # model FAMILY SIZE: train a model of this text, to translate with
    "$python" -m mt.train data=files data.train.src="$text.src" data.train.tgt="$text.tgt" data.train.limit="$pairs" data.holdout=20 \
        data.tokenizer.vocab_size="$vocab" model="$1" model/size="$2" optim.warmup=100 trainer.batch_tokens="$tokens" \
        trainer.max_minutes=0 trainer.max_steps="$model_steps" trainer.val_every=0 trainer.test_beam=1 trainer.device="$device" \
        trainer.threads="$threads" runs_dir="$work" name="$1-$2" data.cache="$work/cache" > /dev/null
}
multi30k() { # train with automatic settings; print the BLEU of the test set and of each validation
    "$python" -m mt.train data.src_lang=en data.tgt_lang=de \
        data.train.src="$multi30k/train.en.gz" data.train.tgt="$multi30k/train.de.gz" \
        data.val.src="$multi30k/val.en.gz" data.val.tgt="$multi30k/val.de.gz" \
        data.test.src="$multi30k/test2016.en.gz" data.test.tgt="$multi30k/test2016.de.gz" \
        trainer.max_minutes="$minutes" trainer.device="$device" trainer.threads="$threads" \
        runs_dir="$work" name=multi30k data.cache="$work/cache" | grep -m 1 '^BLEU ' \
        && "$python" -c 'import json, sys
for row in map(json.loads, open(sys.argv[1])):
    if row["kind"] == "val":
        print("%6.2f minutes: BLEU %.1f" % (row["minutes"], row["bleu"]))' "$work/multi30k/metrics.jsonl"
}
export -f model multi30k
export python text pairs vocab size big tokens steps model_steps minutes device work threads multi30k

: > "$report"; : > "$out/measured.jsonl"
step "CPU = GPU" 45 "$python" scripts/check_gpu.py --device "$device"

bench=("$python" scripts/bench_train.py --text made --pairs "$pairs" --vocab "$vocab" --batch-tokens "$tokens" --precisions bf16 --steps "$steps"
    --warm-up 20 --device "$device" --threads "$threads" --folder "$work" --record "$out/measured.jsonl")
step "Transformer $size" 110 "${bench[@]}" --families transformer --size "$size" --repeats 2
step "Transformer $size, compiled" 90 "${bench[@]}" --families transformer --size "$size" --repeats 1 trainer.compile=true
step "Transformer $big" 75 "${bench[@]}" --families transformer --size "$big" --repeats 1
step "RNN $size" 75 "${bench[@]}" --families rnn --size "$size" --repeats 1

translate() { # translate FAMILY SIZE
    step "A model to translate with: $1 $2" 70 bash -c "model $1 $2"
    step "Translation, $1 $2, beam 4" 70 "$python" scripts/bench_translate.py --run "$work/$1-$2" --src "$text.src" --ref "$text.tgt" \
        --lines "$lines" --beams 4 --batch 128 --precisions bf16 --repeats 2 --device "$device" --threads "$threads" \
        --folder "$work" --record "$out/measured.jsonl"
}
translate transformer "$size"
step "DistributedDataParallel and FSDP2 on one device" 45 "$python" scripts/bench_parallel.py --ranks 1 --device "$device" --size "$size" \
    --vocabulary "$vocab" --batch-tokens "$tokens" --steps "$steps"
if [ -f "$multi30k/train.en.gz" ]; then
    step "Minutes to 39 BLEU on Multi30k" 200 bash -c multi30k
else
    printf '\n## Minutes to 39 BLEU on Multi30k\n\nSKIPPED: no text in %s\n' "$multi30k" >> "$report"
fi
translate rnn "$size"
translate transformer "$big"
cat "$report"
