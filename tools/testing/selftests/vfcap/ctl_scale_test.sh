#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vfcapctl on a host with 1,024 VFs and 11,000 open files: in no state does a command take
# more than a second of CPU, and nothing that it prints is cut off.
#
# This needs a VM whose clock counts instructions ("vm --icount"), a thousand million of
# them per second, which is fewer than a real CPU executes. An emulated CPU is slower than
# any real one, by an amount that depends on the machine's other load.

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=ctl.sh
. ./ctl.sh

VFS=1024
FILES=11000
MOCK=1001:00:00.0
pf=$MOCK

counted=yes
# Where the clock counts instructions, waiting for a file of the host takes long.
hang=300

start 13 "$VFCAP_VF" VFCAP_VF
[ $via = cdev ] || {
	ktap_skip_all "the mock's VFs are opened through one iommufd"
	exit "$KSFT_SKIP"
}
insmod "$VFCAP_MODULES/tools/testing/fixture/vfcap-mock-pf.ko" \
	"lender=$(cat /sys/module/vfcap_mock_vmd/parameters/lender)"
[ -d /sys/bus/pci/drivers/vfcap-sample-pf ] ||
	insmod "$VFCAP_MODULES/samples/vfcap/vfcap-sample-pf.ko"
echo vfcap-sample-pf > "$devices/$MOCK/driver_override"
echo $MOCK > /sys/bus/pci/drivers_probe
echo 0 > "$devices/$MOCK/sriov_drivers_autoprobe"
echo on > $parameters/pasid
echo $VFS > "$devices/$MOCK/sriov_numvfs"
# Without starting other programs, which would take longer here than all the rest
here=$PWD
for path in "$devices/$MOCK"/virtfn*; do
	cd -P "$path" || exit 1
	last=${PWD##*/}
	echo vfcap-vfio-pci > driver_override
	echo "$last" > /sys/bus/pci/drivers/vfcap-vfio-pci/bind
done
cd "$here" || exit 1

# Processes that read from it wait until they are killed.
mkfifo /tmp/keep
exec 9<> /tmp/keep
is_open()		# FILE
{
	[ "$(cat "$1")" = open ]
}

# Open files that have nothing to do with VFIO
python3 -c "
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
f = [os.open('/dev/null', 0) if i % 2 else os.eventfd(0) for i in range($FILES)]
print('open', flush=True)
sys.stdin.read()" < /tmp/keep > /tmp/files &
files=$!
wait_until is_open /tmp/files

takes vfcapctl list && [ "$(grep -c ' vf .* not open' /tmp/out)" -ge $VFS ] &&
	takes vfcapctl list --json && takes vfcapctl metrics && takes vfcapctl report &&
	takes vfcapctl doctor "$last" && takes vfcapctl show "$last" --no-open &&
	takes vfcapctl show "$last"
result "1,024 VFs that nobody uses"
id=$(cat "$devices/$last/vendor" "$devices/$last/device")
id=${id//0x/}
takes vfcapctl show "${id/$'\n'/:}" &&
	like "$(< /tmp/stderr)" ' with this ID: \([0-9a-f]\{4\}:[0-9a-f]\{2\}:[0-9a-f]\{2\}\.[0-7] \)*and [0-9]* more$'
result "an ID in place of an address"

# Open all of them, in one process, through one iommufd
./hold $MOCK all < /tmp/keep > /tmp/many &
many=$!
wait_until is_open /tmp/many
result "all can be opened"
all_ways "$last"
result "1,024 VFs in use"
ctl 0 list --json && json "f('$MOCK')['num_vfs'] == $VFS" \
	"len(f('$MOCK')['capabilities']['pasid']['users']) == $VFS" \
	"all(len(u) == 12 for u in f('$MOCK')['capabilities']['pasid']['users'])" \
	"len([x for x in d['functions'] if x['users'] and x['pf'] == '$MOCK']) == $VFS" \
	"len({x['device'] for x in d['functions'] if x['pf'] == '$MOCK'}) == 1"
result "list: all users are named, and no others"
json "all(x['capabilities']['pri']['reason'] for x in d['functions']
	if x['pf'] == '$MOCK' and x['capabilities']['pri']['state'] == 'hidden')" \
	"any(x['capabilities']['pri']['state'] == 'hidden' for x in d['functions'])"
result "list: what is hidden has its reason, of all"
ctl 0 list && like "$out" "^$MOCK .* and $((VFS - 4)) more"
result "list: the table says how many there are"
! grep -vx '[0-9a-f]*:[0-9a-f]*:[0-9a-f]*\.[0-7]' "$devices/$MOCK/vfcap/pasid_users"
result "sysfs: no address is cut"
out=$(vfcapctl doctor "$last" --json)
json "c('group')['diagnosis'] == 'group-shared'" "__import__('re').fullmatch(
	'.*: ([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}[.][0-7] [(][a-z -]+[)], )+[.]{3}',
	c('group')['found'])"
result "doctor: no name of a device of the group is cut"

setpci -s $MOCK ECAP001b+6.w=0
wait_until has_state "$last" lost && all_ways "$last" &&
	ctl 0 list && [ "$(grep -c ' vf .* lost at ' <<< "$out")" = $VFS ]
result "1,024 VFs have lost it"
setpci -s $MOCK ECAP001b+6.w=7

is_unbound()
{
	[ ! -e "$devices/$MOCK/driver" ]
}
echo "vfcap-lab: expect: WARNING: drivers/pci/remove.c" > /dev/kmsg
echo $MOCK > "$devices/$MOCK/driver/unbind" &
unbinds=$!
wait_until is_unbound && all_ways "$last"
result "the PF of 1,024 VFs is being unbound"
why="its PF's driver is being unbound and is waiting for hold (pid $many)"
ctl 0 list && like "$out" "$why" && [ "$(grep -c ' vf .* lost at ' <<< "$out")" = $VFS ] &&
	ctl 1 doctor "$last" --json &&
	json "c('pf-driver')['diagnosis'] == 'pf-unbinding-other'" \
	"'is being unbound and is waiting for hold (pid $many)' in c('pf-driver')['found']"
result "list and doctor say so"

kill $many $files
wait $unbinds $many $files
ctl 0 list && ! grep "$last" <<< "$out"
result "all is well in the end"
echo auto > $parameters/pasid
rmmod vfcap_mock_pf vfcap_sample_pf
ktap_finished
