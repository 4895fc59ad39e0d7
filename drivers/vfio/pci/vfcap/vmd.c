// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intel Volume Management Device (VMD) endpoints
 *
 * A VMD endpoint is the host bridge of a PCI domain of its own: CFGBAR is that
 * domain's config space, MEMBAR1 and MEMBAR2 are its bridge windows, and what
 * lies behind it decodes addresses of the host. A guest's driver must therefore
 * know the host's addresses of these BARs. It reads them in a vendor-specific
 * capability "SHDW", which a hypervisor provides, or from the native shadow
 * registers that some devices have.
 */
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "base.h"
#include "caps.h"

#define VFCAP_VMD(device, kind)						\
	PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_INTEL, device),	\
	.driver_data = (kind)

/*
 * What Linux's vmd driver takes, except 28C1, where firmware always leaves the addresses
 * where that driver finds them. Each makes an exact "vfio_pci:" alias, by which tools
 * find that this is the driver to pass the device through with.
 */
const struct pci_device_id vfcap_vmd_ids[] = {
	{ VFCAP_VMD(PCI_DEVICE_ID_INTEL_VMD_201D, VFCAP_VMD_SHDW | VFCAP_VMD_QEMU) },
	{ VFCAP_VMD(PCI_DEVICE_ID_INTEL_VMD_28C0, VFCAP_VMD_NATIVE) },
	{ VFCAP_VMD(0x467f, VFCAP_VMD_SHDW | VFCAP_VMD_QEMU) },
	{ VFCAP_VMD(0x4c3d, VFCAP_VMD_SHDW | VFCAP_VMD_QEMU) },
	{ VFCAP_VMD(0xa77f, VFCAP_VMD_SHDW) },
	{ VFCAP_VMD(0x7d0b, VFCAP_VMD_SHDW) },
	{ VFCAP_VMD(0xad0b, VFCAP_VMD_SHDW) },
	{ VFCAP_VMD(PCI_DEVICE_ID_INTEL_VMD_9A0B, VFCAP_VMD_SHDW | VFCAP_VMD_QEMU) },
	{ VFCAP_VMD(0xb60b, VFCAP_VMD_SHDW) },
	{ VFCAP_VMD(0xb06f, VFCAP_VMD_SHDW) },
	{ VFCAP_VMD(0xb07f, VFCAP_VMD_SHDW) },
	{ VFCAP_VMD(0xd70b, VFCAP_VMD_SHDW) },
	{ VFCAP_VMD(0xd73b, VFCAP_VMD_SHDW) },
	{ }
};
MODULE_DEVICE_TABLE(pci, vfcap_vmd_ids);

struct vfcap_param vfcap_vmd_shadow = VFCAP_MODE_PARAM;

module_param_cb(vmd_shadow, &vfcap_param_ops, &vfcap_vmd_shadow, 0644);
MODULE_PARM_DESC(vmd_shadow, "Show guests the host's addresses of a VMD endpoint's BARs: auto (default): where nothing else does, on: also where a VMM may dislike it, off: never");

/**
 * vfcap_vmd_find - what kind of VMD endpoint a device is
 * @pdev: the device
 *
 * Context: Any context.
 * Return: VFCAP_VMD_* flags, 0 if it is not a known one, or is a VF.
 */
unsigned long vfcap_vmd_find(struct pci_dev *pdev)
{
	const struct pci_device_id *id = pci_match_id(vfcap_vmd_ids, pdev);

	return id && !pdev->is_virtfn ? id->driver_data : 0;
}

/**
 * vfcap_vmd_is_unknown - whether a device may be an unknown VMD endpoint
 * @pdev: the device, for which vfcap_vmd_find() found nothing
 *
 * Context: Any context.
 * Return: true for an Intel function of class RAID, as VMD endpoints are.
 */
bool vfcap_vmd_is_unknown(struct pci_dev *pdev)
{
	return pdev->vendor == PCI_VENDOR_ID_INTEL &&
	       pdev->class >> 8 == PCI_CLASS_STORAGE_RAID;
}

/**
 * vfcap_vmd_bar - the host's address of a BAR
 * @vd: the device
 * @bar: its number
 *
 * Context: Process context, while the device is open.
 * Return: the address that it had when the device was opened, 0 if it is not a memory
 * BAR, or has no address.
 */
u64 vfcap_vmd_bar(struct vfcap_device *vd, unsigned int bar)
{
	u32 low = vd->core.rbar[bar], high = 0;

	if (!pci_resource_len(vd->core.pdev, bar) ||
	    (low & PCI_BASE_ADDRESS_SPACE) != PCI_BASE_ADDRESS_SPACE_MEMORY)
		return 0;
	if ((low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64)
		high = vd->core.rbar[bar + 1];
	return (u64)high << 32 | (low & PCI_BASE_ADDRESS_MEM_MASK);
}

/**
 * vfcap_vmd_check_bars - whether MEMBAR1 and MEMBAR2 have addresses to be shown
 * @vd: the device
 *
 * Context: Process context, while the device is open.
 * Return: true if they are memory BARs, of any width, that have an address.
 */
bool vfcap_vmd_check_bars(struct vfcap_device *vd)
{
	return vfcap_vmd_bar(vd, VFCAP_VMD_MEMBAR1) &&
	       vfcap_vmd_bar(vd, VFCAP_VMD_MEMBAR2);
}
