#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vfcapctl, as administrators and scripts use it: exit statuses, JSON, what it
# finds when something is wrong, and that a device in use is not disturbed.

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=tap.sh
. ./tap.sh
PATH=$VFCAP_MODULES/tools/vfcapctl:$PATH
parameters=/sys/module/vfcap_vfio_pci/parameters
devices=/sys/bus/pci/devices
fixture=/sys/kernel/debug/vfcap-fixture
mock=/sys/kernel/debug/vfcap-mock-vmd
# shellcheck disable=SC2153 # from the environment
pf=$VFCAP_PF vf2=$VFCAP_VF2
out="" err="" status=0

# Run it, keep its output in $out and $err; true if its exit status is this.
ctl()			# STATUS ARG...
{
	local wanted=$1
	shift
	status=0
	out=$(vfcapctl "$@" 2> /tmp/stderr < /dev/null) || status=$?
	err=$(< /tmp/stderr)
	[ $status = "$wanted" ] && return
	echo "# vfcapctl $*: status $status, not $wanted"
	echo "# $out$err"
	false
}

# Whether all Python expressions hold of the JSON in $out, which is "d".
json()			# EXPRESSION...
{
	python3 - "$@" 3<<< "$out" <<-'END'
	import json, os, sys
	d = json.load(os.fdopen(3))
	bad = [e for e in sys.argv[1:] if not eval(e)]
	for e in bad:
	    print("# not so: " + e)
	if bad:
	    print("# " + json.dumps(d))
	sys.exit(bool(bad))
	END
}

# The status of one check of doctor's, for json
check()			# ID
{
	echo "[c['status'] for c in d['checks'] if c['id'] == '$1'][0]"
}

function_of()		# BDF
{
	echo "[f for f in d['functions'] if f['address'] == '$1'][0]"
}

driver()		# BDF
{
	basename "$(readlink "$devices/$1/driver")"
}

override()		# BDF
{
	cat "$devices/$1/driver_override"
}

# A VMM that has the VF open, until release; its process is $hold_PID.
hold()			# BDF cdev|group [CTRL]
{
	local line
	coproc hold { exec ./hold "$@"; }
	# shellcheck disable=SC2154 # of coproc
	holder=$hold_PID
	read -r line <&"${hold[0]}" && [ "$line" = open ]
}

release()
{
	local fd=${hold[1]}
	eval "exec $fd>&-"
	wait "$holder"
}

# How often a VF was opened, and decided anew
opens()
{
	dmesg | grep -c 'capability shown at\|PASID capability not shown'
}

start 45 "$VFCAP_VF" VFCAP_VF
# Stock kernels have no iommufd: there a VF is opened through its group, and
# auto shows nothing. Before 6.18 an open device does not tell its name.
via=group
[ ! -e /dev/iommu ] || via=cdev
shares=true
[ $via = cdev ] ||
	[ "$(printf '%s\n' 6.18 "$(uname -r)" | sort -V | head -n 1)" = 6.18 ] ||
	shares=false
echo on > $parameters/pasid
modprobe -a vfio-pci vmd

# --- the command line

ctl 0 --help && like "$out" doctor && ctl 0 --version && like "$out" "^vfcapctl [0-9]"
result "--help and --version"
for command in list show bind unbind doctor; do
	ctl 0 $command --help || break
	like "$out" "^Usage: vfcapctl $command" || break
done
result "each command has --help"
ctl 2 && ctl 2 bogus && ctl 2 list --bogus && ctl 2 list --dump &&
	ctl 2 list extra && ctl 2 show && ctl 2 show ../pci && ctl 2 show 01:20.0 &&
	ctl 2 show "$VFCAP_VF" --dump --json && ctl 2 doctor "$VFCAP_VF" --cap x &&
	ctl 2 bind "$VFCAP_VF" --driver ../x
result "usage errors are 2"
ctl 3 show 00:1f.7 && like "$err" "no such device" && [ -z "$out" ] &&
	ctl 3 bind 12345:00:00.0
