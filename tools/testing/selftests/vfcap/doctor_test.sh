#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vfcapctl doctor in the states that a host may be in. Each state is created here, and
# must get the one right diagnosis, in the text and in the JSON, without delay.

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=ctl.sh
. ./ctl.sh

layout()		# LINE...
{
	printf '%s\n' "$@" > $fixture/layout
}

set_pasid()		# CTRL: of the PF
{
	setpci -s "$pf" "ECAP001b+6.w=$1"
}

# The lab's layout, in which the kernel had enabled ATS and PASID
layout_default()
{
	{ echo vf clear; echo pf clear; cat "$VFCAP_LAYOUT"; } > $fixture/layout
	setpci -s "$pf" ECAP000f+6.w=8000
	set_pasid 7
}

# Replace a file or directory of the kernel's
cover()			# PATH [TEXT]: a file with that text, or an empty directory
{
	if [ -d "$1" ]; then
		mount -t tmpfs tmpfs "$1"
	else
		echo "$2" > /tmp/cover
		mount --bind /tmp/cover "$1"
	fi
}

lose()
{
	hold "$VFCAP_VF" $via && "$@" && wait_until has_state "$VFCAP_VF" lost
}

# Once the PF is as before, the VF needs a reset, which happens at the next open.
mend()			# COMMAND...
{
	"$@"
	release
}

# Modules in a directory of their own, so that bind can load them
modules=/usr/lib/modules
unload()
{
	unload_all && find "$VFCAP_MODULES/drivers/" -name '*.ko' \
		-exec cp -t "$modules/$(uname -r)" {} + && depmod 2> /dev/null
}

# The modules are neither loaded nor installed.
unload_all()
{
	mount -t tmpfs tmpfs $modules && mkdir -p "$modules/$(uname -r)" &&
		depmod 2> /dev/null &&
		vfcapctl unbind "$VFCAP_VF" --no-driver > /dev/null &&
		rmmod vfcap_vfio_pci pci_vfcap
}

load_by_hand()
{
	ctl 6 bind "$VFCAP_VF" && like "$err" "cannot be: modprobe vfcap-vfio-pci: "
	result "bind says that there is no module"
	umount $modules
	insmod "$VFCAP_MODULES/drivers/pci/vfcap/pci-vfcap.ko"
	insmod "$VFCAP_MODULES/drivers/vfio/pci/vfcap/vfcap-vfio-pci.ko"
	ctl 0 bind "$VFCAP_VF"
}

load()
{
	# One of the commands in all_commands has loaded them already.
	rmmod vfcap_vfio_pci pci_vfcap
	ctl 0 bind "$VFCAP_VF" && [ "$(driver "$VFCAP_VF")" = vfcap-vfio-pci ]
	result "bind loads the module itself"
	umount $modules
}

