#!/usr/bin/env bash
# Makes the demonstration model: data from seeds, training, GGUF files, figures.
#
#   run.sh --work FOLDER --llama FOLDER [--python PYTHON] [--quick] [--start CHECKPOINT] [STAGE...]
#
# FOLDER of --work takes data and checkpoints (8 GB; with --quick 0.3 GB). --llama
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
  vision=1 audio=1 text=1 joint=1 sizes=(--scenes 25 --clips 10)
else
  amounts=(--scenes 9000 --resized 6000 --clips 6600 --held-out 250)
  vision=60 audio=57 text=40 joint=60 sizes=(--scenes 150 --clips 100)
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

together() { # two processes train one model; script arguments...
  local rank jobs=()
  rm -f "$work"/.meeting*
  for rank in 0 1; do
    (run "$1" --data "$work" --rank $rank --world 2 "${@:2}") & jobs+=($!)
  done
  both "${jobs[@]}"
}

parts() {
  together train_vision.py --minutes $vision
  (run train_audio.py --data "$work" --minutes $audio) & local one=$!
  (run train_text.py --data "$work" --minutes $text) & local two=$!
  both $one $two
}

for stage in "${stages[@]}"; do
  case $stage in
    data) run data.py --data "$work" "${amounts[@]}" ;;
    parts) [[ $start ]] || parts ;;
    joint) together train_joint.py --minutes $joint ${start:+--start "$start"} ;;
    export) run export.py "$work/joint.pt" "$work/out" --data "$work" --llama "$llama" ;;
    evaluate) run evaluate.py "$work/out/hf" --data "$work" "${sizes[@]}" --out "$work/out/evaluation.json" ;;
  esac
done
