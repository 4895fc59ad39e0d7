# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# TAP for the lab's own tests, which run where the kernel's helpers are not available.

tap_number=0 tap_bad=0

plan()			# NUMBER
{
	echo "TAP version 13"
	echo "1..$1"
}

# The result is the status of the last command.
result()		# NAME
{
	local status=$?

	tap_number=$((tap_number + 1))
	if [ $status = 0 ]; then
		echo "ok $tap_number $1"
	else
		echo "not ok $tap_number $1"
		tap_bad=1
	fi
	return $status
}

comment()		# TEXT
{
	echo "# ${1//$'\n'/$'\n'# }"
}

# Lines that should not exist: comments them, and fails if there are any
comment_all()
{
	! sed 's/^/# /' | grep .
}

same()			# TEXT WANTED
{
	[ "$1" = "$2" ] || { comment "\"$1\" is not \"$2\""; false; }
}

like()			# TEXT PATTERN
{
	grep -q -- "$2" <<< "$1" || { comment "no \"$2\" in: $1"; false; }
}

says()			# TEXT PART
{
	grep -qF -- "$2" <<< "$1" || { comment "no \"$2\" in: $1"; false; }
}

finish()
{
	exit $tap_bad
}
