#compdef vfcapctl
# SPDX-License-Identifier: GPL-2.0-only
#
# Completion of vfcapctl(8) for zsh: the commands and options that its help prints, with
# their descriptions, and the devices and drivers that a command takes

# Also where an ordinary user's PATH does not contain the command
_vfcapctl_help()
{
	PATH=$PATH:/usr/local/sbin:/usr/sbin command vfcapctl help "$@" 2> /dev/null
}

# "NAME:DESCRIPTION", as _describe takes them
_vfcapctl_commands()
{
	_vfcapctl_help | sed -nE 's/^  ([a-z]+) +([][A-Z.]+ +)?/\1:/p'
}

_vfcapctl_options()	# COMMAND
{
	_vfcapctl_help "$1" | sed -nE 's/^ +(-[a-zA-Z], )?(--[a-z-]+)( [A-Z]+)? +/\2:/p'
}

# VFs, PFs if the command takes them, and Intel RAID functions, as VMD endpoints are
_vfcapctl_candidates()	# COMMAND
{
	local dir

	for dir in /sys/bus/pci/devices/*(N); do
		if [[ -e $dir/physfn || ( $1 != show && -e $dir/sriov_totalvfs ) || "$(cat $dir/vendor $dir/class 2> /dev/null)" == \
				0x8086$'\n'0x0104* ]]; then
			print -r -- $dir:t
		fi
	done
}

_vfcapctl()
{
	local -a found devices
	local command=""

	(( CURRENT == 2 )) || command=$words[2]
	case $command,$words[CURRENT-1] in
	*,--driver)
		found=(/sys/bus/pci/drivers/*(N:t))
		compadd -a found
		return
		;;
	*,--cap)
		compadd pasid pri shdw
		return
		;;
	,*|help,*)
		found=("${(@f)$(_vfcapctl_commands)}")
		[[ -n $command ]] || found+=("help:print the help" "--help" "--version")
		_describe -t commands command found
		return
		;;
	esac

	if [[ $PREFIX == -* ]]; then
		found=("${(@f)$(_vfcapctl_options $command)}")
		_describe -t options option found
		return
	fi
	[[ ${"${(@f)$(_vfcapctl_help $command)}"[1]} == *BDF* ]] || return
	if [[ $command == unbind ]]; then
		devices=(/sys/bus/pci/drivers/{vfcap-vfio-pci,vfio-pci}/*:*:*.*(N:t))
	else
		devices=("${(@f)$(_vfcapctl_candidates $command)}")
	fi
	compadd -a devices
}

_vfcapctl "$@"
