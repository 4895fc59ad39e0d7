# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion of vfcapctl(8) for bash: commands, their options, and of devices
# and drivers those that a command is for.

# What vfcap-vfio-pci has. What was given to another driver by its name tells its
# driver_override, which cannot be read while a driver comes or goes: that is not asked.
_vfcapctl_bound()
{
	local path

	for path in /sys/bus/pci/drivers/vfcap-vfio-pci/*:*:*.* \
		    /sys/bus/pci/drivers/vfio-pci/*:*:*.*; do
		[[ ! -e "$path" ]] || echo "${path##*/}"
	done
}

# VFs, and whatever else is an Intel RAID function, as VMD endpoints are
_vfcapctl_candidates()
{
	local path vendor class

	for path in /sys/bus/pci/devices/*; do
		{ read -r vendor < "$path/vendor" && read -r class < "$path/class"; } \
			2> /dev/null || continue
		if [[ -e "$path/physfn" || "$vendor $class" == "0x8086 0x0104"* ]]; then
			echo "${path##*/}"
		fi
	done
}

_vfcapctl_words()
{
	case $1 in
	"")	 echo "list show bind unbind doctor help -h --help -V --version" ;;
	list)	 echo "--json -h --help" ;;
	show)	 echo "--json --dump --no-open -h --help" ;;
	bind)	 echo "--json --driver -h --help" ;;
	unbind)	 echo "--json --no-driver -h --help" ;;
	doctor)	 echo "--json --cap --open --no-open -h --help" ;;
	help)	 echo "list show bind unbind doctor" ;;
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

	case $prev in
	--driver)
		words=$(cd /sys/bus/pci/drivers && echo *)
		;;
	--cap)
		words="pasid pri shdw"
		;;
	*)
		words=$(_vfcapctl_words "$command")
		case $cur,$command in
		-*|*,|*,list|*,help) ;;
		*,unbind)	words=$(_vfcapctl_bound) ;;
		*)		words=$(_vfcapctl_candidates) ;;
		esac
		;;
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
