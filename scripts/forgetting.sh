#!/usr/bin/env bash
# Measure with small models what fine-tuning forgets, by scripts/forgetting.py, for the figures of docs/pretrained.md:
#
#     MT_REALDATA=FOLDER scripts/forgetting.sh OUT [PYTHON]
#
# 1. From the embedded corpus to image captions (Multi30k). 2. From captions to news (newstest).
# A training has one thread and takes minutes. The same command continues what was interrupted.
# shellcheck disable=SC2046,SC2086  # settings are split into words
set -euo pipefail
out=${1:?usage: scripts/forgetting.sh OUT [PYTHON]}
python=${2:-python3}
scripts=$(dirname "$0")
captions=$MT_REALDATA/multi30k-ende news=$MT_REALDATA/newstest-ende

text() { # text FOLDER TEST: the settings of a folder of text
    local split side
    for side in src:en tgt:de; do
        for split in train:train val:val "test:$2"; do
            echo "data.${split%:*}.${side%:*}=$1/${split#*:}.${side#*:}.gz"
        done
    done
    echo data.src_lang=en data.tgt_lang=de
}

alike="auto=false optim=muon trainer.device=cpu trainer.batch_tokens=1024"
first="$alike model/size=tiny optim.lr=5e-3 optim.warmup=100 optim.ema=0.99 trainer.val_every=400 trainer.threads=1 trainer.test=false
    runs_dir=$out"
tuning="$alike optim.lr=3e-3 optim.warmup=20 optim.ema=0.98 trainer.max_steps=400 trainer.val_every=400 data.val.limit=500"

measure() { # measure OLD NEW SETTING...
    local old=$out/$1 new=$out/to-$2
    shift 2
    "$python" "$scripts/forgetting.py" "$old" --pulls 10 --mixes 0.5 --out "$new" --picture "$new.svg" -- "$@" $tuning
}

"$python" -m mt.train data=demo $first model.dropout=0 optim.label_smoothing=0 trainer.max_steps=800 name=embedded
measure embedded captions $(text "$captions" test2016)
"$python" -m mt.train $(text "$captions" test2016) $first data.tokenizer.max_vocab_size=4000 trainer.max_steps=1000 name=captions
measure captions news $(text "$news" test)
