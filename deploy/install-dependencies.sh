#!/bin/sh
# Installs the C libraries that Plumb links, where they are missing: libzmq, OpenBLAS, zlib, SQLite.
set -eu
packages="libzmq3-dev libopenblas-dev zlib1g-dev libsqlite3-dev"
missing=""
for package in $packages; do
    if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then missing="$missing $package"; fi
done
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Plumb needs$missing, or what your system calls them; install them and try again." >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" != 0 ]; then as_root=sudo; fi
echo "installing$missing"
$as_root apt-get update -q
# shellcheck disable=SC2086  # the list is meant to be split
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
