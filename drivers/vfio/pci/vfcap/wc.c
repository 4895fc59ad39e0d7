// SPDX-License-Identifier: GPL-2.0-only
/*
 * Write combining: alias regions over pages of a BAR
 *
 * Nothing about a BAR says that its pages may be write combining, not even the
 * prefetchable bit: the user must know the device. Pages that nobody asks for stay as
 * vfio-pci has them.
 *
 * A page must not have two memory types at once, and on x86 the kernel sees to that: if
 * core has a BAR mapped uncached, a mapping that asks for write combining silently
 * becomes uncached, too. So core's mapping of the whole BAR is taken down as long as
 * there is an alias. The kernel's list of memory types has the pages of an alias as write
 * combining, and the page on either side of them as uncached. A mapping that reaches
 * beyond an alias, such as the reset of a few devices makes, then fails instead of
 * getting write combining for registers. Beyond these pages, only what read() and write()
 * access is mapped, and only while they do so.
 *
 * Core reads vdev->barmap[] without a lock: &vfcap_wc.bar_lock keeps away everybody who
 * may use what it points to.
 */
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/pgtable.h>
#include <linux/rbtree.h>
#include <linux/slab.h>

#include "bar.h"

/* Core only tests whether it has a mapping. This one must never be accessed. */
#define VFCAP_NO_BARMAP		((void __iomem *)ZERO_SIZE_PTR)

enum vfcap_wc_refusal {
	VFCAP_WC_PLATFORM,
	VFCAP_WC_MSIX,
	VFCAP_WC_KERNEL
};

static const char * const vfcap_wc_refusals[] = {
	[VFCAP_WC_PLATFORM]	= "this CPU, or the kernel for it, has no such memory type",
	[VFCAP_WC_MSIX]		= "the pages contain the MSI-X table or its pending bits",
	[VFCAP_WC_KERNEL]	= "another mapping, in the kernel or via sysfs, has it uncached",
};

/* Log it once in a session: there are many users, and they may ask again and again. */
static int vfcap_wc_refuse(struct vfcap_device *vd, unsigned int bar,
			   enum vfcap_wc_refusal refusal)
{
	if (!test_and_set_bit(refusal, &vd->wc.refused))
		pci_info(vd->core.pdev, "BAR %u cannot be write combining: %s\n",
			 bar, vfcap_wc_refusals[refusal]);
	return -EOPNOTSUPP;
}

/* Where there is no write combining, the kernel's names for it stand for uncached. */
static bool vfcap_has_wc(void)
{
	return pgprot_val(pgprot_writecombine(__pgprot(0))) !=
	       pgprot_val(pgprot_noncached(__pgprot(0)));
}

#ifdef CONFIG_X86
/* Whether a page became write combining: ioremap_wc() may make do with another type. */
static bool vfcap_is_wc(void __iomem *io)
{
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)io, &level);

	return pte && (pte_flags(*pte) & _PAGE_CACHE_MASK) ==
	       cachemode2protval(_PAGE_CACHE_MODE_WC);
}
#else
static bool vfcap_is_wc(void __iomem *io)
{
	return true;
}
#endif

/**
 * vfcap_wc_init - initialise the locks and the aliases of a device that is probed
 * @vd: the device
 */
void vfcap_wc_init(struct vfcap_device *vd)
{
	init_rwsem(&vd->wc.bar_lock);
	init_rwsem(&vd->wc.map_lock);
	xa_init_flags(&vd->wc.aliases, XA_FLAGS_ALLOC | XA_FLAGS_ACCOUNT);
}

/**
 * vfcap_bar_phys - the address of a place in a BAR
 * @vd: the device
 * @bar: the BAR
 * @offset: in it
 *
 * Context: Any context.
 * Return: the CPU's address.
 */
resource_size_t vfcap_bar_phys(struct vfcap_device *vd, unsigned int bar,
			       u64 offset)
{
	return pci_resource_start(vd->core.pdev, bar) + offset;
}

/**
 * vfcap_find_alias - the first alias that has pages of a range
 * @vd: the device
 * @bar: the BAR
 * @start: offset in it
 * @size: of the range
 *
 * Context: Process context, under one of the two locks of &struct vfcap_wc.
 * Return: the alias, or NULL.
 */
