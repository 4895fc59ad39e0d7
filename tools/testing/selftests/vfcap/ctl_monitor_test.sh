#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vfcapctl monitor and metrics, and the check built on them, with a real loss: what was
# lost, by which device and why, and when the loss ended

cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR source=ctl.sh
. ./ctl.sh

# The next line from monitor, which must come within some seconds
next()			# EXPRESSION...
{
	read -r -t 20 out <&"${monitor[0]}" && json "$@"
}

metric()		# LINE
{
	ctl 0 metrics || return
	grep -qxF "$1" <<< "$out" || { echo "# no $1"; false; }
}

check()			# STATUS PATTERN
{
	local status=0

	out=$(/vfcap/tools/vfcapctl/check_vfcap) || status=$?
	[ $status = "$1" ] || { echo "# $status: $out"; return 1; }
	like "$out" "$2"
}

labels="address=\"$VFCAP_VF\",pf=\"$pf\""
start 7 "$VFCAP_VF" VFCAP_VF
echo on > $parameters/pasid
# shellcheck disable=SC2154 # of coproc
coproc monitor { exec vfcapctl monitor --json "$VFCAP_VF"; }
# It prints nothing about what it finds at the start, and keeps the files that it watches
# open.
has_looked()
{
	# shellcheck disable=SC2154 # of coproc
	[ "$(find "/proc/$monitor_PID/fd" -lname '*pri_state')" ]
}
wait_until has_looked
hold "$VFCAP_VF" $via
next "d['event'] == 'opened'" "d['users'] == [{'pid': $holder, 'command': 'hold', 'vm': None, 'through': '$via'}]" &&
	next "d['event'] == 'shown'" "d['capability'] == 'pasid'" "d['offset'] == '0x1e0'"
result "monitor: an open, by whom, and what is shown"
metric "vfcap_open{$labels} 1" && metric "vfcap_capability_shown{$labels,capability=\"pasid\"} 1" &&
	metric "vfcap_pf_capability_users{address=\"$pf\",capability=\"pasid\"} 1" &&
	metric "vfcap_pf_capability_enabled{address=\"$pf\",capability=\"pasid\"} 1" &&
	check 0 "1 VFs bound, 1 open, 1 show PASID"
result "metrics: it is open and shown"
setpci -s "$pf" ECAP001b+6.w=0
next "d['event'] == 'lost'" "d['address'] == '$VFCAP_VF'" "d['pf'] == '$pf'" \
	"d['capability'] == 'pasid'" "d['cause'].startswith('it was disabled in its PF')"
result "monitor: a loss, and its cause"
metric "vfcap_capability_lost{$labels,capability=\"pasid\"} 1" &&
	metric "vfcap_pf_capability_enabled{address=\"$pf\",capability=\"pasid\"} 0" &&
	check 2 "lost by $VFCAP_VF (PASID)"
result "metrics: it is lost"
setpci -s "$pf" ECAP001b+6.w=7
echo 1 > "$devices/$VFCAP_VF/reset"
next "d['event'] == 'usable'" "d['capability'] == 'pasid'"
result "monitor: the end of the loss"
metric "vfcap_capability_lost{$labels,capability=\"pasid\"} 0" && check 0 OK
result "metrics: it is lost no more"
release
next "d['event'] == 'closed'" && ctl 0 unbind "$VFCAP_VF" --no-driver &&
	next "d['event'] == 'unbound'" && ctl 0 bind "$VFCAP_VF" && next "d['event'] == 'bound'"
result "monitor: closed, unbound and bound again"
kill "$monitor_PID"
echo auto > $parameters/pasid
ktap_finished
