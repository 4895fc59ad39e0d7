# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A nested guest, with Debian's own kernel, for the shell tests that source this
# after tap.sh: QEMU in the VM of the lab, its monitor, and what the guest prints.
# However the test ends, the guest ends with it. VFCAP_ACCEL is QEMU's accelerator, and
# VFCAP_GUEST_MACHINE its machine.

work=$(mktemp -d)
guest=""
boot_seconds=300
trap 'stop_guest; rm -rf "$work"' EXIT
exec 5<> <(:)
modprobe kvm-amd 2> /dev/null || modprobe kvm-intel 2> /dev/null

guest_runs()
{
	[ "$guest" ] && kill -0 "$guest" 2> /dev/null
}

# KVM stopped the guest: QEMU reports that after its prompt, and keeps running.
guest_halted()
{
	grep -q 'KVM internal error' "$work/qemu"
}

# What the guest has printed since "mark"
mark()
{
	marked=$(wc -l < "$work/console")
	: > "$work/qemu"
}

# Firmware clears the terminal's screen without ending the line.
printed()
{
	tail -n "+$((marked + 1))" "$work/console" |
		sed 's/\r//g; s/\x1b\[[0-9;=]*[A-Za-z]//g'
}

# Whether there is new output. This runs often, and should leave the emulated CPU to the
# guest.
says_more()
{
	[ "$work/console" -nt "$work/looked" ] || [ "$work/qemu" -nt "$work/looked" ]
}

has_printed()		# LINE
{
	printed | grep -q "^$1"
}

wait_for()		# LINE SECONDS
{
	local end=$((SECONDS + $2))

	rm -f "$work/looked"
	while guest_runs && [ $SECONDS -lt $end ]; do
		if says_more; then
			: > "$work/looked"
			! has_printed "$1" || return 0
			! grep -q '^Error\|KVM internal error' "$work/qemu" || break
		fi
		# A pause: nothing is ever written there.
		read -r -t 0.5 -u 5
	done
	! has_printed "$1" || return 0
	printed | sed 's/^/# /'
	sed 's/^/# QEMU: /' "$work/qemu"
	echo "# the guest did not print: $1"
	guest_runs || {
		wait "$guest"
		echo "# QEMU ended with status $?"
	}
	return 1
}

stop_guest()
{
	! guest_runs || kill "$guest"
	[ -z "$guest" ] || wait "$guest" 2> /dev/null
	guest=""
	exec 3>&- 4>&-
}

monitor()		# COMMAND
{
	echo "$1" >&3
}

# PROGRAM is the guest's init; for the choice see the target "guest" of vm.mk. What is
# written to file descriptor 4 arrives at the guest's second serial port.
launch_guest()		# ACCEL PROGRAM OPTION...
{
	local qemu

	stop_guest
	# shellcheck disable=SC2054 # the commas are QEMU's
	qemu=(qemu-system-x86_64 -M "${VFCAP_GUEST_MACHINE:-q35}" -accel "$1" -cpu max
		-m 512 -nodefaults -display none -monitor stdio
		-serial "file:$work/console"
		-chardev "file,id=input,path=/dev/null,input-path=$work/input"
		-serial chardev:input
		-kernel /boot/debian-backports -initrd /vfcap/build/guest.cpio
		-append "console=ttyS0 quiet rdinit=/$2")
	# shellcheck disable=SC2054
	[ ! -e /dev/iommu ] || qemu+=(-object iommufd,id=iommufd0)
	shift 2
	qemu+=("$@")
	echo "# ${qemu[*]}"

	rm -f "$work/monitor" "$work/input"
	mkfifo "$work/monitor" "$work/input"
	: > "$work/console"
	mark
	exec 4<> "$work/input"
	"${qemu[@]}" < "$work/monitor" >> "$work/qemu" 2>&1 4>&- &
	guest=$!
	exec 3> "$work/monitor"
	wait_for "guest: Linux .*ready" $boot_seconds
}

# Rarely, a guest on an emulated SVM ends in the middle of its output.
start_guest()		# PROGRAM OPTION...
{
	local accel=${VFCAP_ACCEL-kvm}

	[ "$accel" ] || {
		echo "# no guest is started on an emulated CPU: run the VM with --svm"
		return 1
	}
	for _ in 1 2 3; do
		! launch_guest "$accel" "$@" || return 0
	done
	return 1
}
