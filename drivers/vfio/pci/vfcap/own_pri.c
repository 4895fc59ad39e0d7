// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Page Request Interface of a whole function, while its guest has it
 *
 * PCIe r6.0, sec 10.5.2. The IOMMU's driver has enabled it, as it does with PASID, and
 * expects page requests from it at any time. Whether there are any is up to the function:
 * its Enable is what the guest has set, and the guest reads in Status what the function
 * reports. When the device is closed, the interface is reset as it is by a guest, and core
 * restores what the kernel had, with pci_restore_state().
 *
 * A reset or a return from D3cold brings the kernel's state back, and so does AMD's IOMMU
 * driver. So the state is compared each time with what it should be.
 */
#include <linux/pci.h>

#include "base.h"
#include "caps.h"
#include "emul.h"

static u16 vfcap_own_pri_get(struct vfcap_device *vd, unsigned int reg)
{
	u16 val;

	pci_read_config_word(vd->core.pdev, vd->pri.pos + reg, &val);
	return PCI_POSSIBLE_ERROR(val) ? 0 : val;
}

static void vfcap_own_pri_control(struct vfcap_device *vd, u16 ctrl)
{
	pci_write_config_word(vd->core.pdev, vd->pri.pos + PCI_PRI_CTRL, ctrl);
}

/* This may change only while Enable is 0. */
static void vfcap_own_pri_allot(struct vfcap_device *vd, u32 requests)
{
	pci_write_config_dword(vd->core.pdev, vd->pri.pos + PCI_PRI_ALLOC_REQ,
			       requests);
}

/*
 * An interface that has not stopped, because the kernel interrupted it or the guest does
 * not wait, must not be enabled before it is reset (sec 10.5.2.2).
 */
static void vfcap_own_pri_start(struct vfcap_device *vd, u32 requests)
{
	if (!(vfcap_own_pri_get(vd, PCI_PRI_STATUS) & PCI_PRI_STATUS_STOPPED))
		vfcap_own_pri_control(vd, PCI_PRI_CTRL_RESET);
	vfcap_own_pri_allot(vd, requests);
	vfcap_own_pri_control(vd, PCI_PRI_CTRL_ENABLE);
}

/* AMD's IOMMU driver keeps it off while no page table is attached. */
static bool vfcap_own_pri_is_on(struct vfcap_device *vd)
{
#ifdef CONFIG_PCI_PRI
	return vd->core.pdev->pri_enabled;
#else
	return false;
#endif
}

/* Clear in Status what the guest has cleared, then show it what the function has set. */
static void vfcap_own_pri_status(struct vfcap_device *vd)
{
	u16 shown = upper_16_bits(vfcap_reg_get(vd, PCI_VFCAP_PRI, VFCAP_CTRL));
	u16 cleared = vd->pri.failures & ~shown;
	u16 status;

	if (cleared)
		pci_write_config_word(vd->core.pdev,
				      vd->pri.pos + PCI_PRI_STATUS, cleared);
	status = vfcap_own_pri_get(vd, PCI_PRI_STATUS);
	vd->pri.failures = status & VFCAP_PRI_ERRORS;
	status &= VFCAP_PRI_ERRORS | PCI_PRI_STATUS_STOPPED;
	vfcap_set_status(vd, PCI_VFCAP_PRI, VFCAP_PRI_STATUS(status));
}

/* How many requests the kernel has allotted to it. PRI was enabled when this was planned. */
static u32 vfcap_own_pri_allotted(struct vfcap_device *vd)
{
	return vd->plan[PCI_VFCAP_PRI].hw[PCI_PRI_ALLOC_REQ / 4];
}

/* Returns how many requests may be outstanding, 0 if none are to be made. */
static u32 vfcap_own_pri_wanted(struct vfcap_device *vd, bool enabled)
{
	u32 requests = vfcap_reg_get(vd, PCI_VFCAP_PRI, PCI_PRI_ALLOC_REQ / 4);

	return enabled && !vd->pri.halted && vfcap_stays_awake(vd) &&
	       vfcap_own_pri_is_on(vd) &&
	       requests <= vfcap_own_pri_allotted(vd) ? requests : 0;
}

/**
 * vfcap_own_pri_sync - make the function's registers follow the guest's
 * @vd: a whole function that shows PRI as planned
 * @enabled: Enable, as the guest has it
 * @restart: the function was reset, or its interface
 *
 * Context: Process context, under the dev_set lock. Does nothing while the function
 * sleeps: it is called again when the function wakes up.
 */
void vfcap_own_pri_sync(struct vfcap_device *vd, bool enabled, bool restart)
{
	u32 wanted, requests;
	u16 ctrl;

	if (!vfcap_is_awake(vd))
		return;
	if (!vd->pri.pos) {
		vd->pri.pos = vd->plan[PCI_VFCAP_PRI].pos;
		vd->pri.failures = 0;
	}
	if (!enabled || restart)
		vd->pri.halted = false;

	wanted = vfcap_own_pri_wanted(vd, enabled);
	ctrl = vfcap_own_pri_get(vd, PCI_PRI_CTRL) & PCI_PRI_CTRL_ENABLE;
	pci_read_config_dword(vd->core.pdev, vd->pri.pos + PCI_PRI_ALLOC_REQ,
			      &requests);
	if (restart || (ctrl && requests != wanted)) {
		vfcap_own_pri_control(vd, restart ? PCI_PRI_CTRL_RESET : 0);
		ctrl = 0;
	}
	vfcap_own_pri_status(vd);
	if (wanted && !ctrl)
		vfcap_own_pri_start(vd, wanted);
}

/**
 * vfcap_own_pri_stop - keep the function from making new requests
 * @vd: a whole function
 *
 * Context: Process context, under the dev_set lock. vfcap_own_pri_sync() undoes this.
 */
void vfcap_own_pri_stop(struct vfcap_device *vd)
{
	if (vd->pri.pos && vfcap_is_awake(vd))
		vfcap_own_pri_control(vd, 0);
}
