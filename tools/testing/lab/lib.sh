# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # the scripts that read this use them
#
# What the scripts of the lab share: the location of its files, messages, and how to run a
# command inside the lab's own Debian root.
#
# The root is only ever used in a private mount namespace, where it is read-only. Nothing
# that runs in it can damage it, and its mounts vanish with the last process in it,
# however that process ended.

set -euo pipefail

LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP_DIR=$(cd "$LAB_DIR/../../.." && pwd)
CACHE_DIR=${VFCAP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vfcap}

# Kernels are named by their role. Which series fills a role is looked up in the archive
# when the root is made.
SUITE=trixie
KERNELS_BUILT="iommufd debug coverage iopf iopf-debug"
KERNELS_PREPARED="clang"
# Kernels whose options override those of another one, and the folder with the patches for
# a kernel's source
declare -A KERNEL_BASE=([debug]=iommufd [coverage]=iommufd [clang]=iommufd
			[iopf]=iommufd [iopf-debug]=debug)
declare -A KERNEL_PATCHES=([iopf]=iopf [iopf-debug]=iopf [coverage]=iopf)
KERNELS_STOCK="debian-backports debian-stable"
# For another architecture: the newest from backports
KERNELS_ARM64="arm64"

say()			# TEXT...: one of several lines, too
{
	local text=$*

	echo "lab: ${text//$'\n'/$'\n'lab: }" >&2
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

# Run a command whose output goes to a log. While it runs, print every 20 seconds how long
# it has run and the last line of its output; if it fails, show the end of the log. If the
# command is a function, it is run in a shell of its own, so that "set -e" works inside
# it.
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

# Only one writer at a time in the cache. Others wait, and say so.
lock_cache()
{
	mkdir -p "$CACHE_DIR"
	exec 9> "$CACHE_DIR/lock"
	flock -n 9 || { say "waiting for another user of $CACHE_DIR"; flock 9; }
}

# Run a command in a root, with its own proc, sys, dev and /tmp, the cache at /cache and
# the checkout at /vfcap. Objects compiled before, in any checkout, come from ccache. It
# uses the compiler's list of headers (CCACHE_DEPEND), since preprocessing first would
# take a third as long as compiling.
#
# Further "HOST:INSIDE" binds come from the array ROOT_BINDS; INSIDE must exist or be in a
# tmpfs named in the array ROOT_TMPFS. ROOT_WRITABLE=1 is for making the root. With
# ROOT_WRITABLE=copy, what the command writes is kept separately, in memory, and vanishes
# with it. ROOT_LAYER is a folder that is overlaid on the root, with files that were
# installed on top of it.
in_root_dir()		# ROOT COMMAND...
{
	local root=$1 mounts="" bind dir
	shift

	for dir in ${ROOT_TMPFS[@]+"${ROOT_TMPFS[@]}"}; do
		mounts+="mount -t tmpfs -o mode=755 tmpfs $(printf '%q' "$root$dir");"
	done
	for bind in ${ROOT_BINDS[@]+"${ROOT_BINDS[@]}"}; do
		mounts+="mkdir -p $(printf '%q' "$root${bind##*:}");"
		mounts+="mount --rbind $(printf '%q %q' "${bind%:*}" \
			"$root${bind##*:}");"
	done
	# The command must end with its caller: unshare ignores signals that would end it,
	# and a make that is ended while it starts something may wait for that forever,
	# holding the lock.
	# shellcheck disable=SC2016 # the inner shell expands these
	setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child /bin/bash -ec '
		root=$1 writable=$2 mounts=$3 layer=$4
		shift 4
		lower=${layer:+$layer:}$root
		if [ "$writable" = copy ]; then
			mount -t tmpfs tmpfs "$root/mnt"
			mkdir "$root/mnt/upper" "$root/mnt/work"
			mount -t overlay -o "lowerdir=$lower,upperdir=$root/mnt/upper,workdir=$root/mnt/work" \
				overlay "$root"
		elif [ "$layer" ]; then
			mount -t overlay -o "lowerdir=$lower" overlay "$root"
		fi
		mount --rbind "$root" "$root"
		cd "$root"
		[ "$writable" ] || mount -o remount,bind,ro "$root"
		mount -t proc proc "$root/proc"
		mount --rbind /sys "$root/sys"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs tmpfs "$root/tmp"
		eval "$mounts"
		exec chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb \
			${http_proxy:+http_proxy="$http_proxy"} \
			${https_proxy:+https_proxy="$https_proxy"} \
			${no_proxy:+no_proxy="$no_proxy"} \
			LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive INITRD=No \
			CCACHE_DIR=/cache/ccache CCACHE_MAXSIZE=1G CCACHE_DEPEND=1 \
			PATH=/usr/lib/ccache:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			"$@"
	' bash "$root" "${ROOT_WRITABLE-}" "$mounts" "${ROOT_LAYER-}" "$@"
}

# A root is identified by what it is made from: the list of packages and the script.
root_key()
{
	cat "$LAB_DIR/root.packages" "$LAB_DIR/build-root" | sha256sum | cut -c 1-12
}

root_dir()
{
	echo "$CACHE_DIR/root-$(root_key)"
}

# A clean host is identified by its own list, and uses the root's stock kernel.
host_dir()
{
	echo "$CACHE_DIR/host-$({
		root_key
		cat "$LAB_DIR/host.packages" "$LAB_DIR/build-host"
	} | sha256sum | cut -c 1-12)"
}

# Identifies a layer, which was made on top of the root and is in the folder "layer" there
layer_dir()		# NAME
{
	echo "$CACHE_DIR/$1-$({
		root_key
		cat "$LAB_DIR/$1.packages" "$LAB_DIR/build-$1" "$LAB_DIR/layer.sh"
	} | sha256sum | cut -c 1-12)"
}