struct vfcap_alias *vfcap_find_alias(struct vfcap_device *vd, unsigned int bar,
				     u64 start, u64 size)
{
	struct vfcap_alias *alias, *first = NULL;
	unsigned long index;

	xa_for_each(&vd->wc.aliases, index, alias)
		if (alias->bar == bar &&
		    vfcap_overlaps(start, size, alias->start, alias->size) &&
		    (!first || alias->start < first->start))
			first = alias;
	return first;
}

static int vfcap_bar_take(struct vfcap_device *vd, unsigned int bar)
{
	int ret;

	if (vd->wc.taken & BIT(bar))
		return 0;
	ret = vfcap_core_map_bar(&vd->core, bar);
	if (ret)
		return ret;
	pci_iounmap(vd->core.pdev, vd->core.barmap[bar]);
	vd->core.barmap[bar] = VFCAP_NO_BARMAP;
	vd->wc.taken |= BIT(bar);
	return 0;
}

/* Without memory for core's mapping, the BAR stays taken until its next alias is gone. */
static void vfcap_bar_give_back(struct vfcap_device *vd, unsigned int bar)
{
	void __iomem *io;

	if (!(vd->wc.taken & BIT(bar)) ||
	    vfcap_find_alias(vd, bar, 0, U64_MAX))
		return;
	io = pci_iomap(vd->core.pdev, bar, 0);
	if (!io)
		return;
	vd->core.barmap[bar] = io;
	vd->wc.taken &= ~BIT(bar);
}

/* Enter pages as write combining in the kernel's list of memory types */
static int vfcap_bar_reserve(resource_size_t phys, u64 size)
{
	void __iomem *io;
	int ret;

	ret = arch_io_reserve_memtype_wc(phys, size);
	if (ret)
		return ret == -EBUSY ? -EOPNOTSUPP : ret;
	/* All of them have the same type. */
	io = ioremap_wc(phys, PAGE_SIZE);
	if (!io)
		ret = -ENOMEM;
	else if (!vfcap_is_wc(io))
		ret = -EOPNOTSUPP;
	if (io)
		iounmap(io);
	if (ret)
		arch_io_free_memtype_wc(phys, size);
	return ret;
}

/* Make or remove the guard page beside an alias: uncached, unless it is in an alias */
static int vfcap_bar_guard_page(struct vfcap_device *vd, unsigned int bar,
				u64 page, void __iomem **guard)
{
	bool needed = page < pci_resource_len(vd->core.pdev, bar) &&
		      !vfcap_find_alias(vd, bar, page, PAGE_SIZE);

	if (!needed && *guard) {
		iounmap(*guard);
		*guard = NULL;
	}
	if (needed && !*guard)
		*guard = ioremap(vfcap_bar_phys(vd, bar, page), PAGE_SIZE);
	return needed && !*guard ? -ENOMEM : 0;
}

/* Provide the guard pages that the present aliases need, and no others */
static int vfcap_bar_guard(struct vfcap_device *vd, unsigned int bar)
{
	struct vfcap_alias *alias;
	unsigned long index;
	int ret = 0;

	xa_for_each(&vd->wc.aliases, index, alias)
		if (alias->bar == bar)
			ret = vfcap_bar_guard_page(vd, bar,
						   alias->start - PAGE_SIZE,
						   &alias->before) ?:
			      vfcap_bar_guard_page(vd, bar,
						   alias->start + alias->size,
						   &alias->after) ?: ret;
	return ret;
}

/*
 * End an alias whose pages are not write combining, or no longer. A page next to another
 * alias then becomes a guard page, which takes memory. If there is none, the other alias
 * has a guard page only on its other side, or none if that is the end of the BAR, until
 * the next alias of the BAR comes or goes. Only a task that is being killed is refused so
 * little memory.
 */
static void vfcap_alias_forget(struct vfcap_device *vd,
			       struct vfcap_alias *alias)
{
	xa_erase(&vd->wc.aliases, alias->index);
	if (alias->before)
		iounmap(alias->before);
	if (alias->after)
		iounmap(alias->after);
	vfcap_bar_guard(vd, alias->bar);
	vfcap_bar_give_back(vd, alias->bar);
	kfree(alias);
}

