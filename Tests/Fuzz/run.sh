#!/usr/bin/env bash
# Fuzzes the decoders of everything that nobody vouches for, with libFuzzer under the address sanitizer.
# Usage: run.sh SECONDS [DECODER ...]; without names, all of them. What it finds new is kept in .build-fuzz/corpus.
# A crash, a hang of 10 s, an allocation above 64 MiB or 2 GiB in all ends it with exit 1 and leaves the input in .build-fuzz/found.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$root/.build-fuzz
seconds=${1:?say how many seconds each decoder is to be tried}
shift
decoders=("$@")
if [ ${#decoders[@]} -eq 0 ]; then decoders=(frame control safetensors idx csv gzip yaml manifest); fi

mkdir -p "$build/found"
coverage=-sanitize-coverage=edge,inline-8bit-counters,pc-table,trace-cmp
(cd "$root" && PLUMB_FUZZ=1 swift build --product fuzz --scratch-path "$build" -c release -Xswiftc -enable-testing \
    --sanitize address --sanitize fuzzer -Xswiftc "$coverage") > "$build/log" 2>&1 \
    || { tail -n 20 "$build/log"; echo "the fuzzers do not build"; exit 1; }

failed=0
export ASAN_OPTIONS=detect_leaks=0 SWIFT_BACKTRACE=enable=no
printf '%-12s %12s %10s %8s %8s\n' decoder inputs/s inputs coverage verdict
for decoder in "${decoders[@]}"; do
    mkdir -p "$build/corpus/$decoder"
    timeout --kill-after=10 $((seconds + 120)) "$build/release/fuzz" "--decoder=$decoder" -max_total_time="$seconds" -max_len=4096 \
        -timeout=10 -malloc_limit_mb=64 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$build/found/$decoder-" \
        "$build/corpus/$decoder" "$here/corpus/$decoder" > "$build/$decoder.log" 2>&1 < /dev/null
    status=$?
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$decoder.log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$build/$decoder.log")
    reached=$(sed -n 's/.*DONE *cov: \([0-9]*\).*/\1/p' "$build/$decoder.log")
    verdict=well
    if [ $status -ne 0 ]; then
        verdict=FOUND
        failed=1
    fi
    printf '%-12s %12s %10s %8s %8s\n' "$decoder" "${rate:-?}" "${inputs:-?}" "${reached:-?}" "$verdict"
    if [ $status -ne 0 ]; then grep -E 'ERROR|Fatal error|Precondition|Test unit written' "$build/$decoder.log" | head -n 5; fi
done
exit $failed
