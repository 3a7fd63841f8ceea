#!/usr/bin/env bash
# Makes the demonstration model: data from seeds, training, GGUF files, figures.
#
#   run.sh --work FOLDER [OPTION...] [STAGE...]
#
# FOLDER takes everything that is made (8 GB; with --quick or --start less).
# Stages, in order: setup checks data parts joint export evaluate. Without any, all
# are run.
#   --quick          the same way in less than ten minutes: little data, few steps, a
#                    model that has learned next to nothing
#   --start MODEL    goes on with the joint training of a model: a folder with the GGUF
#                    files or with model.safetensors, or a .pt file of training. The
#                    shipped one is the folder above this script
#   --minutes N      of joint training
#   --processes N    that train jointly; 2, with --quick 1, unless said otherwise
#   --seed N         for other pictures and questions than the last time
#   --freeze PART    with --start: leaves audio, vision or text as it is
#   --grow           with --start: first makes the vision tower as large as a new one
#   --compile        compiles the vision tower for the joint training: it takes a third less time then, and wants g++
#   --python PYTHON  one that has the packages of requirements.txt (else setup makes one)
#   --llama FOLDER   the source of llama.cpp, for its converter (else setup fetches it)
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work='' llama='' python='' quick='' start='' minutes='' processes='' seed=0 stages=() joint_options=()
usage() { sed -n '2,23s/^# \{0,1\}//p' "$0" >&2; exit 2; }
while (($#)); do
  case $1 in
    --quick) quick=yes; shift; continue ;;
    --grow | --compile) joint_options+=("$1"); shift; continue ;;
    --freeze) (($# > 1)) || usage; joint_options+=(--freeze "$2"); shift 2; continue ;;
    --work | --llama | --python | --start | --minutes | --processes | --seed)
      (($# > 1)) || usage; declare "${1#--}=$2"; shift 2; continue ;;
    setup | checks | data | parts | joint | export | evaluate) stages+=("$1"); shift; continue ;;
    *) echo "run.sh: $1 is no option or stage" >&2; usage ;;
  esac
done
[[ -n $work ]] || usage
((${#stages[@]})) || stages=(setup checks data parts joint export evaluate)
mkdir -p "$work"

export OMP_NUM_THREADS=1 # the stages run side by side
# Steps take and give back pieces of very different sizes. glibc searches its lists for a third of the time, and hands
# large ones back to the system each time unless told not to; jemalloc keeps them for a while, in huge pages.
jemalloc=$(ldconfig -p | awk '/libjemalloc\.so\.2 / { print $NF; exit }')
if [[ $jemalloc ]]; then
  preload=LD_PRELOAD=$jemalloc
  export MALLOC_CONF=oversize_threshold:0,metadata_thp:auto,dirty_decay_ms:10000,muzzy_decay_ms:10000,thp:always
else
  preload=MALLOC_TOP_PAD_=67108864
  export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
fi

if [[ $quick ]]; then
  amounts=(--scenes 200 --resized 60 --clips 150 --held-out 12)
  vision=0.5 audio=0.5 text=0.5 joint=0.5 sizes=(--scenes 25 --clips 10)
  processes=${processes:-1}
else
  amounts=(--scenes 9000 --resized 6000 --clips 6600 --held-out 250)
  vision=60 audio=57 text=40 joint=60 sizes=(--scenes 150 --clips 100)
fi
# Only the vision tower alone learns from scenes on disk.
[[ $start ]] && amounts+=(--scenes 0 --resized 0) joint_options+=(--start "$start")
joint=${minutes:-$joint} processes=${processes:-2}
llama_version=0.3.36 llama_made=$work/llama/llama_cpp_python-$llama_version/vendor/llama.cpp

run() { # script arguments...
  echo "== $*" >&2
  env "$preload" "${python:-$work/venv/bin/python}" -B "$here/$1" "${@:2}"
}

setup() {
  if [[ ! $python ]]; then
    [[ -x $work/venv/bin/python ]] || python3 -m venv "$work/venv"
    "$work/venv/bin/python" -m pip install --quiet -r "$here/requirements.txt" # 6 GB, most of it CUDA's, which PyPI's torch wants
  fi
  [[ $llama || -e $llama_made ]] && return
  mkdir -p "$work/llama"
  "${python:-$work/venv/bin/python}" -m pip download --quiet --no-deps --no-binary llama-cpp-python -d "$work/llama" "llama-cpp-python==$llama_version"
  tar -xzf "$work/llama/llama_cpp_python-$llama_version.tar.gz" -C "$work/llama" --wildcards \
    '*/vendor/llama.cpp/convert*' '*/vendor/llama.cpp/conversion/*' '*/vendor/llama.cpp/gguf-py/*' '*/vendor/llama.cpp/models/templates/*'
}

both() { # waits for two jobs and fails when one did
  local failed=0
  wait "$1" || failed=1
  wait "$2" || failed=1
  return $failed
}

together() { # so many processes train one model; count script arguments...
  local rank jobs=() failed=0
  rm -f "$work"/.meeting*
  for ((rank = 0; rank < $1; rank++)); do
    (run "$2" --data "$work" --rank $rank --world "$1" "${@:3}") & jobs+=($!)
  done
  for rank in "${jobs[@]}"; do wait "$rank" || failed=1; done
  return $failed
}

parts() {
  together 2 train_vision.py --minutes $vision
  (run train_audio.py --data "$work" --minutes $audio) & local one=$!
  (run train_text.py --data "$work" --minutes $text) & local two=$!
  both $one $two
}

for stage in "${stages[@]}"; do
  case $stage in
    setup) setup ;;
    checks) run checks.py --data "$work" ;;
    data) run data.py --data "$work" "${amounts[@]}" ;;
    parts) [[ $start ]] || parts ;;
    joint) together "$processes" train_joint.py --minutes "$joint" --seed "$seed" "${joint_options[@]}" ;;
    export) run export.py "$work/joint.pt" "$work/out" --data "$work" --llama "${llama:-$llama_made}" ;;
    evaluate) run evaluate.py "$work/out/hf" --data "$work" "${sizes[@]}" --out "$work/out/evaluation.json" ;;
  esac
done