result "no such device is 3"
ctl 0 show "${VFCAP_VF#0000:}" --json --no-open && json "d['address'] == '$VFCAP_VF'"
result "the domain may be left out"
! vfcapctl list 2> /tmp/stderr > /dev/full && like "$(< /tmp/stderr)" "cannot write"
result "an output that cannot be written is an error"
ctl 0 list && ! like "$out" $'\033' > /dev/null && like "$out" "$VFCAP_VF  vf"
result "no colour but on a terminal"

# --- list

ctl 0 list --json && json "d['version'] == 1" \
	"$(function_of "$pf")['kind'] == 'pf'" \
	"$(function_of "$pf")['driver'] == 'igb'" \
	"$(function_of "$pf")['num_vfs'] == 2" \
	"$(function_of "$pf")['capabilities']['pasid'] == {'state': 'unlocked', 'hardware': 'enabled', 'users': []}" \
	"$(function_of "$VFCAP_VF")['pf'] == '$pf'" \
	"$(function_of "$VFCAP_VF")['driver'] == 'vfcap-vfio-pci'" \
	"$(function_of "$VFCAP_VF")['users'] == []" \
	"$(function_of "$vf2")['driver'] is None"
result "list: PFs, VFs and drivers"
hold "$VFCAP_VF" $via && ctl 0 list --json && json \
	"$(function_of "$pf")['capabilities']['pasid'] == {'state': 'locked', 'hardware': 'enabled', 'users': ['$VFCAP_VF']}" \
	"$(function_of "$VFCAP_VF")['capabilities']['pasid'] == {'state': 'shown', 'offset': 480}" \
	"$(function_of "$VFCAP_VF")['users'] == [{'pid': $holder, 'command': 'hold', 'through': '$via'}]"
result "list: what is shown, and locked by whom"
ctl 0 list && like "$out" "$pf.*enabled, locked.*$VFCAP_VF" &&
	like "$out" "$VFCAP_VF.*shown at 0x1e0.*hold (pid $holder)"
result "list: so says the table"
release

# --- show

ctl 0 show "$VFCAP_VF" --json && json "d['source'] == 'opened'" \
	"d['through'] == '$via'" "d['users'] == []" \
	"d['capabilities']['pasid']['shown'] is True" \
	"d['capabilities']['pasid']['offset'] == 480" \
	"d['capabilities']['pasid']['size'] == 8" \
	"d['capabilities']['pasid']['enabled'] is False" \
	"d['capabilities']['pri']['shown'] is False" "'shdw' not in d['capabilities']"
result "show: a VF that nobody uses is opened"
json "d['capabilities']['pasid']['placed_by'] == 'pf-offset'" \
	"d['capabilities']['pri']['reason'] is not None"
result "show: the driver says why"
echo off > $parameters/pasid
ctl 0 show "$VFCAP_VF" --json && json \
	"d['capabilities']['pasid']['shown'] is False" \
	"d['capabilities']['pasid']['offset'] is None" \
	"d['capabilities']['pasid']['reason'] == 'parameter'"
result "show: why it is not shown"
echo on > $parameters/pasid
before=$(opens)
ctl 0 show "$VFCAP_VF" --no-open --json && json "d['source'] == 'sysfs'" \
	"d['capabilities']['pasid']['shown'] is None" && [ "$(opens)" = "$before" ]
result "show: --no-open opens nothing"
ctl 6 show "$pf" && like "$err" "neither a VF"
result "show: a PF is 6"

guest()			# ARG...: lspci of a dump
{
	ctl 0 show "$VFCAP_VF" --dump &&
		seen=$(lspci -F /dev/stdin -vvv <<< "$out")
}
guest && like "$seen" '\[1e0 v1\] Process Address Space ID (PASID)' &&
	like "$seen" 'PASIDCap: Exec+ Priv+, Max PASID Width: 14' &&
	like "$seen" 'PASIDCtl: Enable- Exec- Priv-' &&
	like "$seen" '\[150 v1\] Alternative Routing-ID' &&
	like "$seen" '^01:10.0 Ethernet controller'
result "show --dump: lspci prints what a guest's would"
[ "$(grep -c '^[0-9a-f]*: ' <<< "$out")" = 256 ] &&
	diff <(./dump "$VFCAP_VF" | tail -n +2) <(tail -n +2 <<< "$out" | sed '/^$/d')
result "show --dump: all 4096 bytes, as a VMM reads them"
ctl 6 show "$vf2" --dump && like "$err" "vfcapctl bind $vf2" &&
	[ -z "$out" ]
