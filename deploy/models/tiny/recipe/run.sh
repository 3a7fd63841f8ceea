#!/usr/bin/env bash
# Makes the demonstration model: data from seeds, training, GGUF files, figures.
#
#   run.sh --work FOLDER --llama FOLDER [--python PYTHON] [--quick] [--start CHECKPOINT] [STAGE...]
#
# FOLDER of --work takes data and checkpoints (7 GB; with --quick 0.3 GB). --llama
# is the source of llama.cpp, for its converter: it lies in the sdist of
# llama-cpp-python 0.3.36 under vendor/llama.cpp.
# Stages, in order: data parts joint export evaluate. Without any, all are run.
# --quick goes the same way in about ten minutes: little data, few steps, a model
# that has learned next to nothing. --start goes on with the joint training of a
# checkpoint: a .pt file, or a folder with model.safetensors.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work='' llama='' python=python3 quick='' start='' stages=()
usage() { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }
while (($#)); do
  case $1 in
    --quick) quick=yes; shift; continue ;;
    --work | --llama | --python | --start) (($# > 1)) || usage; declare "${1#--}=$2"; shift 2; continue ;;
    data | parts | joint | export | evaluate) stages+=("$1"); shift; continue ;;
    *) echo "run.sh: $1 is no option or stage" >&2; usage ;;
  esac
done
[[ -n $work && -n $llama ]] || usage
((${#stages[@]})) || stages=(data parts joint export evaluate)
mkdir -p "$work"

export OMP_NUM_THREADS=1 # the stages run side by side
# glibc otherwise hands the memory of each step back and takes it again: 2 to 5 times slower.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=67108864

if [[ $quick ]]; then
  amounts=(--scenes 400 --resized 80 --clips 300 --held-out 20)
  vision=1 audio=1 text=1 joint=(1:1.5e-3) sizes=(--scenes 25 --clips 10)
else
  amounts=(--scenes 12000 --resized 2500 --clips 9000 --held-out 250)
  vision=65 audio=57 text=34 joint=(10:1.5e-3 6:1.2e-3 23:1.3e-3) sizes=(--scenes 150 --clips 100)
fi

run() { # script arguments...
  echo "== $*" >&2
  "$python" -B "$here/$1" "${@:2}"
}

both() { # waits for two jobs and fails when one did
  local failed=0
  wait "$1" || failed=1
  wait "$2" || failed=1
  return $failed
}

parts() { # two at a time
  (run train_vision.py --data "$work" --minutes $vision) & local one=$!
  (run train_audio.py --data "$work" --minutes $audio && run train_text.py --data "$work" --minutes $text) & local two=$!
  both $one $two
}

together() { # minutes and rate of each round; two processes train one model
  local from=("$@") round rank jobs
  for round in "${joint[@]}"; do
    rm -f "$work/.meeting"
    jobs=()
    for rank in 0 1; do
      (run train_joint.py --data "$work" --minutes "${round%:*}" --rate "${round#*:}" --rank $rank --world 2 "${from[@]}") & jobs+=($!)
    done
    both "${jobs[@]}"
    from=(--start "$work/joint.pt")
  done
}

for stage in "${stages[@]}"; do
  case $stage in
    data) run data.py --data "$work" "${amounts[@]}" ;;
    parts) [[ $start ]] || parts ;;
    joint) if [[ $start ]]; then together --start "$start"; else together; fi ;;
    export) run export.py "$work/joint.pt" "$work/out" --data "$work" --llama "$llama" ;;
    evaluate) run evaluate.py "$work/out/hf" --data "$work" "${sizes[@]}" --out "$work/out/evaluation.json" ;;
  esac
done
