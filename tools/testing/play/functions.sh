# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # others use them
#
# PCI functions in a sysfs that is played

devices=/sys/bus/pci/devices drivers=/sys/bus/pci/drivers

file()			# PATH TEXT
{
	mkdir -p "${1%/*}"
	echo "$2" > "$1"
}

# A function with the registers of its header, 4 KB of config space, and drivers' files
make_function()		# BDF VENDOR DEVICE CLASS [PARENT]
{
	local dir=/sys/devices/pci0000:00/${5:+$5/}$1

	mkdir -p "$dir/power" "$devices" "/sys/kernel/iommu_groups/${1//[:.]/}/devices"
	ln -sfn "$dir" "$devices/$1"
	file "$dir/vendor" "0x$2"
	file "$dir/device" "0x$3"
	file "$dir/class" "0x$4"
	file "$dir/revision" 0x00
	file "$dir/driver_override" "(null)"
	file "$dir/reset" ""
	file "$dir/power_state" D0
	file "$dir/power/runtime_status" active
	ln -sfn "/sys/kernel/iommu_groups/${1//[:.]/}" "$dir/iommu_group"
	ln -sfn "$dir" "/sys/kernel/iommu_groups/${1//[:.]/}/devices/$1"
	ln -sfn /sys/class/iommu/dmar0 "$dir/iommu"
	mkdir -p "/sys/class/iommu/dmar0/devices"
	ln -sfn "$dir" "/sys/class/iommu/dmar0/devices/$1"
	truncate -s 4096 "$dir/config"
	registers "$1" "0 ${3}${2}" "34 40" "40 00020010" "64 00200000"
}

# Dwords of config space, as they are written
registers()		# BDF "OFFSET VALUE"...
{
	python3 - "$devices/$1/config" "${@:2}" <<-'END'
	import struct, sys
	with open(sys.argv[1], "r+b") as f:
	    for word in sys.argv[2:]:
	        offset, value = (int(n, 16) for n in word.split())
	        f.seek(offset)
	        f.write(struct.pack("<I", value))
	END
}
