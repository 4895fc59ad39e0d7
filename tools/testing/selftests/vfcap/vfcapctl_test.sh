#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vfcapctl, as administrators and scripts use it: exit statuses, JSON, what it finds when
# something is wrong, and that a device in use is not disturbed.

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=ctl.sh
. ./ctl.sh

start 54 "$VFCAP_VF" VFCAP_VF
echo on > $parameters/pasid
modprobe vfio-pci
# Whatever ran before, the second VF has no driver now.
[ ! -e "$devices/$vf2/driver" ] || echo "$vf2" > "$devices/$vf2/driver/unbind"
echo > "$devices/$vf2/driver_override"
# VMDs exist on x86 only, and so does the QEMU in this root.
x86=true
[ "$(uname -m)" = x86_64 ] || x86=false
! $x86 || modprobe vmd

# --- the command line

ctl 0 --help && like "$out" doctor && ctl 0 --version && like "$out" "^vfcapctl [0-9]"
ctl 0 -h && like "$out" doctor && ctl 0 help && like "$out" doctor && ctl 0 -V &&
	like "$out" "^vfcapctl [0-9]" && ctl 0 help bind && like "$out" "^Usage: vfcapctl bind"
result "--help, -h, help, --version and -V"
commands_have_help()
{
	local command

	for command in $(vfcapctl help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
		ctl 0 "$command" --help && ctl 0 "$command" -h &&
			like "$out" "^Usage: vfcapctl $command" || return
	done
}
commands_have_help
result "each command has --help"
ctl 2 && ctl 2 bogus && ctl 2 list --bogus && ctl 2 list --dump &&
	ctl 2 list --cap pasid && like "$err" "has no option --cap" &&
	ctl 2 doctor "$VFCAP_VF" --open --no-open &&
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
# On a terminal of this width, no line is wider unless a single word needs it.
fits()			# WIDTH ARG...
{
	script -qec "stty cols $1; vfcapctl ${*:2}" /dev/null < /dev/null |
		sed 's/\r$//; s/\x1b\[[0-9]*m//g' > /tmp/lines
	[ -s /tmp/lines ] || return
	awk -v width="$1" 'length > width { print "# " $0; wide = 1 } END { exit wide }' /tmp/lines
}
fits 80 list && fits 80 doctor "$VFCAP_VF" && fits 40 list && fits 40 doctor "$VFCAP_VF" &&
	fits 40 show "$VFCAP_VF" --no-open && fits 40 bind 00:00.0 && fits 40 --help
result "no line is wider than the terminal"

# --- list

ctl 0 list --json && json "d['version'] == 2" \
	"$(function_of "$pf")['kind'] == 'pf'" \
	"$(function_of "$pf")['driver'] == 'igb'" \
	"$(function_of "$pf")['num_vfs'] == 2" \
	"$(function_of "$pf")['capabilities']['pasid'] == {'state': 'unlocked', 'hardware': 'enabled', 'users': []}" \
	"$(function_of "$VFCAP_VF")['pf'] == '$pf'" \
	"$(function_of "$VFCAP_VF")['driver'] == 'vfcap-vfio-pci'" \
	"$(function_of "$VFCAP_VF")['users'] == []" \
	"$(function_of "$vf2")['driver'] is None" \
	"$(function_of "$pf")['vendor'] == '0x8086'" \
	"$(function_of "$pf")['device'] == '0x10c9'" \
	"$(function_of "$VFCAP_VF")['capabilities']['pasid']['state'] == 'not open'"
result "list: PFs, VFs and drivers"
hold "$VFCAP_VF" $via && ctl 0 list --json && json \
	"$(function_of "$pf")['capabilities']['pasid'] == {'state': 'locked', 'hardware': 'enabled', 'users': ['$VFCAP_VF']}" \
	"$(function_of "$VFCAP_VF")['capabilities']['pasid'] == {'state': 'shown', 'reason': None, 'offset': '0x1e0'}" \
	"$(function_of "$VFCAP_VF")['users'] == [{'pid': $holder, 'command': 'hold', 'vm': None, 'through': '$via'}]"
result "list: what is shown, and locked by whom"
ctl 0 list && like "$out" "$pf.*enabled, locked.*$VFCAP_VF" &&
	like "$out" "$VFCAP_VF.*shown at 0x1e0.*hold (pid $holder)"
result "list: so says the table"
release

# --- show

ctl 0 show "$VFCAP_VF" --json && json "d['source'] == 'opened'" \
	"d['through'] == '$via'" "d['users'] == []" \
	"d['capabilities']['pasid']['shown'] is True" \
	"d['capabilities']['pasid']['offset'] == '0x1e0'" \
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
ctl 6 show "$pf" && like "$err" "neither a VF.* use one of its VFs"
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
		"d['capabilities']['pasid']['offset'] == '0x1e0'"
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
ctl 1 bind "$vf2" --driver virtio-pci && like "$err" "as before" && [ -z "$out" ] &&
	[ "$(driver "$vf2")" = vfcap-vfio-pci ] &&
	[ "$(override "$vf2")" = vfcap-vfio-pci ]
result "bind: what the driver does not take is 1, and has its old driver back"
echo > "$devices/$vf2/driver_override"
ctl 1 bind "$vf2" --driver virtio-pci && [ "$(driver "$vf2")" = vfcap-vfio-pci ] &&
	[ "$(override "$vf2")" = "(null)" ]
result "bind: and has it back where that takes driver_override to name it"
ctl 0 bind "$vf2" && ctl 6 bind "$vf2" --driver none-such &&
	like "$err" "modprobe none-such" && [ "$(override "$vf2")" = vfcap-vfio-pci ]
result "bind: a driver that is not loaded is 6"
ctl 6 bind "$pf" && ctl 4 bind "$pf" --driver vfio-pci &&
	[ "$(driver "$pf")" = igb ] && [ -e "$devices/$VFCAP_VF" ]
result "bind: a PF is 6, or 4 where it has VFs"
# Without VFs, the PF can be passed through as a whole, and returned.
whole_pf()
{
	local unanswered=no-vmm

	[ $via = cdev ] || unanswered=no-cdev
	ctl 0 unbind "$VFCAP_VF" && echo 0 > "$devices/$pf/sriov_numvfs" && ctl 0 bind "$pf" &&
		[ "$(driver "$pf")" = vfcap-vfio-pci ] &&
		ctl 0 list --json && json "f('$pf')['kind'] == 'function'" \
			"f('$pf')['capabilities']['pasid']['state'] == 'not open'" &&
		ctl 0 show "$pf" --json && json "d['capabilities']['pasid']['offset'] == '0x1e0'" \
			"d['capabilities']['pasid']['placed_by'] == 'hardware'" \
			"d['capabilities']['pri']['reason'] == '$unanswered'" &&
		ctl 0 doctor "$pf" --open --json && json "d['kind'] == 'function'" \
			"c('pasid')['diagnosis'] == 'pf-cap-ok'" \
			"c('pasid-shown')['diagnosis'] == 'shown'" &&
		ctl 0 unbind "$pf" && [ "$(driver "$pf")" = igb ] &&
		echo 0 > "$devices/$pf/sriov_drivers_autoprobe" &&
		echo 2 > "$devices/$pf/sriov_numvfs" && ctl 0 bind "$VFCAP_VF" "$vf2"
}
whole_pf
result "bind, list, show, doctor and unbind of a PF as a whole"
ctl 0 unbind "$vf2" && like "$out" "driver none.*sriov_drivers_autoprobe=0" &&
	[ ! -e "$devices/$vf2/driver" ] && [ "$(override "$vf2")" = "(null)" ]
result "unbind: it says why no driver took it"
like "$out" "driver_override, vfcap-vfio-pci, is cleared"
result "unbind: it says that it cleared driver_override"
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

# Users of vfio-pci are used to writing IDs to new_id. The kernel refuses this without an
# explanation, so doctor and the pages have one.
refuses_id()		# ID ERROR
{
	{ echo "$1" > /sys/bus/pci/drivers/vfcap-vfio-pci/new_id; } 2> /tmp/stderr && return 1
	like "$(< /tmp/stderr)" "write error: $2" &&
		grep -q "new_id.* says .*write error: $2" \
			/vfcap/Documentation/admin-guide/vfcap-troubleshooting.rst
}
refuses_id "8086 10ca" "Invalid argument" && refuses_id "8086 28c0" "Invalid argument" &&
	ctl 1 doctor "$vf2" && like "$out" "-> vfcapctl bind $vf2; writing its ID to new_id.* does not work"
result "new_id takes no ID, and doctor and the pages say what to do"
ctl 2 bind 8086:10ca && like "$err" "an ID.*new_id .* with this ID: $VFCAP_VF $vf2$" &&
	ctl 2 bind "8086 10ca" && like "$err" "with this ID: $VFCAP_VF" &&
	ctl 2 show 8086:fffe && like "$err" "no device has this ID" &&
	ctl 2 show 8086:10ca:1 && like "$err" "not a PCI address"
result "an ID in place of an address: whose it is"

# --- doctor

echo auto > $parameters/pasid
if [ $via = cdev ]; then
	before=$(opens)
	ctl 0 doctor "$VFCAP_VF" --json && json "d['problems'] == 0" "d['unknown'] == 0" \
		"all(c['status'] == 'ok' or c['id'] == 'module' for c in d['checks'])" \
		"$(check iommu) == 'ok'" "$(check pf-driver) == 'ok'" \
		"$(check pf-pasid) == 'ok'" "$(check iommu-pasid) == 'ok'" \
		"$(check iommufd) == 'ok'" "$(check group) == 'ok'" \
		"$(check driver) == 'ok'" "$(check opened) == 'ok'" \
		"$(check tlp-prefix) == 'ok'" "$(check pasid-shown) == 'ok'" \
		"c('pasid-shown')['diagnosis'] == 'not-open'" &&
		[ "$(opens)" = "$before" ]
	result "doctor: nothing is wrong, and nothing is opened"
	ctl 0 doctor "$VFCAP_VF" --open --json && json "d['problems'] == 0" \
		"d['capabilities']['pasid']['offset'] == '0x1e0'" \
		"d['capabilities']['pasid']['placed_by'] == 'pf-offset'"
	result "doctor --open: it is opened"
	hold "$VFCAP_VF" group && ctl 1 doctor "$VFCAP_VF" --json && json \
		"d['problems'] == 2" "$(check opened) == 'problem'" \
		"$(check pasid-shown) == 'problem'" \
		"d['capabilities']['pasid']['reason'] in (None, 'no-cdev')" &&
		ctl 1 doctor "$VFCAP_VF" --cap pri --json &&
		json "$(check opened) == 'note'"
	result "doctor: it was opened through its group, which PRI does not mind"
	release
else
	# QEMU's SMMUv3 has no PASIDs, which the driver checks first.
	reason=no-cdev diagnosis=pasids-ok
	$x86 || reason=no-pasids diagnosis=pasids-none
	ctl 1 doctor "$VFCAP_VF" --json && json "$(check iommufd) == 'problem'" \
		"$(check pasid-shown) == 'problem'" "$(check iommu) == 'ok'" &&
		ctl 1 doctor "$VFCAP_VF" --open --json && json \
		"c('iommu-pasid')['diagnosis'] == '$diagnosis'" \
		"d['capabilities']['pasid']['reason'] == '$reason'"
	result "doctor: the kernel has no iommufd, the IOMMU may have no PASIDs"
	like "$out" "pasid=on" && like "$out" "CONFIG_IOMMUFD"
	result "doctor: and what to do"
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
	ctl 6 doctor 00:00.0 && ctl 6 doctor "$VFCAP_VF" --cap shdw
result "doctor: another driver; no VF"
ctl 1 doctor "$VFCAP_VF" --cap pri --json && json "$(check pri-shown) == 'problem'" \
	"'pasid-shown' not in [c['id'] for c in d['checks']]"
result "doctor: PRI is a problem only for who asks for it"

hold "$VFCAP_VF" $via
setpci -s "$pf" ECAP001b+6.w=0
wait_until has_state "$VFCAP_VF" lost
ctl 1 doctor "$VFCAP_VF" --json && json "$(check pf-pasid) == 'problem'" \
	"$(check pasid-shown) == 'problem'" "d['capabilities']['pasid']['lost'] is True" &&
	ctl 0 list && like "$out" "disabled, lost" && like "$out" "lost at 0x1e0"
result "doctor, list: the PF has lost it"
# As with Secure Boot, where registers cannot be written from user space
locked_down()
{
	[ -d /sys/kernel/security ] || return 0
	mount -t tmpfs tmpfs /sys/kernel/security
	echo "none [integrity] confidentiality" > /sys/kernel/security/lockdown
	ctl 1 doctor "$VFCAP_VF"
	umount /sys/kernel/security
	like "$out" "-> reset the PF.*echo 1 > $devices/$pf/reset"
}
locked_down
result "doctor: nor does it advise setpci where that may not write"
setpci -s "$pf" ECAP001b+6.w=7
release

echo "vf c4 0 00200000" > $fixture/layout
ctl 0 doctor "$VFCAP_VF" --no-open --json && json "$(check tlp-prefix) == 'note'"
result "doctor: the VF lacks End-End TLP Prefix"
{ echo vf clear; grep '^vf' "$VFCAP_LAYOUT"; } > $fixture/layout

# Another directory in place of the installed modules: first with the loaded module, stripped
# and compressed, then with another one
modules=/usr/lib/modules
mount -t tmpfs tmpfs $modules
mkdir -p "$modules/$(uname -r)"
ctl 0 doctor "$VFCAP_VF" --no-open --json && json "$(check module) == 'note'" &&
	find "$VFCAP_MODULES/drivers/" -name '*.ko' -exec cp -t "$modules/$(uname -r)" {} + &&
	strip -g "$modules/$(uname -r)"/*.ko &&
	xz -0 "$modules/$(uname -r)/vfcap-vfio-pci.ko" && depmod 2> /dev/null &&
	ctl 0 doctor "$VFCAP_VF" --no-open --json && json "$(check module) == 'ok'" &&
	xz -0 -c "$modules/$(uname -r)/pci-vfcap.ko" > "$modules/$(uname -r)/vfcap-vfio-pci.ko.xz" &&
	ctl 1 doctor "$VFCAP_VF" --no-open --json && json "$(check module) == 'problem'"
result "doctor: the loaded module is, or is not, the installed one"
umount $modules

# --- VMD

vmd_endpoints()
{
	local children child

	echo a77f > $mock/device
	vmd=$(< $mock/device)
	# The host's own VMD driver is bound to it, and finds what is behind it.
	children=("$devices"/10000:0[1-9]:*)
	child=${children[0]##*/}
	ctl 6 bind "$child" && like "$err" "behind the VMD endpoint $vmd" &&
		ctl 6 show "$child" && like "$err" "use $vmd" &&
		ctl 6 doctor "$child" && like "$err" "use $vmd"
	result "what lies behind a VMD endpoint goes with it"
	ctl 0 bind "$vmd" && ctl 0 show "$vmd" --json && json "d['kind'] == 'vmd'" \
		"list(d['capabilities']) == ['shdw']" \
		"d['capabilities']['shdw']['shown'] is True" &&
		ctl 0 doctor "$vmd" --open --json && json "$(check shdw-shown) == 'ok'" \
		"$(check shdw-parameter) == 'ok'" && ctl 0 list && like "$out" "$vmd *vmd"
	result "a VMD endpoint shows SHDW"
	ctl 0 unbind "$vmd" --no-driver
	echo 28c0 > $mock/device
	vmd=$(< $mock/device)
	ctl 0 bind "$vmd" && ctl 0 doctor "$vmd" --open --json && json "$(check shdw-shown) == 'ok'" \
		"'native' in d['capabilities']['shdw']['explanation']"
	result "or the native registers in its place"
	ctl 0 unbind "$vmd" --no-driver
	echo none > $mock/device
}

