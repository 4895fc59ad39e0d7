// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of a BAR is mapped into user space, and how
 *
 * All mappings are core's, at the BAR's own offsets in the device's file: core's
 * handler fills them in, and core takes their pages away when memory is disabled,
 * the device is reset or sleeps. Here is seen to it that a page gets into user space
 * either through its alias or through its BAR. On x86 the kernel would give it one
 * memory type in any case, but it looks at the first page of a large mapping only.
 */
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/rbtree.h>

#include "bar.h"

/* Core's, which are the same for all mappings */
static const struct vm_operations_struct *vfcap_core_vm_ops;

static const struct vm_operations_struct vfcap_bar_vm_ops;

/* Whether pages, by their offset in the file, belong into a mapping */
static bool vfcap_belongs(struct vfcap_device *vf, struct vm_area_struct *vma,
			  u64 offset, u64 size)
{
	unsigned int bar = VFIO_PCI_OFFSET_TO_INDEX(offset);
	u64 start = offset & VFIO_PCI_OFFSET_MASK;
	struct vfcap_alias *alias = vfcap_bar_find_alias(vf, bar, start, size);

	if (vma->vm_ops == &vfcap_bar_vm_ops)
		return !alias;
	return alias && start >= alias->start &&
	       start + size <= alias->start + alias->size;
}

static vm_fault_t vfcap_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vfio_pci_core_device *core = vma->vm_private_data;
	struct vfcap_device *vf = to_vfcap(&core->vdev);
	unsigned long size = PAGE_SIZE << order;
	unsigned long addr = ALIGN_DOWN(vmf->address, size);
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;

	if (addr < vma->vm_start || vma->vm_end - addr < size)
		return VM_FAULT_FALLBACK;

	/* Until the page is in: then whoever waits for the lock takes it away. */
	guard(rwsem_read)(&vf->wc.map_lock);

	if (!vfcap_belongs(vf, vma, offset + (addr - vma->vm_start), size))
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

static void vfcap_set_vm_ops(struct vm_area_struct *vma,
			     const struct vm_operations_struct *ops)
{
	WRITE_ONCE(vfcap_core_vm_ops, vma->vm_ops);
	vma->vm_ops = ops;
}

static int vfcap_mmap_bar(struct vfcap_device *vf, struct vm_area_struct *vma,
			  u64 offset, u64 size)
{
	unsigned int bar = VFIO_PCI_OFFSET_TO_INDEX(offset);
	u64 start = offset & VFIO_PCI_OFFSET_MASK;
	int ret;

	if (vfcap_bar_find_alias(vf, bar, start, size))
		return -EBUSY;
	if (vfcap_is_trapped(vf, bar, start, size))
		return -EINVAL;
	ret = vfio_pci_core_mmap(&vf->core.vdev, vma);
	if (!ret)
		vfcap_set_vm_ops(vma, &vfcap_bar_vm_ops);
	return ret;
}

static bool vfcap_in_alias_space(unsigned int index)
{
	return index >= VFCAP_ALIAS_SPACE &&
	       index < VFCAP_ALIAS_SPACE + PCI_STD_NUM_BARS;
}

static int vfcap_mmap_alias(struct vfcap_device *vf, struct vm_area_struct *vma,
			    unsigned int bar, u64 start, u64 size)
{
	struct vfcap_alias *alias = vfcap_bar_find_alias(vf, bar, start, size);
	int ret;

	if (!alias || start < alias->start ||
	    start + size > alias->start + alias->size)
		return -EINVAL;

	vma->vm_pgoff = (VFIO_PCI_INDEX_TO_OFFSET(bar) + start) >> PAGE_SHIFT;
	ret = vfio_pci_core_mmap(&vf->core.vdev, vma);
	if (ret)
		return ret;
	vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	vfcap_set_vm_ops(vma, &vfcap_alias_vm_ops);
	return 0;
}

/**
 * vfcap_wc_mmap - map a BAR, an alias, or a region of core's that is neither
 * @vf: the device
 * @vma: what is to be mapped
 *
 * Context: Process context, under mmap_lock.
 * Return: as vfio_pci_core_mmap(); -EBUSY for pages that an alias has.
 */
int vfcap_wc_mmap(struct vfcap_device *vf, struct vm_area_struct *vma)
{
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 size = vma->vm_end - vma->vm_start;
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(offset);

	guard(rwsem_read)(&vf->wc.map_lock);

	if (index < PCI_STD_NUM_BARS)
		return vfcap_mmap_bar(vf, vma, offset, size);
	if (vfcap_in_alias_space(index))
		return vfcap_mmap_alias(vf, vma, index - VFCAP_ALIAS_SPACE,
					offset & VFIO_PCI_OFFSET_MASK, size);
	return vfio_pci_core_mmap(&vf->core.vdev, vma);
}

/**
 * vfcap_wc_is_mapped - whether somebody has a mapping of pages of a BAR
 * @vf: the device
 * @bar: the BAR
 * @start: offset in it
 * @size: of the range
 *
 * A mapping that is being made may be missed: it will be given none of them once they
 * are an alias'. One that is missed since it was just removed has left no trace in a
 * TLB: for mappings such as these the kernel flushes it before.
 *
 * Context: Process context, under both locks for write.
 * Return: true if so, whether the pages were touched or not.
 */
bool vfcap_wc_is_mapped(struct vfcap_device *vf, unsigned int bar, u64 start,
			u64 size)
{
	struct address_space *mapping = vf->core.vdev.inode->i_mapping;
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

/**
 * vfcap_wc_zap - take the pages of an alias out of all mappings
 * @vf: the device
 * @alias: the alias
 *
 * Context: Process context, under both locks for write.
 */
void vfcap_wc_zap(struct vfcap_device *vf, const struct vfcap_alias *alias)
{
	unmap_mapping_range(vf->core.vdev.inode->i_mapping,
			    VFIO_PCI_INDEX_TO_OFFSET(alias->bar) + alias->start,
			    alias->size, true);
}
