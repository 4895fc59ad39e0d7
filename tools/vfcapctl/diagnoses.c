// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl doctor: what it may find, what that means, and what to do
 *
 * Advice works as printed, in the order of the checks. Where nothing can be done, it
 * says so.
 */
#include <stddef.h>

#include "diagnoses.h"
#include "vfcapctl.h"

#define OTHER_SLOT	"use a slot behind a port with ACS, or switch ACS on in the firmware's setup"

#define AS_ROOT		"run this as root"

/* A loss ends with a reset of the VF that begins after the PF is as it was. */
#define THEN_RESET	"; then reset the VF: {reset}"

/* This is the only time when the kernel enables again what it had enabled. */
#define PF_RESET	"reset the PF, and with it its VFs: echo 1 > /sys/bus/pci/devices/{pf}/reset"

const struct diagnosis_info diagnoses[DIAGNOSES] = {
	[IOMMU_OK] = {
		"iommu-ok", OK, "{1} active, the device is in group {group}", NULL,
	},
	[IOMMU_ACTIVE] = { "iommu-active", OK, "{1} active", NULL },
	[IOMMU_NOT_OURS] = {
		"iommu-not-ours", PROBLEM,
		"{1} active, but none of them is responsible for this device",
		"look for the device in the kernel's log: dmesg | grep -e DMAR -e AMD-Vi -e smmu",
	},
	[IOMMU_OFF_BY_OPTION] = {
		"iommu-off-by-option", PROBLEM,
		"none is active; the firmware reports one, but the kernel was booted with {1}",
		"boot without {1}; with VT-d: intel_iommu=on,sm_on",
	},
	[IOMMU_OFF] = {
		"iommu-off", PROBLEM,
		"none is active; the firmware reports one",
		"boot with intel_iommu=on,sm_on, or what your IOMMU needs",
	},
	[IOMMU_NONE] = {
		"iommu-none", PROBLEM,
		"none is active, and the firmware reports none",
		"switch it on in the firmware's setup (VT-d, AMD-Vi, SMMU), then boot with intel_iommu=on,sm_on, or what your IOMMU needs",
	},

	[KERNEL_OK] = { "kernel-ok", OK, "Linux {1}, built with what vfcap needs", NULL },
	[KERNEL_UNCHECKED] = {
		"kernel-unchecked", OK,
		"Linux {1}; its options could not be checked, since there is no {2}",
		NULL,
	},
	[KERNEL_OLD] = {
		"kernel-old", PROBLEM, "Linux {1}", "use Linux 6.12 or later",
	},
	[KERNEL_LACKS] = {
		"kernel-lacks", PROBLEM, "Linux {1} was built without {2}",
		"use a kernel that was built with it",
	},

	[MODULES_OK] = { "modules-ok", OK, "the installed ones are loaded", NULL },
	[MODULES_UNLOADED] = {
		"modules-unloaded", PROBLEM, "{1} is not loaded",
		"modprobe vfcap-vfio-pci, which \"vfcapctl bind\" also does",
	},
	[MODULES_NOWHERE] = {
		"modules-nowhere", PROBLEM,
		"{1} is neither loaded nor installed for this kernel",
		"apt install vfcap-dkms, or in the sources: make modules_install, depmod; then modprobe vfcap-vfio-pci",
	},
	[MODULES_UNINSTALLED] = {
		"modules-uninstalled", NOTE,
		"{1} is loaded, but not installed for this kernel",
		"to have it after the next boot: apt install vfcap-dkms, or in the sources: make modules_install, depmod",
	},
	[MODULES_DIFFER] = {
		"modules-differ", PROBLEM,
		"{1} is loaded from a different build than {2}",
		"reboot, or once no VM uses a device of it: modprobe -r vfcap-vfio-pci && modprobe vfcap-vfio-pci",
	},
	[MODULES_UNKNOWN] = {
		"modules-unknown", UNKNOWN,
		"{1} has no build ID to compare, or {2} has none",
		"build both with --build-id, as the kernel's own Makefiles do",
	},

	[PF_OK] = { "pf-ok", OK, "{pf} is bound to {pfdriver}", NULL },
	[PF_TAKES_PART] = {
		"pf-takes-part", OK, "{pf} is bound to {pfdriver}, which takes part in vfcap", NULL,
	},
	[PF_NO_DRIVER] = {
		"pf-no-driver", PROBLEM, "{pf} has no driver",
		"load the driver of the PF, then: echo {pf} > /sys/bus/pci/drivers_probe",
	},
	[PF_UNBINDING] = {
		"pf-unbinding", PROBLEM,
		"its PF's driver is being unbound and is waiting for {1}",
		"stop {1}, or have it give the device back; then bind the PF to its driver and create the VFs again",
	},
	[PF_REMOVES_VFS] = {
		"vfs-removed", PROBLEM,
		"its PF's driver is removing its VFs and is waiting for {1}",
		"stop {1}, or have it give the device back",
	},
	[PF_UNBINDING_OTHER] = {
		"pf-unbinding-other", PROBLEM,
		"its PF's driver is being unbound and is waiting for {2}, which has {1}; this VF comes next",
		"stop {2}, or have it give {1} back; then bind the PF to its driver and create the VFs again",
	},
	[PF_USER_SPACE] = {
		"pf-user-space", IF_AUTO,
		"{pf} is bound to {pfdriver}, which leaves its registers to user space",
		PF_BACK,
	},

	[PF_CAP_OK] = { "pf-cap-ok", OK, "enabled, {1}", NULL },
	[PF_CAP_DENIED] = {
		"pf-cap-denied", UNKNOWN, "the registers of {pf} cannot be read",
		AS_ROOT,
	},
	[PF_CAP_LOCKED] = {
		"pf-cap-locked", UNKNOWN,
		"the kernel does not allow the registers of {pf} to be read now: it is being reset, or is changing its power state",
		"try again later; if this persists, look for {pf} in the kernel's log",
	},
	[PF_CAP_ASLEEP] = {
		"pf-cap-asleep", UNKNOWN,
		"{pf} has no power, and looking at it would wake it",
		"echo on > /sys/bus/pci/devices/{pf}/power/control, then run this again",
	},
	[PF_CAP_GONE] = {
		"pf-gone", PROBLEM, "{pf} does not answer",
		"see lspci -vvv -s {pf}; if its registers read as ff, it may take a power cycle or a hot plug to bring it back",
	},
	[PF_CAP_ABSENT] = {
		"pf-lacks", PROBLEM, "{pf} has no such capability",
		"none can be shown with this hardware, or its firmware",
	},
	[PF_CAP_CHANGING] = {
		"pf-changing", PROBLEM,
		"the PF's driver, {pfdriver}, is changing it; meanwhile, no VF that would show it can be opened",
		"try again later; if this persists, see the messages of {pfdriver}",
	},
	[PF_CAP_LOSING] = {
		"losing", PROBLEM,
		"the PF has lost it, and it is being taken from the guest",
		"wait a moment, then run this again",
	},
	[PF_CAP_BACK] = {
		"lost-back", PROBLEM,
		"the PF has it again; a VF that had lost it gets it back with a reset",
		"reset the VF: {reset}",
	},
	[PF_CAP_LOST_NO_DRIVER] = {
		"lost-no-driver", PROBLEM, "lost: the PF no longer has a driver",
		"bind the PF to its driver: echo {pf} > /sys/bus/pci/drivers_probe" THEN_RESET,
	},
	[PF_CAP_LOST_GONE] = {
		"lost-gone", PROBLEM, "lost: the PF does not answer",
		"see lspci -vvv -s {pf}; once it answers again, reset the VF: {reset}",
	},
	[PF_CAP_LOST_ASLEEP] = {
		"lost-asleep", PROBLEM, "lost: the PF is in a low power state",
		"wake it: setpci -s {pf} CAP_PM+4.b=0, and echo on > /sys/bus/pci/devices/{pf}/power/control"
		THEN_RESET,
	},
	[PF_CAP_LOST_ASLEEP_RESET] = {
		"lost-asleep", PROBLEM, "lost: the PF is in a low power state",
		"wake it: echo on > /sys/bus/pci/devices/{pf}/power/control; if that does not help, "
		PF_RESET THEN_RESET,
	},
	[PF_CAP_LOST_ABSENT] = {
		"lost-absent", PROBLEM,
		"lost: the capability is gone from the PF's config space",
		"reboot; if it is still missing then, the PF's firmware was changed",
	},
	[PF_CAP_LOST_DISABLED] = {
		"lost-disabled", PROBLEM,
		"lost: it was disabled in the PF's register, by user space (such as setpci), a reset, or the IOMMU's driver",
		"restore it: setpci -s {pf} {1}" THEN_RESET,
	},
	[PF_CAP_LOST_DISABLED_RESET] = {
		"lost-disabled", PROBLEM,
		"lost: it was disabled in the PF's register, by user space (such as setpci), a reset, or the IOMMU's driver",
		PF_RESET THEN_RESET,
	},
	[PF_CAP_LOST_CHANGED] = {
		"lost-changed", PROBLEM,
		"lost: the PF has it enabled, but other bits of its registers have changed",
		PF_RESET THEN_RESET,
	},
	[PF_CAP_OFF_NO_IOMMU] = {
		"pf-disabled-no-iommu", PROBLEM,
		"{pf} has it, but it is not enabled: the IOMMU's driver would do that, and there is no IOMMU",
		"first follow the advice on the IOMMU above",
	},
	[PF_CAP_OFF_PF_PREFIX] = {
		"pf-disabled-pf-prefix", PROBLEM,
		"{pf} has it, but it is not enabled: {pf} itself lacks End-End TLP Prefix Support, without which Linux does not enable it",
		"this cannot be changed with this hardware, or its firmware",
	},
	[PF_CAP_OFF_PORT_PREFIX] = {
		"pf-disabled-port-prefix", PROBLEM,
		"{pf} has it, but it is not enabled: port {1} above it lacks End-End TLP Prefix Support, without which Linux does not enable it",
		"use another slot",
	},
	[PF_CAP_OFF_ACS] = {
		"pf-disabled-acs", PROBLEM,
		"{pf} has it, but it is not enabled: {1} lacks ACS, and Linux enables it only with ACS on the whole path",
		OTHER_SLOT,
	},
	[PF_CAP_OFF_SM] = {
		"pf-disabled-sm", PROBLEM,
		"{pf} has it, but it is not enabled: the IOMMU is not in scalable mode{1}",
		"boot with intel_iommu=on,sm_on",
	},
	[PF_CAP_OFF_ASKED] = {
		"pf-disabled-unexplained", PROBLEM,
		"{pf} has it, but it is not enabled, although the kernel was booted with {1}",
		"see dmesg | grep -e DMAR -e {pf}; if it was disabled later, by setpci, " PF_RESET ", or reboot",
	},
	[PF_CAP_OFF] = {
		"pf-disabled", PROBLEM, "{pf} has it, but it is not enabled",
		"the kernel's IOMMU driver enables it: boot with what your IOMMU needs for PASIDs",
	},
	[PF_CAP_OFF_PRI] = {
		"pf-disabled", PROBLEM, "{pf} has it, but it is not enabled",
		"the kernel's IOMMU driver enables it if the IOMMU accepts page requests",
	},

	[PORTS_OK] = {
		"ports-ok", OK,
		"End-End TLP Prefix and ACS from {pf} to the root, as PASID requires",
		NULL,
	},
	[PORTS_DENIED] = {
		"ports-denied", UNKNOWN, "the registers of {pf} cannot be read",
		AS_ROOT,
	},
	[PORTS_NO_PREFIX] = {
		"ports-no-prefix", PROBLEM,
		"{1} lacks End-End TLP Prefix Support, without which Linux does not enable PASID",
		"use another slot, if it is a port",
	},
	[PORTS_NO_ACS] = {
		"ports-no-acs", PROBLEM,
		"{1} lacks ACS, and Linux enables PASID only with ACS on the whole path",
		OTHER_SLOT,
	},

	[PFS_SOME] = {
		"pfs-some", OK, "with PASID: {1}; see vfcapctl doctor {2}", NULL,
	},
	[PFS_NONE] = {
		"pfs-none", PROBLEM, "no PF or other function of this host has PASID",
		"none can be shown with this hardware, or its firmware; VMD endpoints need none: see vfcapctl list",
	},
	[PFS_DENIED] = {
		"pfs-denied", UNKNOWN, "the registers of functions cannot be read",
		AS_ROOT,
	},

	[VFS_BOUND] = { "vfs-bound", OK, "{1}", NULL },
	[VFS_UNBOUND] = {
		"vfs-unbound", NOTE, "{1}", "vfcapctl bind --all-vfs {pf}",
	},
	[VFS_NONE] = {
		"vfs-none", NOTE, "{1}",
		"vfcapctl bind --all-vfs --num-vfs N {pf}; add --persist to do so at each boot as well",
	},

	[PRI_MAYBE] = {
		"pri-maybe", OK,
		"{pfdriver} takes part in vfcap; only an open can tell whether it answers its VFs' page requests",
		NULL,
	},
	[PRI_UNANSWERED] = {
		"pri-unanswered", IF_AUTO,
		"{pfdriver} does not declare that it answers its VFs' page requests: the kernel would have to deliver them to the VMM",
		"no driver in Linux declares this yet, and no released kernel delivers them; pri=on shows it all the same, but then nobody answers: echo on > {params}/pri",
	},

	[PASIDS_OK] = {
		"pasids-ok", OK, "{1} (VT-d) has scalable mode with PASIDs, and it is on", NULL,
	},
	[PASIDS_NO_IOMMU] = {
		"pasids-no-iommu", PROBLEM, "there is no IOMMU for it",
		"first follow the advice on the IOMMU above",
	},
	[PASIDS_NO_SM] = {
		"pasids-no-sm", IF_AUTO, "{1} (VT-d) has no scalable mode",
		"this IOMMU cannot back PASIDs",
	},
	[PASIDS_NO_PASID] = {
		"pasids-no-pasid", IF_AUTO, "{1} (VT-d) has no PASIDs",
		"this IOMMU cannot back PASIDs",
	},
	[PASIDS_SM_OFF] = {
		"pasids-sm-off", IF_AUTO,
		"{1} (VT-d) has scalable mode, but it is switched off: the kernel was booted with {2}",
		"boot with intel_iommu=on,sm_on",
	},
	[PASIDS_SM_UNUSED] = {
		"pasids-sm-unused", IF_AUTO,
		"{1} (VT-d) has scalable mode with PASIDs, which the kernel does not use",
		"boot with intel_iommu=on,sm_on",
	},
	[PASIDS_SM_REFUSED] = {
		"pasids-sm-refused", IF_AUTO,
		"{1} (VT-d) has scalable mode with PASIDs, and {2} asks for it, but no function has PASID enabled: the kernel does not use scalable mode, or somebody disabled PASID",
		"see dmesg | grep DMAR, and the advice on the PF above",
	},
	[PASIDS_SM_ASKED] = {
		"pasids-sm-asked", OK,
		"{1} (VT-d) has scalable mode with PASIDs, and {2} asks for it; no function shows whether it is in use",
		NULL,
	},
	[PASIDS_UNSEEN] = {
		"pasids-unseen", UNKNOWN,
		"{1} (VT-d) has scalable mode with PASIDs; only registers tell whether it is in use, and they cannot be read",
		AS_ROOT,
	},
	[PASIDS_NOT_VTD] = {
		"pasids-not-vtd", NOTE,
		"{1} is not a VT-d: PASID Enable is not gated there; the guest's own table decides",
		"use pasid=gated if it is to be shown only where Enable is enforced",
	},
	[PASIDS_NONE] = {
		"pasids-none", IF_AUTO, "{1} has no PASIDs for the device",
		"see the kernel's log (SMMUv3: SubstreamIDs); pasid=on shows it nevertheless, as wide as the PF's: echo on > {params}/pasid",
	},

	[IOMMUFD_OK] = { "iommufd-ok", OK, "Linux {1}, {2}", NULL },
	[IOMMUFD_OLD] = {
		"iommufd-old", IF_AUTO, "Linux {1} does not attach PASIDs for VMMs",
		"use Linux 6.15 or later with CONFIG_IOMMUFD; or " PASID_UNENFORCED,
	},
	[IOMMUFD_UNLOADED] = {
		"iommufd-unloaded", IF_AUTO, "there is no /dev/iommu",
		"modprobe iommufd",
	},
	[IOMMUFD_NONE] = {
		"iommufd-none", IF_AUTO, "Linux {1} was built without iommufd",
		"use a kernel with CONFIG_IOMMUFD, which Ubuntu's and Fedora's have and Debian's do not; or "
		PASID_UNENFORCED,
	},
	[IOMMUFD_NO_CDEV] = {
		"iommufd-no-cdev", IF_AUTO, "VFIO has not created a cdev for the device",
		"use a kernel with CONFIG_VFIO_DEVICE_CDEV",
	},

	[GROUP_OK] = { "group-ok", OK, "alone in group {group}", NULL },
	[GROUP_NONE] = {
		"group-none", PROBLEM, "the device is in no group",
		"first follow the advice on the IOMMU above",
	},
	[GROUP_SHARED] = {
		"group-shared", IF_AUTO_PASID,
		"group {group} has other devices: {1}", OTHER_SLOT,
	},
	[GROUP_NOT_VIABLE] = {
		"group-not-viable", PROBLEM,
		"group {group} has other devices, which drivers of the host use: {1}; no VMM can open a device in it",
		OTHER_SLOT,
	},

	[DRIVER_OK] = { "driver-ok", OK, "{driver}", NULL },
	[DRIVER_GOING] = {
		"driver-going", PROBLEM, "none any more: {1}",
		"stop the process that is waited for, or have it give the device back",
	},
	[DRIVER_OTHER] = {
		"driver-other", PROBLEM, "{driver}",
		"vfcapctl bind {vf}; writing its ID to new_id, or setting a parameter ids=, does not work: "
		OUR_DRIVER " takes devices one by one",
	},
	[DRIVER_IN_USE] = {
		"driver-in-use", PROBLEM, "{driver}; {1}",
		"stop that process first, then: vfcapctl bind {vf}",
	},
	[DRIVER_FIRST_IOMMU] = {
		"driver-first-iommu", PROBLEM, "{driver}",
		"first follow the advice on the IOMMU above: VFIO takes no device without one; then: vfcapctl bind {vf}",
	},
	[DRIVER_FIRST_MODULES] = {
		"driver-first-modules", PROBLEM, "{driver}",
		"first install the modules, see above; then: vfcapctl bind {vf}",
	},

	[PARAMETER_OK] = { "parameter-ok", OK, "{param}={1}", NULL },
	[PARAMETER_OFF] = {
		"parameter-off", PROBLEM, "{param}=off",
		"echo auto > {params}/{param}, then open the device again; see also /etc/modprobe.d",
	},
	[PARAMETER_NONE] = {
		"parameter-none", UNKNOWN,
		"vfcap-vfio-pci is not loaded, or has no such parameter",
		"load the module first, see above",
	},
	[PLACEMENT_OK] = { "placement-ok", OK, "placement={1}", NULL },
	[PLACEMENT_STRICT] = {
		"placement-strict", PROBLEM,
		"placement=strict, and neither parameter quirks nor the PF's driver says where it may be placed",
		"echo auto > {params}/placement, then open the device again; or say where, as in \"options vfcap-vfio-pci quirks={1}:{2}=1e0\" in /etc/modprobe.d; or have the VMM choose",
	},

	[OPENED_NOT] = { "opened-not", OK, "not in use", NULL },
	[OPENED_OK] = { "opened-ok", OK, "by {1}, through its {2}", NULL },
	[OPENED_GROUP] = {
		"opened-group", IF_AUTO_PASID, "by {1}, through its group",
		"have the VMM use iommufd (QEMU: -object iommufd,id=iommufd0 -device vfio-pci,iommufd=iommufd0,...)",
	},
	[OPENED_UNSEEN] = {
		"opened-unseen", UNKNOWN,
		"by a process that cannot be seen from here",
		AS_ROOT ", outside of containers",
	},

	[PREFIX_OK] = { "prefix-ok", OK, "the device supports it", NULL },
	[PREFIX_DENIED] = {
		"prefix-denied", UNKNOWN, "the registers of {vf} cannot be read",
		AS_ROOT,
	},
	[PREFIX_UNREAD] = {
		"prefix-unread", UNKNOWN,
		"the registers of {vf} cannot be read now: it is being reset, has no power, or is gone",
		"try again later",
	},
	[PREFIX_LACKS] = {
		"prefix-lacks", NOTE,
		"{vf} lacks it: a Linux guest will not enable PASID",
		"this cannot be changed with this hardware; guests other than Linux may enable PASID",
	},

	[SHOWN_OK] = { "shown", OK, "at {1}{2}", NULL },
	[SHOWN_WAITING] = {
		"pasids-waiting", NOTE,
		"at {1}; its VMM has attached {2}; the guest's driver is not running yet, and PASID Enable has not been written",
		"nothing to do for now; run this again once the guest's driver has the device",
	},
	[SHOWN_UNREACHED] = {
		"pasids-unreached", PROBLEM,
		"at {1}; its VMM has attached {2}, without effect: the guest's driver is running, but PASID Enable was never written",
		"if the guest uses PASIDs, its VMM shows it a capability of its own: switch that off, or this one (echo off > {params}/pasid), then open the device again; vfcap's admin-guide/vfcap-clients.rst says how, for each VMM",
	},
	[SHOWN_LOST] = {
		"shown-lost", PROBLEM, "at {1}, but lost",
		"once the PF has it back (see above), reset the VF: {reset}",
	},
	[SHOWN_NATIVE] = {
		"native", OK,
		"no: native shadow registers tell the guest the addresses instead", NULL,
	},
	[SHOWN_NATIVE_OFF] = {
		"native-parameter", PROBLEM,
		"no native shadow registers: switched off by parameter vmd_shadow",
		"echo auto > {params}/vmd_shadow, then open the device again",
	},
	[SHOWN_NATIVE_LOCK] = {
		"native-vmlock", PROBLEM,
		"no native shadow registers: a capability of the device is where VMLOCK should be, at 70h",
		"it is not a VMD of a known kind: report it, with lspci -xxxx -s {vf}",
	},
	[SHOWN_NATIVE_SMALL] = {
		"native-bars", PROBLEM,
		"no native shadow registers: MEMBAR2, its BAR 4, is too small for them, or has no address",
		"look for {vf} in the boot log; if the firmware gives it what it should have, report it",
	},
	[SHOWN_NATIVE_REFUSED] = {
		"native-refused", PROBLEM, "no native shadow registers are shown",
		"the kernel's log says why: dmesg | grep {vf}",
	},
	[SHOWN_NOT] = { "hidden", PROBLEM, "no: {1}", "{2}" },
	[SHOWN_NEEDS_NOT] = { "needs-not", OK, "no, and need not be: {1}", NULL },
	[SHOWN_OTHER_DRIVER] = {
		"not-ours", PROBLEM, "no: vfcap-vfio-pci is not its driver",
		"first follow the advice on its driver above",
	},
	[SHOWN_GOING] = {
		"going", PROBLEM, "no longer: {1}",
		"first follow the advice above",
	},
	[SHOWN_CLOSED] = {
		"not-open", OK,
		"not open; nothing that can be seen prevents it. What only an open can tell, such as whether there is room for it, \"doctor --open\" finds out, which resets the device",
		NULL,
	},
	[SHOWN_WOULD_NOT] = {
		"would-not", PROBLEM, "not open, and would not be shown",
		"first follow the advice above",
	},
	[SHOWN_WOULD_UNKNOWN] = {
		"would-unknown", UNKNOWN,
		"not open; not everything that it requires can be seen",
		"first follow the advice above",
	},
	[SHOWN_UNSEEN] = {
		"unseen", UNKNOWN, "{1}", AS_ROOT ", or see dmesg | grep {vf}",
	},
	[SHOWN_CANNOT_OPEN] = {
		"cannot-open", PROBLEM, "{1}",
		"fix that, and follow the advice above",
	},
};
