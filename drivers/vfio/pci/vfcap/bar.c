// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses to BARs: what is emulated, belongs to an alias, or is left to core
 * (vfio-pci-core)
 *
 * All mappings into user space are core's, at the BAR's own offsets in the device's file:
 * core's fault handler fills them in, and core takes their pages away when memory is
 * disabled, or the device is reset or sleeps. This file makes sure that a page is mapped
 * into user space either through its alias or through its BAR. On x86 the kernel would
 * give it a single memory type in any case, but it only looks at the first page of a
 * large mapping.
 */
#include <linux/cleanup.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pgtable.h>
#include <linux/pm_runtime.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "bar.h"

/* How much of a BAR is mapped at once for a read() or write() */
#define VFCAP_WINDOW		SZ_64K

/* Offset in a window of an edge of the MSI-X table, to which core allows no access */
static size_t vfcap_msix_edge(u64 edge, u64 start, u64 size)
{
	return clamp(edge, start, start + size) - start;
}

/* Access a piece of a BAR that core has no mapping of */
static ssize_t vfcap_window_rw(struct vfcap_device *vd, unsigned int bar,
			       char __user *buf, size_t *count, u64 offset,
			       bool write)
{
	struct vfcap_alias *alias;
	size_t x_start = 0, x_end = 0;
	void __iomem *io;
	u64 start, size;
	ssize_t ret;

	if (offset >= pci_resource_len(vd->core.pdev, bar))
		return -EINVAL;
	*count = min_t(u64, *count, VFCAP_WINDOW - offset % VFCAP_WINDOW);
	alias = vfcap_find_alias(vd, bar, offset, *count);
	if (alias && !vfcap_cut(offset, count, alias->start, alias->size))
		alias = NULL;
	start = ALIGN_DOWN(offset, PAGE_SIZE);
	size = ALIGN(offset + *count, PAGE_SIZE) - start;
	if (bar == vd->core.msix_bar) {
		u64 table = vd->core.msix_offset;

		x_start = vfcap_msix_edge(table, start, size);
		x_end = vfcap_msix_edge(table + vd->core.msix_size, start, size);
	}

	io = alias ? ioremap_wc(vfcap_bar_phys(vd, bar, start), size) :
		     ioremap(vfcap_bar_phys(vd, bar, start), size);
	if (!io)
		return -ENOMEM;
	ret = vfcap_core_do_io_rw(&vd->core, io, buf, offset - start, *count,
				  x_start, x_end, write);
	if (write && alias)
		wmb(); /* Let the write leave the CPU, as one to other pages has. */
	iounmap(io);
	return ret;
}

static ssize_t vfcap_taken_bar_rw(struct vfcap_device *vd, unsigned int bar,
				  char __user *buf, size_t *count, u64 offset,
				  bool write)
{
	struct device *dev = &vd->core.pdev->dev;
	ssize_t ret;

	if (pm_runtime_resume_and_get(dev) < 0)
		return -EIO;
	ret = vfcap_window_rw(vd, bar, buf, count, offset, write);
	pm_runtime_put(dev);
	return ret;
}

/* What is left to core */
static ssize_t vfcap_core_rw(struct vfcap_device *vd, char __user *buf, size_t count,
			     loff_t *ppos, bool write)
{
	return write ? vfio_pci_core_write(&vd->core.vdev, buf, count, ppos) :
		       vfio_pci_core_read(&vd->core.vdev, buf, count, ppos);
}

/* Do the first piece: emulated, in a BAR that core has no mapping of, or left to core */
static ssize_t vfcap_bar_piece(struct vfcap_device *vd, char __user *buf,
			       size_t *count, loff_t pos, bool write)
{
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(pos);
	u64 offset = pos & VFIO_PCI_OFFSET_MASK;

	if (vfcap_shadow_cut(vd, index, offset, count))
		return vfcap_shadow_rw(vd, buf, *count, offset, write);
	if (index < PCI_STD_NUM_BARS && vd->wc.taken & BIT(index))
		return vfcap_taken_bar_rw(vd, index, buf, count, offset, write);
	return vfcap_core_rw(vd, buf, *count, &pos, write);
}

/* A BAR, or another one, has something of ours. Caller holds @bar_lock. */
static noinline ssize_t vfcap_bar_pieces(struct vfcap_device *vd, char __user *buf,
					 size_t count, loff_t *ppos, bool write)
{
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(*ppos);
	u64 offset = *ppos & VFIO_PCI_OFFSET_MASK;

	/* As core does, so that no piece begins beyond the end of the BAR. */
	if (index < PCI_STD_NUM_BARS &&
	    offset < pci_resource_len(vd->core.pdev, index))
		count = min_t(u64, count,
			      pci_resource_len(vd->core.pdev, index) - offset);
	return vfcap_access_pieces(vd, buf, count, ppos, write, vfcap_bar_piece);
}

