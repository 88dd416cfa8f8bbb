#!/bin/sh
# Provides what the benchmarks need beyond the lab. dnsperf is installed as the lab's packages
# are. SmartDNS's package would start a server at port 53, so it is only unpacked, among the
# user's cached files, and its command's path printed.
set -eu
here=$(dirname "$0")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/namewall/smartdns
NEEDED='
dnsperf   dnsperf
' sh "$here/../lab/require.sh" "$@" >&2

# download puts the package into a folder. apt's sandbox can't be had in a user namespace.
download() (
    cd "$1" && apt-get -q -o APT::Sandbox::User=root download smartdns >&2
)

if [ ! -x "$cache/usr/sbin/smartdns" ]; then
    mkdir -p "$(dirname "$cache")"
    new=$(mktemp -d "$cache-XXXXXX")
    trap 'rm -rf "$new"' EXIT
    download "$new" || { [ "$(id -u)" = 0 ] && apt-get update -q >&2 && download "$new"; }
    dpkg-deb -x "$new"/*.deb "$new/unpacked"
    rm -rf "$cache"
    mv "$new/unpacked" "$cache"
fi
echo "$cache/usr/sbin/smartdns"
