#!/bin/sh
# Provides the commands that the lab and the tests need, from Debian's packages: as root it
# installs what is missing and says so, otherwise it prints the line that does.
# With --check it never installs. NEEDED in the environment is another list than the lab's own.
set -eu
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# command, package that has it
needed=${NEEDED-'
chromium-headless-shell chromium-headless-shell
curl      curl
dig       bind9-dnsutils
dnsmasq   dnsmasq-base
ecj       ecj
gcc       gcc
getent    libc-bin
ip        iproute2
java      openjdk-17-jre-headless
kdig      knot-dnsutils
ldns-signzone ldnsutils
mount     mount
musl-gcc  musl-tools
nft       nftables
promtool  prometheus
qemu-system-x86_64 qemu-system-x86
setpriv   util-linux
systemd-analyze systemd
unbound   unbound
xz        xz-utils
'}

missing=$(printf '%s' "$needed" | while read -r command package; do
    [ -z "$command" ] || command -v "$command" >/dev/null || printf ' %s' "$package"
done)
# nft writes protocols by the names that are in there.
[ -e /etc/protocols ] || missing="$missing netbase"
# A compiler without the C library's headers links nothing.
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"

[ -n "$missing" ] || exit 0
install="apt-get install -y --no-install-recommends$missing"
if [ "${1-}" = --check ] || [ "$(id -u)" != 0 ]; then
    echo "the lab needs packages that are not installed; as root: $install" >&2
    exit 1
fi
echo "the lab needs packages that are not installed: $install" >&2
# Debian starts the services of what it installs (invoke-rc.d(8)). Nobody asked for
# a Prometheus or an Unbound that listens; the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive $install
