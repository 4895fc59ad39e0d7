/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFCAP_H
#define VFCAP_H

#include <linux/mutex.h>
#include <linux/vfio_pci_core.h>

#include "compat.h"

struct pci_vfcap;
struct vfcap_device;

/**
 * struct vfcap_reg_behavior - what a guest's write does to a dword
 * @rw: bits that take the written value, and are 0 after a reset
 *
 * All other bits are read-only and keep their value over a reset.
 */
struct vfcap_reg_behavior {
	u32 rw;
};

/**
 * struct vfcap_cap - an extended capability that is emulated for VFs
 * @name: for messages, as the PCIe specification writes it
 * @id: extended capability ID
 * @version: capability version
 * @nr_regs: length in dwords, the capability header included
 * @behavior: one entry for each dword
 * @init: Decide whether the VF shows the capability in this session, from its
 *	first access after the open on. Fill in the reset value of every dword
 *	behind the header, CPU endian. Log the reason when it is not shown.
 *	Called in process context, under &vfcap_device.lock.
 *	Return: the offset at which it is best placed, or -errno to hide it.
 * @implemented: Optional. Which of the bits that @behavior calls writable this VF
 *	has, from the present value of that dword.
 */
struct vfcap_cap {
	const char *name;
	u16 id;
	u8 version;
	u8 nr_regs;
	const struct vfcap_reg_behavior *behavior;
	int (*init)(struct vfcap_device *vf, u32 *regs);
	u32 (*implemented)(u32 value);
};

enum vfcap_cap_index {
	VFCAP_PASID,
	VFCAP_NR_CAPS
};

extern const struct vfcap_cap vfcap_pasid;

/* The longest capability, in dwords */
#define VFCAP_MAX_REGS		(PCI_EXT_CAP_PRI_SIZEOF / sizeof(u32))

/**
 * struct vfcap_device - a VF bound to this driver
 * @core: what vfio-pci-core knows of it
 * @pf: the record of its PF, held from probe to remove
 * @power_lock: Serialises what may change the VF's power state from inside the
 *	VFIO file, so that a return from D3hot is seen. Taken before
 *	memory_lock of @core.
 * @frozen: An error froze the channel, and its recovery resets the link. Only
 *	used in the error handlers, which the PCI core calls one by one.
 * @lock: Protects @decided, @pos, @anchored and the emulated bytes of @core.vconfig:
 *	vfio-pci-core has no lock over config accesses. Innermost, and never
 *	held while core is called: reset_done() takes it under memory_lock.
 * @decided: whether @pos is settled for this session. Set with release order,
 *	so that a lockless reader which sees it set sees @pos and @core.vconfig.
 * @pos: where each capability lies, 0 when it is not shown
 * @anchored: whether the header at the start of the list is an empty one that
 *	is emulated as well
 */
struct vfcap_device {
	struct vfio_pci_core_device core;
	struct pci_vfcap *pf;
	bool frozen;
	struct mutex power_lock;	/* what changes the power state */
	struct mutex lock;		/* all below, and emulated bytes */
	bool decided;
	u16 pos[VFCAP_NR_CAPS];
	bool anchored;
};

static inline struct vfcap_device *to_vfcap(struct vfio_pci_core_device *core)
{
	return container_of(core, struct vfcap_device, core);
}

/* chain.c: where a capability fits, and its place in the linked list */
u16 vfcap_chain_place(struct vfcap_device *vf, u16 wanted, size_t size);
void vfcap_chain_link(struct vfcap_device *vf, u16 pos,
		      const struct vfcap_cap *cap);

/* emul.c: the engine that runs all capabilities */
ssize_t vfcap_config_read(struct vfcap_device *vf, char __user *buf,
			  size_t count, loff_t *ppos);
ssize_t vfcap_config_write(struct vfcap_device *vf, const char __user *buf,
			   size_t count, loff_t *ppos);
void vfcap_emul_reset(struct vfcap_device *vf);
void vfcap_emul_close(struct vfcap_device *vf);

/* reset.c: what resets a VF, and so its emulated registers */
extern const struct pci_error_handlers vfcap_err_handlers;
ssize_t vfcap_core_config_write(struct vfcap_device *vf, const char __user *buf,
				size_t count, loff_t *ppos);
long vfcap_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg);
int vfcap_ioctl_feature(struct vfio_device *vdev, u32 flags, void __user *arg,
			size_t argsz);

#endif /* VFCAP_H */
