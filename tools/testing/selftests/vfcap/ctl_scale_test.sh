#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vfcapctl on a host with 1,024 VFs and 11,000 open files: no command takes more than
# a second of CPU, and nothing that it prints is cut.

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=ctl.sh
. ./ctl.sh

VFS=1024
FILES=11000
MOCK=1001:00:00.0

# Hundredths of a second of CPU
MAX_CPU=100

start 7 "$VFCAP_VF" VFCAP_VF
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
for path in "$devices/$MOCK"/virtfn*; do
	bdf=$(readlink "$path")
	bdf=${bdf##*/}
	echo vfcap-vfio-pci > "$devices/$bdf/driver_override"
	echo "$bdf" > /sys/bus/pci/drivers/vfcap-vfio-pci/bind
done
last=$bdf

# What reads it waits until it is killed.
mkfifo /tmp/keep
exec 9<> /tmp/keep
is_open()		# FILE
{
	[ "$(cat "$1")" = open ]
}

# Open files, of which none has to do with VFIO
python3 -c "
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
f = [os.open('/dev/null', 0) if i % 2 else os.eventfd(0) for i in range($FILES)]
print('open', flush=True)
sys.stdin.read()" < /tmp/keep > /tmp/files &
files=$!
wait_until is_open /tmp/files

takes $MAX_CPU list && [ "$(grep -c ' vf ' /tmp/out)" -ge $VFS ] && takes $MAX_CPU list --json &&
	takes $MAX_CPU doctor "$last" && takes $MAX_CPU show "$last" --no-open
result "1,024 VFs that nobody uses"

# All of them open: by one process, through one iommufd
./hold $MOCK all < /tmp/keep > /tmp/many &
many=$!
wait_until is_open /tmp/many
result "all can be opened"
takes $MAX_CPU list && takes $MAX_CPU list --json
result "1,024 VFs in use"
ctl 0 list --json && json "f('$MOCK')['num_vfs'] == $VFS" \
	"len(f('$MOCK')['capabilities']['pasid']['users']) == $VFS" \
	"all(len(u) == 12 for u in f('$MOCK')['capabilities']['pasid']['users'])" \
	"len([x for x in d['functions'] if x['users'] and x['pf'] == '$MOCK']) == $VFS"
result "list: all users are named, and no others"
ctl 0 list && like "$out" "^$MOCK .* and $((VFS - 4)) more"
result "list: the table says how many there are"
! grep -vx '[0-9a-f]*:[0-9a-f]*:[0-9a-f]*\.[0-7]' "$devices/$MOCK/vfcap/pasid_users"
result "sysfs: no address is cut"
takes $MAX_CPU doctor "$last" && takes $MAX_CPU show "$last" && takes $MAX_CPU unbind "$last"
result "one of 1,024 VFs in use"

kill $many $files
wait $many $files
echo auto > $parameters/pasid
echo 0 > "$devices/$MOCK/sriov_numvfs"
echo $MOCK > "$devices/$MOCK/driver/unbind"
rmmod vfcap_mock_pf vfcap_sample_pf
ktap_finished
