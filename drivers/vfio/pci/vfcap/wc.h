/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFCAP_WC_H
#define VFCAP_WC_H

#include <linux/rwsem.h>
#include <linux/vfio_pci_core.h>
#include <linux/xarray.h>

struct vfcap_device;
struct vm_area_struct;

/* Indices of alias regions: far from core's, of which there may come to be more */
#define VFCAP_ALIAS_FIRST	0x100
#define VFCAP_ALIAS_LAST	0x10f

/*
 * Where the device's file has the aliases of a BAR, at the same offsets as the BAR has
 * the pages. It is where the region of index 10 + BAR would be, of which core has none,
 * so that a 32-bit program can map it: mmap2() ends at index 15.
 */
#define VFCAP_ALIAS_SPACE	10

/**
 * struct vfcap_alias - pages of a BAR that are write combining
 * @start: offset in the BAR
 * @size: in bytes, whole pages
 * @before: the kernel's mapping of the page before them, if that is uncached
 * @after: and behind them
 * @index: of the region by which the user maps them
 * @bar: the BAR
 */
struct vfcap_alias {
	u64 start;
	u64 size;
	void __iomem *before;
	void __iomem *after;
	u32 index;
	unsigned int bar;
};

/**
 * struct vfcap_wc - which pages of a device's BARs are write combining
 * @bar_lock: Held for read around everything by which core may use its own mapping of
 *	a BAR, for write while that is taken down or made. Outside of mmap_lock, since
 *	memory of the user is accessed under it; whoever waits for it can be killed.
 * @map_lock: Held for read around everything that maps pages of a BAR into user
 *	space, for write (with @bar_lock) while @aliases change. Inside of mmap_lock and
 *	@bar_lock, outside of core's memory_lock; no memory of the user is accessed
 *	under it.
 * @aliases: struct vfcap_alias by region index
 * @taken: BARs of which core has no mapping, BIT(BAR) each: those that have an alias.
 *	Under @bar_lock.
 * @refused: reasons of refusals that the log has of this session
 */
struct vfcap_wc {
	struct rw_semaphore bar_lock;
	struct rw_semaphore map_lock;
	struct xarray aliases;
	unsigned long taken;
	unsigned long refused;
};

/* wc.c: alias regions */
void vfcap_wc_init(struct vfcap_device *vf);
void vfcap_wc_open(struct vfcap_device *vf);
void vfcap_wc_close(struct vfcap_device *vf);
int vfcap_wc_region_info(struct vfcap_device *vf, struct vfio_region_info *info);
int vfcap_wc_create(struct vfcap_device *vf, struct vfcap_alias *wanted);
int vfcap_wc_remove(struct vfcap_device *vf, u32 index);

/* bar.c: the kernel's own mappings of BARs, and who uses them */
struct vfcap_alias *vfcap_bar_find_alias(struct vfcap_device *vf,
					 unsigned int bar, u64 start, u64 size);
int vfcap_bar_add(struct vfcap_device *vf, struct vfcap_alias *alias);
void vfcap_bar_remove(struct vfcap_device *vf, struct vfcap_alias *alias);
void vfcap_bar_close(struct vfcap_device *vf);
ssize_t vfcap_bar_rw(struct vfcap_device *vf, char __user *buf, size_t count,
		     loff_t *ppos, bool write);
long vfcap_ioctl_ioeventfd(struct vfcap_device *vf, unsigned long arg);

/* wc_mmap.c: what of a BAR is mapped into user space */
int vfcap_wc_mmap(struct vfcap_device *vf, struct vm_area_struct *vma);
bool vfcap_wc_is_mapped(struct vfcap_device *vf, unsigned int bar, u64 start,
			u64 size);
void vfcap_wc_zap(struct vfcap_device *vf, const struct vfcap_alias *alias);

#endif /* VFCAP_WC_H */
