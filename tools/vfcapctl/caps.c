// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: the capabilities that vfcap-vfio-pci may show, and the words for what
 * it tells of them. Keys are for scripts and do not change.
 */
#include <stdio.h>
#include <strings.h>

#include <linux/pci_regs.h>

#include "vfcapctl.h"

const struct cap_info caps[VFCAP_CAP_COUNT] = {
	[VFCAP_CAP_PASID] = {
		.name	= "PASID",
		.key	= "pasid",
		.param	= "pasid",
		.id	= PCI_EXT_CAP_ID_PASID,
		.size	= PCI_EXT_CAP_PASID_SIZEOF,
		.enable	= PCI_PASID_CTRL,
		.kinds	= BIT(KIND_VF),
	},
	[VFCAP_CAP_PRI] = {
		.name	= "PRI",
		.key	= "pri",
		.param	= "pri",
		.id	= PCI_EXT_CAP_ID_PRI,
		.size	= PCI_EXT_CAP_PRI_SIZEOF,
		.enable	= PCI_PRI_CTRL,
		.kinds	= BIT(KIND_VF),
	},
	[VFCAP_CAP_SHDW] = {
		.name	= "SHDW",
		.key	= "shdw",
		.param	= "vmd_shadow",
		.id	= PCI_CAP_ID_VNDR,
		.kinds	= BIT(KIND_VMD),
	},
};

struct word {
	const char *key;
	const char *text;
};

static const struct word reasons[] = {
	[VFCAP_REASON_NONE] = { "none", "it is shown" },
	[VFCAP_REASON_NOT_APPLICABLE] = {
		"not-applicable", "such a device never shows it" },
	[VFCAP_REASON_PARAMETER] = {
		"parameter", "switched off by its module parameter" },
	[VFCAP_REASON_USER] = { "user", "the VMM hid it" },
	[VFCAP_REASON_PF_GONE] = { "pf-gone", "its PF does not answer" },
	[VFCAP_REASON_PF_LACKS] = {
		"pf-lacks", "its PF has no such capability" },
	[VFCAP_REASON_PF_DISABLED] = {
		"pf-disabled", "it is not enabled in its PF" },
	[VFCAP_REASON_PF_DRIVER] = {
		"pf-driver", "the driver of its PF says no" },
	[VFCAP_REASON_PF_LOST] = {
		"pf-lost",
		"its PF has no driver, sleeps, or is no longer as it was" },
	[VFCAP_REASON_NOT_HELD] = {
		"not-held",
		"it was not wanted, or not provided, when the device was opened" },
	[VFCAP_REASON_NO_CDEV] = {
		"no-cdev", "the device was opened through its VFIO group" },
	[VFCAP_REASON_NO_IOMMU] = {
		"no-iommu",
		"the IOMMU, or the kernel, attaches no PASIDs one by one" },
	[VFCAP_REASON_GROUP_SHARED] = {
		"group-shared", "it shares its IOMMU group with other devices" },
	[VFCAP_REASON_PF_USER_SPACE] = {
		"pf-user-space", "its PF is given to user space" },
	[VFCAP_REASON_NO_ANSWERER] = {
		"no-answerer",
		"the driver of its PF does not declare that it answers its VFs' page requests" },
	[VFCAP_REASON_NO_ATS] = {
		"no-ats", "the kernel has not enabled ATS in it" },
	[VFCAP_REASON_NO_SHARE] = {
		"no-share",
		"its PF was allotted fewer page requests than it has VFs" },
	[VFCAP_REASON_NO_ROOM] = {
		"no-room", "its config space has no room for it that reads as zero" },
	[VFCAP_REASON_STRICT] = {
		"strict", "nobody chose a place, and placement=strict is set" },
	[VFCAP_REASON_OWN] = { "own", "the device has one itself" },
	[VFCAP_REASON_QEMU] = { "qemu", "QEMU would refuse to start" },
	[VFCAP_REASON_BARS] = {
		"bars", "its BARs are not what the capability is about" },
	[VFCAP_REASON_QUIRK] = {
		"quirk", "the driver's parameter quirks says so" },
};

static const struct word steps[] = {
	[VFCAP_STEP_NONE] = { "none", "nothing" },
	[VFCAP_STEP_USER] = { "user", "placed where the VMM chose" },
	[VFCAP_STEP_PF_DRIVER] = {
		"pf-driver", "placed where the PF's driver says" },
	[VFCAP_STEP_QUIRK] = {
		"quirk", "placed where the driver's parameter quirks says" },
	[VFCAP_STEP_PF_OFFSET] = {
		"pf-offset", "placed where the PF has its own" },
	[VFCAP_STEP_GAP] = { "gap", "placed in a gap that reads as zero" },
};

/* A newer driver may know more. */
static const struct word unknown = {
	"unknown", "of a kind that this vfcapctl does not know"
};

static const struct word *reason_word(unsigned int reason)
{
	return reason < ARRAY_SIZE(reasons) ? &reasons[reason] : &unknown;
}

static const struct word *step_word(unsigned int step)
{
	return step < ARRAY_SIZE(steps) ? &steps[step] : &unknown;
}

int cap_by_name(const char *name)
{
	int cap;

	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++)
		if (!strcasecmp(name, caps[cap].key))
			return cap;
	return -1;
}

bool cap_is_for(enum vfcap_cap_index cap, const struct device *d)
{
	return caps[cap].kinds & BIT(d->kind);
}

const char *reason_key(unsigned int reason)
{
	return reason_word(reason)->key;
}

const char *reason_text(unsigned int reason)
{
	return reason_word(reason)->text;
}

const char *step_key(unsigned int step)
{
	return step_word(step)->key;
}

const char *step_text(unsigned int step)
{
	return step_word(step)->text;
}
