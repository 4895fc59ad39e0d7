// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own mappings of a BAR that is write combining in part
 *
 * A page must not have two memory types at once, and on x86 the kernel sees to that:
 * where core has a BAR mapped uncached, a mapping that asks for write combining
 * becomes uncached too, and nobody is told. So core's mapping of the whole BAR is
 * replaced by pieces, each with its own type, and what core does with its mapping
 * is done here with these. An uncached piece keeps its type in the kernel's list, so
 * that whoever maps the whole BAR fails, and is not given write combining for
 * registers.
 *
 * vdev->barmap[] is read by core without a lock: &vfcap_wc.bar_lock keeps away
 * everybody who may use what it points to.
 */
#include <linux/cleanup.h>
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/pgtable.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include "vfcap.h"

/* Core only looks whether it has a mapping: who used this one would not get far. */
#define VFCAP_NO_BARMAP		((void __iomem *)ZERO_SIZE_PTR)

#ifdef CONFIG_X86
/* What a mapping became, since ioremap_wc() may make do with another type */
static bool vfcap_is_wc(void __iomem *io)
{
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)io, &level);
	pgprot_t prot;

	if (!pte)
		return false;
	/* At any level this is the entry; the bits of a large one are elsewhere. */
	prot = pte_pgprot(*pte);
	if (level != PG_LEVEL_4K)
		prot = pgprot_large_2_4k(prot);
	return (pgprot_val(prot) & _PAGE_CACHE_MASK) ==
	       cachemode2protval(_PAGE_CACHE_MODE_WC);
}
#else
static bool vfcap_is_wc(void __iomem *io)
{
	return true;
}
#endif

static u64 vfcap_piece_end(const struct vfcap_piece *piece)
{
	return piece->start + piece->size;
}

static void vfcap_piece_map(struct vfcap_device *vf, struct vfcap_piece *piece)
{
	resource_size_t phys = pci_resource_start(vf->core.pdev, piece->bar) +
			       piece->start;

	piece->io = piece->alias ? ioremap_wc(phys, piece->size) :
				   ioremap(phys, piece->size);
}

static void vfcap_piece_unmap(struct vfcap_piece *piece)
{
	if (piece->io)
		iounmap(piece->io);
	piece->io = NULL;
}

static void vfcap_piece_free(struct vfcap_piece *piece)
{
	if (piece)
		vfcap_piece_unmap(piece);
	kfree(piece);
}

DEFINE_FREE(vfcap_piece, struct vfcap_piece *, vfcap_piece_free(_T))

static struct vfcap_piece *vfcap_piece_new(unsigned int bar, u64 start, u64 end,
					   u32 alias)
{
	struct vfcap_piece *piece = kzalloc(sizeof(*piece), GFP_KERNEL_ACCOUNT);

	if (!piece)
		return NULL;
	INIT_LIST_HEAD(&piece->entry);
	piece->bar = bar;
	piece->start = start;
	piece->size = end - start;
	piece->alias = alias;
	return piece;
}

