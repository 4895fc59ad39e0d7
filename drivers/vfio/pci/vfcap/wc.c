// SPDX-License-Identifier: GPL-2.0-only
/*
 * Write combining: alias regions over pages of a BAR
 *
 * Nothing about a BAR tells that its pages may be written so, the prefetchable bit
 * does not either: the user must know the device. What is not asked for stays as
 * vfio-pci has it.
 */
#include <linux/cleanup.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/pgtable.h>
#include <linux/slab.h>
#include <linux/vfio_vfcap.h>

#include "vfcap.h"

enum vfcap_wc_refusal {
	VFCAP_WC_PLATFORM,
	VFCAP_WC_MSIX,
	VFCAP_WC_KERNEL
};

static const char * const vfcap_wc_refusals[] = {
	[VFCAP_WC_PLATFORM]	= "this CPU, or the kernel for it, has no such memory type",
	[VFCAP_WC_MSIX]		= "the pages have the MSI-X table or its pending bits",
	[VFCAP_WC_KERNEL]	= "another mapping, in the kernel or by sysfs, has it uncached",
};

/* Once in a session, for users are many and may ask again and again */
static int vfcap_wc_refuse(struct vfcap_device *vf, unsigned int bar,
			   enum vfcap_wc_refusal refusal)
{
	if (!test_and_set_bit(refusal, &vf->wc.refused))
		pci_info(vf->core.pdev, "BAR %u cannot be write combining: %s\n",
			 bar, vfcap_wc_refusals[refusal]);
	return -EOPNOTSUPP;
}

/* Where there is none, the kernel's names for it stand for uncached. */
static bool vfcap_has_wc(void)
{
	return pgprot_val(pgprot_writecombine(__pgprot(0))) !=
	       pgprot_val(pgprot_noncached(__pgprot(0)));
}

/**
 * vfcap_wc_init - what a device that is probed has
 * @vf: the device
 */
void vfcap_wc_init(struct vfcap_device *vf)
{
	init_rwsem(&vf->wc.bar_lock);
	init_rwsem(&vf->wc.map_lock);
	xa_init_flags(&vf->wc.aliases, XA_FLAGS_ALLOC | XA_FLAGS_ACCOUNT);
}

/**
 * vfcap_wc_open - begin a session, without any alias
 * @vf: the device
 *
 * Context: Under the dev_set lock, before the user can reach the device.
 */
void vfcap_wc_open(struct vfcap_device *vf)
{
	vf->wc.refused = 0;
}

/**
 * vfcap_wc_close - remove all aliases, and give core its BARs back
 * @vf: the device
 *
 * Context: Before core is closed, under the dev_set lock. The last user of the file
 * is gone, and so are all mappings.
 */
void vfcap_wc_close(struct vfcap_device *vf)
{
	vfcap_bar_close(vf);
}

/**
 * vfcap_wc_region_info - VFIO_DEVICE_GET_REGION_INFO of an alias
 * @vf: the device
 * @info: what is told of it
 *
 * Context: Process context.
 * Return: 0, or -EINVAL if there is no such region.
 */
int vfcap_wc_region_info(struct vfcap_device *vf, struct vfio_region_info *info)
{
	struct vfcap_alias *alias;

	guard(rwsem_read)(&vf->wc.map_lock);

	alias = xa_load(&vf->wc.aliases, info->index);
	if (!alias)
		return -EINVAL;
	info->offset = VFIO_PCI_INDEX_TO_OFFSET(VFCAP_ALIAS_SPACE + alias->bar) +
		       alias->start;
	info->size = alias->size;
	info->flags = VFIO_REGION_INFO_FLAG_MMAP;
	return 0;
}

/* Whether a range of a BAR is in pages that are asked for */
static bool vfcap_wc_has(const struct vfcap_feature_write_combine *wc,
			 unsigned int bar, u64 start, u64 size)
{
	return bar == wc->region_index &&
	       vfcap_overlaps(wc->offset, wc->size, start, size);
}

/* The kernel has the table mapped uncached, and the pending bits belong to it. */
static bool vfcap_wc_has_msix(struct vfcap_device *vf,
			      const struct vfcap_feature_write_combine *wc)
{
	struct pci_dev *pdev = vf->core.pdev;
	u32 pba, pba_size;

	if (!pdev->msix_cap)
		return false;
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_PBA, &pba);
	pba_size = DIV_ROUND_UP(vf->core.msix_size / PCI_MSIX_ENTRY_SIZE, 64) *
		   sizeof(u64);
	return vfcap_wc_has(wc, vf->core.msix_bar, vf->core.msix_offset,
			    vf->core.msix_size) ||
	       vfcap_wc_has(wc, pba & PCI_MSIX_PBA_BIR,
			    pba & PCI_MSIX_PBA_OFFSET, pba_size);
}

/* What can be known of a request for ever */
static int vfcap_wc_check(struct vfcap_device *vf,
			  struct vfcap_feature_write_combine *wc)
{
	u64 end;