static void vfcap_alias_remove(struct vfcap_device *vd,
			       struct vfcap_alias *alias)
{
	arch_io_free_memtype_wc(vfcap_bar_phys(vd, alias->bar, alias->start),
				alias->size);
	vfcap_alias_forget(vd, alias);
}

/**
 * vfcap_wc_close - end a session: remove all aliases, and give core its BARs back
 * @vd: the device
 *
 * If there is no memory for core's mapping of a BAR, core is left without one, and
 * without having asked for the BAR, as before the first use.
 *
 * Context: Before core is closed, under the dev_set lock. The last user of the file
 * is gone, and so are all mappings.
 */
void vfcap_wc_close(struct vfcap_device *vd)
{
	struct vfcap_alias *alias;
	unsigned long index, bar;

	xa_for_each(&vd->wc.aliases, index, alias)
		vfcap_alias_remove(vd, alias);
	xa_destroy(&vd->wc.aliases);
	for_each_set_bit(bar, &vd->wc.taken, PCI_STD_NUM_BARS) {
		vd->core.barmap[bar] = NULL;
		pci_release_region(vd->core.pdev, bar);
	}
	vd->wc.taken = 0;
	vd->wc.refused = 0;
}

/* Whether a range of a BAR overlaps the pages that are asked for */
static bool vfcap_wc_has(const struct vfcap_alias *wanted, unsigned int bar,
			 u64 start, u64 size)
{
	return bar == wanted->bar &&
	       vfcap_overlaps(wanted->start, wanted->size, start, size);
}

/* The kernel has the table mapped uncached, and the pending bits belong to it. */
static bool vfcap_wc_has_msix(struct vfcap_device *vd,
			      const struct vfcap_alias *wanted)
{
	struct pci_dev *pdev = vd->core.pdev;
	u32 pba, pba_size;

	if (!pdev->msix_cap)
		return false;
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_PBA, &pba);
	pba_size = DIV_ROUND_UP(vd->core.msix_size / PCI_MSIX_ENTRY_SIZE, 64) *
		   sizeof(u64);
	return vfcap_wc_has(wanted, vd->core.msix_bar, vd->core.msix_offset,
			    vd->core.msix_size) ||
	       vfcap_wc_has(wanted, pba & PCI_MSIX_PBA_BIR,
			    pba & PCI_MSIX_PBA_OFFSET, pba_size);
}

/* The checks whose result never changes */
static int vfcap_wc_check(struct vfcap_device *vd, struct vfcap_alias *wanted)
{
	u64 end;

	if (wanted->bar >= PCI_STD_NUM_BARS)
		return -EINVAL;
	wanted->bar = array_index_nospec(wanted->bar, PCI_STD_NUM_BARS);
	if (!vd->core.bar_mmap_supported[wanted->bar])
		return -EINVAL;
	if (!wanted->size || !PAGE_ALIGNED(wanted->start) ||
	    !PAGE_ALIGNED(wanted->size) ||
	    check_add_overflow(wanted->start, wanted->size, &end) ||
	    end > pci_resource_len(vd->core.pdev, wanted->bar))
		return -EINVAL;
	if (vfcap_shadow_hit(vd, wanted->bar, wanted->start, wanted->size))
		return -EINVAL;

	if (vfcap_wc_has_msix(vd, wanted))
		return vfcap_wc_refuse(vd, wanted->bar, VFCAP_WC_MSIX);
	if (!vfcap_has_wc())
		return vfcap_wc_refuse(vd, wanted->bar, VFCAP_WC_PLATFORM);
	return 0;
}

/*
 * Whether anybody has a mapping of pages of a BAR, whether the pages were touched or not.
 * A mapping that is being made may be missed: it will be given none of the pages once
 * they belong to an alias. A mapping that is missed because it was just removed has left
 * no trace in a TLB: for mappings such as these the kernel flushes the TLB before that.
 */
