# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # the tests use them
#
# Shared by the tests of vfcapctl, which are run in the directory that they are in

# shellcheck source-path=SCRIPTDIR source=tap.sh
. ./tap.sh
schema=/vfcap/tools/vfcapctl/vfcapctl.schema.json
# shellcheck source-path=SCRIPTDIR source=ctl_json.sh
. ./ctl_json.sh
PATH=$VFCAP_MODULES/tools/vfcapctl:$PATH
parameters=/sys/module/vfcap_vfio_pci/parameters
devices=/sys/bus/pci/devices
fixture=/sys/kernel/debug/vfcap-fixture
mock=/sys/kernel/debug/vfcap-mock-vmd
# shellcheck disable=SC2153 # from the environment
pf=$VFCAP_PF vf2=$VFCAP_VF2
out="" err="" status=0 cpu=0 used=0
# Prefix for a command that is to be run as another user
as=()
# A command that takes this many seconds is considered hung.
hang=20
# How much CPU a command may take, in hundredths of a second
max_cpu=100

# Stock kernels have no iommufd: a VF is opened through its group there, and "auto" shows
# nothing. Before 6.18 an open device does not tell its name.
via=group
[ ! -e /dev/iommu ] || via=cdev
shares=true
[ $via = cdev ] ||
	[ "$(printf '%s\n' 6.18 "$(uname -r)" | sort -V | head -n 1)" = 6.18 ] ||
	shares=false

# Set $used: the CPU that this shell's children have taken so far, in hundredths of a
# second. What runs for each command does not start a process, since that is slow on an
# emulated CPU.
cpu_used()
{
	local stat
	read -ra stat < /proc/$$/stat
	used=$((stat[15] + stat[16]))
}

# Run vfcapctl, keep its output in $out and $err, and the CPU that it took, in hundredths
# of a second, in $cpu; true if its exit status is STATUS. No command may hang; one that
# cannot even be killed is left behind.
ctl()			# STATUS ARG...
{
	local wanted=$1 before
	shift
	cpu_used
	status=0 before=$used
	out=$(timeout -k 1 $hang "${as[@]}" vfcapctl "$@" 2> /tmp/stderr < /dev/null) || status=$?
	cpu_used
	cpu=$((used - before))
	err=$(< /tmp/stderr)
	[ $status = "$wanted" ] && return
	echo "# vfcapctl $*: status $status, not $wanted"
	echo "# $out$err"
	false
}

# The status of one of doctor's checks, for json
check()			# ID
{
	echo "c('$1')['status']"
}

function_of()		# BDF
{
	echo "f('$1')"
}

# For use in a subshell, since it changes the directory
driver()		# BDF
{
	cd -P "$devices/$1/driver" 2> /dev/null && echo "${PWD##*/}"
}

override()		# BDF
{
	cat "$devices/$1/driver_override"
}

# Start a VMM that has the VF open until "release"; its process is $holder.
hold()			# BDF cdev|group [ACT...]
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

# How often a VF was opened and its config space then accessed, according to the log
opens()
{
	dmesg | grep -c 'capability shown at\|PASID capability not shown'
}

# Set $slow: how many times slower than a real machine this one is now, if its CPU is
# emulated and shared with other work. The program that is measured does the same each
# time, and takes less than half a hundredth of a second on a real machine. Where the
# clock counts instructions, nothing is slow.
counted=""
measure()
{
	local before _
	slow=1
	[ -z "$counted" ] || return 0
	cpu_used
	before=$used
	for _ in 1 2; do
		vfcapctl --version > /dev/null
	done
	cpu_used
	slow=$((used - before))
	[ $slow -gt 0 ] || slow=1
}

# Whether a command that took this much CPU would have been fast enough on a real machine
is_prompt()		# HUNDREDTHS WHAT
{
	[ "$1" -gt $max_cpu ] || return 0
	measure
	echo "# $2: $1 hundredths of CPU, on a machine that is $slow times slower than a real one"
	[ "$1" -le $((max_cpu * slow)) ]
}

# Whether a command is fast enough in at least one of several tries; its output is in
# /tmp/out.
takes()			# COMMAND...
{
	local before _

	for _ in 1 2 3; do
		cpu_used
		before=$used
		timeout -s KILL $hang "${as[@]}" "$@" > /tmp/out 2> /tmp/stderr < /dev/null
		if [ $? = 137 ]; then
			echo "# $*: hangs"
			return 1
		fi
		cpu_used
		cpu=$((used - before))
		! is_prompt $cpu "$*" || {
			echo "# $*: $cpu hundredths of CPU"
			return
		}
	done
	false
}

# Whether all commands, one per line, are fast enough
all_take()
{
	local command bad=0

	while read -r command; do
		# shellcheck disable=SC2086 # words
		takes $command || bad=1
	done
	return $bad
}

# All commands except doctor, whatever has happened to a device. The last ones move the
# device if nobody uses it; then it is moved back. "report" includes what list, doctor and
# show print for the first VFs, and check_vfcap includes what metrics does.
all_commands()		# BDF
{
	local bdf=$1 was bad=0

	was=$(driver "$bdf")
	all_take <<-END || bad=1
	vfcapctl list --json
	/vfcap/tools/vfcapctl/check_vfcap
	timeout 0.3 vfcapctl monitor
	vfcapctl report
	vfcapctl show $bdf
	vfcapctl unbind $bdf
	vfcapctl bind $bdf
	END
	# shellcheck disable=SC2046 # words
	[ "$(driver "$bdf")" = "$was" ] ||
		takes vfcapctl $([ "$was" ] && echo "bind $bdf --driver $was" ||
			echo "unbind $bdf --no-driver") || bad=1
	[ "$(driver "$bdf")" = "$was" ] && return $bad
}

# Doctor, and the other commands in all their forms, for a device that cannot be moved now
all_ways()		# BDF
{
	all_take <<-END && all_commands "$1"
	vfcapctl doctor
	vfcapctl doctor $pf
	vfcapctl doctor $1
	vfcapctl doctor $1 --json
	vfcapctl doctor $1 --open
	vfcapctl list
	vfcapctl metrics
	timeout 1.5 vfcapctl monitor --json
	vfcapctl report $1
	vfcapctl show $1 --no-open
	vfcapctl show $1 --dump
	vfcapctl bind $1 --driver vfio-pci
	END
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
