// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Page Request Extended Capability (PRI), PCIe r6.0, sec 10.5.2
 *
 * A VF shares the PF's capability (sec 9.3.7), and the PF's interface stays as it is:
 * what a guest does to the VF's registers goes to whichever side answers the VF's page
 * requests, the PF's driver or the VMM, and affects requests of this VF only. A whole
 * function has its own interface.
 */
#include <linux/module.h>
#include <linux/pci.h>

#include "base.h"
#include "caps.h"
#include "chain.h"
#include "emul.h"

/* PRG Response PASID Required: since PCIe r4.0 */
#define VFCAP_PRI_PASID		VFCAP_PRI_STATUS(PCI_PRI_STATUS_PASID)
#define VFCAP_PRI_STOPPED	VFCAP_PRI_STATUS(PCI_PRI_STATUS_STOPPED)

static const struct vfcap_reg_behavior vfcap_pri_behavior[] = {
	[PCI_PRI_CTRL / 4] = {
		.rw = PCI_PRI_CTRL_ENABLE,
		.w1c = VFCAP_PRI_STATUS(VFCAP_PRI_ERRORS),
		.preset = VFCAP_PRI_STOPPED,
	},
	[PCI_PRI_ALLOC_REQ / 4] = {
		.rw = ~0U,
	},
};

static struct vfcap_param vfcap_pri_mode = VFCAP_MODE_PARAM;

module_param_cb(pri, &vfcap_param_ops, &vfcap_pri_mode, 0644);
MODULE_PARM_DESC(pri, "Show the PRI capability: auto (default): if the PF, or the function itself, has it enabled, and the PF's driver or the VMM answers page requests, on: if it is enabled there, off: never");

/* The VFs of a PF depend on its registers. */
static bool vfcap_pri_is_not_shared(struct vfcap_device *vd)
{
	return vd->handle || !pci_num_vf(vd->core.pdev);
}

/* Whether the PF's driver answers, rather than the VMM */
static bool vfcap_pri_by_pf(struct vfcap_device *vd)
{
	return vd->handle && pci_vfcap_pri_answered(vd->handle);
}

/* Whether there is a way for requests to reach whoever answers them */
static bool vfcap_pri_has_way(struct vfcap_device *vd)
{
	return !vd->handle || vfcap_pri_by_pf(vd) ||
	       pci_vfcap_pri_deliverable(vd->handle);
}

static bool vfcap_pri_has_cdev(struct vfcap_device *vd)
{
	return vfcap_pri_by_pf(vd) || vfcap_by_cdev(vd);
}

static bool vfcap_pri_may_have_cdev(struct vfcap_device *vd)
{
	return vfcap_pri_by_pf(vd) || vfcap_by_iommufd(vd);
}

/* Whether the VMM answers */
static bool vfcap_pri_by_vmm(struct vfcap_device *vd)
{
	return vd->choice[PCI_VFCAP_PRI].flags & VFCAP_CHOOSE_ANSWERS &&
	       (!vd->handle || pci_vfcap_pri_claimed(vd->handle));
}

static bool vfcap_pri_has_group(struct vfcap_device *vd)
{
	return vfcap_pri_by_pf(vd) || vfcap_is_alone_in_group(vd);
}

static bool vfcap_pri_is_answered(struct vfcap_device *vd)
{
	return vfcap_pri_by_pf(vd) || vfcap_pri_by_vmm(vd);
}

/* Page requests result from translation requests (PCIe r6.0, sec 10.4). */
static bool vfcap_pri_has_ats(struct vfcap_device *vd)
{
	return vd->core.pdev->ats_enabled;
}