/**
 * vfcap_bar_rw - read or write a region other than config space
 * @vd: the device
 * @buf: the bytes
 * @count: how many
 * @ppos: VFIO region offset, advanced by what was done
 * @write: whether it is a write
 *
 * Context: Process context, no locks held.
 * Return: bytes done; -errno as vfio_pci_core_read() and vfio_pci_core_write()
 * return it; -EINTR.
 */
ssize_t vfcap_bar_rw(struct vfcap_device *vd, char __user *buf, size_t count,
		     loff_t *ppos, bool write)
{
	ssize_t ret;

	if (down_read_killable(&vd->wc.bar_lock))
		return -EINTR;
	ret = vd->wc.taken || vd->shadow ?
	      vfcap_bar_pieces(vd, buf, count, ppos, write) :
	      vfcap_core_rw(vd, buf, count, ppos, write);
	up_read(&vd->wc.bar_lock);
	return ret;
}

/*
 * Whether a VFIO_DEVICE_IOEVENTFD hits what is trapped. Core reads the argument again. A
 * user that changes it in between only gains what vfio-pci gives everybody: a write to
 * its own device there. Returns 0 if core is to go on, -EINVAL as core does for the MSI-X
 * table, or -EFAULT.
 */
static int vfcap_check_ioeventfd(struct vfcap_device *vd, void __user *arg)
{
	struct vfio_device_ioeventfd data;

	if (copy_from_user(&data, arg, offsetofend(typeof(data), fd)))
		return -EFAULT;
	return vfcap_shadow_hit(vd, VFIO_PCI_OFFSET_TO_INDEX(data.offset),
				data.offset & VFIO_PCI_OFFSET_MASK,
				data.flags & VFIO_DEVICE_IOEVENTFD_SIZE_MASK) ?
	       -EINVAL : 0;
}

/**
 * vfcap_ioctl_ioeventfd - VFIO_DEVICE_IOEVENTFD
 * @vd: the device
 * @arg: the ioctl's argument
 *
 * An ioeventfd keeps an address in core's mapping of a BAR, and core reads the argument,
 * which names the BAR, from memory that the user may change until then. So a device has
 * either ioeventfds or aliases, never both.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl(); -EBUSY while there is an alias; -EINTR.
 */
long vfcap_ioctl_ioeventfd(struct vfcap_device *vd, unsigned long arg)
{
	long ret;

	if (down_read_killable(&vd->wc.bar_lock))
		return -EINTR;
	ret = vd->wc.taken ? -EBUSY :
	      vfcap_check_ioeventfd(vd, (void __user *)arg);
	if (!ret)
		ret = vfio_pci_core_ioctl(&vd->core.vdev, VFIO_DEVICE_IOEVENTFD,
					  arg);
	up_read(&vd->wc.bar_lock);
	return ret;
}

/* Core's operations, which are the same for all mappings */
static const struct vm_operations_struct *vfcap_core_vm_ops;

static const struct vm_operations_struct vfcap_bar_vm_ops;

static bool vfcap_alias_has(const struct vfcap_alias *alias, u64 start, u64 size)
{
	return alias && start >= alias->start &&
	       start + size <= alias->start + alias->size;
}

/* Whether pages, given by their offset in the file, belong in a mapping */
static bool vfcap_belongs(struct vfcap_device *vd, struct vm_area_struct *vma,
			  u64 offset, u64 size)
{
	unsigned int bar = VFIO_PCI_OFFSET_TO_INDEX(offset);
	u64 start = offset & VFIO_PCI_OFFSET_MASK;
	struct vfcap_alias *alias = vfcap_find_alias(vd, bar, start, size);

	return vma->vm_ops == &vfcap_bar_vm_ops ?
	       !alias : vfcap_alias_has(alias, start, size);
}

static vm_fault_t vfcap_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vfio_pci_core_device *core = vma->vm_private_data;
	struct vfcap_device *vd = to_vfcap(&core->vdev);
	unsigned long size = PAGE_SIZE << order;
	unsigned long addr = ALIGN_DOWN(vmf->address, size);
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;

	if (addr < vma->vm_start || vma->vm_end - addr < size)
		return VM_FAULT_FALLBACK;

	/*
	 * Held until the page is inserted, so that the next holder of the lock can remove it.
	 */
	guard(rwsem_read)(&vd->wc.map_lock);

	if (!vfcap_belongs(vd, vma, offset + (addr - vma->vm_start), size))
		return order ? VM_FAULT_FALLBACK : VM_FAULT_SIGBUS;
	return order ? vfcap_core_vm_ops->huge_fault(vmf, order) :
		       vfcap_core_vm_ops->fault(vmf);
}

