# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # the scripts that read this use them
#
# What the scripts of the lab share: where its files are, how it speaks, and
# how it runs a command inside its own Debian root.
#
# The root is only ever used through a private mount namespace, where it is
# read-only: nothing that runs in it can spoil it, and its mounts vanish with
# the last process in it, whatever ended that process.

set -euo pipefail

LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP_DIR=$(cd "$LAB_DIR/../../.." && pwd)
CACHE_DIR=${VFCAP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vfcap}

SUITE=trixie
KERNEL_SERIES=7.2
KERNELS_BUILT="iommufd"
KERNELS_STOCK="debian-7.2 debian-6.12"

say()
{
	echo "lab: $*" >&2
}

die()
{
	say "$*"
	exit 125
}

need_root()
{
	[ "$(id -u)" = 0 ] ||
		die "needs root, for mounts and chroot: run it with sudo"
}

# Run a command whose output goes to a log. While it lasts say every 20 seconds
# how long it has run and the last thing it printed; show the end of the log
# when it fails. The function that it may name is run in a shell of its own, so
# that "set -e" holds inside it.
with_progress()		# TITLE LOG COMMAND...
{
	local title=$1 log=$2 start=$SECONDS pid next=20 status=0 last
	shift 2

	say "$title ..."
	( set -e; "$@" ) > "$log" 2>&1 < /dev/null &
	pid=$!
	while kill -0 $pid 2> /dev/null; do
		sleep 1
		[ $((SECONDS - start)) -ge $next ] || continue
		next=$((next + 20))
		last=$(tail -n 1 "$log" | tr -d '\r' | tr '\t' ' ' | cut -c 1-60)
		say "$title: $((SECONDS - start)) s: $last"
	done
	wait $pid || status=$?
	if [ $status != 0 ]; then
		tail -n 30 "$log" >&2
		say "$title failed; the whole log is $log"
		return $status
	fi
	say "$title: done in $((SECONDS - start)) s"
}

# One writer at a time in the cache; the others wait, and say so.
lock_cache()
{
	mkdir -p "$CACHE_DIR"
	exec 9> "$CACHE_DIR/lock"
	flock -n 9 || { say "waiting for another user of $CACHE_DIR"; flock 9; }
}

unlock_cache()
{
	exec 9>&-
}

# Run a command in a root, as it is: with proc, sys, dev and a /tmp of its own,
# the cache at /cache and the checkout at /vfcap. Further "HOST:INSIDE" binds
# come from the array ROOT_BINDS; INSIDE must exist or lie in a tmpfs named in
# the array ROOT_TMPFS. ROOT_WRITABLE=1 is for making the root.
in_root_dir()		# ROOT COMMAND...
{
	local root=$1 mounts="" bind dir
	shift

	for dir in ${ROOT_TMPFS[@]+"${ROOT_TMPFS[@]}"}; do
		mounts+="mount -t tmpfs -o mode=755 tmpfs '$root$dir';"
	done
	for bind in ${ROOT_BINDS[@]+"${ROOT_BINDS[@]}"}; do
		mounts+="mkdir -p '$root${bind#*:}';"
		mounts+="mount --rbind '${bind%%:*}' '$root${bind#*:}';"
	done
	# shellcheck disable=SC2016 # the inner shell expands these
	unshare --mount --pid --fork --kill-child /bin/sh -ec '
		root=$1 writable=$2 mounts=$3
		shift 3
		mount --rbind "$root" "$root"
		cd "$root"
		[ "$writable" ] || mount -o remount,bind,ro "$root"
		mount -t proc proc "$root/proc"
		mount --rbind /sys "$root/sys"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs tmpfs "$root/tmp"
		eval "$mounts"
		exec chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb \
			LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive INITRD=No \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			"$@"
	' sh "$root" "${ROOT_WRITABLE-}" "$mounts" "$@"
}

# A root is known by what makes it: the list of packages and the script.
root_key()
{
	cat "$LAB_DIR/root.packages" "$LAB_DIR/build-root" | sha256sum | cut -c 1-12
}

root_dir()
{
	echo "$CACHE_DIR/root-$(root_key)"
}

in_root()		# COMMAND...
{
	local ROOT_BINDS=("$CACHE_DIR:/cache" "$TOP_DIR:/vfcap"
			  ${ROOT_BINDS[@]+"${ROOT_BINDS[@]}"})

	in_root_dir "$(root_dir)" "$@"
}
