// SPDX-License-Identifier: GPL-2.0-only
/*
 * BARs that are write combining in part
 *
 * A page must not have two memory types at once, and on x86 the kernel sees to that:
 * where core has a BAR mapped uncached, a mapping that asks for write combining
 * becomes uncached too, and nobody is told. So core's mapping of the whole BAR is
 * taken down as long as there is an alias. The kernel's list of memory types has the
 * pages of an alias as write combining, and the page on either side of them as
 * uncached: whoever maps more than an alias, as the reset of a few devices does, fails,
 * and is not given write combining for registers. Beyond these pages nothing is mapped
 * but what read() and write() access, while they do.
 *
 * vdev->barmap[] is read by core without a lock: &vfcap_wc.bar_lock keeps away
 * everybody who may use what it points to.
 */
#include <linux/cleanup.h>
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/pgtable.h>
#include <linux/pm_runtime.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bar.h"

/* Core only looks whether it has a mapping: who used this one would not get far. */
#define VFCAP_NO_BARMAP		((void __iomem *)ZERO_SIZE_PTR)

/* How much of a BAR is mapped at once for a read() or write() */
#define VFCAP_WINDOW		SZ_64K

#ifdef CONFIG_X86
/* What a page became, since ioremap_wc() may make do with another type */
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

static resource_size_t vfcap_bar_phys(struct vfcap_device *vf, unsigned int bar,
				      u64 offset)
{
	return pci_resource_start(vf->core.pdev, bar) + offset;
}

/**
 * vfcap_bar_find_alias - the first alias that has pages of a range
 * @vf: the device
 * @bar: the BAR
 * @start: offset in it
 * @size: of the range
 *
 * Context: Process context, under one of the two locks.
 * Return: it, or NULL.
 */
struct vfcap_alias *vfcap_bar_find_alias(struct vfcap_device *vf,
					 unsigned int bar, u64 start, u64 size)
{
	struct vfcap_alias *alias, *first = NULL;
	unsigned long index;

	xa_for_each(&vf->wc.aliases, index, alias)
		if (alias->bar == bar &&
		    vfcap_overlaps(start, size, alias->start, alias->size) &&
		    (!first || alias->start < first->start))
			first = alias;
	return first;
}

static int vfcap_bar_take(struct vfcap_device *vf, unsigned int bar)
{
	int ret;

	if (vf->wc.taken & BIT(bar))
		return 0;
	ret = vfcap_core_map_bar(&vf->core, bar);
	if (ret)
		return ret;
	pci_iounmap(vf->core.pdev, vf->core.barmap[bar]);
	vf->core.barmap[bar] = VFCAP_NO_BARMAP;
	vf->wc.taken |= BIT(bar);
	return 0;
}

/* Without memory for core's mapping it stays taken until the next is gone. */
static void vfcap_bar_give_back(struct vfcap_device *vf, unsigned int bar)
{
	void __iomem *io;

	if (!(vf->wc.taken & BIT(bar)) ||
	    vfcap_bar_find_alias(vf, bar, 0, U64_MAX))
		return;
	io = pci_iomap(vf->core.pdev, bar, 0);
	if (!io)
		return;
	vf->core.barmap[bar] = io;
	vf->wc.taken &= ~BIT(bar);
}