static vm_fault_t vfcap_fault(struct vm_fault *vmf)
{
	return vfcap_huge_fault(vmf, 0);
}

static const struct vm_operations_struct vfcap_bar_vm_ops = {
	.fault = vfcap_fault,
#ifdef CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP
	.huge_fault = vfcap_huge_fault,
#endif
};

static const struct vm_operations_struct vfcap_alias_vm_ops = {
	.fault = vfcap_fault,
#ifdef CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP
	.huge_fault = vfcap_huge_fault,
#endif
};

/* Caller holds @map_lock. */
static int vfcap_mmap_bar(struct vfcap_device *vd, struct vm_area_struct *vma,
			  unsigned int bar, u64 start, bool wc)
{
	u64 size = vma->vm_end - vma->vm_start;
	struct vfcap_alias *alias = vfcap_find_alias(vd, bar, start, size);
	int ret;

	if (!wc && alias)
		return -EBUSY;
	if (wc ? !vfcap_alias_has(alias, start, size) :
		 vfcap_shadow_hit(vd, bar, start, size))
		return -EINVAL;

	vma->vm_pgoff = (VFIO_PCI_INDEX_TO_OFFSET(bar) + start) >> PAGE_SHIFT;
	ret = vfio_pci_core_mmap(&vd->core.vdev, vma);
	if (ret)
		return ret;
	if (wc)
		vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	WRITE_ONCE(vfcap_core_vm_ops, vma->vm_ops);
	vma->vm_ops = wc ? &vfcap_alias_vm_ops : &vfcap_bar_vm_ops;
	return 0;
}

/**
 * vfcap_mmap - map a BAR, an alias, or a region of core's that is neither
 * @vdev: the device
 * @vma: what is to be mapped
 *
 * Context: Process context, under mmap_lock.
 * Return: as vfio_pci_core_mmap(); -EBUSY for pages that belong to an alias.
 */
int vfcap_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct vfcap_device *vd = to_vfcap(vdev);
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(offset);
	bool wc = index >= VFCAP_ALIAS_SPACE;
	unsigned int bar = wc ? index - VFCAP_ALIAS_SPACE : index;

	if (bar >= PCI_STD_NUM_BARS)
		return vfio_pci_core_mmap(vdev, vma);

	guard(rwsem_read)(&vd->wc.map_lock);

	return vfcap_mmap_bar(vd, vma, bar, offset & VFIO_PCI_OFFSET_MASK, wc);
}

static int vfcap_alias_info(struct vfcap_device *vd,
			    struct vfio_region_info *info)
{
	struct vfcap_alias *alias;

	guard(rwsem_read)(&vd->wc.map_lock);

	alias = xa_load(&vd->wc.aliases, info->index);
	if (!alias)
		return -EINVAL;
	info->offset = VFIO_PCI_INDEX_TO_OFFSET(VFCAP_ALIAS_SPACE + alias->bar) +
		       alias->start;
	info->size = alias->size;
	info->flags = VFIO_REGION_INFO_FLAG_MMAP;
	return 0;
}

/**
 * vfcap_region_info - VFIO_DEVICE_GET_REGION_INFO
 * @vdev: the device
 * @info: its index; filled with what user space is told about the region
 * @caps: its capabilities
 *
 * Context: Process context.
 * Return: as vfio_pci_ioctl_get_region_info().
 */
int vfcap_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
		      struct vfio_info_cap *caps)
{
	struct vfcap_device *vd = to_vfcap(vdev);

	if (info->index >= VFCAP_ALIAS_FIRST)
		return vfcap_alias_info(vd, info);
	return vfio_pci_ioctl_get_region_info(vdev, info, caps) ?:
	       vfcap_shadow_region_info(vd, info, caps);
}

#if VFCAP_DMABUF
/**
 * vfcap_get_dmabuf_phys - what a dma-buf of a BAR would export
 * @core: the device
 * @provider: set to what provides the BAR's memory
 * @region: the BAR
 * @phys_vec: filled with the addresses
 * @ranges: what is to be exported
 * @nr_ranges: how many
 *
 * Context: Process context.
 * Return: as vfio_pci_core_get_dmabuf_phys(); -EINVAL for ranges that are trapped.
 */
int vfcap_get_dmabuf_phys(struct vfio_pci_core_device *core,
			  struct p2pdma_provider **provider, unsigned int region,
			  struct phys_vec *phys_vec,
			  struct vfio_region_dma_range *ranges, size_t nr_ranges)
{
	size_t i;

	for (i = 0; i < nr_ranges; i++)
		if (vfcap_shadow_hit(to_vfcap(&core->vdev), region,
				     ranges[i].offset, ranges[i].length))
			return -EINVAL;
	return vfio_pci_core_get_dmabuf_phys(core, provider, region, phys_vec,
					     ranges, nr_ranges);
}
#endif