result "show --dump: without a VFIO driver it is 6"

hold "$VFCAP_VF" $via 7
before=$(opens)
if $shares; then
	guest && like "$seen" 'PASIDCtl: Enable+ Exec+ Priv+'
	result "show --dump: of a VF in use, as its user sees it"
	ctl 0 show "$VFCAP_VF" --json && json "d['source'] == 'user'" \
		"d['through'] == '$via'" "d['users'][0]['pid'] == $holder" \
		"d['capabilities']['pasid']['enabled'] is True"
	result "show: a VF in use, as its user sees it"
else
	ctl 4 show "$VFCAP_VF" --dump && like "$err" "hold (pid $holder)" &&
		[ -z "$out" ]
	result "show --dump: a VF in use is 4, and it says who uses it"
	ctl 0 show "$VFCAP_VF" --json && json "d['source'] == 'sysfs'" \
		"'hold (pid $holder)' in d['note']" \
		"d['capabilities']['pasid']['shown'] is True" \
		"d['capabilities']['pasid']['offset'] == 480"
	result "show: what sysfs tells of a VF in use"
fi
[ "$(opens)" = "$before" ] && [ "$(cat "$devices/$VFCAP_VF/vfcap/pasid_state")" = shown ]
result "show: its user is not disturbed"

# --- bind, unbind

ctl 4 bind "$VFCAP_VF" --driver vfio-pci && like "$err" "hold (pid $holder)" &&
	[ "$(driver "$VFCAP_VF")" = vfcap-vfio-pci ] &&
	[ "$(override "$VFCAP_VF")" = vfcap-vfio-pci ] && ctl 4 unbind "$VFCAP_VF" &&
	[ "$(driver "$VFCAP_VF")" = vfcap-vfio-pci ]
result "bind, unbind: a VF in use is 4 and stays"
release
ctl 0 bind "$vf2" --json && json "d['driver'] == 'vfcap-vfio-pci'" \
	"d['previous_driver'] is None" "d['changed'] is True" &&
	[ "$(driver "$vf2")" = vfcap-vfio-pci ]
result "bind: a VF without a driver"
ctl 0 bind "$vf2" --json && json "d['changed'] is False"
result "bind: a second time changes nothing"
ctl 1 bind "$vf2" --driver vmd && like "$err" "as before" && [ -z "$out" ] &&
	[ "$(driver "$vf2")" = vfcap-vfio-pci ] &&
	[ "$(override "$vf2")" = vfcap-vfio-pci ]
result "bind: what the driver does not take is 1, and has its old driver back"
echo > "$devices/$vf2/driver_override"
ctl 1 bind "$vf2" --driver vmd && [ "$(driver "$vf2")" = vfcap-vfio-pci ] &&
	[ "$(override "$vf2")" = "(null)" ]
result "bind: and has it back where that takes driver_override to name it"
ctl 0 bind "$vf2" && ctl 6 bind "$vf2" --driver none-such &&
	like "$err" "modprobe none-such" && [ "$(override "$vf2")" = vfcap-vfio-pci ]
result "bind: a driver that is not loaded is 6"
ctl 6 bind "$pf" && ctl 4 bind "$pf" --driver vfio-pci &&
	[ "$(driver "$pf")" = igb ] && [ -e "$devices/$VFCAP_VF" ]
result "bind: a PF is 6, or 4 where it has VFs"
ctl 0 unbind "$vf2" && like "$out" "driver none.*sriov_drivers_autoprobe=0" &&
	[ ! -e "$devices/$vf2/driver" ] && [ "$(override "$vf2")" = "(null)" ]
result "unbind: it says why no driver took it"
ctl 0 unbind "$vf2" --json && json "d['changed'] is False"
result "unbind: a second time changes nothing"
modprobe igbvf
ctl 0 bind "$vf2"
echo 1 > "$devices/$pf/sriov_drivers_autoprobe"
ctl 0 unbind "$vf2" --json && json "d['driver'] == 'igbvf'" \
	"d['previous_driver'] == 'vfcap-vfio-pci'" "d['driver_override'] is None"