arm64_release()
{
	readlink "$(layer_dir arm64)/root/usr/lib/modules/arm64"
}

in_root()		# COMMAND...
{
	local ROOT_BINDS=("$CACHE_DIR:/cache" "$TOP_DIR:/vfcap"
			  ${ROOT_BINDS[@]+"${ROOT_BINDS[@]}"})

	in_root_dir "$(root_dir)" "$@"
}

# Find a kernel (its paths are as seen in the root), and make it if it is not there. Sets
# KERNEL_IMAGE, KERNEL_BUILD (for modules), KERNEL_RELEASE, KERNEL_OUT (below the
# checkout), KERNEL_ARCH, KERNEL_ROOT (of the VM) and KERNEL_MODULES (on the host, for a
# kernel whose modules are not in the root).
select_kernel()		# NAME
{
	local dir root

	root=$(root_dir)
	KERNEL_ARCH=x86_64 KERNEL_ROOT=/
	case " $KERNELS_BUILT : $KERNELS_STOCK : $KERNELS_ARM64 " in
	*" $1 "*:*:*)
		"$LAB_DIR/setup" kernel "$1" || die "no kernel to run"
		# Not the link: another checkout may redirect it to a kernel of its own.
		dir=$(realpath "$CACHE_DIR/$1")
		KERNEL_IMAGE=/cache/${dir##*/}/bzImage
		KERNEL_BUILD=/cache/${dir##*/}/build
		KERNEL_RELEASE=$(< "$dir/build/include/config/kernel.release")
		KERNEL_MODULES=$dir/lib/modules/$KERNEL_RELEASE
		;;
	*:*" $1 "*:*)
		"$LAB_DIR/setup" root || die "no root to run in"
		KERNEL_IMAGE=/boot/$1
		KERNEL_RELEASE=$(readlink "$root/usr/lib/modules/$1")
		KERNEL_BUILD=/usr/lib/modules/$KERNEL_RELEASE/build
		KERNEL_MODULES=""
		;;
	*:*:*" $1 "*)
		"$LAB_DIR/setup" arm64 || die "no root to run in"
		dir=$(layer_dir arm64)
		ROOT_LAYER=$dir/layer
		KERNEL_ARCH=arm64
		KERNEL_ROOT=/cache/${dir##*/}/root
		KERNEL_IMAGE=$KERNEL_ROOT/boot/$1
		KERNEL_RELEASE=$(arm64_release)
		KERNEL_BUILD=/usr/lib/modules/$KERNEL_RELEASE/build
		KERNEL_MODULES=""
		;;
	*)
		die "no kernel '$1'; there are:" \
			"$KERNELS_BUILT $KERNELS_STOCK $KERNELS_ARM64"
		;;
	esac
	KERNEL_OUT=build/$KERNEL_RELEASE
}

# Whether the build is up to date for these sources and this kernel: make takes seconds to
# find out that there is nothing to do.
is_built()		# STAMP KERNEL
{
	[ -e "$1" ] && [ "$(< "$1")" = "$2" ] &&
		[ -z "$(cd "$TOP_DIR" && find Kbuild Makefile debian drivers include samples \
			scripts tools -newer "$1" -print -quit)" ]
}