static const struct vfcap_condition vfcap_pri_backing[] = {
	{ vfcap_has_iommu, NULL, VFCAP_REASON_NOIOMMU_MODE, true },
	{ vfcap_pri_is_not_shared, NULL, VFCAP_REASON_HAS_VFS, true },
	{ vfcap_pri_has_way, NULL, VFCAP_REASON_NO_ANSWERER },
	{ vfcap_pri_has_cdev, vfcap_pri_may_have_cdev, VFCAP_REASON_NO_CDEV },
	{ vfcap_pri_has_group, NULL, VFCAP_REASON_GROUP_SHARED },
	{ vfcap_pri_is_answered, vfcap_pri_may_have_cdev, VFCAP_REASON_NO_VMM },
	{ vfcap_pri_has_ats, NULL, VFCAP_REASON_NO_ATS },
	{ vfcap_pf_is_kernels, NULL, VFCAP_REASON_PF_USER_SPACE },
};

/* The capacity that is shown is what the kernel has allotted, not what would fit. */
static enum vfcap_reason vfcap_pri_init(struct vfcap_device *vd, const u32 *hw,
					u32 *regs)
{
	u32 share = vd->handle ? pci_vfcap_pri_share(vd->handle) :
				 hw[PCI_PRI_ALLOC_REQ / 4];

	if (!share)
		return VFCAP_REASON_NO_SHARE;

	regs[PCI_PRI_CTRL / 4] = VFCAP_PRI_STOPPED |
				 (hw[PCI_PRI_CTRL / 4] & VFCAP_PRI_PASID);
	regs[PCI_PRI_MAX_REQ / 4] = share;
	return VFCAP_REASON_NONE;
}

static bool vfcap_pri_may_enable(struct vfcap_device *vd)
{
	u32 pf[PCI_EXT_CAP_PRI_SIZEOF / sizeof(u32)];

	if (!vfcap_pri_has_ats(vd))
		return false;
	if (!vd->handle)
		return true;
	return pci_vfcap_read(pci_physfn(vd->core.pdev), PCI_VFCAP_PRI, pf,
			      ARRAY_SIZE(pf)) > 0 &&
	       (pf[PCI_PRI_CTRL / 4] & PCI_PRI_CTRL_ENABLE);
}

static void vfcap_pri_flush(struct vfcap_device *vd)
{
	if (vd->handle)
		pci_vfcap_pri_flush(vd->handle);
	else
		vfcap_own_pri_stop(vd);
}

static void vfcap_pri_sync_vf(struct vfcap_device *vd, bool enabled, bool restart)
{
	u32 ctrl = vfcap_reg_get(vd, PCI_VFCAP_PRI, VFCAP_CTRL);
	u32 capacity = vfcap_reg_get(vd, PCI_VFCAP_PRI, PCI_PRI_MAX_REQ / 4);
	u32 allocation = vfcap_reg_get(vd, PCI_VFCAP_PRI, PCI_PRI_ALLOC_REQ / 4);

	if (restart)
		pci_vfcap_pri_reset(vd->handle);
	else if (!enabled && !(ctrl & VFCAP_PRI_STOPPED))
		pci_vfcap_pri_disable(vd->handle);

	/* Any other allocation is the guest's error: nothing is requested, as in hardware. */
	if (enabled && allocation && allocation <= capacity &&
	    vfcap_stays_awake(vd))
		pci_vfcap_pri_enable(vd->handle, allocation);
}

static void vfcap_pri_sync(struct vfcap_device *vd, bool enabled, bool restart)
{
	if (vd->handle)
		vfcap_pri_sync_vf(vd, enabled, restart);
	else
		vfcap_own_pri_sync(vd, enabled, restart);
}

/**
 * vfcap_pri_choose - the VMM says whether it answers page requests
 * @vd: the device
 * @answers: VFCAP_CHOOSE_ANSWERS
 *
 * Once it has said that it does, a VF stays claimed until its page tables are detached.
 *
 * Context: Process context, under the dev_set lock, before the commit.
 * Return: 0, also if they cannot be delivered; -EBUSY if a page table with a fault queue
 * is attached already.
 */
int vfcap_pri_choose(struct vfcap_device *vd, bool answers)
{
	int ret;

	if (!answers || !vd->handle || !vfcap_by_iommufd(vd) ||
	    !vfcap_is_alone_in_group(vd))
		return 0;
	ret = pci_vfcap_pri_claim(vd->handle);
	return ret == -ENODEV ? 0 : ret;
}

