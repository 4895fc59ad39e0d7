#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks that the example in the guide for authors of VMMs does what the guide says.

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=tap.sh
. ./tap.sh

cdev=$(cdev_of "$VFCAP_VF")
start 10 "$cdev" "VFCAP_VF, with a cdev"

log=$(mktemp)
iommu=/sys/kernel/debug/iommu/intel/$VFCAP_VF
coproc ./vmm "$cdev" > "$log" 2>&1
vmm=$COPROC_PID
wait_for_line "$log" running
result "it comes to run its guest"
like "$(< "$log")" '^PASID: at 0x1e0, step 4$'
result "it is told where PASID is, and by whose say"
like "$(< "$log")" '^PRI: not shown, reason '
result "it is told that PRI is not shown"
like "$(< "$log")" '^PASID 5: enabled$'
result "it attaches a page table to a PASID, and its guest enables PASID"
like "$(< "$log")" '^restored: enabled$'
result "what was saved is restored"
[ -d "$iommu/5" ]
result "the IOMMU knows the PASID then"
like "$(< "$log")" '^write combining: 4096 bytes of BAR 0$'
result "a page is mapped write combining"

setpci -s "$VFCAP_PF" ECAP001b+6.w=0
wait_for_line "$log" '^PASID is lost: it was disabled in its PF'
result "it is told of a loss, and why"
setpci -s "$VFCAP_PF" ECAP001b+6.w=7
wait_for_line "$log" '^the PF has PASID back$'
result "it is told when a reset ends the loss"
wait_for_line "$log" '^PASID can be enabled again$'
result "it is told that the loss has ended"
eval "exec ${COPROC[1]}>&-"
wait "$vmm"
rm "$log"

ktap_finished
