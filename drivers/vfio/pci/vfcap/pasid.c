// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PASID Extended Capability of a VF, PCIe r6.0, sec 7.8.9
 *
 * The VF shares the PF's (sec 9.3.7.14). What is shown follows the PF's
 * registers as they are at that time, cut down to what the IOMMU gives the VF.
 */
#include <linux/bitfield.h>
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-vfcap.h>
#include <linux/slab.h>
#include <uapi/linux/iommufd.h>

#include "vfcap.h"

/* Control is the upper half of the dword whose lower half is Capability. */
#define VFCAP_PASID_CTRL(bits)	((u32)(bits) << 16)

static const struct vfcap_reg_behavior vfcap_pasid_behavior[] = {
	[PCI_PASID_CAP / 4] = {
		.rw = VFCAP_PASID_CTRL(PCI_PASID_CTRL_ENABLE |
				       PCI_PASID_CTRL_EXEC |
				       PCI_PASID_CTRL_PRIV),
	},
};

static const char * const vfcap_pasid_modes[] = { "auto", "on", "off" };

enum { VFCAP_PASID_AUTO, VFCAP_PASID_ON, VFCAP_PASID_OFF };

static int vfcap_pasid_mode = VFCAP_PASID_AUTO;

static int vfcap_pasid_mode_set(const char *val, const struct kernel_param *kp)
{
	int mode = sysfs_match_string(vfcap_pasid_modes, val);

	if (mode < 0) {
		pr_err("%s: parameter pasid: \"%s\" is none of auto, on, off\n",
		       KBUILD_MODNAME, val);
		return mode;
	}
	WRITE_ONCE(vfcap_pasid_mode, mode);
	return 0;
}

static int vfcap_pasid_mode_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", vfcap_pasid_modes[vfcap_pasid_mode]);
}

static const struct kernel_param_ops vfcap_pasid_mode_ops = {
	.set = vfcap_pasid_mode_set,
	.get = vfcap_pasid_mode_get,
};

module_param_cb(pasid, &vfcap_pasid_mode_ops, NULL, 0644);
MODULE_PARM_DESC(pasid, "Show VFs' PASID capability: auto (default): if the PF has it enabled and the VF's user can have it backed by the IOMMU, on: if the PF has it enabled, off: never");

static bool vfcap_pasid_by_cdev(struct vfcap_device *vf)
{
	return vfio_device_cdev_opened(&vf->core.vdev);
}

/*
 * True where user space attaches page tables to this device's PASIDs one by
 * one, so that each can be taken away. Elsewhere (SMMUv3, AMD) it is the guest
 * that owns a nested PASID table as a whole.
 */
static bool vfcap_pasid_by_iommu(struct vfcap_device *vf)
{
	struct device *dev = &vf->core.pdev->dev;
	/* Zero asks for the type that is native to the IOMMU. */
	VFCAP_HW_INFO_TYPE type = 0;
	const struct iommu_ops *ops;
	u32 length;
	void *info;

	if (!VFCAP_PASID_ATTACH || !dev->iommu || !dev->iommu->max_pasids)
		return false;

	ops = dev->iommu->iommu_dev->ops;
	if (!ops->hw_info)
		return false;

	info = ops->hw_info(dev, &length, &type);
	if (IS_ERR(info))
		return false;
	kfree(info);
	return type == IOMMU_HW_INFO_TYPE_INTEL_VTD;
}

static int vfcap_count(struct device *dev, void *data)
{
	++*(int *)data;
	return 0;
}

/* PASIDs are attached to a group: another device in it would get them too. */
static bool vfcap_pasid_alone_in_group(struct vfcap_device *vf)
{
	struct iommu_group *group = iommu_group_get(&vf->core.pdev->dev);
	int devices = 0;

	if (!group)
		return false;
	iommu_group_for_each_dev(group, &devices, vfcap_count);
	iommu_group_put(group);
	return devices == 1;
}

/*
 * A PF that was given to user space, through VFIO or another driver that leaves
 * DMA to its user, has its PASID registers in that user's hands.
 */
static bool vfcap_pasid_pf_is_kernels(struct vfcap_device *vf)
{
	const struct device_driver *drv;

	/*
	 * PF's device lock is out of reach: its holder may be waiting for our
	 * file to be closed. A driver's module outlives an RCU grace period
	 * after it was unbound, see module_remove_driver().
	 */
	guard(rcu)();
	drv = READ_ONCE(pci_vfcap_pf(vf->pf)->dev.driver);
	return !drv || !to_pci_driver(drv)->driver_managed_dma;
}

