#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# No command of vfcapctl waits for the kernel, whatever that is busy with. Each command is
# run while a driver's unbind waits for a VM, and with files that block in place of those
# that may block then. It says what is going on, and who is being waited for.

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=ctl.sh
. ./ctl.sh

# What all commands have to say
says()			# KEY TEXT
{
	ctl 0 list && like "$out" "$2" && ctl 0 list --json &&
		json "f('$VFCAP_VF')['kind'] == 'vf'" "f('$VFCAP_VF')['going'] == '$1'" &&
		ctl 0 show "$VFCAP_VF" && like "$out" "$2" &&
		ctl 4 show "$VFCAP_VF" --dump && like "$err" "$2" &&
		ctl 1 doctor "$VFCAP_VF" && like "$out" "$2" &&
		ctl 1 doctor "$VFCAP_VF" --json && json "d['going'] == '$1'" &&
		ctl 4 unbind "$VFCAP_VF" && like "$err" "$2" &&
		ctl 4 bind "$VFCAP_VF" && like "$err" "$2"
}

waits()			# PID
{
	grep -q '^State:.[DS]' "/proc/$1/status" && [ ! -e "$devices/$VFCAP_VF/driver" ]
}

# Run something in the background that waits for the VF's user
begin()			# COMMAND...
{
	hold "$VFCAP_VF" $via || return
	"$@" &
	waiting=$!
	wait_until waits $waiting
}

end()
{
	kill "$holder"
	wait "$holder" "$waiting"
}

write()			# TEXT FILE
{
	echo "$1" > "$2"
}

# Replace files by one that blocks as soon as it is opened
block()			# FILE...
{
	local file
	[ -p /tmp/blocked ] || mkfifo /tmp/blocked
	for file; do
		[ ! -e "$file" ] || mount --bind /tmp/blocked "$file" || return
	done
}

unblock()
{
	grep -o '/sys[^ ]*' /proc/self/mounts | tac | while read -r file; do
		[ ! -p "$file" ] || umount "$file"
	done
}

start 9 "$VFCAP_VF" VFCAP_VF
modprobe vfio-pci
# Without iommufd, PASID is shown only with this.
[ $via = cdev ] || echo on > $parameters/pasid

# For all of these the kernel takes a lock, or waits for the device.
for bdf in "$pf" "$VFCAP_VF" "$vf2"; do
	for file in sriov_numvfs sriov_vf_total_msix driver_override reset_method \
		    power/control power/wakeup enable msi_bus; do
		block "$devices/$bdf/$file"
	done
done
all_ways "$VFCAP_VF" && ctl 0 list && like "$out" "$pf *pf *igb" &&
	ctl 0 list --json && json "f('$pf')['num_vfs'] == 2"
result "files that can block are not waited for"
ctl 4 unbind "$VFCAP_VF" && like "$err" "the kernel is busy with it"
result "unbind says that the device is locked"
block "$devices/$pf/config" "$devices/$VFCAP_VF/config"
all_ways "$VFCAP_VF" && ctl 7 doctor "$VFCAP_VF" --json &&
	json "c('pf-pasid')['diagnosis'] == 'pf-cap-locked'" "d['unknown'] > 0"
result "nor are registers that nobody can read now"
unblock
ctl 0 doctor "$VFCAP_VF"
result "nothing is left of that"

begin write "$VFCAP_VF" /sys/bus/pci/drivers/vfcap-vfio-pci/unbind &&
	all_ways "$VFCAP_VF" && says unbinding \
	"its driver is being unbound and is waiting for hold (pid $holder)"
result "a VF's driver is being unbound"
end
ctl 0 bind "$VFCAP_VF"

if [ -e "$devices/$VFCAP_VF/vfcap" ]; then
	echo N > /sys/module/pci_vfcap/parameters/assigned_flag
	begin write 0 "$devices/$pf/sriov_numvfs" && all_ways "$VFCAP_VF" &&
		says vfs-removed \
		"its PF's driver is removing its VFs and is waiting for hold (pid $holder)"
	result "a PF's VFs are being removed"
	end
	echo Y > /sys/module/pci_vfcap/parameters/assigned_flag
	echo 2 > "$devices/$pf/sriov_numvfs"
	ctl 0 bind "$VFCAP_VF"
fi

# A kernel with lockdep warns about that.
echo "vfcap-lab: expect: WARNING: drivers/pci/remove.c" > /dev/kmsg
begin write "$pf" /sys/bus/pci/drivers/igb/unbind && all_ways "$VFCAP_VF" &&
	says pf-unbinding \
	"its PF's driver is being unbound and is waiting for hold (pid $holder)"
result "a PF's driver is being unbound"
ctl 1 doctor "$vf2" --json && json \
	"c('pf-driver')['diagnosis'] in ('pf-unbinding-other', 'pf-no-driver')" &&
	all_ways "$vf2"
result "and another VF of it"
end
echo "$pf" > /sys/bus/pci/drivers/igb/bind
echo 0 > "$devices/$pf/sriov_drivers_autoprobe"
echo 2 > "$devices/$pf/sriov_numvfs"
ctl 0 bind "$VFCAP_VF" && ctl 0 list --json && json "f('$VFCAP_VF')['going'] is None"
result "all is well in the end"
echo auto > $parameters/pasid
ktap_finished
