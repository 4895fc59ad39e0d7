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

#include "bar.h"

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
static bool vfcap_wc_has(const struct vfcap_alias *wanted, unsigned int bar,
			 u64 start, u64 size)
{
	return bar == wanted->bar &&
	       vfcap_overlaps(wanted->start, wanted->size, start, size);
}

/* The kernel has the table mapped uncached, and the pending bits belong to it. */
static bool vfcap_wc_has_msix(struct vfcap_device *vf,
			      const struct vfcap_alias *wanted)
{
	struct pci_dev *pdev = vf->core.pdev;
	u32 pba, pba_size;

	if (!pdev->msix_cap)
		return false;
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_PBA, &pba);
	pba_size = DIV_ROUND_UP(vf->core.msix_size / PCI_MSIX_ENTRY_SIZE, 64) *
		   sizeof(u64);
	return vfcap_wc_has(wanted, vf->core.msix_bar, vf->core.msix_offset,
			    vf->core.msix_size) ||
	       vfcap_wc_has(wanted, pba & PCI_MSIX_PBA_BIR,
			    pba & PCI_MSIX_PBA_OFFSET, pba_size);
}

/* What can be known of a request for ever */
static int vfcap_wc_check(struct vfcap_device *vf, struct vfcap_alias *wanted)
{
	u64 end;

	if (wanted->bar >= PCI_STD_NUM_BARS)
		return -EINVAL;
	wanted->bar = array_index_nospec(wanted->bar, PCI_STD_NUM_BARS);
	if (!vf->core.bar_mmap_supported[wanted->bar])
		return -EINVAL;
	if (!wanted->size || !PAGE_ALIGNED(wanted->start) ||
	    !PAGE_ALIGNED(wanted->size) ||
	    check_add_overflow(wanted->start, wanted->size, &end) ||
	    end > pci_resource_len(vf->core.pdev, wanted->bar))
		return -EINVAL;
	if (vfcap_is_trapped(vf, wanted->bar, wanted->start, wanted->size))
		return -EINVAL;

	if (vfcap_wc_has_msix(vf, wanted))
		return vfcap_wc_refuse(vf, wanted->bar, VFCAP_WC_MSIX);
	if (!vfcap_has_wc())
		return vfcap_wc_refuse(vf, wanted->bar, VFCAP_WC_PLATFORM);
	return 0;
}

static bool vfcap_has_ioeventfds(struct vfcap_device *vf)
{
	guard(mutex)(&vf->core.ioeventfds_lock);

	return vf->core.ioeventfds_nr;
}

/* Caller holds both locks for write. */
static int vfcap_wc_create_locked(struct vfcap_device *vf,
				  struct vfcap_alias *wanted)
{
	struct vfcap_alias *alias;
	int ret;

	if (vfcap_bar_find_alias(vf, wanted->bar, wanted->start, wanted->size))
		return -EEXIST;
	if (vfcap_has_ioeventfds(vf) ||
	    vfcap_wc_is_mapped(vf, wanted->bar, wanted->start, wanted->size))
		return -EBUSY;

	alias = kmemdup(wanted, sizeof(*wanted), GFP_KERNEL_ACCOUNT);
	if (!alias)
		return -ENOMEM;
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
		       vfcap_wc_refuse(vf, wanted->bar, VFCAP_WC_KERNEL) : ret;
	}
	wanted->index = alias->index;
	return 0;
}

/* Caller holds both locks for write. */
static int vfcap_wc_remove_locked(struct vfcap_device *vf,
				  struct vfcap_alias *wanted)
{
	struct vfcap_alias *alias = xa_load(&vf->wc.aliases, wanted->index);

	if (!alias)
		return -ENOENT;
	vfcap_wc_zap(vf, alias);
	vfcap_bar_remove(vf, alias);
	return 0;
}

static int vfcap_wc_change(struct vfcap_device *vf, struct vfcap_alias *wanted,
			   int (*change)(struct vfcap_device *vf,
					 struct vfcap_alias *wanted))
{
	int ret = -EINTR;

	if (down_write_killable(&vf->wc.bar_lock))
		return ret;
	if (!down_write_killable(&vf->wc.map_lock)) {
		ret = change(vf, wanted);
		up_write(&vf->wc.map_lock);
	}
	up_write(&vf->wc.bar_lock);
	return ret;
}

/**
 * vfcap_wc_create - create an alias
 * @vf: the device
 * @wanted: its BAR, start and size; its index is set
 *
 * Context: Process context, no locks held.
 * Return: 0 or -errno, see &struct vfcap_feature_write_combine.
 */
int vfcap_wc_create(struct vfcap_device *vf, struct vfcap_alias *wanted)
{
	return vfcap_wc_check(vf, wanted) ?:
	       vfcap_wc_change(vf, wanted, vfcap_wc_create_locked);
}

/**
 * vfcap_wc_remove - remove an alias
 * @vf: the device
 * @index: of its region
 *
 * Context: Process context, no locks held.
 * Return: 0, -ENOENT if there is none, -EINTR.
 */
int vfcap_wc_remove(struct vfcap_device *vf, u32 index)
{
	struct vfcap_alias wanted = { .index = index };

	return vfcap_wc_change(vf, &wanted, vfcap_wc_remove_locked);
}
