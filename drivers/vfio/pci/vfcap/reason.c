// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log of a session, and why a capability is not shown, in words
 */
#include <linux/pci.h>

#include "base.h"

static const char * const vfcap_reasons[] = {
	[VFCAP_REASON_NOT_APPLICABLE]	= "such a device never shows it",
	[VFCAP_REASON_PARAMETER]	= "switched off by its module parameter",
	[VFCAP_REASON_USER]		= "its VMM hid it",
	[VFCAP_REASON_PF_GONE]		= "its PF does not answer",
	[VFCAP_REASON_PF_LACKS]		= "its PF has no such capability",
	[VFCAP_REASON_PF_DRIVER]	= "the driver of its PF says so",
	[VFCAP_REASON_PF_LOST]		= "its PF has lost it meanwhile",
	[VFCAP_REASON_NOT_HELD]		=
		"it was not wanted, or not provided, when the VF was opened",
	[VFCAP_REASON_NO_CDEV]		=
		"it was opened through its VFIO group; have the VMM open its cdev (iommufd)",
	[VFCAP_REASON_NO_IOMMU]		=
		"its IOMMU cannot back PASIDs of a guest; that takes VT-d in scalable mode, SMMUv3 or AMD, and Linux 6.15 or later with CONFIG_IOMMUFD",
	[VFCAP_REASON_GROUP_SHARED]	= "it shares its IOMMU group with other devices",
	[VFCAP_REASON_PF_USER_SPACE]	=
		"its PF is itself given to user space; bind the PF to its own driver",
	[VFCAP_REASON_NO_ANSWERER]	=
		"the driver of its PF does not declare that it answers its VFs' page requests, and this kernel cannot deliver them to its VMM",
	[VFCAP_REASON_NO_ATS]		= "the kernel has not enabled ATS in it",
	[VFCAP_REASON_NO_SHARE]		= "its PF was allotted fewer page requests than it has VFs",
	[VFCAP_REASON_NO_ROOM]		= "its config space has no room for it that reads as zero",
	[VFCAP_REASON_STRICT]		=
		"nobody says where it may lie, and parameter placement=strict",
	[VFCAP_REASON_OWN]		= "it has one itself",
	[VFCAP_REASON_QEMU]		=
		"there is room only behind its last capability, where QEMU would refuse to start; QEMU adds its own",
	[VFCAP_REASON_BARS]		=
		"its BARs 2 and 4 are not both memory BARs with an address",
	[VFCAP_REASON_QUIRK]		= "parameter quirks says so",
	[VFCAP_REASON_NO_PASIDS]	=
		"its IOMMU has no PASIDs for it; VT-d has them in scalable mode (sm_on)",
	[VFCAP_REASON_CORE]		=
		"vfio-pci-core keeps its config space in an unknown way",
	[VFCAP_REASON_NOIOMMU_MODE]	= "it was opened in VFIO's no-IOMMU mode; turn on an IOMMU",
	[VFCAP_REASON_NOT_ENABLED]	=
		"the kernel has not enabled it in the function; boot with the IOMMU in scalable mode (sm_on)",
	[VFCAP_REASON_NOT_GATED]	=
		"nothing enforces PASID Enable there, and parameter pasid=gated",
	[VFCAP_REASON_HAS_VFS]		=
		"it is a PF that has VFs, which share it; remove them first",
	[VFCAP_REASON_NO_VMM]		= "its VMM has not declared that it answers page requests",
};

/**
 * vfcap_reason_text - why a capability is not shown, for the log
 * @cap: the capability
 * @reason: any except VFCAP_REASON_NONE
 *
 * Context: Any context.
 * Return: a text that continues "PASID capability not shown: ".
 */
const char *vfcap_reason_text(const struct vfcap_cap *cap,
			      enum vfcap_reason reason)
{
	if (reason == VFCAP_REASON_PF_DISABLED)
		return cap->unavailable;
	return vfcap_reasons[reason];
}

/**
 * vfcap_log - log what is shown in a session, and why
 * @vd: the device
 * @fmt: as for printf()
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_log(struct vfcap_device *vd, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (vd->quiet)
		return;
	va_start(args, fmt);
	vaf.va = &args;
	pci_info(vd->core.pdev, "%pV", &vaf);
	va_end(args);
}
