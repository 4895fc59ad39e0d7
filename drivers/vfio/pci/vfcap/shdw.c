// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vendor-specific capability "SHDW" of a VMD endpoint: the host's addresses
 * of its MEMBAR1 and MEMBAR2, as Linux's drivers/pci/controller/vmd.c reads them
 *
 * Linux looks only at the first vendor-specific capability: this one, which is linked
 * first. QEMU (11.1) adds a SHDW of its own to some devices, as the last of the list. It
 * has the same content, namely what the BARs read when the device is opened, including
 * the flag bits.
 */
#include <linux/pci.h>

#include "caps.h"
#include "chain.h"

#define VFCAP_SHDW_SIGNATURE	0x53484457

/* Nothing in it can be written. */
static const struct vfcap_reg_behavior vfcap_shdw_behavior[6];

/* Registers that a device may have and that may read as 0 now */
static const u16 vfcap_shdw_keep[] = {
	VFCAP_VMD_VMCAP, VFCAP_VMD_VMCONFIG, VFCAP_VMD_VMLOCK, 0
};

/* A host that is a guest itself must pass on what its own host shows it. */
static bool vfcap_shdw_is_first(struct vfcap_device *vd)
{
	struct pci_dev *pdev = vd->core.pdev;
	int pos = pci_find_capability(pdev, PCI_CAP_ID_VNDR);
	u32 signature;

	if (!pos)
		return true;
	pci_read_config_dword(pdev, pos + sizeof(u32), &signature);
	return signature != VFCAP_SHDW_SIGNATURE;
}

/*
 * See std_list.c. Having no room at all is a different reason. Whoever says where it goes
 * knows the VMM.
 */
static bool vfcap_shdw_leaves_room(struct vfcap_device *vd)
{
	return !(vd->vmd & VFCAP_VMD_QEMU) ||
	       vd->plan[VFCAP_SHDW].given ||
	       vfcap_chain_find_gap(vd, VFCAP_SHDW) < vfcap_std_list.bound(vd);
}

static const struct vfcap_condition vfcap_shdw_conditions[] = {
	{ vfcap_shdw_is_first, NULL, VFCAP_REASON_OWN },
	{ vfcap_shdw_leaves_room, NULL, VFCAP_REASON_QEMU },
};

static enum vfcap_reason vfcap_shdw_init(struct vfcap_device *vd, const u32 *pf,
					 u32 *regs)
{
	const u32 *rbar = vd->core.rbar;

	regs[1] = VFCAP_SHDW_SIGNATURE;
	regs[2] = rbar[VFCAP_VMD_MEMBAR1];
	regs[3] = rbar[VFCAP_VMD_MEMBAR1 + 1];
	regs[4] = rbar[VFCAP_VMD_MEMBAR2];
	regs[5] = rbar[VFCAP_VMD_MEMBAR2 + 1];
	return vfcap_vmd_check_bars(vd) ? VFCAP_REASON_NONE : VFCAP_REASON_BARS;
}

const struct vfcap_cap vfcap_shdw = {
	.name		= "SHDW",
	.param		= "vmd_shadow",
	.list		= &vfcap_std_list,
	.id		= PCI_CAP_ID_VNDR,
	.version	= 1,
	.nr_regs	= ARRAY_SIZE(vfcap_shdw_behavior),
	.behavior	= vfcap_shdw_behavior,
	.mode		= &vfcap_vmd_shadow,
	.conditions	= vfcap_shdw_conditions,
	.nr_conditions	= ARRAY_SIZE(vfcap_shdw_conditions),
	.forced		= "SHDW is shown although",
	.keep		= vfcap_shdw_keep,
	.init		= vfcap_shdw_init,
};
