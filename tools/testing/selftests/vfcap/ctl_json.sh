# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Checks of the JSON that vfcapctl printed, by ctl_json.py beside this, for tests of
# vfcapctl that source it. Its schema is $schema.

json_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# What answers json(): started at its first use, and ended when it can be asked no more
json_in="" json_out=""
start_json()
{
	local fifos
	fifos=$(mktemp -d) && mkfifo "$fifos"/{in,out} || return
	# shellcheck disable=SC2154 # of the test
	python3 -IS "$json_folder/ctl_json.py" "$schema" \
		< "$fifos/in" > "$fifos/out" 2>&1 &
	exec {json_in}> "$fifos/in" {json_out}< "$fifos/out"
	rm -r "$fifos"
}

# Whether the JSON in $out is what its schema says, and all Python expressions hold of
# it, which is "d". A check of doctor's is c("id"), a function of list's f("address").
json()			# EXPRESSION...
{
	local line=""
	[ "$json_in" ] || start_json || return
	# shellcheck disable=SC2154 # of the test
	printf '%s\0' "$out" "$@" "" >&"$json_in"
	while read -r line <&"$json_out" && [ "$line" != ok ] && [ "$line" != bad ]; do
		echo "$line"
	done
	[ "$line" = ok ]
}
