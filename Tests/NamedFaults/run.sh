#!/usr/bin/env bash
# Builds the program once for every named fault in this folder, simulates until an invariant breaks, and says at which seed.
# Usage: run.sh [NAME ...]; without names, all of them. Exit 1 when a fault is not seen within the seeds.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
seeds=${SEEDS:-5000}
copy=$root/.build-faults
mkdir -p "$copy"
missed=0
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for patch in "$here"/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi

# Neither tests nor the example are copied.
manifest() {
    awk '/^        tests\(/ { inside = 1 } !inside { print } /\]\),$/ { inside = 0 }' "$root/Package.swift" \
        | sed 's|^    \] + ownLayer + counting,|    ],|'
}

# Only files that differ are touched, so that each build is an incremental one.
restore() {
    (cd "$root" && find Sources -type f) | while read -r file; do
        cmp -s "$root/$file" "$copy/source/$file" || install -D -m 644 "$root/$file" "$copy/source/$file"
    done
    (cd "$copy/source" && find Sources -type f) | while read -r file; do
        [ -e "$root/$file" ] || rm "$copy/source/$file"
    done
    manifest | cmp -s - "$copy/source/Package.swift" || manifest > "$copy/source/Package.swift"
}

build() { (cd "$copy/source" && swift build -c release --product plumb --scratch-path "$copy/build") > "$copy/log" 2>&1; }

mkdir -p "$copy/source"
printf '%-28s %-8s %10s  %s\n' fault caught seeds violation
for name in "${names[@]}"; do
    restore
    if ! patch --quiet --directory "$copy/source" --strip 1 < "$here/$name.patch" > "$copy/log" 2>&1 || ! build; then
        printf '%-28s %-8s\n' "$name" "no build"
        tail -n 5 "$copy/log"
        missed=1
        continue
    fi
    "$copy/build/release/plumb" simulate --faults --seeds "$seeds" > "$copy/out" 2> "$copy/err"
    status=$?
    runs=$(sed -n 's/^\([0-9]*\) runs.*/\1/p' "$copy/out")
    if [ $status -eq 0 ]; then
        printf '%-28s %-8s %10s\n' "$name" NO "$runs"
        missed=1
    else
        printf '%-28s %-8s %10s  %s\n' "$name" yes "${runs:-?}" "$(head -n 1 "$copy/err" | cut -c 1-150)"
    fi
done
restore
exit $missed
