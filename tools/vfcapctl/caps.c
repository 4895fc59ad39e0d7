// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: the capabilities that vfcap-vfio-pci may show, and the words for what
 * it reports about them. Keys are for scripts and do not change.
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
		.kinds	= BIT(KIND_VF) | BIT(KIND_FUNCTION),
	},
	[VFCAP_CAP_PRI] = {
		.name	= "PRI",
		.key	= "pri",
		.param	= "pri",
		.id	= PCI_EXT_CAP_ID_PRI,
		.size	= PCI_EXT_CAP_PRI_SIZEOF,
		.enable	= PCI_PRI_CTRL,
		.kinds	= BIT(KIND_VF) | BIT(KIND_FUNCTION),
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
	const char *advice;	/* of a reason, with doctor's {vf}, ...; or NULL */
};

static const struct word reasons[] = {
	[VFCAP_REASON_NONE] = { "none", "it is shown", NULL },
	[VFCAP_REASON_NOT_APPLICABLE] = {
		"not-applicable", "such a device never shows it", NULL },
	[VFCAP_REASON_PARAMETER] = {
		"parameter", "switched off by its module parameter",
		"echo auto > {params}/{param}, then open the device again" },
	[VFCAP_REASON_USER] = {
		"user", "its VMM hid it",
		"the VMM was told to: look at its options" },
	[VFCAP_REASON_PF_GONE] = {
		"pf-gone", "its PF does not answer", "see lspci -vvv -s {pf}" },
	[VFCAP_REASON_PF_LACKS] = {
		"pf-lacks", "its PF has no such capability",
		"none can be shown with this hardware, or its firmware" },
	[VFCAP_REASON_PF_DISABLED] = {
		"pf-disabled", "it is not enabled in its PF",
		"first follow the advice on {cap} in the PF above" },
	[VFCAP_REASON_PF_DRIVER] = {
		"pf-driver", "the driver of its PF says so",
		"it knows the device: see its messages, or ask its author" },
	[VFCAP_REASON_PF_LOST] = {
		"pf-lost",
		"its PF has lost it meanwhile",
		"first follow the advice on the PF above, then open the device again" },
	[VFCAP_REASON_NOT_HELD] = {
		"not-held",
		"it was not wanted, or not provided, when the VF was opened",
		"open the device again" },
	[VFCAP_REASON_NO_CDEV] = {
		"no-cdev", "it was opened through its VFIO group",
		"have the VMM use iommufd; or " PASID_UNENFORCED,
	},
	[VFCAP_REASON_NO_IOMMU] = {
		"no-iommu",
		"its IOMMU cannot back PASIDs of a guest",
		"see the advice on PASIDs above; or " PASID_UNENFORCED,
	},
	[VFCAP_REASON_GROUP_SHARED] = {
		"group-shared", "it shares its IOMMU group with other devices",
		"use a slot behind a port with ACS" },
	[VFCAP_REASON_PF_USER_SPACE] = {
		"pf-user-space", "its PF is itself given to user space",
		PF_BACK },
	[VFCAP_REASON_NO_ANSWERER] = {
		"no-answerer",
		"the driver of its PF does not declare that it answers its VFs' page requests, and this kernel cannot deliver them to its VMM",
		"no driver in Linux declares this yet, and no released kernel delivers them; pri=on shows it all the same, but then nobody answers",
	},
	[VFCAP_REASON_NO_ATS] = {
		"no-ats", "the kernel has not enabled ATS in it",
		"see whether the VF and the PF have it: lspci -vvv -s {vf}" },
	[VFCAP_REASON_NO_SHARE] = {
		"no-share",
		"its PF was allotted fewer page requests than it has VFs",
		"create fewer VFs: echo 0, then a smaller number > /sys/bus/pci/devices/{pf}/sriov_numvfs",
	},
	[VFCAP_REASON_NO_ROOM] = {
		"no-room", "its config space has no room for it that reads as zero",
		"if you know which bytes are not needed, say so with parameter quirks in /etc/modprobe.d, or let the VMM choose the place",
	},
	[VFCAP_REASON_STRICT] = {
		"strict", "nobody says where it may lie, and parameter placement=strict",
		"echo auto > {params}/placement, then open the device again; or say where with parameter quirks in /etc/modprobe.d",
	},
	[VFCAP_REASON_OWN] = { "own", "it has one itself", NULL },
	[VFCAP_REASON_QEMU] = {
		"qemu", "there is room only behind its last capability, where QEMU would refuse to start",
		NULL
	},
	[VFCAP_REASON_BARS] = {
		"bars", "its BARs 2 and 4 are not both memory BARs with an address",
		"the firmware, or the kernel, gave the VMD's memory no address: see the boot log",
	},
	[VFCAP_REASON_QUIRK] = {
		"quirk", "parameter quirks says so",
		"the administrator configured it so: see /etc/modprobe.d" },
	[VFCAP_REASON_NO_PASIDS] = {
		"no-pasids", "its IOMMU has no PASIDs for it",
		"see the advice on PASIDs above; or " PASID_UNENFORCED,
	},
	[VFCAP_REASON_NOIOMMU_MODE] = {
		"noiommu-mode", "it was opened in VFIO's no-IOMMU mode",
		"turn on an IOMMU in the firmware, and at boot: intel_iommu=on,sm_on, or what yours needs",
	},
	[VFCAP_REASON_CORE] = {
		"core", "vfio-pci-core keeps its config space in an unknown way",
		"install a vfcap that knows this kernel" },
	[VFCAP_REASON_NOT_ENABLED] = {
		"not-enabled", "the kernel has not enabled it in the function",
		"first follow the advice on {cap} in the function above" },
	[VFCAP_REASON_NOT_GATED] = {
		"not-gated", "nothing enforces PASID Enable there, and parameter pasid=gated",
		"echo auto > {params}/pasid, then open the device again" },
	[VFCAP_REASON_HAS_VFS] = {
		"has-vfs", "it is a PF that has VFs, which share it",
		"echo 0 > /sys/bus/pci/devices/{vf}/sriov_numvfs, then open the device again" },
	[VFCAP_REASON_NO_VMM] = {
		"no-vmm", "its VMM has not declared that it answers page requests",
		"use a VMM that does (VFCAP_CHOOSE_ANSWERS), if its guest is to have PRI" },
};

static const struct word steps[] = {
	[VFCAP_STEP_NONE] = { "none", "nothing", NULL },
	[VFCAP_STEP_USER] = { "user", "placed where the VMM chose", NULL },
	[VFCAP_STEP_PF_DRIVER] = {
		"pf-driver", "placed where the PF's driver says", NULL },
	[VFCAP_STEP_QUIRK] = {
		"quirk", "placed where the driver's parameter quirks says", NULL },
	[VFCAP_STEP_PF_OFFSET] = {
		"pf-offset", "placed where the PF has its own", NULL },
	[VFCAP_STEP_GAP] = { "gap", "placed in a gap that reads as zero", NULL },
	[VFCAP_STEP_HARDWARE] = {
		"hardware", "placed where the function has its own", NULL },
};

/* A newer driver may know more. */
static const struct word unknown = {
	"unknown", "of a kind that this vfcapctl does not know",
	"the kernel's log has it in words: dmesg | grep {vf}"
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

const char *reason_advice(unsigned int reason)
{
	return reason_word(reason)->advice;
}

const char *step_key(unsigned int step)
{
	return step_word(step)->key;
}

const char *step_text(unsigned int step)
{
	return step_word(step)->text;
}
