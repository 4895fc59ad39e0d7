# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Shared by the shell tests, which are run in the directory that they are in, and print TAP
# with the kernel's own helpers

# shellcheck source=/dev/null # the kernel's
. ../kselftest/ktap_helpers.sh

# The result is the status of the last command.
result()		# NAME
{
	# shellcheck disable=SC2181 # the caller's
	if [ $? = 0 ]; then
		ktap_test_pass "$1"
	else
		ktap_test_fail "$1"
	fi
}

# NEEDED is "" if it does not exist.
start()			# PLAN NEEDED WHAT
{
	ktap_print_header
	[ "$2" ] || {
		ktap_skip_all "needs the lab's VM: $3"
		exit "$KSFT_SKIP"
	}
	ktap_set_plan "$1"
}

# The VFIO cdev of a VF, or nothing
cdev_of()		# BDF
{
	local cdev

	cdev=$(ls "/sys/bus/pci/devices/$1/vfio-dev" 2> /dev/null)
	ls "/dev/vfio/devices/${cdev:-none}" 2> /dev/null
}

# Wait until a line of a file matches, for 10 seconds at most.
wait_for_line()		# FILE PATTERN
{
	local i

	for ((i = 0; i < 100; i++)); do
		! grep -q "$2" "$1" || return 0
		sleep 0.1
	done
	false
}

like()			# TEXT PATTERN
{
	grep -q -- "$2" <<< "$1" || { echo "# no \"$2\" in: $1"; false; }
}