static struct vfcap_piece *vfcap_bar_find(struct vfcap_device *vf,
					  unsigned int bar, u64 start, u64 size)
{
	struct vfcap_piece *piece;

	list_for_each_entry(piece, &vf->wc.pieces[bar], entry)
		if (start >= piece->start &&
		    start + size <= vfcap_piece_end(piece))
			return piece;
	return NULL;
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
struct vfcap_piece *vfcap_bar_find_alias(struct vfcap_device *vf,
					 unsigned int bar, u64 start, u64 size)
{
	struct vfcap_piece *piece;

	list_for_each_entry(piece, &vf->wc.pieces[bar], entry)
		if (piece->alias && vfcap_overlaps(start, size, piece->start,
						   piece->size))
			return piece;
	return NULL;
}

/* Take a BAR from core, as one piece */
static int vfcap_bar_take(struct vfcap_device *vf, unsigned int bar)
{
	struct vfcap_piece *whole;
	int ret;

	if (!list_empty(&vf->wc.pieces[bar]))
		return 0;
	ret = vfcap_core_map_bar(&vf->core, bar);
	if (ret)
		return ret;
	whole = vfcap_piece_new(bar, 0, pci_resource_len(vf->core.pdev, bar), 0);
	if (!whole)
		return -ENOMEM;
	whole->io = vf->core.barmap[bar];
	vf->core.barmap[bar] = VFCAP_NO_BARMAP;
	list_add(&whole->entry, &vf->wc.pieces[bar]);
	return 0;
}

/* Give it back if it is one piece again, and mapped */
static void vfcap_bar_give_back(struct vfcap_device *vf, unsigned int bar)
{
	struct list_head *pieces = &vf->wc.pieces[bar];
	struct vfcap_piece *whole;

	if (!list_is_singular(pieces))
		return;
	whole = list_first_entry(pieces, struct vfcap_piece, entry);
	if (whole->alias || !whole->io)
		return;
	vf->core.barmap[bar] = whole->io;
	list_del(&whole->entry);
	kfree(whole);
}

/* An uncached piece that reaches to where @old does not; NULL if it is empty */
static int vfcap_bar_rest(struct vfcap_device *vf, struct vfcap_piece *old,
			  u64 start, u64 end, struct vfcap_piece **rest)
{
	if (start == end)
		return 0;
	*rest = vfcap_piece_new(old->bar, start, end, 0);
	if (!*rest)
		return -ENOMEM;
	vfcap_piece_map(vf, *rest);
	return (*rest)->io ? 0 : -ENOMEM;
}

static int vfcap_bar_divide(struct vfcap_device *vf, struct vfcap_piece *old,
			    struct vfcap_piece *wc)
{
	struct vfcap_piece *before __free(vfcap_piece) = NULL;
	struct vfcap_piece *after __free(vfcap_piece) = NULL;
	int ret;

	/* They have the type of the old one, and so can be there beside it. */
	ret = vfcap_bar_rest(vf, old, old->start, wc->start, &before) ?:
	      vfcap_bar_rest(vf, old, vfcap_piece_end(wc), vfcap_piece_end(old),
			     &after);
	if (ret)
		return ret;

	vfcap_piece_unmap(old);
	vfcap_piece_map(vf, wc);
	if (!wc->io || !vfcap_is_wc(wc->io)) {
		ret = wc->io ? -EOPNOTSUPP : -ENOMEM;
		vfcap_piece_unmap(wc);
		/* Without memory for that, the piece cannot be read any more. */
		vfcap_piece_map(vf, old);
		return ret;
	}

	if (before)
		list_add_tail(&no_free_ptr(before)->entry, &old->entry);
	list_add_tail(&wc->entry, &old->entry);
	if (after)
		list_add_tail(&no_free_ptr(after)->entry, &old->entry);
	list_del(&old->entry);
	kfree(old);
	return 0;
}

/**
 * vfcap_bar_split - make pages of a BAR write combining in the kernel
 * @vf: the device
 * @bar: the BAR
 * @start: offset in it
 * @size: of the range, whole pages that are no other alias'
 * @alias: index of the region that they become
 *
 * Context: Process context, under both locks for write.
 * Return: the piece, or an ERR_PTR: -EOPNOTSUPP when they remained uncached for
 * another mapping has them so, and others as vfio_pci_core_mmap().
 */
struct vfcap_piece *vfcap_bar_split(struct vfcap_device *vf, unsigned int bar,
				    u64 start, u64 size, u32 alias)
{
	struct vfcap_piece *wc __free(vfcap_piece) =
		vfcap_piece_new(bar, start, start + size, alias);
	struct vfcap_piece *old;
	int ret;

	if (!wc)
		return ERR_PTR(-ENOMEM);
	ret = vfcap_bar_take(vf, bar);
	if (ret)
		return ERR_PTR(ret);
	/* There is none only if there was no memory to join two. */
	old = vfcap_bar_find(vf, bar, start, size);
	ret = old ? vfcap_bar_divide(vf, old, wc) : -ENOMEM;
	if (ret) {
		vfcap_bar_give_back(vf, bar);
		return ERR_PTR(ret);
	}
	return no_free_ptr(wc);
}

/* The uncached piece before or behind another one */
static struct vfcap_piece *vfcap_bar_neighbour(struct vfcap_device *vf,
					       unsigned int bar,
					       struct list_head *entry)
{
	struct vfcap_piece *piece = list_entry(entry, struct vfcap_piece, entry);

	return list_is_head(entry, &vf->wc.pieces[bar]) || piece->alias ?
	       NULL : piece;
}

/**
 * vfcap_bar_join - make pages of a BAR uncached again
 * @vf: the device
 * @piece: an alias that nobody has mapped
 *
 * Without memory for the kernel's mapping they cannot be read and written through
 * the file from then on until the device is closed, only mapped.
 *
 * Context: Process context, under both locks for write.
 */
void vfcap_bar_join(struct vfcap_device *vf, struct vfcap_piece *piece)
{
	struct vfcap_piece *before, *after;
	u64 start = piece->start, size = piece->size;

	vfcap_piece_unmap(piece);
	piece->alias = 0;

	before = vfcap_bar_neighbour(vf, piece->bar, piece->entry.prev);
	after = vfcap_bar_neighbour(vf, piece->bar, piece->entry.next);
	if (before) {
		piece->start = before->start;
		piece->size += before->size;
	}
	if (after)
		piece->size += after->size;
	vfcap_piece_map(vf, piece);
	if (!piece->io) {
		piece->start = start;
		piece->size = size;
		return;
	}
	if (before)
		list_del(&before->entry);
	if (after)
		list_del(&after->entry);
	vfcap_piece_free(before);
	vfcap_piece_free(after);
	vfcap_bar_give_back(vf, piece->bar);
}

/**
 * vfcap_bar_close - take down what is left of a BAR
 * @vf: the device
 * @bar: the BAR
 *
 * Afterwards core has no mapping of it, and has not asked for one: what it has before
 * the first use, which needs no memory that may be lacking.
 *
 * Context: Before core is closed, under the dev_set lock. The last user of the file
 * is gone, so nobody else is here.
 */
void vfcap_bar_close(struct vfcap_device *vf, unsigned int bar)
{
	struct vfcap_piece *piece, *next;

	if (list_empty(&vf->wc.pieces[bar]))
		return;
	list_for_each_entry_safe(piece, next, &vf->wc.pieces[bar], entry) {
		list_del(&piece->entry);
		vfcap_piece_free(piece);
	}
	vf->core.barmap[bar] = NULL;
	pci_release_selected_regions(vf->core.pdev, BIT(bar));
}

/* No piece has an MSI-X table, which core does not let be accessed. */
static ssize_t vfcap_piece_rw(struct vfcap_device *vf, struct vfcap_piece *piece,
			      char __user *buf, size_t count, u64 offset,
			      bool write)
{
	ssize_t ret;

	if (!piece->io)
		return -ENOMEM;
	ret = vfio_pci_core_do_io_rw(&vf->core, true, piece->io, buf,
				     offset - piece->start, count, 0, 0, write,
				     VFIO_PCI_IO_WIDTH_8);
	if (write && piece->alias)
		wmb(); /* A write has left the CPU, as one to other pages has. */
	return ret;
}

static ssize_t vfcap_pieces_rw(struct vfcap_device *vf, unsigned int bar,
			       char __user *buf, size_t count, u64 offset,
			       bool write)
{
	u64 size = pci_resource_len(vf->core.pdev, bar);
	struct vfcap_piece *piece;
	size_t done = 0;
	ssize_t ret;

	if (offset >= size)
		return -EINVAL;
	count = min_t(u64, count, size - offset);

	list_for_each_entry(piece, &vf->wc.pieces[bar], entry) {
		size_t part = count - done;

		if (!part)
			break;
		if (!vfcap_cut(offset + done, &part, piece->start, piece->size))
			continue;
		ret = vfcap_piece_rw(vf, piece, buf + done, part, offset + done,
				     write);
		if (ret < 0)
			return ret;
		done += ret;
	}
	return done;
}

static ssize_t vfcap_split_bar_rw(struct vfcap_device *vf, char __user *buf,
				  size_t count, loff_t *ppos, bool write)
{
	struct device *dev = &vf->core.pdev->dev;
	ssize_t ret;

	if (!count)
		return 0;
	if (pm_runtime_resume_and_get(dev) < 0)
		return -EIO;
	ret = vfcap_pieces_rw(vf, VFIO_PCI_OFFSET_TO_INDEX(*ppos), buf, count,
			      *ppos & VFIO_PCI_OFFSET_MASK, write);
	pm_runtime_put(dev);
	if (ret > 0)
		*ppos += ret;
	return ret;
}

/**
 * vfcap_bar_rw - read or write a BAR, or a region of core's that is none
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
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(*ppos);
	ssize_t ret;

	if (down_read_killable(&vf->wc.bar_lock))
		return -EINTR;
	if (index < PCI_STD_NUM_BARS && !list_empty(&vf->wc.pieces[index]))
		ret = vfcap_split_bar_rw(vf, buf, count, ppos, write);
	else if (write)
		ret = vfio_pci_core_write(&vf->core.vdev, buf, count, ppos);
	else
		ret = vfio_pci_core_read(&vf->core.vdev, buf, count, ppos);
	up_read(&vf->wc.bar_lock);
	return ret;
}

/**
 * vfcap_bars_are_cores - whether core has its own mapping of each BAR
 * @vf: the device
 *
 * Context: Process context, under @bar_lock.
 * Return: true if so.
 */
bool vfcap_bars_are_cores(struct vfcap_device *vf)
{
	unsigned int bar;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		if (!list_empty(&vf->wc.pieces[bar]))
			return false;
	return true;
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
	ret = vfcap_bars_are_cores(vf) ?
	      vfcap_shadow_ioeventfd(vf, (void __user *)arg) : -EBUSY;
	if (!ret)
		ret = vfio_pci_core_ioctl(&vf->core.vdev, VFIO_DEVICE_IOEVENTFD,
					  arg);
	up_read(&vf->wc.bar_lock);
	return ret;
}