/* What "auto" asks for: that somebody can back a guest's PASIDs */
static const struct {
	bool (*holds)(struct vfcap_device *vf);
	const char *otherwise;
} vfcap_pasid_backing[] = {
	{
		vfcap_pasid_by_cdev,
		"it was opened through its VFIO group; have the VMM open its cdev (iommufd)",
	}, {
		vfcap_pasid_by_iommu,
		"its PASIDs cannot be attached one by one; that takes VT-d in scalable mode and Linux 6.15 or later with CONFIG_IOMMUFD",
	}, {
		vfcap_pasid_alone_in_group,
		"it shares its IOMMU group with other devices",
	}, {
		vfcap_pasid_pf_is_kernels,
		"its PF is itself given to user space; bind the PF to its own driver",
	},
};

static int vfcap_pasid_hide(struct vfcap_device *vf, const char *reason)
{
	pci_info(vf->core.pdev, "PASID capability not shown: %s\n", reason);
	return -EOPNOTSUPP;
}

/* The PF's Capability and Control registers, for as long as they are so */
static int vfcap_pasid_read_pf(struct vfcap_device *vf, u16 *cap, u16 *ctrl)
{
	u32 regs[PCI_EXT_CAP_PASID_SIZEOF / sizeof(u32)];
	int pos;

	pos = pci_vfcap_read(vf->pf, PCI_EXT_CAP_ID_PASID, regs,
			     ARRAY_SIZE(regs));
	if (pos == -ENODEV)
		return vfcap_pasid_hide(vf, "its PF does not answer");
	if (pos < 0)
		return vfcap_pasid_hide(vf, "its PF has no PASID capability");

	*cap = lower_16_bits(regs[PCI_PASID_CAP / 4]);
	*ctrl = upper_16_bits(regs[PCI_PASID_CAP / 4]);
	if (!(*ctrl & PCI_PASID_CTRL_ENABLE))
		return vfcap_pasid_hide(vf,
			"PASID is not enabled in its PF; boot with the IOMMU in scalable mode (sm_on)");
	return pos;
}

static int vfcap_pasid_init(struct vfcap_device *vf, u32 *regs)
{
	struct pci_dev *pdev = vf->core.pdev;
	int mode = READ_ONCE(vfcap_pasid_mode);
	u16 cap, ctrl;
	u32 devcap2;
	int i, pos;
	u8 width;

	if (mode == VFCAP_PASID_OFF)
		return vfcap_pasid_hide(vf, "parameter pasid=off");

	pos = vfcap_pasid_read_pf(vf, &cap, &ctrl);
	if (pos < 0)
		return pos;

	for (i = 0; i < ARRAY_SIZE(vfcap_pasid_backing); i++) {
		if (vfcap_pasid_backing[i].holds(vf))
			continue;
		if (mode == VFCAP_PASID_AUTO)
			return vfcap_pasid_hide(vf, vfcap_pasid_backing[i].otherwise);
		pci_info(pdev, "parameter pasid=on: nothing enforces PASID Enable, for %s\n",
			 vfcap_pasid_backing[i].otherwise);
		break;
	}

	/* Rounded down, since some IOMMUs give 2^n - 1. */
	width = FIELD_GET(PCI_PASID_CAP_WIDTH, cap);
	if (pdev->dev.iommu && pdev->dev.iommu->max_pasids)
		width = min_t(u8, width, ilog2(pdev->dev.iommu->max_pasids));

	/* What the PF has not enabled its VFs cannot use: same bits in both. */
	cap &= ctrl & (PCI_PASID_CAP_EXEC | PCI_PASID_CAP_PRIV);
	regs[PCI_PASID_CAP / 4] = cap | FIELD_PREP(PCI_PASID_CAP_WIDTH, width);

	pcie_capability_read_dword(pdev, PCI_EXP_DEVCAP2, &devcap2);
	if (!(devcap2 & PCI_EXP_DEVCAP2_EE_PREFIX))
		pci_info(pdev, "lacks End-End TLP Prefix Support: a Linux guest will not enable PASID\n");
	return pos;
}

/* Enable bits of what is not supported are hardwired to 0, as sec 7.8.9.3 allows. */
static u32 vfcap_pasid_implemented(u32 value)
{
	return VFCAP_PASID_CTRL(PCI_PASID_CTRL_ENABLE |
				(value & (PCI_PASID_CAP_EXEC |
					  PCI_PASID_CAP_PRIV)));
}

const struct vfcap_cap vfcap_pasid = {
	.name		= "PASID",
	.id		= PCI_EXT_CAP_ID_PASID,
	.version	= 1,
	.nr_regs	= PCI_EXT_CAP_PASID_SIZEOF / sizeof(u32),
	.behavior	= vfcap_pasid_behavior,
	.init		= vfcap_pasid_init,
	.implemented	= vfcap_pasid_implemented,
};