	if (wc->region_index >= PCI_STD_NUM_BARS)
		return -EINVAL;
	wc->region_index = array_index_nospec(wc->region_index,
					      PCI_STD_NUM_BARS);
	if (!vf->core.bar_mmap_supported[wc->region_index])
		return -EINVAL;
	if (!wc->size || !PAGE_ALIGNED(wc->offset) || !PAGE_ALIGNED(wc->size) ||
	    check_add_overflow(wc->offset, wc->size, &end) ||
	    end > pci_resource_len(vf->core.pdev, wc->region_index))
		return -EINVAL;
	if (vfcap_is_trapped(vf, wc->region_index, wc->offset, wc->size))
		return -EINVAL;

	if (vfcap_wc_has_msix(vf, wc))
		return vfcap_wc_refuse(vf, wc->region_index, VFCAP_WC_MSIX);
	if (!vfcap_has_wc())
		return vfcap_wc_refuse(vf, wc->region_index, VFCAP_WC_PLATFORM);
	return 0;
}

static bool vfcap_has_ioeventfds(struct vfcap_device *vf)
{
	guard(mutex)(&vf->core.ioeventfds_lock);

	return vf->core.ioeventfds_nr;
}

/* Caller holds both locks for write. */
static int vfcap_wc_create_locked(struct vfcap_device *vf,
				  struct vfcap_feature_write_combine *wc)
{
	struct vfcap_alias *alias;
	int ret;

	if (vfcap_bar_find_alias(vf, wc->region_index, wc->offset, wc->size))
		return -EEXIST;
	if (vfcap_has_ioeventfds(vf) ||
	    vfcap_wc_is_mapped(vf, wc->region_index, wc->offset, wc->size))
		return -EBUSY;

	alias = kzalloc_obj(*alias, GFP_KERNEL_ACCOUNT);
	if (!alias)
		return -ENOMEM;
	alias->start = wc->offset;
	alias->size = wc->size;
	alias->bar = wc->region_index;
	ret = xa_alloc(&vf->wc.aliases, &alias->index, alias,
		       XA_LIMIT(VFCAP_ALIAS_FIRST, VFCAP_ALIAS_LAST),
		       GFP_KERNEL_ACCOUNT);
	if (ret) {
		kfree(alias);
		return ret == -EBUSY ? -ENOSPC : ret;
	}
	ret = vfcap_bar_add(vf, alias);
	if (ret) {
		kfree(alias);
		return ret == -EOPNOTSUPP ?
		       vfcap_wc_refuse(vf, wc->region_index, VFCAP_WC_KERNEL) :
		       ret;
	}
	wc->alias_index = alias->index;
	return 0;
}

/* Caller holds both locks for write. */
static int vfcap_wc_remove_locked(struct vfcap_device *vf,
				  struct vfcap_feature_write_combine *wc)
{
	struct vfcap_alias *alias = xa_load(&vf->wc.aliases, wc->alias_index);

	if (!alias)
		return -ENOENT;
	vfcap_wc_zap(vf, alias);
	vfcap_bar_remove(vf, alias);
	return 0;
}

typedef int (*vfcap_wc_change_fn)(struct vfcap_device *vf,
				  struct vfcap_feature_write_combine *wc);

static int vfcap_wc_change(struct vfcap_device *vf,
			   struct vfcap_feature_write_combine *wc,
			   vfcap_wc_change_fn change)
{
	int ret = -EINTR;

	if (down_write_killable(&vf->wc.bar_lock))
		return ret;
	if (!down_write_killable(&vf->wc.map_lock)) {
		ret = change(vf, wc);
		up_write(&vf->wc.map_lock);
	}
	up_write(&vf->wc.bar_lock);
	return ret;
}

static int vfcap_wc_create(struct vfcap_device *vf,
			   struct vfcap_feature_write_combine *wc)
{
	return vfcap_wc_check(vf, wc) ?:
	       vfcap_wc_change(vf, wc, vfcap_wc_create_locked);
}

/**
 * vfcap_feature_write_combine - VFCAP_FEATURE_WRITE_COMBINE
 * @vf: the device
 * @set: remove an alias, else create one
 * @data: struct vfcap_feature_write_combine
 * @told: how much of it the user has
 *
 * Context: Process context, no locks held.
 * Return: 0 or -errno, see the structure.
 */
int vfcap_feature_write_combine(struct vfcap_device *vf, bool set, void *data,
				size_t told)
{
	struct vfcap_feature_write_combine *wc = data;

	if (wc->flags || wc->reserved)
		return -EINVAL;
	return set ? vfcap_wc_change(vf, wc, vfcap_wc_remove_locked) :
		     vfcap_wc_create(vf, wc);
}

/**
 * vfcap_feature_write_combine_undo - remove an alias of which the user cannot be told
 * @vf: the device
 * @data: struct vfcap_feature_write_combine, of the alias
 *
 * Another task of the user may have removed it already.
 *
 * Context: Process context, no locks held.
 */
void vfcap_feature_write_combine_undo(struct vfcap_device *vf, void *data)
{
	vfcap_wc_change(vf, data, vfcap_wc_remove_locked);
}
