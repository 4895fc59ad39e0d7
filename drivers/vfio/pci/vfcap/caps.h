/* SPDX-License-Identifier: GPL-2.0-only */
/* The capabilities, and what stands behind them */
#ifndef VFCAP_CAPS_H
#define VFCAP_CAPS_H

#include <linux/pci.h>

#include "vfcap.h"

/* attach.c: PASIDs that the device's user attaches, if VFCAP_PASID_ATTACH */
void vfcap_unbind_iommufd(struct vfio_device *vdev);
int vfcap_attach(struct vfcap_device *vd, u32 pasid, u32 *pt_id);
void vfcap_pasid_detach_ioas(struct vfio_device *vdev, u32 pasid);
void vfcap_pasid_block(struct vfcap_device *vd);
void vfcap_pasid_sync(struct vfcap_device *vd, bool enabled, bool restart);
void vfcap_pasid_forget(struct vfcap_device *vd);

/* vmd.c: Intel Volume Management Device endpoints */
#define VFCAP_VMD_SHDW		BIT(0)	/* Linux looks for SHDW in it */
#define VFCAP_VMD_NATIVE	BIT(1)	/* it has registers of its own for that */
#define VFCAP_VMD_QEMU		BIT(2)	/* QEMU adds a SHDW of its own */

#define VFCAP_VMD_VMCAP		0x40
#define VFCAP_VMD_VMCONFIG	0x44
#define VFCAP_VMD_VMLOCK	0x70
#define VFCAP_VMLOCK_SHADOW	BIT(1)	/* the native shadow registers are there */

#define VFCAP_VMD_MEMBAR1	2
#define VFCAP_VMD_MEMBAR2	4

extern const struct pci_device_id vfcap_vmd_ids[];
extern struct vfcap_param vfcap_vmd_shadow;
unsigned long vfcap_vmd_find(struct pci_dev *pdev);
bool vfcap_vmd_is_unknown(struct pci_dev *pdev);
u64 vfcap_vmd_bar(struct vfcap_device *vd, unsigned int bar);
bool vfcap_vmd_check_bars(struct vfcap_device *vd);

/* PRI's Status is the upper half of the dword whose lower half is Control. */
#define VFCAP_PRI_STATUS(bits)	((u32)(bits) << 16)

/* The bits of Status that are cleared by writing 1 */
#define VFCAP_PRI_ERRORS	(PCI_PRI_STATUS_RF | PCI_PRI_STATUS_UPRGI)

/* own_pri.c: the Page Request Interface of a whole function */
void vfcap_own_pri_sync(struct vfcap_device *vd, bool enabled, bool restart);
void vfcap_own_pri_stop(struct vfcap_device *vd);

/* pasid.c, pri.c, shdw.c: the capabilities */
extern const struct vfcap_cap vfcap_pasid;
extern const struct vfcap_cap vfcap_pri;
extern const struct vfcap_cap vfcap_shdw;
int vfcap_pasid_open(struct vfcap_device *vd);
bool vfcap_pasid_is_guests(struct vfcap_device *vd);
int vfcap_pri_choose(struct vfcap_device *vd, bool answers);
bool vfcap_pri_is_deliverable(struct vfcap_device *vd);
bool vfcap_pri_fail(struct vfcap_device *vd, u32 failures);
void vfcap_pri_restored(struct vfcap_device *vd);

/* ims.c: Interrupt Message Storage, hidden in the Intel SIOV DVSEC */
#define VFCAP_SIOV_CAP_IMS	BIT(0)	/* at @ims_pos */

void vfcap_ims_open(struct vfcap_device *vd);

#endif /* VFCAP_CAPS_H */