result "unbind: back to its default driver"
ctl 0 bind "$vf2" && [ "$(driver "$vf2")" = vfcap-vfio-pci ] &&
	ctl 0 unbind "$vf2" --no-driver && [ ! -e "$devices/$vf2/driver" ]
result "bind from another driver, unbind --no-driver"
echo 0 > "$devices/$pf/sriov_drivers_autoprobe"
modprobe -r igbvf
setpriv --reuid 65534 --clear-groups bash -c "
	PATH=$PATH
	vfcapctl list > /dev/null || exit 1
	vfcapctl bind $vf2 2> /dev/null; [ \$? = 5 ] || exit 1
	vfcapctl show $VFCAP_VF --dump 2> /dev/null; [ \$? = 5 ]"
result "what takes root is 5 without it"

# --- doctor

echo auto > $parameters/pasid
if [ $via = cdev ]; then
	ctl 0 doctor "$VFCAP_VF" --json && json "d['problems'] == 0" \
		"$(check iommu) == 'ok'" "$(check pf-driver) == 'ok'" \
		"$(check pf-pasid) == 'ok'" "$(check iommu-pasid) == 'ok'" \
		"$(check iommufd) == 'ok'" "$(check group) == 'ok'" \
		"$(check driver) == 'ok'" "$(check opened) == 'ok'" \
		"$(check tlp-prefix) == 'ok'" "$(check pasid-shown) == 'ok'" \
		"$(check pri-shown) == 'note'"
	result "doctor: nothing is wrong"
	hold "$VFCAP_VF" group && ctl 1 doctor "$VFCAP_VF" --json && json \
		"d['problems'] == 2" "$(check opened) == 'problem'" \
		"$(check pasid-shown) == 'problem'" \
		"d['capabilities']['pasid']['reason'] in (None, 'no-cdev')" &&
		ctl 1 doctor "$VFCAP_VF" --cap pri --json &&
		json "$(check opened) == 'note'"
	result "doctor: it was opened through its group, which PRI does not mind"
	release
else
	ctl 1 doctor "$VFCAP_VF" --json && json "$(check iommufd) == 'problem'" \
		"$(check pasid-shown) == 'problem'" "$(check iommu) == 'ok'"
	result "doctor: the kernel has no iommufd"
	echo on > $parameters/pasid
	ctl 0 doctor "$VFCAP_VF" --json && json "$(check iommufd) == 'note'" \
		"$(check pasid-shown) == 'ok'"
	result "doctor: which pasid=on does not ask for"
fi
echo on > $parameters/pasid
echo off > $parameters/pasid
ctl 1 doctor "$VFCAP_VF" --json && json "$(check pasid-parameter) == 'problem'" &&
	ctl 1 doctor "$VFCAP_VF" && like "$out" "-> echo auto > .*/pasid"
result "doctor: pasid=off"
echo on > $parameters/pasid
ctl 1 doctor "$vf2" --json && json "$(check driver) == 'problem'" &&
	ctl 1 doctor "$vf2" && like "$out" "vfcapctl bind $vf2" &&
	ctl 6 doctor "$pf" && ctl 6 doctor "$VFCAP_VF" --cap shdw
result "doctor: another driver; no VF"
ctl 1 doctor "$VFCAP_VF" --cap pri --json && json "$(check pri-shown) == 'problem'" \
	"'pasid-shown' not in [c['id'] for c in d['checks']]"
result "doctor: PRI is a problem only for who asks for it"

hold "$VFCAP_VF" $via
setpci -s "$pf" ECAP001b+6.w=0
for _ in $(seq 50); do
	[ "$(cat "$devices/$VFCAP_VF/vfcap/pasid_state")" != lost ] || break
	sleep 0.1
done
ctl 1 doctor "$VFCAP_VF" --json && json "$(check pf-pasid) == 'problem'" \
	"$(check pasid-shown) == 'problem'" "d['capabilities']['pasid']['lost'] is True" &&
	ctl 0 list && like "$out" "disabled, lost" && like "$out" "lost at 0x1e0"
result "doctor, list: the PF has lost it"
setpci -s "$pf" ECAP001b+6.w=7
release

echo "vf c4 0 00200000" > $fixture/layout
ctl 0 doctor "$VFCAP_VF" --no-open --json && json "$(check tlp-prefix) == 'note'"
result "doctor: the VF lacks End-End TLP Prefix"
{ echo vf clear; grep '^vf' "$VFCAP_LAYOUT"; } > $fixture/layout

