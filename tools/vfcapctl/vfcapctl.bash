# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion of vfcapctl(8) for bash: the commands and options that its help prints, and
# the devices and drivers that a command takes

# Also where an ordinary user's PATH does not contain the command
_vfcapctl_help()
{
	PATH=$PATH:/usr/local/sbin:/usr/sbin vfcapctl help "$@" 2> /dev/null
}

# What vfcap-vfio-pci and vfio-pci have. Whether a device was bound to another driver by
# name could only be told from its driver_override, which cannot be read while a driver is
# being bound or unbound. So it is not consulted.
_vfcapctl_bound()
{
	local path

	for path in /sys/bus/pci/drivers/vfcap-vfio-pci/*:*:*.* \
		    /sys/bus/pci/drivers/vfio-pci/*:*:*.*; do
		[[ ! -e "$path" ]] || echo "${path##*/}"
	done
}

# VFs, PFs if the command takes them, and Intel RAID functions, as VMD endpoints are
_vfcapctl_candidates()	# COMMAND
{
	local path vendor class

	for path in /sys/bus/pci/devices/*; do
		{ read -r vendor < "$path/vendor" && read -r class < "$path/class"; } \
			2> /dev/null || continue
		if [[ -e "$path/physfn" || ( "$1" != show && -e "$path/sriov_totalvfs" ) ||
		      "$vendor $class" == "0x8086 0x0104"* ]]; then
			echo "${path##*/}"
		fi
	done
}

_vfcapctl_commands()
{
	_vfcapctl_help | sed -n 's/^  \([a-z]*\) .*/\1/p'
}

# The words that may follow a command: its options, and devices if it takes some
_vfcapctl_words()	# COMMAND CURRENT
{
	local help

	help=$(_vfcapctl_help "$1")
	sed -n 's/^  \(-[a-zA-Z]\), /\1 /; s/^ *\(-[^ ]*\( --[^ ]*\)\?\) .*/\1/p' <<< "$help"
	case $1,$2,${help%%$'\n'*} in
	*,-*,*)		;;
	unbind,*BDF*)	_vfcapctl_bound ;;
	*BDF*)		_vfcapctl_candidates "$1" ;;
	esac
}

_vfcapctl()
{
	local cur line prev command="" words

	# Readline cuts words at colons, which PCI addresses have.
	cur=${COMP_WORDS[COMP_CWORD]}
	if declare -F _get_comp_words_by_ref > /dev/null; then
		_get_comp_words_by_ref -n : cur
	fi
	prev=${COMP_WORDS[COMP_CWORD - 1]}
	[ "$COMP_CWORD" = 1 ] || command=${COMP_WORDS[1]}

	case $command,$prev in
	*,--driver)	words=$(cd /sys/bus/pci/drivers && echo *) ;;
	*,--cap)	words="pasid pri shdw" ;;
	,*)		words="$(_vfcapctl_commands) help -h --help -V --version" ;;
	help,*)		words=$(_vfcapctl_commands) ;;
	*)		words=$(_vfcapctl_words "$command" "$cur") ;;
	esac

	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("$line")
	done < <(compgen -W "$words" -- "$cur")
	if declare -F __ltrim_colon_completions > /dev/null; then
		__ltrim_colon_completions "$cur"
	fi
}

complete -F _vfcapctl vfcapctl
