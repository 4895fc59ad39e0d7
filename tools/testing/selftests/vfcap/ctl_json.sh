# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Checks the JSON that vfcapctl printed, with ctl_json.py in the same directory, for tests of
# vfcapctl that source this. Its schema is $schema.

json_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The process that answers json(): started at its first use, and ended when this shell
# ends
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

# Whether the JSON in $out matches its schema, and all Python expressions about it are
# true, in which it is "d". One of doctor's checks is c("id"), a function in list's output
# f("address").
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
