#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vfcapctl on a host whose IOMMU is switched off: it says so when the IOMMU is looked for,
# when VFIO does not accept a device, and in VFIO's no-IOMMU mode.

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=ctl.sh
. ./ctl.sh

mode=/sys/module/vfio/parameters/enable_unsafe_noiommu_mode

start 6 "$VFCAP_VF" VFCAP_VF
if [ -e "$devices/$VFCAP_VF/iommu" ] || [ ! -e $mode ]; then
	ktap_skip_all "this host has an IOMMU, or this kernel no no-IOMMU mode"
	exit "$KSFT_SKIP"
fi
echo N > $mode
ctl 1 bind "$vf2" && like "$err" "it has no IOMMU, and VFIO takes no device without one" &&
	like "$err" "vfcapctl doctor $vf2" && [ ! -e "$devices/$vf2/driver" ] &&
	[ "$(override "$vf2")" = "(null)" ]
result "bind says that VFIO takes no device without an IOMMU"
ctl 1 doctor "$vf2" --json && json "c('iommu')['diagnosis'] == 'iommu-off-by-option'" \
	"c('iommu-pasid')['diagnosis'] == 'pasids-no-iommu'" \
	"c('group')['diagnosis'] == 'group-none'" \
	"c('driver')['diagnosis'] == 'driver-first-iommu'" \
	"all(c['advice'] for c in d['checks'] if c['status'] != 'ok')"
result "doctor finds that it is off"
ctl 1 doctor "$vf2" && like "$out" "-> boot without intel_iommu=off; with VT-d: intel_iommu=on"
result "and says how to switch it on"

echo Y > $mode
ctl 0 bind "$VFCAP_VF" && ctl 0 show "$VFCAP_VF" --json && json "d['source'] == 'opened'" \
	"d['capabilities']['pasid']['shown'] is False" \
	"d['capabilities']['pasid']['reason'] == 'noiommu-mode'"
result "show: nothing in the no-IOMMU mode"
hold "$VFCAP_VF" $via && ctl 0 list --json &&
	json "f('$VFCAP_VF')['users'] == [{'pid': $holder, 'command': 'hold', 'vm': None, 'through': '$via'}]" \
	"f('$VFCAP_VF')['capabilities']['pasid']['reason'] == 'noiommu-mode'" &&
	ctl 0 list && like "$out" "hidden (noiommu-mode)" && ctl 4 unbind "$VFCAP_VF"
result "list: who has it open in that mode"
ctl 1 doctor "$VFCAP_VF" --json && json "c('iommu')['diagnosis'] == 'iommu-off-by-option'" \
	"c('pasid-shown')['diagnosis'] == 'hidden'" "'no-IOMMU mode' in c('pasid-shown')['found']"
result "doctor: why nothing is shown there"
release
ktap_finished