/**
 * vfcap_pri_is_deliverable - whether the kernel can deliver page requests to the VMM
 * @vd: the device
 *
 * Context: Process context, under the dev_set lock.
 * Return: true if so, whether the VMM has declared that it answers them or not.
 */
bool vfcap_pri_is_deliverable(struct vfcap_device *vd)
{
	u32 hw[PCI_PRI_CTRL / 4 + 1] = {};

	if (!vfcap_by_cdev(vd) || vfcap_pri_by_pf(vd))
		return false;
	if (vd->handle)
		return pci_vfcap_pri_deliverable(vd->handle);
	if (!vd->pri.pos)
		pci_vfcap_read(vd->core.pdev, PCI_VFCAP_PRI, hw, ARRAY_SIZE(hw));
	return vd->pri.pos || hw[PCI_PRI_CTRL / 4] & PCI_PRI_CTRL_ENABLE;
}

/* Enable stays as it is, and means nothing until it is cleared. */
static void vfcap_pri_halt(struct vfcap_device *vd)
{
	if (vd->handle) {
		pci_vfcap_pri_halt(vd->handle);
		return;
	}
	vd->pri.halted = true;
	vfcap_own_pri_stop(vd);
}

/**
 * vfcap_pri_restored - registers were set back to saved values
 * @vd: the device
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_pri_restored(struct vfcap_device *vd)
{
	u32 ctrl = vfcap_reg_get(vd, PCI_VFCAP_PRI, VFCAP_CTRL);

	if (ctrl & PCI_PRI_CTRL_ENABLE &&
	    ctrl & VFCAP_PRI_STATUS(PCI_PRI_STATUS_RF) && vfcap_pri_by_vmm(vd))
		vfcap_pri_halt(vd);
}

/**
 * vfcap_pri_fail - the guest has responded with an error
 * @vd: the device
 * @failures: VFCAP_PRI_*
 *
 * Context: Process context, under the dev_set lock.
 * Return: false if PRI is not shown, or the VMM does not answer.
 */
bool vfcap_pri_fail(struct vfcap_device *vd, u32 failures)
{
	u32 status = 0;

	if (!(vd->shown & BIT(PCI_VFCAP_PRI)) || !vfcap_pri_by_vmm(vd))
		return false;
	if (failures & VFCAP_PRI_UNEXPECTED)
		status |= PCI_PRI_STATUS_UPRGI;
	if (failures & VFCAP_PRI_FAILURE) {
		status |= PCI_PRI_STATUS_RF;
		vfcap_pri_halt(vd);
	}
	vfcap_set_status(vd, PCI_VFCAP_PRI, VFCAP_PRI_STATUS(status));
	return true;
}

const struct vfcap_cap vfcap_pri = {
	.name			= "PRI",
	.param			= "pri",
	.list			= &vfcap_ext_list,
	.id			= PCI_EXT_CAP_ID_PRI,
	.version		= 1,
	.nr_regs		= PCI_EXT_CAP_PRI_SIZEOF / sizeof(u32),
	.behavior		= vfcap_pri_behavior,
	.enable			= PCI_PRI_CTRL_ENABLE,
	.restart		= PCI_PRI_CTRL_RESET,
	.clear_on_enable	= VFCAP_PRI_STOPPED | VFCAP_PRI_STATUS(VFCAP_PRI_ERRORS),
	.clear_on_disable	= VFCAP_PRI_STOPPED,
	.mode			= &vfcap_pri_mode,
	.conditions		= vfcap_pri_backing,
	.nr_conditions		= ARRAY_SIZE(vfcap_pri_backing),
	.forced			= "page requests may go unanswered, because",
	.unavailable		= "PRI is not enabled in its PF",
	.init			= vfcap_pri_init,
	.may_enable		= vfcap_pri_may_enable,
	.flush			= vfcap_pri_flush,
	.sync			= vfcap_pri_sync,
};
