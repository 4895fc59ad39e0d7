#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A guest with a virtual VT-d in scalable mode, whose own kernel enables PASID in a VF
# that shows it: QEMU keeps the capability that the host's kernel shows. The guest has
# Debian's own kernel, and nothing in it writes to registers explicitly.

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=tap.sh
. ./tap.sh

# shellcheck source-path=SCRIPTDIR source=guest.sh
. ./guest.sh

VFCAP_GUEST_MACHINE=${VFCAP_GUEST_MACHINE:-q35},kernel-irqchip=split
vtd=intel-iommu,scalable-mode=on,caching-mode=on,pasid-bits=20
devices=/sys/bus/pci/devices

# Make the guest run a line; its output is in $said.
ask()			# COMMAND
{
	mark
	echo "$1" >&4
	wait_for "guest: status [0-9]" 200 || return
	said=$(printed)
	like "$said" "^guest: status 0"
}

# Plug in a VF, and make the guest look at it.
plug()			# BDF OPTIONS
{
	mark
	monitor "device_add vfio-pci,host=$1,iommufd=iommufd0,id=vf,bus=port1$2"
	ask "vf=\$(behind 04.0) && lspci -vvv -s \$vf"
}

unplug()
{
	monitor "device_del vf"
	ask "leaves \$vf"
}

# The guest sees the capability exactly once, at OFFSET, and its kernel has enabled it.
enabled_at()		# OFFSET
{
	[ "$(grep -c 'Process Address Space ID' <<< "$said")" = 1 ] &&
		like "$said" "\[$1 v1\] Process Address Space ID (PASID)" &&
		like "$said" 'PASIDCtl: Enable+'
}

# What the host's kernel knows about a VF
host_says()		# TEXT
{
	like "$("$VFCAP_MODULES/tools/vfcapctl/vfcapctl" show --json "$VFCAP_VF" |
		tr -d ' \n')" "$1"
}

# All config writes that reached the PF's ATS, PRI and PASID registers
pf_writes()
{
	awk -v pf="${VFCAP_PF#*:}" '$1 == pf && $2 >= "1b0" && $2 < "1f0"' \
		/sys/kernel/debug/vfcap-fixture/writes
}

give()			# BDF DRIVER
{
	echo "$2" > "$devices/$1/driver_override"
	echo "$1" > /sys/bus/pci/drivers_probe
	[ -e "/sys/bus/pci/drivers/$2/$1" ]
}

# shellcheck disable=SC2153 # from the environment
start 6 "$([ ! -e /dev/iommu ] || echo "$VFCAP_VF")" "VFCAP_VF, with iommufd"
modprobe vfio-pci
before=$(pf_writes)

# shellcheck disable=SC2054 # the commas are QEMU's
start_guest guest-shell -append "console=ttyS0 quiet intel_iommu=on,sm_on rdinit=/guest-shell" \
	-device $vtd,aw-bits=39 -device pcie-root-port,id=port1,addr=4 &&
	ask "dmesg | grep -e DMAR -e iommu; ls /sys/class/iommu"
echo "# ${said//$'\n'/$'\n'# }"
plug "$VFCAP_VF" "" && enabled_at 1e0
result "the guest's kernel enables what the kernel shows"
host_says '"pasid":{"shown":true,"offset":"0x1e0","size":8,"enabled":true,[^}]*"written":true'
result "the kernel knows that"
[ "$before" ] && [ "$(pf_writes)" = "$before" ]
result "nothing of it reaches the PF"
unplug && plug "$VFCAP_VF" ,x-vpasid-cap-offset=0x300 && enabled_at 1e0 && unplug
result "QEMU makes none of its own, also if it is told where"
give "$VFCAP_VF2" vfio-pci && plug "$VFCAP_VF2" "" && like "$said" 'Capabilities:' &&
	! grep 'Process Address Space ID' <<< "$said"
result "of a VF that vfio-pci has it makes none with fsts=off, and the guest has none"
stop_guest

# Page tables that the guest manages itself need a host IOMMU that can nest them. The VM's
# VT-d, which QEMU emulates, cannot.
# shellcheck disable=SC2054
! launch_guest "$VFCAP_ACCEL" guest-shell -device $vtd,fsts=on \
	-device pcie-root-port,id=port1,addr=4 \
	-device "vfio-pci,host=$VFCAP_VF,iommufd=iommufd0,id=vf,bus=port1" &&
	grep -q 'Failed to allocate hwpt: Operation not supported' "$work/qemu"
result "QEMU does not start where it is to nest the guest's tables"

ktap_finished
