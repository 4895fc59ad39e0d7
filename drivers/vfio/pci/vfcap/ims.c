// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt Message Storage (IMS), which the Intel SIOV DVSEC announces
 *
 * A guest that writes interrupt messages into storage of the device bypasses the VMM,
 * which traps and translates those that it writes into MSI and MSI-X registers. So guests
 * are not told that the device supports IMS: that bit reads as 0, see config.c.
 * Everything else in the DVSEC is the hardware's. Its bytes are not marked as virtual,
 * since core would then take the bytes behind them for the header of a capability.
 */
#include <linux/module.h>
#include <linux/pci.h>

#include "base.h"
#include "caps.h"

#define VFCAP_DVSEC_SIOV	5

/* Offset in that DVSEC of its capabilities */
#define VFCAP_SIOV_CAP		0x14

enum vfcap_ims { VFCAP_IMS_HIDE, VFCAP_IMS_SHOW };

static const char * const vfcap_ims_words[] = {
	[VFCAP_IMS_HIDE]	= "hide",
	[VFCAP_IMS_SHOW]	= "show",
	NULL
};

static struct vfcap_param vfcap_ims = {
	.words		= vfcap_ims_words,
	.choices	= "hide, show",
};

module_param_cb(ims, &vfcap_param_ops, &vfcap_ims, 0644);
MODULE_PARM_DESC(ims, "What guests see of IMS support in the Intel SIOV DVSEC: hide (default): none, show: what the device has");

/**
 * vfcap_ims_open - find what is to be hidden in this session
 * @vd: the device
 *
 * Context: After vfio_pci_core_enable(), under the dev_set lock, before the user
 * can reach the device.
 */
void vfcap_ims_open(struct vfcap_device *vd)
{
	struct pci_dev *pdev = vd->core.pdev;
	u32 header, cap;
	u16 pos;

	vd->ims_pos = 0;
	if (READ_ONCE(vfcap_ims.value) == VFCAP_IMS_SHOW)
		return;

	pos = pci_find_dvsec_capability(pdev, PCI_VENDOR_ID_INTEL,
					VFCAP_DVSEC_SIOV);
	if (!pos)
		return;
	pci_read_config_dword(pdev, pos + PCI_DVSEC_HEADER1, &header);
	if (PCI_DVSEC_HEADER1_LEN(header) <= VFCAP_SIOV_CAP)
		return;
	vd->ims_pos = pos + VFCAP_SIOV_CAP;
	pci_read_config_dword(pdev, vd->ims_pos, &cap);
	if (cap & VFCAP_SIOV_CAP_IMS)
		vfcap_log(vd, "IMS support hidden in the SIOV DVSEC at %#x\n",
			  pos);
}