static bool vfcap_is_mapped(struct vfcap_device *vd, unsigned int bar, u64 start,
			    u64 size)
{
	struct address_space *mapping = vd->core.vdev.inode->i_mapping;
	pgoff_t first = (VFIO_PCI_INDEX_TO_OFFSET(bar) + start) >> PAGE_SHIFT;
	pgoff_t end = first + (size >> PAGE_SHIFT);
	bool found = false;
	struct rb_node *node;

	i_mmap_lock_read(mapping);
	for (node = rb_first_cached(&mapping->i_mmap); node && !found;
	     node = rb_next(node)) {
		struct vm_area_struct *vma;

		vma = rb_entry(node, struct vm_area_struct, shared.rb);
		if (vma->vm_pgoff >= end)
			break;
		found = vma->vm_pgoff + vma_pages(vma) > first;
		cond_resched();
	}
	i_mmap_unlock_read(mapping);
	return found;
}

static bool vfcap_has_ioeventfds(struct vfcap_device *vd)
{
	guard(mutex)(&vd->core.ioeventfds_lock);

	return vd->core.ioeventfds_nr;
}

/* Caller holds @bar_lock for write. */
static int vfcap_wc_create_locked(struct vfcap_device *vd,
				  struct vfcap_alias *wanted)
{
	struct vfcap_alias *alias;
	int ret;

	guard(rwsem_write)(&vd->wc.map_lock);

	if (vfcap_find_alias(vd, wanted->bar, wanted->start, wanted->size))
		return -EEXIST;
	if (vfcap_has_ioeventfds(vd) ||
	    vfcap_is_mapped(vd, wanted->bar, wanted->start, wanted->size))
		return -EBUSY;

	alias = kmemdup(wanted, sizeof(*wanted), GFP_KERNEL_ACCOUNT);
	if (!alias)
		return -ENOMEM;
	ret = xa_alloc(&vd->wc.aliases, &alias->index, alias,
		       XA_LIMIT(VFCAP_ALIAS_FIRST, VFCAP_ALIAS_LAST),
		       GFP_KERNEL_ACCOUNT);
	if (ret) {
		kfree(alias);
		return ret == -EBUSY ? -ENOSPC : ret;
	}
	wanted->index = alias->index;

	ret = vfcap_bar_take(vd, wanted->bar) ?:
	      vfcap_bar_guard(vd, wanted->bar) ?:
	      vfcap_bar_reserve(vfcap_bar_phys(vd, wanted->bar, wanted->start),
				wanted->size);
	if (ret)
		vfcap_alias_forget(vd, alias);
	return ret == -EOPNOTSUPP ?
	       vfcap_wc_refuse(vd, wanted->bar, VFCAP_WC_KERNEL) : ret;
}

/**
 * vfcap_wc_create - create an alias
 * @vd: the device
 * @wanted: its BAR, start and size; its index is set
 *
 * Context: Process context, no locks held.
 * Return: 0 or -errno, see &struct vfcap_feature_write_combine.
 */
int vfcap_wc_create(struct vfcap_device *vd, struct vfcap_alias *wanted)
{
	int ret = vfcap_wc_check(vd, wanted);

	if (ret)
		return ret;
	if (down_write_killable(&vd->wc.bar_lock))
		return -EINTR;
	ret = vfcap_wc_create_locked(vd, wanted);
	up_write(&vd->wc.bar_lock);
	return ret;
}

/* Caller holds @bar_lock for write. */
static int vfcap_wc_remove_locked(struct vfcap_device *vd, u32 index)
{
	struct vfcap_alias *alias = xa_load(&vd->wc.aliases, index);

	if (!alias)
		return -ENOENT;

	guard(rwsem_write)(&vd->wc.map_lock);

	unmap_mapping_range(vd->core.vdev.inode->i_mapping,
			    VFIO_PCI_INDEX_TO_OFFSET(alias->bar) + alias->start,
			    alias->size, true);
	vfcap_alias_remove(vd, alias);
	return 0;
}

/**
 * vfcap_wc_remove - remove an alias
 * @vd: the device
 * @index: of its region
 *
 * Its pages are taken out of all mappings.
 *
 * Context: Process context, no locks held.
 * Return: 0, -ENOENT if there is no such alias, or -EINTR.
 */
int vfcap_wc_remove(struct vfcap_device *vd, u32 index)
{
	int ret;

	if (down_write_killable(&vd->wc.bar_lock))
		return -EINTR;
	ret = vfcap_wc_remove_locked(vd, index);
	up_write(&vd->wc.bar_lock);
	return ret;
}
