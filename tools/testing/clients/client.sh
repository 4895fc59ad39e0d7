# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests of real clients have in common. Each is a script that starts on
# this machine, goes on in a VM of the lab, and prints TAP.

CLIENTS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP_DIR=$(cd "$CLIENTS_DIR/../../.." && pwd)

case "${1-}" in
-h|--help)
	echo "Usage: ${0##*/}"
	echo
	sed -n '4,/^[^#]*$/s/^# \?//p' "$0"
	exit
	;;
esac

# What follows the call of this runs in a VM, with the TAP helpers at hand. Where
# it runs in one already, that is so.
in_vm()			# KERNEL [OPTION...]
{
	local name kernel=$1
	name=$(basename "$0")
	shift

	if [ -z "${VFCAP_VF-}" ]; then
		mkdir -p "$TOP_DIR/build/clients"
		exec "$TOP_DIR/tools/testing/lab/vm" --kernel "$kernel" \
			--timeout 7200 "$@" \
			--console "$TOP_DIR/build/clients/$name.console" \
			-- "/vfcap/tools/testing/clients/$name"
	fi
	cd "$VFCAP_MODULES/selftests/vfcap" || exit
	# shellcheck source-path=SCRIPTDIR/../selftests/vfcap source=tap.sh
	. ./tap.sh
}

driver_of()		# BDF
{
	basename "$(readlink "/sys/bus/pci/devices/$1/driver")"
}

# As "make modules_install" and "depmod" leave them: ours beside the kernel's own,
# of which only what is asked for is there, and what that needs.
install_modules()	# MODULE...
{
	local modules=/usr/lib/modules release path
	release=$(uname -r)

	mkdir -p "/run/modules/$release/updates" || return
	cp $modules/"$release"/modules.{builtin,builtin.modinfo,order} "/run/modules/$release/"
	modprobe -a -D "$@" | awk '$1 == "insmod" { print $2 }' | sort -u |
	while read -r path; do
		cp "$path" "/run/modules/$release/"
	done
	cp "$VFCAP_MODULES"/drivers/{pci,vfio/pci}/vfcap/*.ko "/run/modules/$release/updates/"
	mount --bind /run/modules $modules && depmod "$release"
}