if $x86; then
	vmd_endpoints
else
	ktap_test_skip "what lies behind a VMD endpoint goes with it"
	ktap_test_skip "a VMD endpoint shows SHDW"
	ktap_test_skip "or the native registers in its place"
fi

# --- with a real VMM, and the shell

with_qemu()
{
	local backend="" qemu

	[ $via != cdev ] || backend=,iommufd=iommufd0
	# shellcheck disable=SC2086 # two words, or none
	qemu-system-x86_64 -M q35 -accel tcg -m 64 -nodefaults -display none -S \
		${backend:+-object iommufd,id=iommufd0} -device pcie-root-port,id=port1 \
		-device "vfio-pci,host=$VFCAP_VF$backend,bus=port1" > /dev/null 2>&1 &
	qemu=$!
	wait_until has_state "$VFCAP_VF" shown
	if $shares; then
		guest && like "$seen" 'PASIDCtl: Enable-'
	else
		ctl 4 show "$VFCAP_VF" --dump && like "$err" "qemu-system-x86 (pid $qemu)"
	fi && ctl 0 list && like "$out" "$VFCAP_VF.*shown at 0x1e0 .*qemu-system-x86 (pid $qemu)" &&
		ctl 4 unbind "$VFCAP_VF"
	result "QEMU is named, and not disturbed"
	kill $qemu
	wait $qemu
}

if $x86; then
	with_qemu
else
	ktap_test_skip "QEMU is named, and not disturbed"
fi

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
! $x86 || modprobe -r vmd

echo 0 > "$devices/$pf/sriov_numvfs"
ctl 6 show "$pf" && like "$err" "a PF without VFs: echo 2 > $devices/$pf/sriov_numvfs"
result "show: a PF has no VFs yet"
echo 2 > "$devices/$pf/sriov_numvfs"
ctl 0 bind "$VFCAP_VF"
ktap_finished
