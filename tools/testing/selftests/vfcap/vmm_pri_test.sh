#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks that the example of how a VMM gives its guest PRI does what the guide says, with
# a function that requests pages. If the kernel delivers no page requests, the example
# says so.

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=tap.sh
. ./tap.sh

devices=/sys/bus/pci/devices

# Find the PF and its VFs again, with what the kernel needs to enable page requests, or
# without it.
find_anew()		# LAYOUT...
{
	local fixture=/sys/kernel/debug/vfcap-fixture pf=$devices/$VFCAP_PF

	echo "$VFCAP_VF" > "$devices/$VFCAP_VF/driver/unbind"
	printf '%s clear\n' pf vf > $fixture/layout
	cat "$@" > $fixture/layout
	echo 1 > $fixture/rescan
	echo 0 > "$pf/sriov_drivers_autoprobe"
	echo 2 > "$pf/sriov_numvfs"
	echo vfcap-vfio-pci > "$devices/$VFCAP_VF/driver_override"
	echo "$VFCAP_VF" > /sys/bus/pci/drivers_probe
}

[ -z "${VFCAP_LAYOUT-}" ] || [ "${VFCAP_FUNCTIONS-}" ] ||
	find_anew "$VFCAP_LAYOUT" "${VFCAP_LAYOUT%/*}/pri"
cdev=$(cdev_of "$VFCAP_VF")
delivers=""
[ -z "${VFCAP_FUNCTIONS-}" ] && [[ "${VFCAP_KERNEL-}" != @(iopf*|coverage) ]] || delivers=1

if [ -z "$delivers" ]; then
	start 1 "$cdev" "VFCAP_VF, with a cdev"
	like "$(./vmm_pri "$cdev" < /dev/null)" \
		'^PRI: not shown, reason 14, and this kernel delivers no page requests$'
	result "it is told that this kernel delivers no page requests"
	find_anew "$VFCAP_LAYOUT"
	ktap_finished
fi

for entry in /sys/class/virtio-ports/*; do
	[ "$(cat "$entry/name")" != agent ] || port=/dev/${entry##*/}
done
start 10 "${cdev:+${port-}}" "VFCAP_VF, with a cdev, and the agent in QEMU"
exec {agent}<> "$port"

# What the agent answers about the function, without the tag
ask()			# VERB ARGUMENT...
{
	local verb=$1 bus device function tag=$$-$RANDOM answer
	shift

	IFS=:. read -r _ bus device function <<< "$VFCAP_VF"
	printf '%s %s %s %x 5 %s\n' "$tag" "$verb" "$bus" $((0x$device << 3 | function)) \
		"$*" >&"$agent"
	# Answers to other clients may arrive before it.
	while read -r -t 30 answer <&"$agent"; do
		[ "${answer%% *}" != "$tag" ] || break
	done
	echo "${answer#* }"
}

# Send a group of pages that starts at this address
request()		# GROUP ADDRESS PAGES
{
	[ "$(ask groups "$2" "$1" 3 1 "$3")" = "ok 1" ]
}

# VALUE is the code and the group, as in the PRG Response Message.
responds()		# VALUE
{
	local i

	for ((i = 0; i < 100; i++)); do
		answer=$(ask response)
		[ "$answer" = none ] || break
		sleep 0.1
	done
	[ "$answer" = "ok $1" ]
}

# The IOMMU is meant to refuse some requests.
echo "vfcap-lab: expect: DMAR: .*[fF]ault" > /dev/kmsg
# Discard the responses to earlier clients' page requests.
until [ "$(ask response)" = none ]; do :; done

log=$(mktemp)
coproc ./vmm_pri "$cdev" >> "$log" 2>&1
vmm=$COPROC_PID
wait_for_line "$log" '^PRI: enabled at 0x1c0, page requests at once: [1-9]'
result "its guest enables PRI, and may have some requests outstanding"

request 1 10000000 3 && responds 1
result "a group of pages that the guest has is answered with Success"
like "$(< "$log")" '^group 1, pages: 3, PASID 5: Success$'
result "which its VMM has done"
[ "$(ask write 10002000 c0ffee)" = "ok c0ffee" ] && [ "$(ask write 10003000 1)" = fault ]
result "and the function can write there, and nowhere else"
request 2 10020000 1 && responds 1002
result "a page that the guest does not have is answered with Invalid Request"

request 3 10010000 1 && responds 1003 && wait_for_line "$log" '^group 3, .*: Response Failure$'
result "the function gets Invalid Request in place of Response Failure"
if [ "${VFCAP_FUNCTIONS-}" ]; then
	[ $((0x$(setpci -s "$VFCAP_VF" ECAP0013+4.w) & 1)) = 0 ]
else
	request 4 10004000 1 && responds 1004 && ! grep -q '^group 4,' "$log"
fi
result "no request comes any more"

: > "$log"
echo >&"${COPROC[1]}"
wait_for_line "$log" '^PRI: enabled at ' && request 5 10004000 1 && responds 5 &&
	wait_for_line "$log" '^group 5, pages: 1, PASID 5: Success$'
result "until the guest enables PRI anew"
request 6 10000000 1 && responds 6
result "a page that was there already is no error"

eval "exec ${COPROC[1]}>&-"
wait "$vmm"
result "it ends with its input"
rm "$log"
[ "${VFCAP_FUNCTIONS-}" ] || find_anew "$VFCAP_LAYOUT"

ktap_finished
