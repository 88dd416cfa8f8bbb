#!/bin/sh
# Provides Debian's cloud kernels of the series that are named, "6.1 6.12": prints for each the
# folder that has its image and modules, as its newest package unpacks. What is not there yet
# is downloaded by apt, and kept among the user's cached files.
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/namewall/kernels

# refresh brings apt's lists up to date, which only root may do.
refresh() {
    [ "$(id -u)" = 0 ] && apt-get update -q >&2
}

# newest is the package of a series. Its name has the release, which changes every few weeks.
newest() {
    apt-cache search --names-only "^linux-image-$(echo "$1" | sed 's/\./\\./g')\..*-cloud-amd64\$" |
        cut -d' ' -f1 | sort -V | tail -n 1
}

# download puts a package into a folder. apt's sandbox is of no use there, and can't be had
# in a user namespace.
download() (
    cd "$2" && apt-get -q -o APT::Sandbox::User=root download "$1" >&2
)

mkdir -p "$cache"
for series; do
    package=$(newest "$series")
    [ -n "$package" ] || { refresh && package=$(newest "$series"); } || :
    if [ -z "$package" ]; then
        echo "apt knows no package linux-image-$series.*-cloud-amd64: what is needed are the lists of Debian 12," \
            "bookworm-security among them; as root: apt-get update" >&2
        exit 1
    fi
    version=$(apt-cache show --no-all-versions "$package" | sed -n 's/^Version: //p')
    folder=$cache/${package#linux-image-}_$version
    if [ ! -d "$folder" ]; then
        new=$(mktemp -d "$cache/new-XXXXXX")
        trap 'rm -rf "$new"' EXIT
        download "$package" "$new" || { refresh && download "$package" "$new"; }
        dpkg-deb -x "$new"/*.deb "$new/unpacked"
        rm -rf "$cache/$series".*
        mv "$new/unpacked" "$folder"
        rm -r "$new"
    fi
    echo "$folder"
done
