// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PASID Extended Capability, PCIe r6.0, sec 7.8.9
 *
 * A VF shares its PF's capability (sec 9.3.7); a whole function has its own, which
 * vfio-pci-core hides. What is shown is derived from those registers as they are at that
 * time, cut down to what the IOMMU gives the function.
 *
 * In hardware, Enable is set and stays set for as long as the IOMMU's driver wants it: that
 * driver sets it when it finds the function (VT-d, SMMUv3), or when a page table is attached
 * (AMD). The guest's Enable is enforced in the IOMMU.
 */
#include <linux/bitfield.h>
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <uapi/linux/iommufd.h>

#include "base.h"
#include "caps.h"
#include "chain.h"

/* Control is the upper half of the dword whose lower half is Capability. */
#define VFCAP_PASID_CTRL(bits)	((u32)(bits) << 16)

static const struct vfcap_reg_behavior vfcap_pasid_behavior[] = {
	[PCI_PASID_CAP / 4] = {
		.rw = VFCAP_PASID_CTRL(PCI_PASID_CTRL_ENABLE |
				       PCI_PASID_CTRL_EXEC |
				       PCI_PASID_CTRL_PRIV),
	},
};

static const char * const vfcap_pasid_words[] = {
	[VFCAP_AUTO]	= "auto",
	[VFCAP_ON]	= "on",
	[VFCAP_OFF]	= "off",
	[VFCAP_GATED]	= "gated",
	NULL
};

static struct vfcap_param vfcap_pasid_mode = {
	.words		= vfcap_pasid_words,
	.choices	= "auto, on, off, gated",
};

module_param_cb(pasid, &vfcap_param_ops, &vfcap_pasid_mode, 0644);
MODULE_PARM_DESC(pasid, "Show the PASID capability: auto (default): if the PF, or the function itself, has it enabled and its user can have it backed by the IOMMU, on: if it is enabled there, off: never, gated: as auto, but only where the IOMMU enforces PASID Enable");

/*
 * How many PASIDs the IOMMU has for the device, as determined when that was found. PASID 0
 * stands for requests without a PASID, so 1 is as good as none; it is also what an SMMUv3
 * without SubstreamIDs reports.
 */
static u32 vfcap_pasid_count(struct vfcap_device *vd)
{
	struct dev_iommu *iommu = vd->core.pdev->dev.iommu;

	return iommu && iommu->max_pasids > 1 ? iommu->max_pasids : 0;
}

static bool vfcap_pasid_has_any(struct vfcap_device *vd)
{
	return vfcap_pasid_count(vd);
}

/**
 * vfcap_pasid_open - ask the IOMMU what this session can have
 * @vd: the device
 *
 * With VT-d, user space attaches page tables to the device's PASIDs one by one, so that
 * each can be taken away; this requires a kernel that allows it. With the other IOMMUs
 * that tell what they are (SMMUv3, AMD) the guest owns a nested PASID table as a whole:
 * that table says whether a PASID works, and a PASID only reaches the guest's own memory.
 *
 * The answer takes memory. If there is none, the open fails: if this were asked later, a
 * guest would go without PASID for no good reason.
 *
 * Context: Process context, under the dev_set lock.
 * Return: 0, -ENOMEM.
 */
int vfcap_pasid_open(struct vfcap_device *vd)
{
	struct device *dev = &vd->core.pdev->dev;
	/* Zero asks for the type that is native to the IOMMU. */
	enum iommu_hw_info_type type = 0;
	const struct iommu_ops *ops;
	u32 length;
	void *info;

	vd->pasid_iommu = false;
	vd->pasid_gated = false;
	if (!VFCAP_PASID_ATTACH || !vfcap_pasid_has_any(vd))
		return 0;

	ops = dev->iommu->iommu_dev->ops;
	if (!ops->hw_info)
		return 0;

	info = ops->hw_info(dev, &length, &type);
	if (IS_ERR(info))
		return PTR_ERR(info) == -ENOMEM ? -ENOMEM : 0;
	kfree(info);
	vd->pasid_iommu = type != IOMMU_HW_INFO_TYPE_NONE;
	vd->pasid_gated = type == IOMMU_HW_INFO_TYPE_INTEL_VTD;
	return 0;
}

static bool vfcap_pasid_by_iommu(struct vfcap_device *vd)
{
	return vd->pasid_iommu;
}

static bool vfcap_pasid_is_gated(struct vfcap_device *vd)
{
	return vd->pasid_gated;
}

/**
 * vfcap_pasid_is_guests - whether the guest owns its PASID table
 * @vd: the device
 *
 * Context: Process context, under the dev_set lock.
 * Return: true if its table decides which PASIDs work, and PASID Enable is only
 * register state.
 */
bool vfcap_pasid_is_guests(struct vfcap_device *vd)
{
	return vd->pasid_iommu && !vd->pasid_gated;
}