/* Have the kernel's list say that pages are write combining */
static int vfcap_bar_reserve(resource_size_t phys, u64 size)
{
	void __iomem *io;
	int ret;

	ret = arch_io_reserve_memtype_wc(phys, size);
	if (ret)
		return ret == -EBUSY ? -EOPNOTSUPP : ret;
	/* All of them have one type. */
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

/* A page beside an alias, where it is uncached */
static int vfcap_bar_guard_page(struct vfcap_device *vf, unsigned int bar,
				u64 page, void __iomem **guard)
{
	bool needed = page < pci_resource_len(vf->core.pdev, bar) &&
		      !vfcap_bar_find_alias(vf, bar, page, PAGE_SIZE);

	if (!needed && *guard) {
		iounmap(*guard);
		*guard = NULL;
	}
	if (needed && !*guard)
		*guard = ioremap(vfcap_bar_phys(vf, bar, page), PAGE_SIZE);
	return needed && !*guard ? -ENOMEM : 0;
}

/* Have those that are needed with the aliases that there are, and no others */
static int vfcap_bar_guard(struct vfcap_device *vf, unsigned int bar)
{
	struct vfcap_alias *alias;
	unsigned long index;
	int ret = 0;

	xa_for_each(&vf->wc.aliases, index, alias)
		if (alias->bar == bar)
			ret = vfcap_bar_guard_page(vf, bar,
						   alias->start - PAGE_SIZE,
						   &alias->before) ?:
			      vfcap_bar_guard_page(vf, bar,
						   alias->start + alias->size,
						   &alias->after) ?: ret;
	return ret;
}

static void vfcap_bar_unguard(struct vfcap_alias *alias)
{
	if (alias->before)
		iounmap(alias->before);
	if (alias->after)
		iounmap(alias->after);
}

/* Without memory to guard others on this side, they are guarded on the other. */
static void vfcap_bar_forget(struct vfcap_device *vf, struct vfcap_alias *alias)
{
	xa_erase(&vf->wc.aliases, alias->index);
	vfcap_bar_unguard(alias);
	vfcap_bar_guard(vf, alias->bar);
	vfcap_bar_give_back(vf, alias->bar);
}

/**
 * vfcap_bar_add - make the pages of an alias write combining
 * @vf: the device
 * @alias: a new one, that is among the others; no longer if this fails
 *
 * Context: Process context, under both locks for write.
 * Return: 0; -EOPNOTSUPP when another mapping has them uncached; others as
 * vfio_pci_core_mmap().
 */
int vfcap_bar_add(struct vfcap_device *vf, struct vfcap_alias *alias)
{
	int ret;

	ret = vfcap_bar_take(vf, alias->bar) ?:
	      vfcap_bar_guard(vf, alias->bar) ?:
	      vfcap_bar_reserve(vfcap_bar_phys(vf, alias->bar, alias->start),
				alias->size);
	if (ret)
		vfcap_bar_forget(vf, alias);
	return ret;
}

/**
 * vfcap_bar_remove - make pages of a BAR uncached again
 * @vf: the device
 * @alias: what nobody has mapped; freed
 *
 * Context: Process context, under both locks for write.
 */
void vfcap_bar_remove(struct vfcap_device *vf, struct vfcap_alias *alias)
{
	arch_io_free_memtype_wc(vfcap_bar_phys(vf, alias->bar, alias->start),
				alias->size);
	vfcap_bar_forget(vf, alias);
	kfree(alias);
}

/**
 * vfcap_bar_close - take down all aliases, and what is left of their BARs
 * @vf: the device
 *
 * Afterwards core has no mapping of such a BAR, and has not asked for one: what it has
 * before the first use, which needs no memory that may be lacking.
 *
 * Context: Before core is closed, under the dev_set lock. The last user of the file
 * is gone, so nobody else is here.
 */
void vfcap_bar_close(struct vfcap_device *vf)
{
	struct vfcap_alias *alias;
	unsigned long index, bar;

	xa_for_each(&vf->wc.aliases, index, alias) {
		arch_io_free_memtype_wc(vfcap_bar_phys(vf, alias->bar,
						       alias->start),
					alias->size);
		vfcap_bar_unguard(alias);
		kfree(alias);
	}
	xa_destroy(&vf->wc.aliases);
	for_each_set_bit(bar, &vf->wc.taken, PCI_STD_NUM_BARS)
		vf->core.barmap[bar] = NULL;
	if (vf->wc.taken)
		pci_release_selected_regions(vf->core.pdev, vf->wc.taken);
	vf->wc.taken = 0;
}

/* What of the MSI-X table, which core does not let be accessed, is in a window */
static size_t vfcap_msix_edge(u64 edge, u64 start, u64 size)
{
	return clamp(edge, start, start + size) - start;
}

static ssize_t vfcap_window_rw(struct vfcap_device *vf, unsigned int bar,
			       char __user *buf, size_t count, u64 offset,
			       bool write)
{
	struct vfcap_alias *alias;
	size_t x_start = 0, x_end = 0;
	void __iomem *io;
	u64 start, size;
	ssize_t ret;

	count = min_t(u64, count, VFCAP_WINDOW - offset % VFCAP_WINDOW);
	alias = vfcap_bar_find_alias(vf, bar, offset, count);
	if (alias && !vfcap_cut(offset, &count, alias->start, alias->size))
		alias = NULL;
	start = ALIGN_DOWN(offset, PAGE_SIZE);
	size = ALIGN(offset + count, PAGE_SIZE) - start;
	if (bar == vf->core.msix_bar) {
		u64 table = vf->core.msix_offset;

		x_start = vfcap_msix_edge(table, start, size);
		x_end = vfcap_msix_edge(table + vf->core.msix_size, start, size);
	}

	io = alias ? ioremap_wc(vfcap_bar_phys(vf, bar, start), size) :
		     ioremap(vfcap_bar_phys(vf, bar, start), size);
	if (!io)
		return -ENOMEM;
	ret = vfcap_core_do_io_rw(&vf->core, io, buf, offset - start, count,
				  x_start, x_end, write);
	if (write && alias)
		wmb(); /* A write has left the CPU, as one to other pages has. */
	iounmap(io);
	return ret;
}

static ssize_t vfcap_windows_rw(struct vfcap_device *vf, unsigned int bar,
				char __user *buf, size_t count, u64 offset,
				bool write)
{
	u64 size = pci_resource_len(vf->core.pdev, bar);
	size_t done = 0;

	if (offset >= size)
		return -EINVAL;
	count = min_t(u64, count, size - offset);

	while (done < count) {
		ssize_t ret = vfcap_window_rw(vf, bar, buf + done, count - done,
					      offset + done, write);

		if (ret < 0)
			return ret;
		done += ret;
	}
	return done;
}

static ssize_t vfcap_taken_bar_rw(struct vfcap_device *vf, unsigned int bar,
				  char __user *buf, size_t count, u64 offset,
				  bool write)
{
	struct device *dev = &vf->core.pdev->dev;
	ssize_t ret;

	if (pm_runtime_resume_and_get(dev) < 0)
		return -EIO;
	ret = vfcap_windows_rw(vf, bar, buf, count, offset, write);
	pm_runtime_put(dev);
	return ret;
}

/* Which part of it is whose: emulated, of a BAR of which core has no mapping, or core's */
static ssize_t vfcap_bar_piece(struct vfcap_device *vf, char __user *buf,
			       size_t *count, loff_t pos, bool write)
{
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(pos);
	u64 offset = pos & VFIO_PCI_OFFSET_MASK;

	if (vfcap_shadow_cut(vf, index, offset, count))
		return vfcap_shadow_rw(vf, buf, *count, offset, write);
	if (index < PCI_STD_NUM_BARS && vf->wc.taken & BIT(index))
		return vfcap_taken_bar_rw(vf, index, buf, *count, offset, write);
	if (write)
		return vfio_pci_core_write(&vf->core.vdev, buf, *count, &pos);
	return vfio_pci_core_read(&vf->core.vdev, buf, *count, &pos);
}

/**
 * vfcap_bar_rw - read or write a region other than config space
 * @vf: the device
 * @buf: the bytes
 * @count: how many
 * @ppos: VFIO region offset, advanced by what was done
 * @write: whether it is a write
 *
 * Context: Process context, no locks held.
 * Return: bytes done, or -errno as vfio_pci_core_read() and
 * vfio_pci_core_write() have it; -EINTR.
 */
ssize_t vfcap_bar_rw(struct vfcap_device *vf, char __user *buf, size_t count,
		     loff_t *ppos, bool write)
{
	ssize_t ret;

	if (down_read_killable(&vf->wc.bar_lock))
		return -EINTR;
	ret = vfcap_access_pieces(vf, buf, count, ppos, write, vfcap_bar_piece);
	up_read(&vf->wc.bar_lock);
	return ret;
}

/*
 * Whether a VFIO_DEVICE_IOEVENTFD hits what is trapped. Core reads the argument again. A
 * user that changes it meanwhile gains what vfio-pci gives everybody: that its own device
 * is written there. Returns 0 if core shall go on, -EINVAL as core says of the MSI-X
 * table, or -EFAULT.
 */
static int vfcap_check_ioeventfd(struct vfcap_device *vf, void __user *arg)
{
	struct vfio_device_ioeventfd data;

	if (copy_from_user(&data, arg, offsetofend(typeof(data), fd)))
		return -EFAULT;
	return vfcap_shadow_hit(vf, VFIO_PCI_OFFSET_TO_INDEX(data.offset),
				data.offset & VFIO_PCI_OFFSET_MASK,
				data.flags & VFIO_DEVICE_IOEVENTFD_SIZE_MASK) ?
	       -EINVAL : 0;
}

/**
 * vfcap_ioctl_ioeventfd - VFIO_DEVICE_IOEVENTFD
 * @vf: the device
 * @arg: the ioctl's argument
 *
 * An ioeventfd keeps an address in core's mapping of a BAR, and core reads the
 * argument, with the BAR in it, from memory that the user may change until then. So
 * a device has ioeventfds or aliases, and not both.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl(); -EBUSY while there is an alias; -EINTR.
 */
long vfcap_ioctl_ioeventfd(struct vfcap_device *vf, unsigned long arg)
{
	long ret;

	if (down_read_killable(&vf->wc.bar_lock))
		return -EINTR;
	ret = vf->wc.taken ? -EBUSY :
	      vfcap_check_ioeventfd(vf, (void __user *)arg);
	if (!ret)
		ret = vfio_pci_core_ioctl(&vf->core.vdev, VFIO_DEVICE_IOEVENTFD,
					  arg);
	up_read(&vf->wc.bar_lock);
	return ret;
}
