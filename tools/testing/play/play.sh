# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # the tests use them
#
# A host with PCI functions that are played, for tests of vfcapctl that take no VM. Files
# of sysfs are files; what the kernel does when one is written does "play-write". A test
# that sources this is run in a copy of the lab's root, or where it is by "run".

PLAY_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

enter_root()		# TEST
{
	# shellcheck source-path=SCRIPTDIR source=../lab/lib.sh
	. "$PLAY_DIR/../lab/lib.sh"
	need_root
	"$LAB_DIR/setup" root
	ROOT_WRITABLE=copy ROOT_BINDS=("$CACHE_DIR/packages:/var/cache/apt/archives")
	in_root "/vfcap/tools/testing/play/$1"
}

if [ -z "${VFCAP_PLAY_HERE-}" ] && [ ! -e /.vfcap-root ]; then
	enter_root "$(basename "$0")"
	exit
fi
# shellcheck source-path=SCRIPTDIR source=../lab/tap.sh
. "$PLAY_DIR/../lab/tap.sh"

# shellcheck source-path=SCRIPTDIR source=functions.sh
. "$PLAY_DIR/functions.sh"
schema=$PLAY_DIR/../../vfcapctl/vfcapctl.schema.json
# shellcheck source-path=SCRIPTDIR/../selftests/vfcap source=ctl_json.sh
. "$PLAY_DIR/../selftests/vfcap/ctl_json.sh"

work=$(mktemp -d)
mount -t tmpfs tmpfs "$work"
trap 'umount -l "$work"; rmdir "$work"' EXIT
pf=0000:01:00.0 vf=0000:01:10.0 vf2=0000:01:10.2
out="" err="" status=0

# Packages that the lab's root has not, fetched once
need_packages()		# NAME...
{
	dpkg-query -W "$@" > /dev/null 2>&1 && return
	{ apt-get -q update && apt-get -q -y --no-install-recommends install "$@"; } \
		> "$work/log" 2>&1 || { comment "$(< "$work/log")"; return 1; }
}

# vfcapctl of this checkout, as it is installed, and the kernel that it writes to
build()
{
	if ! { make -s -C "$PLAY_DIR/../../vfcapctl" OUTPUT="$work/build" \
			DESTDIR="$work/installed" PREFIX=/usr install &&
	       gcc -shared -fPIC -Wall -Werror -o "$work/kernel.so" "$PLAY_DIR/kernel.c"
	     } > "$work/log" 2>&1; then
		comment "$(< "$work/log")"
		return 1
	fi
	PATH=$work/installed/usr/sbin:$PATH
}

make_driver()		# NAME
{
	mkdir -p "$drivers/$1"
	: > "$drivers/$1/bind"
	: > "$drivers/$1/unbind"
}

set_driver()		# BDF DRIVER
{
	ln -s "$drivers/$2" "$devices/$1/driver"
	ln -s "$devices/$1" "$drivers/$2/$1"
}

# A port, a PF whose PASID (enabled) and PRI come behind its SR-IOV capability, and
# a VMD endpoint; with modules loaded, and an IOMMU in scalable mode
make_host()
{
	mount -t tmpfs tmpfs /sys
	# What is written to /etc vanishes with the test.
	mkdir "$work/etc" "$work/etc.work"
	mount -t overlay -o "lowerdir=/etc,upperdir=$work/etc,workdir=$work/etc.work" \
		overlay /etc
	cp "$work/installed/usr/lib/systemd/system/vfcap@.service" /etc/systemd/system/
	mkdir -p /sys/class/iommu/dmar0/intel-iommu $drivers /sys/module/vfcap_vfio_pci \
		/sys/module/pci_vfcap /sys/firmware/acpi/tables
	file /sys/firmware/acpi/tables/DMAR ""
	file /sys/class/iommu/dmar0/intel-iommu/ecap f90000000000
	: > /sys/bus/pci/drivers_probe
	make_function 0000:00:01.0 8086 3420 060400
	registers 0000:00:01.0 "40 01420010" "100 0001000d" "104 001d001d"
	make_driver pcieport
	set_driver 0000:00:01.0 pcieport
	make_function $pf 8086 10c9 020000 0000:00:01.0
	registers $pf "100 16010010" "160 1e010013" "1e0 0001001b" "1e4 00071406"
	local dir=$devices/$pf
	file $dir/sriov_totalvfs 8
	file $dir/sriov_numvfs 0
	file $dir/sriov_offset 128
	file $dir/sriov_stride 2
	file $dir/sriov_drivers_autoprobe 1
	make_driver igb
	make_driver igbvf
	make_driver vfcap-vfio-pci
	make_driver vfio-pci
	set_driver $pf igb
	make_function 0000:00:0e.0 8086 201d 010400
	local name
	for name in pasid pri vmd_shadow placement; do
		file "/sys/module/vfcap_vfio_pci/parameters/$name" auto
	done
	file /sys/module/vfcap_vfio_pci/parameters/quirks ""
	file /sys/module/vfcap_vfio_pci/version 0.1
	file /sys/module/pci_vfcap/version 0.1
	chmod +x "$PLAY_DIR/play-write"
}

# Write a file of sysfs by hand.
kernel()		# PATH VALUE
{
	"$PLAY_DIR/play-write" "$(readlink -f "$1")" "$2"
}

# Run it, keep its output in $out and $err; true if its exit status is this.
ctl()			# STATUS ARG...
{
	local wanted=$1
	shift
	status=0
	out=$(LD_PRELOAD=$work/kernel.so VFCAP_PLAY=$PLAY_DIR/play-write \
		timeout 20 vfcapctl "$@" 2> "$work/stderr" < /dev/null) || status=$?
	err=$(< "$work/stderr")
	[ $status = "$wanted" ] && return
	comment "vfcapctl $*: status $status, not $wanted"
	comment "$out$err"
	return 1
}

driver()		# BDF
{
	basename "$(readlink "$devices/$1/driver")"
}