# Build the modules, the fixture and the tests for the selected kernel, the initramfs that
# leads to the VM's root, and the nested guest's.
build_kernel_modules()
{
	local make=(make -s -j"$(nproc)" -C /vfcap/tools/testing/lab -f vm.mk) cross=()
	local stamp=$TOP_DIR/$KERNEL_OUT/built kernel

	[ "$KERNEL_ARCH" != arm64 ] ||
		cross=(ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- ROOT="$KERNEL_ROOT"
			W=1 KCFLAGS=-Werror USERCFLAGS=-Werror)
	kernel="$(root_key) ${ROOT_LAYER-} $KERNEL_BUILD"
	mkdir -p "$TOP_DIR/$KERNEL_OUT"
	exec 8> "$TOP_DIR/build/lock"
	flock 8
	if is_built "$stamp" "$kernel"; then
		exec 8>&-
		return
	fi
	echo "$kernel" > "$stamp.part"
	if ! {
		in_root "${make[@]}" guest &&
		in_root_with_modules "${make[@]}" "${cross[@]}" KDIR="$KERNEL_BUILD" \
			RELEASE="$KERNEL_RELEASE"
	} > "$TOP_DIR/build/build.log" 2>&1 < /dev/null; then
		cat "$TOP_DIR/build/build.log" >&2
		die "building for kernel $KERNEL_RELEASE failed"
	fi
	mv "$stamp.part" "$stamp"
	exec 8>&-
}

# In the root, with the selected kernel's modules where they belong
in_root_with_modules()	# COMMAND...
{
	local ROOT_TMPFS=() ROOT_BINDS=(${ROOT_BINDS[@]+"${ROOT_BINDS[@]}"})

	if [ "$KERNEL_MODULES" ]; then
		ROOT_TMPFS+=(/usr/lib/modules)
		ROOT_BINDS+=("$KERNEL_MODULES:/usr/lib/modules/$KERNEL_RELEASE")
	fi
	in_root "$@"
}

# /dev/kvm may exist without working: check whether a kernel boots with it, once a day.
kvm_works()
{
	local stamp=$CACHE_DIR/kvm-probe

	[ -w /dev/kvm ] && grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo ||
		return
	if [ -z "$(find "$stamp" -mmin -1440 2> /dev/null)" ]; then
		in_root timeout 30 qemu-system-x86_64 -nodefaults -display none \
			-no-reboot -M q35 -accel kvm -cpu host -m 512 \
			-kernel "$KERNEL_IMAGE" -serial stdio \
			-append "console=ttyS0 panic=-1" < /dev/null \
			> "$stamp" 2>&1 || :
	fi
	grep -q 'Kernel panic' "$stamp"
}

# Print what the kernel reported, and return true if it reported anything that no test had
# announced. Leaks are found at the end, so a leak that a test announces is expected from
# then on. The REGEX for it is matched against all lines about an object, joined into one.
kernel_reports()	# LOG
{
	local header='usage count underflow|DMAR: .*fault|WARNING: |BUG: |Oops|KASAN: |UBSAN: |general protection fault|INFO: (task|rcu|lockdep|trying)|possible circular locking|kmemleak: .* disabled|Kernel panic|Call Trace:'

	awk -v header="$header" '
		function end_object(	i) {
			for (i = 1; i <= nr_leaks; i++)
				if (object ~ leaks[i])
					object = ""
			if (object != "") {
				print object
				found = 1
			}
			object = ""
		}
		{ sub(/\r$/, "") }
		match($0, /vfcap-lab: expect: /) {
			expected[++n] = substr($0, RSTART + RLENGTH)
			next
		}
		match($0, /vfcap-lab: leak: /) {
			leaks[++nr_leaks] = substr($0, RSTART + RLENGTH)
			next
		}
		/vfcap-lab: test: / { n = skipping = 0 }
		object != "" && /\]  / { object = object "\n" $0; next }
		{ end_object() }
		/unreferenced object/ { object = $0; next }
		/cut here/ { held = $0; next }
		$0 ~ header {
			for (i = 1; i <= n; i++)
				if ($0 ~ expected[i]) {
					skipping = 1
					next
				}
			if (skipping && /Call Trace:/)
				next
			if (!show) print held
			show = 40; found = 1
		}
		/end trace|<\/TASK>/ { skipping = 0 }
		show > 0 { print; show-- }
		END { end_object(); exit !found }
	' "$1"
}