vmd()			# ID [LINE...]: of config space
{
	echo "$1" > $mock/device
	vmd=$(< $mock/device)
	shift
	[ $# = 0 ] || printf '%s\n' "$@" > $mock/config
	ctl 0 bind "$vmd"
}

vmd_none()
{
	ctl 0 unbind "$vmd" --no-driver
	echo none > $mock/device
}

port()
{
	basename "$(readlink -f "$devices/$pf/..")"
}

acs()			# on|off: of the port above the PF
{
	setpci -s "$(port)" "ECAP000d+6.w=$([ "$1" = on ] && echo 1d || echo 0)"
}

nothing()
{
	:
}

# Each state: its name, the command that creates it, the command that ends it, doctor's
# exit status, its arguments, the diagnoses of its checks as ID=DIAGNOSIS (all others are
# ok or follow from these), and what the text says. A tilde joins words that belong
# together.
states()
{
	cat <<END
closed | nothing | nothing | 0 | VF | pasid-shown=not-open iommu-pasid=pasids-ok group=group-ok placement=placement-ok | nothing that can be seen prevents it
opened by doctor | nothing | nothing | 0 | VF --open | pasid-shown=shown | at 0x1e0: placed where the PF has its own
in use | hold VF cdev | release | 0 | VF | opened=opened-ok pasid-shown=shown | by hold (pid
PASIDs attached before the guest's driver runs | hold VF cdev attach attach | release | 0 | VF | pasid-shown=pasids-waiting | its VMM has attached 2 PASIDs; the guest's driver is not running yet
PASIDs attached, and Enable never written | hold VF cdev attach master | release | 1 | VF | pasid-shown=pasids-unreached | -> if the guest uses PASIDs, its VMM shows it a capability of its own
PASIDs attached, then enabled | hold VF cdev attach master 1 | release | 0 | VF | pasid-shown=shown | at 0x1e0: placed where the PF has its own
PASIDs enabled, then attached | hold VF cdev 1 master attach | release | 0 | VF | pasid-shown=shown | at 0x1e0: placed where the PF has its own
PASIDs attached, enabled and disabled | hold VF cdev attach 1 master 0 | release | 0 | VF | pasid-shown=shown | at 0x1e0: placed where the PF has its own
no PASIDs, and Enable never written | hold VF cdev master | release | 0 | VF | pasid-shown=shown | at 0x1e0: placed where the PF has its own
its group is in use | hold VF group | release | 1 | VF | opened=opened-group pasid-shown=hidden | -> have the VMM use iommufd
parameter pasid=off | param pasid off | param pasid auto | 1 | VF | pasid-parameter=parameter-off pasid-shown=would-not | -> echo auto > .*/pasid
parameter pasid=off, opened | param pasid off | param pasid auto | 1 | VF --open | pasid-shown=hidden | no: switched off by its module parameter
placement=strict | param placement strict | param placement auto | 1 | VF | placement=placement-strict pasid-shown=would-not | -> echo auto > .*/placement
placement=strict, opened | param placement strict | param placement auto | 1 | VF --open | placement=placement-strict pasid-shown=hidden | nobody says where it may lie
no driver | nothing | nothing | 1 | VF2 | driver=driver-other pasid-shown=not-ours | -> vfcapctl bind 0000
another driver | ctl 0 bind VF2 --driver vfio-pci | nothing | 1 | VF2 | driver=driver-other | vfio-pci
another driver, in use | hold VF2 cdev | release | 1 | VF2 | driver=driver-in-use opened=opened-ok | -> stop that process first, then: vfcapctl bind
not enabled in the PF | set_pasid 0 | set_pasid 7 | 1 | VF | pf-pasid=pf-disabled-unexplained iommu-pasid=pasids-sm-refused | although the kernel was booted with intel_iommu=sm_on
the PF lacks the prefix | layout_off pf~c4~0~00200000 | layout_default | 1 | VF | pf-pasid=pf-disabled-pf-prefix iommu-pasid=pasids-sm-asked | $pf itself lacks End-End TLP Prefix
the port lacks the prefix | layout_off port~78~0~00200000 | layout_default | 1 | VF | pf-pasid=pf-disabled-port-prefix | port $(port) above it lacks End-End TLP Prefix
the port lacks ACS | acs_off | acs_on | 1 | VF | pf-pasid=pf-disabled-acs | $(port) lacks ACS
scalable mode off | boot intel_iommu=on,sm_on~intel_iommu=sm_off | reboot | 1 | VF | pf-pasid=pf-disabled-sm iommu-pasid=pasids-sm-off | booted with intel_iommu=sm_off
scalable mode not asked for | boot quiet | reboot | 1 | VF | pf-pasid=pf-disabled-sm iommu-pasid=pasids-sm-unused | -> boot with intel_iommu=on,sm_on
no IOMMU | cover /sys/class/iommu | umount /sys/class/iommu | 1 | VF2 | iommu=iommu-off driver=driver-first-iommu | none is active; the firmware reports one
IOMMU off by an option | iommu_off | iommu_on | 1 | VF2 | iommu=iommu-off-by-option | boot without intel_iommu=off
no IOMMU in the firmware | iommu_none | iommu_some | 1 | VF2 | iommu=iommu-none driver=driver-first-iommu | -> switch it on in the firmware
no iommufd | mv /dev/iommu /dev/none | mv /dev/none /dev/iommu | 1 | VF | iommufd=iommufd-(none#unloaded) | iommufd
the PF has no PASID | layout pf~1c0~00010013 | layout pf~1c0~1e010013 | 1 | VF | pf-pasid=pf-lacks | $pf has no such capability
the PF does not answer | layout pf~blank~0~1000~ffffffff | layout_default | 1 | VF | pf-pasid=pf-gone | $pf does not answer
the VF lacks the prefix | layout vf~c4~0~00200000 | layout_default | 0 | VF | tlp-prefix=prefix-lacks | a Linux guest will not enable PASID
no room | layout vf~blank~100~1000 vf~100~0001000b vf~104~f0000001 | layout_default | 1 | VF --open | pasid-shown=hidden | no room for it
lost by setpci | lose set_pasid 0 | nothing | 1 | VF | pf-pasid=lost-disabled pasid-shown=shown-lost iommu-pasid=pasids-ok | -> restore it: setpci -s $pf ECAP001b+6.w=7
lost, and back | set_pasid 7 | release | 1 | VF | pf-pasid=lost-back pasid-shown=shown-lost | -> reset the VF: echo 1 >
lost in low power | lose layout pf~44~3~3 | mend layout pf~44~0~0 | 1 | VF | pf-pasid=lost-asleep | the PF is in a low power state
lost with its PF | lose layout pf~blank~0~1000~ffffffff | mend layout_default | 1 | VF | pf-pasid=lost-gone | lost: the PF does not answer
lost from config space | lose layout pf~1e0~00010000 | mend layout pf~1e0~0001001b | 1 | VF | pf-pasid=lost-absent | gone from the PF's config space
lost in part | lose set_pasid 1 | mend reset_pf | 1 | VF | pf-pasid=lost-changed | -> reset the PF, and with it its VFs: echo 1 > .*/$pf/reset
PRI asked for | nothing | nothing | 1 | VF --cap pri | pri-answers=pri-unanswered pri-shown=would-not | no driver in Linux declares this yet
an ordinary user | nothing | nothing | 7 | VF | pf-pasid=pf-cap-denied tlp-prefix=prefix-denied iommu-pasid=pasids-unseen pasid-shown=would-unknown | -> run this as root | 65534
a user that is not seen | hide | unhide | 7 | VF | opened=opened-unseen pasid-shown=shown | a process that cannot be seen from here
module not installed | unload_all | load_by_hand | 1 | VF | module=modules-nowhere driver=driver-first-modules | apt install vfcap-dkms
module not loaded | unload | load | 1 | VF | module=modules-unloaded driver=driver-other | modprobe vfcap-vfio-pci, which "vfcapctl bind" also does
a VMD endpoint | vmd 201d | vmd_none | 0 | VMD | shdw-shown=not-open iommu=iommu-ok | nothing that can be seen prevents it
a VMD endpoint that has its own | vmd 201d 34~e8 e8~01188009 ec~53484457 f0~0 f4~1 f8~0 fc~2 | vmd_none | 0 | VMD --open | shdw-shown=needs-not | it has one itself
28C0 | vmd 28c0 | vmd_none | 0 | VMD --open | shdw-shown=native | native shadow registers tell the guest
28C0, switched off | vmd_off | vmd_on | 1 | VMD | shdw-shown=native-parameter | switched off by parameter vmd_shadow
28C0 with another capability | vmd 28c0 e0~00037001 70~00080009 | vmd_none | 1 | VMD | shdw-shown=native-vmlock | a capability of the device is where VMLOCK should be
the PF's driver takes part | sample_on | nothing | 0 | VF | pf-driver=pf-takes-part pasid-shown=not-open | takes part in vfcap
the PF's driver in its change bracket | knob change begin~pasid | knob change end~pasid | 1 | VF --open | pf-pasid=pf-changing pasid-shown=cannot-open | is changing what it would show
the PF's driver cannot provide it | knob first_user_error 12 | knob first_user_error 0 | 1 | VF --open | pasid-shown=hidden | not wanted, or not provided
the PF's driver says no | knob place_pasid -1 | sample_off | 1 | VF --open | pasid-shown=hidden | the driver of its PF says so
a group with other devices | share_group | unshare_group | 1 | VF --open | group=group-not-viable pf-pasid=pf-disabled-acs pasid-shown=cannot-open | has other devices, which drivers of the host use: .*$pf (igb)
the PF is given to user space | pf_to_user | pf_back | 1 | VF --open | pf-driver=pf-user-space pasid-shown=cannot-open | -> give the PF back to its own driver: echo 0 > .*/$pf/sriov_numvfs; vfcapctl unbind $pf
28C0 refused | vmd_refused | vmd_none | 1 | VMD --open | shdw-shown=native-(vmlock#refused#bars) | no native shadow registers
END
}

param()			# NAME VALUE
{
	echo "$2" > $parameters/"$1"
}

# Without the PF's PASID, which the kernel then leaves disabled
layout_off()		# LINE
{
	set_pasid 0
	layout "$1"
}

acs_off()
{
	set_pasid 0
	acs off
}

acs_on()
{
	acs on
	set_pasid 7
}

boot()			# COMMAND LINE
{
	set_pasid 0
	cover /proc/cmdline "$1"
}

reboot()
{
	umount /proc/cmdline
	set_pasid 7
}

iommu_none()
{
	cover /sys/class/iommu
	cover /sys/firmware/acpi/tables
}

iommu_some()
{
	umount /sys/class/iommu /sys/firmware/acpi/tables
}

iommu_off()
{
	cover /sys/class/iommu
	cover /proc/cmdline "quiet intel_iommu=off"
}

iommu_on()
{
	umount /sys/class/iommu /proc/cmdline
}

vmd_off()
{
	param vmd_shadow off
	vmd 28c0
}

vmd_on()
{
	vmd_none
	param vmd_shadow auto
}

vmd_refused()
{
	vmd 28c0 "e0 00037001" "70 00080009"
}

# The PF's driver and its VFs, as set up by the lab
create_vfs()
{
	echo 0 > "$devices/$pf/sriov_drivers_autoprobe"
	echo 2 > "$devices/$pf/sriov_numvfs"
	ctl 0 bind "$VFCAP_VF"
}

give_pf()		# DRIVER
{
	echo "vfcap-lab: expect: WARNING: drivers/pci/remove.c" > /dev/kmsg
	ctl 0 unbind "$VFCAP_VF" --no-driver
	echo "$pf" > "$devices/$pf/driver/unbind"
	echo "$1" > "$devices/$pf/driver_override"
	echo "$pf" > /sys/bus/pci/drivers_probe
	[ "$(driver "$pf")" = "$1" ] && create_vfs
}

sample_on()
{
	insmod "$VFCAP_MODULES/samples/vfcap/vfcap-sample-pf.ko" &&
		give_pf vfcap-sample-pf
}

knob()			# NAME VALUE
{
	echo "$2" > "/sys/kernel/debug/vfcap-sample-pf/$pf/$1"
}

sample_off()
{
	give_pf igb && echo > "$devices/$pf/driver_override" && rmmod vfcap_sample_pf
}

# Done as doctor advises
reset_pf()
{
	echo 1 > "$devices/$pf/reset"
	[ "$(setpci -s "$pf" ECAP001b+6.w)" = 0007 ]
	result "what the PF had lost it has again after its reset"
}

pf_to_user()
{
	echo Y > /sys/module/vfio_pci/parameters/enable_sriov
	give_pf vfio-pci
}

# Done as doctor advises
pf_back()
{
	ctl 4 unbind "$pf" && like "$err" "a PF with 2 VFs"
	echo 0 > "$devices/$pf/sriov_numvfs"
	ctl 0 unbind "$pf" && [ "$(driver "$pf")" = igb ] && create_vfs
}

find_pf_again()
{
	echo 1 > $fixture/rescan
	wait_until [ -e "$devices/$pf/driver" ] && create_vfs
}

share_group()
{
	layout "port 148 00010000 0000ffff" && find_pf_again
}

unshare_group()
{
	layout "port 148 0 0" && find_pf_again
}

# A user in another container, so to speak: none of its files can be seen.
hide()
{
	hold "$VFCAP_VF" cdev && mount -t tmpfs tmpfs "/proc/$holder/fd"
}

unhide()
{
	umount "/proc/$holder/fd"
	release
}

# What doctor says about the PF's PASID, without the VFs that have to be reset
said_of_pf()
{
	grep -A 1 ' PASID in the PF ' <<< "$out" | sed 's/  */ /g; s/reset the VF: .*//'
}

# Doctor of the PF itself must say the same.
agrees_with_pf()
{
	local said
	said=$(said_of_pf)
	takes vfcapctl doctor "$pf" || return
	out=$(< /tmp/out)
	[ "$said" != "$(said_of_pf)" ] || return 0
	echo "# doctor of the PF says otherwise than of the VF: $said: $(said_of_pf)"
	false
}

examine()		# STATUS ID=DIAGNOSIS... TEXT ARG...
{
	local wanted=$1 diagnoses=$2 text=$3 pair conditions=()
	shift 3

	for pair in $diagnoses; do
		conditions+=("__import__('re').fullmatch('${pair#*=}'.replace('#', '|'), c('${pair%%=*}')['diagnosis'])")
	done
	# Each problem is counted, and comes with advice.
	conditions+=("d['problems'] == sum(c['status'] == 'problem' for c in d['checks'])"
		"d['unknown'] == sum(c['status'] == 'unknown' for c in d['checks'])"
		"all(c['advice'] for c in d['checks'] if c['status'] != 'ok')"
		"not any('{' in c['found'] + (c['advice'] or '') for c in d['checks'])")
	ctl "$wanted" doctor "$@" --json && is_prompt $cpu doctor && json "${conditions[@]}" &&
		ctl "$wanted" doctor "$@" && like "$out" "$text" || return
	[[ "$diagnoses" != *pf-pasid=* ]] || agrees_with_pf
}

words()			# TEXT: "a~b c" are the words "a b" and "c"
{
	local word
	set=()
	for word in $1; do
		word=${word//\~/ }
		case $word in
		VF)  word=$VFCAP_VF ;;
		VF2) word=$vf2 ;;
		VMD) word=$vmd ;;
		esac
		set+=("$word")
	done
}

start 58 "$VFCAP_VF" VFCAP_VF
if [ $via != cdev ]; then
	ktap_skip_all "a kernel without iommufd has other states"
	exit "$KSFT_SKIP"
fi
modprobe vfio-pci
mapfile -t lines < <(states)
seen=""
for line in "${lines[@]}"; do
	IFS='|' read -r name make end wanted args diagnoses text who <<< "$line"
	text=$(xargs -0 <<< "$text" | sed 's/^ *//; s/ *$//')
	words "$make" && "${set[@]}"
	made=$?
	words "$args"
	state=$make/${set[0]}/$who
	[ ! "$who" ] || as=(setpriv --reuid "${who// /}" --clear-groups)
	# If only doctor's options differ, the other commands were run in this state
	# already.
	[ $made = 0 ] && examine "${wanted// /}" "$diagnoses" "$text" "${set[@]}" &&
		{ [ "$state" = "$seen" ] || all_commands "${set[0]}"; }
	result "${name% }"
	seen=$state as=()
	words "$end" && "${set[@]}"
done
ctl 0 unbind "$vf2" --no-driver
ctl 0 doctor "$VFCAP_VF" --open --json && json "d['problems'] == 0"
result "all is well in the end"
ktap_finished
