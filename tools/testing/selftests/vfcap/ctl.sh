# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # the tests use them
#
# What the tests of vfcapctl have in common: they are sourced in the folder that they
# lie in.

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

# Stock kernels have no iommufd: there a VF is opened through its group, and auto shows
# nothing. Before 6.18 an open device does not tell its name.
via=group
[ ! -e /dev/iommu ] || via=cdev
shares=true
[ $via = cdev ] ||
	[ "$(printf '%s\n' 6.18 "$(uname -r)" | sort -V | head -n 1)" = 6.18 ] ||
	shares=false

# Run it, keep its output in $out and $err; true if its exit status is this. None may
# hang, even so that it cannot be killed: it is left behind then.
ctl()			# STATUS ARG...
{
	local wanted=$1
	shift
	status=0
	out=$(timeout -k 1 20 vfcapctl "$@" 2> /tmp/stderr < /dev/null) || status=$?
	err=$(< /tmp/stderr)
	[ $status = "$wanted" ] && return
	echo "# vfcapctl $*: status $status, not $wanted"
	echo "# $out$err"
	false
}

# Whether the JSON in $out is what its schema says, and all Python expressions hold of
# it, which is "d". A check of doctor's is c("id"), a function of list's f("address").
json()			# EXPRESSION...
{
	python3 -IS ./ctl_json.py /vfcap/tools/vfcapctl/vfcapctl.schema.json "$@" 3<<< "$out"
}

# The status of one check of doctor's, for json
check()			# ID
{
	echo "c('$1')['status']"
}

function_of()		# BDF
{
	echo "f('$1')"
}

driver()		# BDF
{
	basename "$(readlink "$devices/$1/driver")"
}

override()		# BDF
{
	cat "$devices/$1/driver_override"
}

# A VMM that has the VF open, until release; its process is $holder.
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

# How often a VF was opened, and its config space accessed
opens()
{
	dmesg | grep -c 'capability shown at\|PASID capability not shown'
}

cpu_used()
{
	awk '{ print $16 + $17 }' /proc/$$/stat
}

# Whether it takes no more than so many hundredths of a second of CPU; what it prints is
# in /tmp/out. A busy machine makes any command of its VM take longer, for a while: the
# best of some tries counts.
takes()			# MAXIMUM ARG...
{
	local maximum=$1 before used=() _
	shift
	for _ in 1 2 3 4; do
		before=$(cpu_used)
		timeout -s KILL 8 vfcapctl "$@" > /tmp/out 2> /tmp/stderr < /dev/null
		if [ $? = 137 ]; then
			echo "# $*: hangs"
			return 1
		fi
		used+=($(($(cpu_used) - before)))
		[ "${used[-1]}" -gt "$maximum" ] || break
	done
	echo "# $*: ${used[*]} hundredths of CPU"
	[ "${used[-1]}" -le "$maximum" ]
}

wait_until()		# COMMAND...
{
	local i
	for ((i = 0; i < 300; i++)); do
		"$@" && return
		sleep 0.1
	done
	echo "# never: $*"
	false
}

has_state()		# BDF STATE
{
	[ "$(cat "$devices/$1/vfcap/pasid_state")" = "$2" ]
}
