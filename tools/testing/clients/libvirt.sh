# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests of libvirt have in common: the daemon in the lab's VM, and guests that it
# boots. They are sourced after client.sh, in the VM.

devices=/sys/bus/pci/devices
console=/var/tmp/console

# Where it writes there is memory, and it runs QEMU as root, without what an init
# would have set up, and without what not all kernels of the lab have. It begins by
# asking each QEMU what that can do.
start_libvirt()
{
	local folder

	cp -r /etc/libvirt /run/etc-libvirt
	mount --bind /run/etc-libvirt /etc/libvirt
	for folder in lib cache log; do
		mkdir -p "/run/var-$folder"
		mount --bind "/run/var-$folder" "/var/$folder"
	done
	mkdir -p /var/log/libvirt/qemu /var/lib/libvirt/qemu /run/lock
	mount -t cgroup2 cgroup2 /sys/fs/cgroup 2> /dev/null
	cat > /etc/libvirt/qemu.conf <<-END
	user = "root"
	group = "root"
	security_driver = "none"
	namespaces = []
	seccomp_sandbox = 0
	stdio_handler = "file"
	END
	cat > /etc/libvirt/libvirtd.conf <<-END
	auth_unix_rw = "none"
	log_outputs = "2:file:/var/log/libvirtd"
	END
	libvirtd --daemon && timeout 600 virsh version | sed 's/^/# /'
	return "${PIPESTATUS[0]}"
}

stop_libvirt()
{
	grep -v ': info :' /var/log/libvirtd | tail -n 20 | sed 's/^/# libvirtd: /'
	kill "$(< /run/libvirtd.pid)"
}

# igbvf asks the PF, which answers while it is up.
give_vfs_to_igbvf()
{
	local bdf

	ip link set "$(ls "$devices/$VFCAP_PF/net")" up
	echo 1 > "$devices/$VFCAP_PF/sriov_drivers_autoprobe"
	for bdf in "$VFCAP_VF" "$VFCAP_VF2"; do
		[ ! -e "$devices/$bdf/driver" ] || echo "$bdf" > "$devices/$bdf/driver/unbind"
		echo > "$devices/$bdf/driver_override"
	done
	modprobe igbvf
	[ "$(driver_of "$VFCAP_VF") $(driver_of "$VFCAP_VF2")" = "igbvf igbvf" ]
}

is_igbvfs()		# BDF
{
	[ "$(driver_of "$1")" = igbvf ] && [ "$(< "$devices/$1/driver_override")" = "(null)" ]
}

# Until the guest ended: it looks at the VF and powers off. libvirt gives it devices that take
# minutes to probe on an emulated SVM.
wait_for_end()		# DOMAIN
{
	local end=$((SECONDS + 600))

	while [ "$(virsh domstate "$1" | head -n 1)" = running ]; do
		[ $SECONDS -lt $end ] || { virsh destroy "$1"; break; }
		sleep 1
	done
	tr -d '\r' < $console > /var/tmp/guest
	grep -q '^guest: end' /var/tmp/guest && return
	sed 's/^/# /' /var/tmp/guest
	tail -n 20 "/var/log/libvirt/qemu/$1.log" | sed 's/^/# /'
	return 1
}
