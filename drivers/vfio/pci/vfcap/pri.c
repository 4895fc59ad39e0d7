// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Page Request Extended Capability (PRI) of a VF, PCIe r6.0, sec 7.8.10
 *
 * The VF shares the PF's (sec 9.3.7.11), whose interface stays as it is: what a
 * guest does to the VF's registers reaches the PF's driver, which answers the
 * VF's page requests, and concerns requests of this VF only.
 */
#include <linux/module.h>
#include <linux/pci.h>

#include "base.h"
#include "caps.h"
#include "chain.h"
#include "emul.h"

/* Status is the upper half of the dword whose lower half is Control. */
#define VFCAP_PRI_STATUS(bits)	((u32)(bits) << 16)

/* PRG Response PASID Required: since PCIe r4.0 */
#define VFCAP_PRI_PASID		VFCAP_PRI_STATUS(PCI_PRI_STATUS_PASID)
#define VFCAP_PRI_STOPPED	VFCAP_PRI_STATUS(PCI_PRI_STATUS_STOPPED)
#define VFCAP_PRI_FAILURES	VFCAP_PRI_STATUS(PCI_PRI_STATUS_RF |	\
						 PCI_PRI_STATUS_UPRGI)

static const struct vfcap_reg_behavior vfcap_pri_behavior[] = {
	[PCI_PRI_CTRL / 4] = {
		.rw = PCI_PRI_CTRL_ENABLE,
		.w1c = VFCAP_PRI_FAILURES,
		.preset = VFCAP_PRI_STOPPED,
	},
	[PCI_PRI_ALLOC_REQ / 4] = {
		.rw = ~0U,
	},
};

static struct vfcap_param vfcap_pri_mode = VFCAP_MODE_PARAM;

module_param_cb(pri, &vfcap_param_ops, &vfcap_pri_mode, 0644);
MODULE_PARM_DESC(pri, "Show VFs' PRI capability: auto (default): if the PF has it enabled and its driver answers its VFs' page requests, on: if the PF has it enabled, off: never");

static bool vfcap_pri_answered(struct vfcap_device *vd)
{
	return pci_vfcap_pri_answered(vd->handle);
}

/* Page requests come of translation requests (PCIe r6.0, sec 10.4). */
static bool vfcap_pri_has_ats(struct vfcap_device *vd)
{
	return vd->core.pdev->ats_enabled;
}

static const struct vfcap_condition vfcap_pri_backing[] = {
	{
		vfcap_has_iommu, NULL,
		VFCAP_REASON_NOIOMMU_MODE, true,
	}, {
		vfcap_pri_answered, NULL,
		VFCAP_REASON_NO_ANSWERER,
	}, {
		vfcap_pri_has_ats, NULL,
		VFCAP_REASON_NO_ATS,
	}, {
		vfcap_pf_is_kernels, NULL,
		VFCAP_REASON_PF_USER_SPACE,
	},
};

static enum vfcap_reason vfcap_pri_init(struct vfcap_device *vd, const u32 *pf,
					u32 *regs)
{
	u32 share = pci_vfcap_pri_share(vd->handle);

	if (!share)
		return VFCAP_REASON_NO_SHARE;

	regs[PCI_PRI_CTRL / 4] = VFCAP_PRI_STOPPED |
				 (pf[PCI_PRI_CTRL / 4] & VFCAP_PRI_PASID);
	regs[PCI_PRI_MAX_REQ / 4] = share;
	return VFCAP_REASON_NONE;
}

static bool vfcap_pri_may_enable(struct vfcap_device *vd)
{
	u32 pf[PCI_EXT_CAP_PRI_SIZEOF / sizeof(u32)];

	return vfcap_pri_has_ats(vd) &&
	       pci_vfcap_read(pci_physfn(vd->core.pdev), PCI_VFCAP_PRI, pf,
			      ARRAY_SIZE(pf)) > 0 &&
	       (pf[PCI_PRI_CTRL / 4] & PCI_PRI_CTRL_ENABLE);
}

static void vfcap_pri_sync(struct vfcap_device *vd, bool enabled, bool restart)
{
	u32 ctrl = vfcap_reg_get(vd, PCI_VFCAP_PRI, VFCAP_CTRL);
	u32 capacity = vfcap_reg_get(vd, PCI_VFCAP_PRI, PCI_PRI_MAX_REQ / 4);
	u32 allocation = vfcap_reg_get(vd, PCI_VFCAP_PRI, PCI_PRI_ALLOC_REQ / 4);

	if (restart)
		pci_vfcap_pri_reset(vd->handle);
	else if (!enabled && !(ctrl & VFCAP_PRI_STOPPED))
		pci_vfcap_pri_disable(vd->handle);

	/* With any other the guest errs: nothing is requested, as in hardware. */
	if (enabled && allocation && allocation <= capacity)
		pci_vfcap_pri_enable(vd->handle, allocation);
}

const struct vfcap_cap vfcap_pri = {
	.name			= "PRI",
	.param			= "pri",
	.list			= &vfcap_ext_list,
	.id			= PCI_EXT_CAP_ID_PRI,
	.version		= 1,
	.nr_regs		= PCI_EXT_CAP_PRI_SIZEOF / sizeof(u32),
	.needs_pf		= true,
	.behavior		= vfcap_pri_behavior,
	.enable			= PCI_PRI_CTRL_ENABLE,
	.restart		= PCI_PRI_CTRL_RESET,
	.clear_on_enable	= VFCAP_PRI_STOPPED | VFCAP_PRI_FAILURES,
	.clear_on_disable	= VFCAP_PRI_STOPPED,
	.mode			= &vfcap_pri_mode,
	.conditions		= vfcap_pri_backing,
	.nr_conditions		= ARRAY_SIZE(vfcap_pri_backing),
	.forced			= "nothing enforces PRI Enable, for",
	.unavailable		= "PRI is not enabled in its PF",
	.init			= vfcap_pri_init,
	.may_enable		= vfcap_pri_may_enable,
	.sync			= vfcap_pri_sync,
};
