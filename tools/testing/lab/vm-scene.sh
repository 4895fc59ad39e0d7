# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The scene in which every command of the lab runs: fixture, modules, VFs.

# Load the modules just built, and not others with the same name: the build IDs must
# agree.
load_module()		# PATH [PARAMETER...]
{
	local path=$1 name
	name=${path##*/} name=${name%.ko}

	busybox insmod "$@" || fail "insmod $* failed"
	cmp -s "${path%.ko}.build-id" "/sys/module/${name//-/_}/notes/.note.gnu.build-id" ||
		fail "module $name is not the one in $path"
}

find_device()		# VENDOR:DEVICE
{
	local dir vendor device

	for dir in /sys/bus/pci/devices/*; do
		read -r vendor < "$dir/vendor"
		read -r device < "$dir/device"
		[ "$vendor:$device" != "0x${1%:*}:0x${1#*:}" ] || {
			echo "${dir##*/}"
			return
		}
	done
}

load_fixture()		# LAYOUT
{
	local debugfs=/sys/kernel/debug/vfcap-fixture
	local layouts=/vfcap/tools/testing/fixture/layouts

	VFCAP_LAYOUT=$layouts/igb
	load_module "$VFCAP_MODULES/tools/testing/fixture/vfcap-fixture.ko" \
		"pf=$VFCAP_PF"
	cat "$VFCAP_LAYOUT" "$layouts/$1" > $debugfs/layout ||
		fail "the fixture refuses layout $1"
	echo 1 > $debugfs/rescan
	[ -e "/sys/bus/pci/devices/$VFCAP_PF" ] ||
		fail "the PF did not come back with layout $1"
}

# It does not make a VMD yet: whoever needs one says which. VMDs exist on x86 only.
load_mock_vmd()
{
	[ "$HOSTTYPE" = x86_64 ] || return 0
	load_module "$VFCAP_MODULES/tools/testing/fixture/vfcap-mock-vmd.ko" \
		"lender=$(find_device 1b36:0005)" "memory=$VFCAP_VMD_MEMORY"
}

bind_vf()		# BDF DRIVER
{
	echo "$2" > "/sys/bus/pci/devices/$1/driver_override"
	echo "$1" > /sys/bus/pci/drivers_probe
	[ "/sys/bus/pci/devices/$1/driver" -ef "/sys/bus/pci/drivers/$2" ] ||
		fail "$1 was not bound to $2"
}

load_vfcap()
{
	load_module "$VFCAP_MODULES/drivers/pci/vfcap/pci-vfcap.ko"
	load_module "$VFCAP_MODULES/drivers/vfio/pci/vfcap/vfcap-vfio-pci.ko"
}

create_vfs()		# NUMBER
{
	local pf=/sys/bus/pci/devices/$VFCAP_PF

	echo 0 > "$pf/sriov_drivers_autoprobe"
	echo "$1" > "$pf/sriov_numvfs" || fail "the PF creates no VFs"
	VFCAP_VF=$(cd -P "$pf/virtfn0" && echo "${PWD##*/}")
	VFCAP_VF2=$(cd -P "$pf/virtfn1" && echo "${PWD##*/}")
}

set_scene()
{
	VFCAP_PF=$(find_device 8086:10c9)
	[ "$VFCAP_PF" ] || fail "the VM has no PF"
	load_fixture "$VFCAP_FIXTURE"
	modprobe igb || fail "modprobe igb failed"
	modprobe -a vfio-pci-core vfio_iommu_type1 || fail "no VFIO"
	modprobe -q iommufd
	# On a machine without an IOMMU, VFIO provides devices only in this mode.
	[ "$(echo /sys/class/iommu/*)" != "/sys/class/iommu/*" ] ||
		echo Y > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode
	create_vfs 2
	# Do what the kernel does if the IOMMU has PASIDs. QEMU's SMMUv3 has none.
	[ "$HOSTTYPE" = x86_64 ] || setpci -s "$VFCAP_PF" ECAP001b+6.w=7
	load_vfcap
	load_mock_vmd
	bind_vf "$VFCAP_VF" vfcap-vfio-pci
	export VFCAP_PF VFCAP_VF VFCAP_VF2 VFCAP_LAYOUT
}

# Whole functions take the place of the VFs: two plain endpoints, no VFs.
set_scene_of_functions()
{
	local functions=()

	mapfile -t functions < <(lspci -D -d 8086:10c9 | awk '{ print $1 }')
	[ ${#functions[@]} = 2 ] || fail "the VM has no two endpoints"
	VFCAP_PF=${functions[0]} VFCAP_VF=${functions[0]} VFCAP_VF2=${functions[1]}
	load_fixture function
	VFCAP_LAYOUT=/vfcap/tools/testing/fixture/layouts/function
	basename "$(realpath "/sys/bus/pci/devices/$VFCAP_VF2/..")" \
		> /sys/kernel/debug/vfcap-fixture/cover
	echo 1 > /sys/kernel/debug/vfcap-fixture/rescan
	modprobe -a vfio-pci-core vfio_iommu_type1 || fail "no VFIO"
	modprobe -q iommufd
	load_vfcap
	bind_vf "$VFCAP_VF" vfcap-vfio-pci
	export VFCAP_PF VFCAP_VF VFCAP_VF2 VFCAP_LAYOUT VFCAP_FUNCTIONS=1
}