/* What "auto" requires: something that can back a guest's PASIDs */
static const struct vfcap_condition vfcap_pasid_backing[] = {
	{ vfcap_has_iommu, NULL, VFCAP_REASON_NOIOMMU_MODE, true },
	{ vfcap_pasid_has_any, NULL, VFCAP_REASON_NO_PASIDS },
	{ vfcap_by_cdev, vfcap_by_iommufd, VFCAP_REASON_NO_CDEV },
	{ vfcap_pasid_by_iommu, NULL, VFCAP_REASON_NO_IOMMU },
	{ vfcap_pasid_is_gated, NULL, VFCAP_REASON_NOT_GATED, .gated = true },
	{ vfcap_is_alone_in_group, NULL, VFCAP_REASON_GROUP_SHARED },
	{ vfcap_pf_is_kernels, NULL, VFCAP_REASON_PF_USER_SPACE },
};

/*
 * HiSilicon's accelerators send PASIDs without End-End TLP Prefix, and Linux knows that:
 * see quirk_huawei_pcie_sva() in drivers/pci/quirks.c. The host's kernel may be built
 * without its quirks; the guest's goes by what the function reports.
 */
static bool vfcap_pasid_takes_no_prefix(struct pci_dev *pdev)
{
	static const u16 devices[] = {
		0xa250, 0xa251, 0xa255, 0xa256, 0xa258, 0xa259,
	};
	u16 vendor, device;
	unsigned int i;
	u8 revision;

	if (pdev->pasid_no_tlp)
		return true;

	pci_read_config_word(pdev, PCI_VENDOR_ID, &vendor);
	pci_read_config_word(pdev, PCI_DEVICE_ID, &device);
	pci_read_config_byte(pdev, PCI_REVISION_ID, &revision);
	if (vendor != PCI_VENDOR_ID_HUAWEI ||
	    (revision != 0x21 && revision != 0x30))
		return false;
	for (i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i] == device)
			return true;
	return false;
}

static enum vfcap_reason vfcap_pasid_init(struct vfcap_device *vd,
					  const u32 *hw, u32 *regs)
{
	u16 cap = lower_16_bits(hw[PCI_PASID_CAP / 4]);
	u16 ctrl = upper_16_bits(hw[PCI_PASID_CAP / 4]);
	struct pci_dev *pdev = vd->core.pdev;
	u32 devcap2;
	u8 width;

	/*
	 * Rounded down, since some IOMMUs give 2^n - 1. An IOMMU without PASIDs does not limit
	 * the width: if the capability is shown nevertheless, its width is the hardware's.
	 */
	width = FIELD_GET(PCI_PASID_CAP_WIDTH, cap);
	if (vfcap_pasid_has_any(vd))
		width = min_t(u8, width, ilog2(vfcap_pasid_count(vd)));

	/* What is not enabled there cannot be used. Both registers have the same bits. */
	cap &= ctrl & (PCI_PASID_CAP_EXEC | PCI_PASID_CAP_PRIV);
	regs[PCI_PASID_CAP / 4] = cap | FIELD_PREP(PCI_PASID_CAP_WIDTH, width);

	if (vfcap_pasid_is_guests(vd))
		vfcap_log(vd,
			  "PASID Enable is not gated: the guest's own table decides\n");

	pcie_capability_read_dword(pdev, PCI_EXP_DEVCAP2, &devcap2);
	if (!(devcap2 & PCI_EXP_DEVCAP2_EE_PREFIX) &&
	    !vfcap_pasid_takes_no_prefix(pdev))
		vfcap_log(vd,
			  "lacks End-End TLP Prefix Support: a Linux guest will not enable PASID\n");
	return VFCAP_REASON_NONE;
}

/* Enable bits of features that are not supported are hardwired to 0, as sec 7.8.9.3 allows. */
static u32 vfcap_pasid_implemented(u32 value)
{
	return VFCAP_PASID_CTRL(PCI_PASID_CTRL_ENABLE |
				(value & (PCI_PASID_CAP_EXEC |
					  PCI_PASID_CAP_PRIV)));
}

const struct vfcap_cap vfcap_pasid = {
	.name		= "PASID",
	.param		= "pasid",
	.list		= &vfcap_ext_list,
	.id		= PCI_EXT_CAP_ID_PASID,
	.version	= 1,
	.nr_regs	= PCI_EXT_CAP_PASID_SIZEOF / sizeof(u32),
	.behavior	= vfcap_pasid_behavior,
	.enable		= VFCAP_PASID_CTRL(PCI_PASID_CTRL_ENABLE),
	.mode		= &vfcap_pasid_mode,
	.conditions	= vfcap_pasid_backing,
	.nr_conditions	= ARRAY_SIZE(vfcap_pasid_backing),
	.forced		= "nothing enforces PASID Enable, because",
	.unavailable	=
		"PASID is not enabled in its PF; boot with the IOMMU in scalable mode (sm_on)",
	.init		= vfcap_pasid_init,
	.implemented	= vfcap_pasid_implemented,
	.block		= VFCAP_PASID_ATTACH ? vfcap_pasid_block : NULL,
	.sync		= VFCAP_PASID_ATTACH ? vfcap_pasid_sync : NULL,
};
