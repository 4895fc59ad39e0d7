#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A guest's vmd driver must assign the host's addresses in the domain behind a VMD that is
# passed to it, since these are what the hardware there decodes. The VMD is the fixture's,
# whose domain is in memory, so what the guest wrote is read there, on the host's side.
# One VMD after the other is plugged into one guest with Debian's own kernel.

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=tap.sh
. ./tap.sh

# shellcheck source-path=SCRIPTDIR source=guest.sh
. ./guest.sh

debugfs=/sys/kernel/debug/vfcap-mock-vmd

# Create a VMD and bind DRIVER to it. Sets "device", and "host": the host's ranges of
# MEMBAR1 and MEMBAR2.
make_vmd()		# DRIVER VMD
{
	echo "$2" > $debugfs/device || return
	device=$(cat $debugfs/device)
	host=$(awk 'NR == 3 || NR == 5 { print $1, $2 }' \
		"/sys/bus/pci/devices/$device/resource")
	echo "$1" > "/sys/bus/pci/devices/$device/driver_override"
	echo "$device" > /sys/bus/pci/drivers_probe
	[ -e "/sys/bus/pci/drivers/$1/$device" ] || {
		echo "# $1 does not take it"
		return 1
	}
}

plug()			# OPTIONS
{
	mark
	monitor "device_add vfio-pci,host=$device,id=vmd,bus=port1$1"
	wait_for "guest: end" 300
	local status=$?

	! guest_halted || stop_guest
	return $status
}

has_vmd()
{
	: > "$work/qemu"
	monitor "qom-list /machine/peripheral"
	sleep 1
	grep -q '^vmd ' "$work/qemu"
}

# Guest and QEMU each need some time to release it. A guest that does not release it
# cannot be used for the next one.
unplug()
{
	local end=$((SECONDS + 180))

	has_vmd || return 0
	mark
	monitor "device_del vmd"
	if wait_for "guest: unplugged" 180; then
		while guest_runs && has_vmd; do
			[ $SECONDS -lt $end ] || stop_guest
		done
	else
		stop_guest
	fi
}

# Make the guest look at a VMD. Sets "seen" to what it printed about that, and saves what
# it wrote. If the guest ended meanwhile, another one is started.
run()			# DRIVER VMD OPTIONS
{
	local status=1

	for _ in 1 2; do
		make_vmd "$1" "$2" || break
		guest_runs || start_guest guest-vmd -no-reboot \
			-device pcie-root-port,id=port1,mem-reserve=128M,pref64-reserve=64M || break
		! plug "$3" || status=0
		seen=$(printed)
		dd if=$debugfs/memory of="$work/cfgbar" bs=1M count=3 status=none
		! guest_runs || break
	done
	! guest_runs || unplug
	echo none > $debugfs/device
	return $status
}

dword()			# OFFSET
{
	echo $((0x$(od -A n -t x4 -j "$1" -N 4 "$work/cfgbar" | tr -d ' ')))
}

# The addresses of a port's open windows, and of the endpoint below it
addresses()		# PORT
{
	local port=$(($1 << 15)) rom=$((($1 + 1) << 20 | 0x30)) value at

	for at in 0x20 0x24; do
		value=$(dword $((port + at)))
		[ $((value & 0xfff0)) -gt $((value >> 16 & 0xfff0)) ] ||
			echo $(((value & 0xfff0) << 16)) \
				$(((value & 0xfff00000) | 0xfffff))
	done
	value=$(($(dword $rom) & 0xfffff800))
	echo $value $((value | 0x7ff))
}

# Whether there are a window and an endpoint, all of them within a range
port_within()		# PORT START END
{
	local start=$2 end=$3 from to lines=0

	while read -r from to; do
		printf '# port %d: %x..%x\n' "$1" "$from" "$to"
		[ $((from)) -ge $((start)) ] && [ $((to)) -le $((end)) ] || return
		lines=$((lines + 1))
	done < <(addresses "$1")
	[ $lines -ge 2 ]
}

# The bus addresses of the domain's windows, according to the guest
windows()
{
	local address='(0x[0-9a-f]+)-(0x[0-9a-f]+)'

	sed -nE "s/.*root bus resource \[mem.*${address}[^-]*/\1 \2/p" <<< "$seen"
}

# RANGES are that of MEMBAR1, in which both ports find room, and that of MEMBAR2, whose
# first pages the driver does not use.
within()		# RANGES
{
	local start end from to i=0

	read -r start end <<< "$1"
	port_within 0 "$start" "$end" && port_within 1 "$start" "$end" || return
	while read -r start end; do
		i=$((i + 1))
		read -r from to <<< "$(windows | sed -n "${i}p")"
		echo "# window $i: ${from-none}..${to-}"
		[ $((from)) -ge $((start)) ] &&
			[ $((from)) -le $((start + 0x2010)) ] &&
			[ $((to)) = $((end)) ] || return
	done <<< "$1"
	[ $i = 2 ]
}

guest_ranges()
{
	sed -n 's/^guest: MEMBAR. is //p' <<< "$seen"
}

# The guest enumerated the domain, and has other addresses than the host: otherwise the
# addresses that it wrote would prove nothing.
enumerated()
{
	local line

	for line in 'Bound to PCI domain 10000' '^10000:00:00.0 0604' \
		'^10000:00:01.0 0604' '^10000:01:00.0 0108' \
		'^10000:02:00.0 0108'; do
		grep -q "$line" <<< "$seen" || {
			echo "# ${seen//$'\n'/$'\n'# }"
			echo "# the guest has no: $line"
			return 1
		}
	done
	[ "$(guest_ranges | wc -l)" = 2 ] &&
		! grep -qxF "$host" <<< "$(guest_ranges)"
}

test_guest()		# NAME VMD [OPTIONS]
{
	run vfcap-vfio-pci "$2" "$3" && enumerated && within "$host"
	result "$1"
}

start 7 "$(ls -d $debugfs 2> /dev/null)" vfcap-mock-vmd
modprobe vfio-pci
# The host's own driver would be bound to the VMD first.
modprobe -r vmd 2> /dev/null

test_guest "201D, with QEMU's own capability" 201d
test_guest "201D, where QEMU has none" 201d ,x-pci-device-id=0xfffe
test_guest "A77F" a77f
test_guest "28C0" 28c0
test_guest "28C0, where the hardware has the registers" "28c0 native"
if [ -e /dev/iommu ]; then
	test_guest "A77F, through iommufd" a77f ,iommufd=iommufd0
else
	ktap_test_skip "A77F, through iommufd: the kernel has none"
fi
# Check that the tests above can fail:
run vfio-pci a77f && enumerated && within "$(guest_ranges)"
result "A77F with vfio-pci gets the guest's addresses"

ktap_finished
