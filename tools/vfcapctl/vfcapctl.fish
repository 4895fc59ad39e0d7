# SPDX-License-Identifier: GPL-2.0-only
#
# Completion of vfcapctl(8) for fish: the commands and options that its help prints, with
# their descriptions, and the devices and drivers that a command takes

# Also where an ordinary user's PATH does not contain the command
function __vfcapctl_help
    set -lx PATH $PATH /usr/local/sbin /usr/sbin
    vfcapctl help $argv 2>/dev/null
end

function __vfcapctl_commands
    __vfcapctl_help | string replace -rf '^  ([a-z]+) +(?:[A-Z.[\]]+ +)?(.*)' '$1\t$2'
end

function __vfcapctl_options --argument-names command
    __vfcapctl_help $command | string replace -rf '^ +(?:(-\w), )?(--[a-z-]+)(?: [A-Z]+)? +(.*)' '$2\t$3'
end

function __vfcapctl_bound
    for driver in vfcap-vfio-pci vfio-pci
        set -l paths /sys/bus/pci/drivers/$driver/*:*:*.*
        string replace -r '.*/' '' -- $paths
    end
end

# VFs, PFs if the command takes them, and Intel RAID functions, as VMD endpoints are
function __vfcapctl_candidates --argument-names command
    for path in /sys/bus/pci/devices/*
        if test -e $path/physfn
            or test $command != show -a -e $path/sriov_totalvfs
            or string match -q '0x8086 0x0104*' (cat $path/vendor $path/class 2>/dev/null | string join ' ')
            string replace -r '.*/' '' -- $path
        end
    end
end

function __vfcapctl_words
    set -l words (commandline -opc)
    set -l command $words[2]
    set -l current (commandline -ct)

    switch "$command,$words[-1]"
        case '*,--driver'
            set -l paths /sys/bus/pci/drivers/*
            string replace -r '.*/' '' -- $paths
        case '*,--cap'
            printf '%s\n' pasid pri shdw
        case ',*'
            __vfcapctl_commands
            printf '%s\n' help\t'print the help' --help --version
        case 'help,*'
            __vfcapctl_commands
        case '*'
            __vfcapctl_options $command
            string match -q -- '-*' $current; and return
            string match -q '*BDF*' (__vfcapctl_help $command)[1]; or return
            if test $command = unbind
                __vfcapctl_bound
            else
                __vfcapctl_candidates $command
            end
    end
end

complete -c vfcapctl -f -a '(__vfcapctl_words)'