# Another folder in place of the installed modules: first what is loaded,
# compressed, then what is not.
modules=/usr/lib/modules
mount -t tmpfs tmpfs $modules
mkdir -p "$modules/$(uname -r)"
ctl 0 doctor "$VFCAP_VF" --no-open --json && json "$(check module) == 'note'" &&
	find "$VFCAP_MODULES/drivers/" -name '*.ko' -exec cp -t "$modules/$(uname -r)" {} + &&
	xz "$modules/$(uname -r)/vfcap-vfio-pci.ko" && depmod 2> /dev/null &&
	ctl 0 doctor "$VFCAP_VF" --no-open --json && json "$(check module) == 'ok'" &&
	xz -c "$modules/$(uname -r)/pci-vfcap.ko" > "$modules/$(uname -r)/vfcap-vfio-pci.ko.xz" &&
	ctl 1 doctor "$VFCAP_VF" --no-open --json && json "$(check module) == 'problem'"
result "doctor: the loaded module is, or is not, the installed one"
umount $modules

# --- VMD

echo a77f > $mock/device
vmd=$(< $mock/device)
ctl 0 bind "$vmd" && ctl 0 show "$vmd" --json && json "d['kind'] == 'vmd'" \
	"list(d['capabilities']) == ['shdw']" \
	"d['capabilities']['shdw']['shown'] is True" &&
	ctl 0 doctor "$vmd" --json && json "$(check shdw-shown) == 'ok'" \
	"$(check shdw-parameter) == 'ok'" && ctl 0 list && like "$out" "$vmd *vmd"
result "a VMD endpoint shows SHDW"
ctl 0 unbind "$vmd" --no-driver
echo 28c0 > $mock/device
vmd=$(< $mock/device)
ctl 0 bind "$vmd" && ctl 0 doctor "$vmd" --json && json "$(check shdw-shown) == 'ok'" \
	"'native' in d['capabilities']['shdw']['explanation']"
result "or the native registers in its place"
ctl 0 unbind "$vmd" --no-driver
echo none > $mock/device

# --- with a real VMM, and the shell

backend=""
[ $via != cdev ] || backend=,iommufd=iommufd0
# shellcheck disable=SC2086 # two words, or none
qemu-system-x86_64 -M q35 -accel tcg -m 64 -nodefaults -display none -S \
	${backend:+-object iommufd,id=iommufd0} -device pcie-root-port,id=port1 \
	-device "vfio-pci,host=$VFCAP_VF$backend,bus=port1" > /dev/null 2>&1 &
qemu=$!
for _ in $(seq 100); do
	[ "$(cat "$devices/$VFCAP_VF/vfcap/pasid_state")" != shown ] || break
	sleep 0.1
done
if $shares; then
	guest && like "$seen" 'PASIDCtl: Enable-'
else
	ctl 4 show "$VFCAP_VF" --dump && like "$err" "qemu-system-x86 (pid $qemu)"
fi && ctl 0 list && like "$out" "$VFCAP_VF.*shown at 0x1e0 .*qemu-system-x86 (pid $qemu)" &&
	ctl 4 unbind "$VFCAP_VF"
result "QEMU is named, and not disturbed"
kill $qemu
wait $qemu
completes()		# WORDS... WANTED: the last word of the line is completed
{
	local wanted=${*: -1}
	# shellcheck disable=SC1091,SC2016 # the inner shell expands these
	reply=$(bash -c '. /vfcap/tools/vfcapctl/vfcapctl.bash
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_vfcapctl; echo " ${COMPREPLY[*]} "' bash "${@:1:$#-1}")
	like "$reply" " $wanted "
}
completes vfcapctl "do" doctor && completes vfcapctl show "" "$VFCAP_VF" &&
	completes vfcapctl show --d --dump && completes vfcapctl unbind "" "$VFCAP_VF" &&
	completes vfcapctl bind "$vf2" --driver vfio vfio-pci &&
	completes vfcapctl doctor --cap p pasid
result "bash completes commands, devices, options and drivers"

echo auto > $parameters/pasid
modprobe -r vmd
ktap_finished
