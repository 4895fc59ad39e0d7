// SPDX-License-Identifier: GPL-2.0-only
/*
 * The native shadow registers of a VMD endpoint whose firmware left them off
 *
 * Linux reads them in MEMBAR2, at 2000h the host's address of MEMBAR1, at 2008h
 * that of MEMBAR2, if bit 1 of VMLOCK in config space says that they are valid.
 * Both are emulated here, and nothing beside them: what follows from 2010h on is
 * an out-of-band interface to the hardware.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/uaccess.h>
#include <linux/unaligned.h>
#include <linux/overflow.h>

#include "bar.h"
#include "base.h"
#include "caps.h"
#include "chain.h"

#define VFCAP_SHADOW_START	0x2000
#define VFCAP_SHADOW_SIZE	0x10

/* The pages that cannot be mapped */
#define VFCAP_TRAPPED_START	ALIGN_DOWN(VFCAP_SHADOW_START, PAGE_SIZE)
#define VFCAP_TRAPPED_END	\
	ALIGN(VFCAP_SHADOW_START + VFCAP_SHADOW_SIZE, PAGE_SIZE)

static bool vfcap_traps(struct vfcap_device *vf, unsigned int region)
{
	return vf->shadow && region == VFCAP_VMD_MEMBAR2;
}

/**
 * vfcap_is_trapped - whether pages of a BAR cannot be mapped
 * @vf: the device
 * @region: the BAR
 * @start: offset in it
 * @size: of the range
 *
 * Context: Any context, while the device is open.
 * Return: true if one of them cannot.
 */
bool vfcap_is_trapped(struct vfcap_device *vf, unsigned int region, u64 start,
		      u64 size)
{
	return vfcap_traps(vf, region) &&
	       vfcap_overlaps(start, size, VFCAP_TRAPPED_START,
			      VFCAP_TRAPPED_END - VFCAP_TRAPPED_START);
}

/* Why they are not emulated, for the log, or NULL */
static const char *vfcap_shadow_check(struct vfcap_device *vf)
{
	struct pci_dev *pdev = vf->core.pdev;
	u32 vmlock;

	if (READ_ONCE(vfcap_vmd_shadow.value) == VFCAP_OFF)
		return vfcap_reason_text(&vfcap_shdw, VFCAP_REASON_PARAMETER);
	pci_read_config_dword(pdev, VFCAP_VMD_VMLOCK, &vmlock);
	if (PCI_POSSIBLE_ERROR(vmlock))
		return "it does not answer";
	if (vmlock & VFCAP_VMLOCK_SHADOW)
		return "the hardware shows its own";
	/* Core decides about writes to capabilities. */
	if (memchr_inv(vf->core.pci_config_map + VFCAP_VMD_VMLOCK,
		       VFCAP_MAP_RAW, sizeof(vmlock)))
		return "it has a capability where VMLOCK should be";
	if (pci_resource_len(pdev, VFCAP_VMD_MEMBAR2) <
	    VFCAP_SHADOW_START + VFCAP_SHADOW_SIZE)
		return "its MEMBAR2 is too small for them";
	if (!vfcap_vmd_check_bars(vf))
		return vfcap_reason_text(&vfcap_shdw, VFCAP_REASON_BARS);
	return NULL;
}

/**
 * vfcap_shadow_open - decide whether they are emulated in this session
 * @vf: the device
 *
 * Context: After vfio_pci_core_enable(), under the dev_set lock, before the user
 * can reach the device.
 */
void vfcap_shadow_open(struct vfcap_device *vf)
{
	const char *reason;

	vf->shadow = false;
	if (!(vf->vmd & VFCAP_VMD_NATIVE) || !vf->map_known)
		return;

	reason = vfcap_shadow_check(vf);
	vf->shadow = !reason;
	if (reason)
		vfcap_log(vf, "native shadow registers not shown: %s\n",
			  reason);
	else
		vfcap_log(vf, "native shadow registers shown\n");
}

/* With the width that core would use: as wide as it is aligned */
static int vfcap_write_vmlock(struct pci_dev *pdev, unsigned int pos,
			      unsigned int end, const u8 *val)
{
	int ret = 0;

	while (!ret && pos < end) {
		const u8 *from = val + (pos - VFCAP_VMD_VMLOCK);

		if (end - pos >= 4 && !(pos % 4)) {
			ret = pci_user_write_config_dword(pdev, pos,
							  get_unaligned_le32(from));
			pos += 4;
		} else if (end - pos >= 2 && !(pos % 2)) {
			ret = pci_user_write_config_word(pdev, pos,
							 get_unaligned_le16(from));
			pos += 2;
		} else {
			ret = pci_user_write_config_byte(pdev, pos, *from);
			pos += 1;
		}
	}
	return ret;
}

/**
 * vfcap_shadow_config_write - write VMLOCK in hardware, but for the virtual bit
 * @vf: the device
 * @buf: the bytes
 * @count: how many, all of them VMLOCK's
 * @offset: of the first one in VMLOCK
 *
 * Context: Process context, no locks held.
 * Return: @count, or -errno.
 */
ssize_t vfcap_shadow_config_write(struct vfcap_device *vf,
				  const char __user *buf, size_t count,
				  unsigned int offset)
{
	struct pci_dev *pdev = vf->core.pdev;
	unsigned int pos = VFCAP_VMD_VMLOCK + offset;
	u8 val[sizeof(u32)] = {};
	int ret;

	if (copy_from_user(val + offset, buf, count))
		return -EFAULT;
	/* What a guest that reads VMLOCK writes back must not reach the hardware. */
	val[0] &= ~VFCAP_VMLOCK_SHADOW;

	if (pm_runtime_resume_and_get(&pdev->dev) < 0)
		return -EIO;
	ret = vfcap_write_vmlock(pdev, pos, pos + count, val);
	pm_runtime_put(&pdev->dev);
	return ret ?: count;
}

static ssize_t vfcap_shadow_read(struct vfcap_device *vf, char __user *buf,
				 size_t count, unsigned int offset)
{
	__le64 regs[] = {
		cpu_to_le64(vfcap_vmd_bar(vf, VFCAP_VMD_MEMBAR1)),
		cpu_to_le64(vfcap_vmd_bar(vf, VFCAP_VMD_MEMBAR2)),
	};

	static_assert(sizeof(regs) == VFCAP_SHADOW_SIZE);

	return copy_to_user(buf, (u8 *)regs + offset, count) ? -EFAULT : count;
}

/* As core has it: without memory space, and in D3hot, no BAR answers. */
static bool vfcap_bar_answers(struct vfcap_device *vf)
{
	return (__force int)vf->core.pdev->current_state < (__force int)PCI_D3hot &&
	       vf->core.vconfig[PCI_COMMAND] & PCI_COMMAND_MEMORY;
}

/**
 * vfcap_shadow_hit - whether a range of a region has one of the shadow registers
 * @vf: the device
 * @region: the region
 * @offset: in it
 * @size: of the range
 *
 * Context: Any context, while the device is open.
 * Return: true if so.
 */
bool vfcap_shadow_hit(struct vfcap_device *vf, unsigned int region, u64 offset,
		      u64 size)
{
	return vfcap_traps(vf, region) &&
	       vfcap_overlaps(offset, size, VFCAP_SHADOW_START,
			      VFCAP_SHADOW_SIZE);
}

/**
 * vfcap_shadow_cut - whether an access to a region begins in the shadow registers
 * @vf: the device
 * @region: the region
 * @offset: in it, where the access begins
 * @count: its length, cut down to what lies on the same side of their edges
 *
 * They are aligned to their length, so that what lies beside them keeps the width that
 * core gives it.
 *
 * Context: Any context, while the device is open.
 * Return: true if so.
 */
bool vfcap_shadow_cut(struct vfcap_device *vf, unsigned int region, u64 offset,
		      size_t *count)
{
	return vfcap_traps(vf, region) &&
	       vfcap_cut(offset, count, VFCAP_SHADOW_START, VFCAP_SHADOW_SIZE);
}

/**
 * vfcap_shadow_rw - read the shadow registers, or have a write to them no effect
 * @vf: the device
 * @buf: the bytes
 * @count: how many, as vfcap_shadow_cut() says
 * @offset: of the first one in the region
 * @write: whether it is a write
 *
 * Context: Process context.
 * Return: @count, -EFAULT, or -EIO if the device does not answer.
 */
ssize_t vfcap_shadow_rw(struct vfcap_device *vf, char __user *buf, size_t count,
			u64 offset, bool write)
{
	if (!vfcap_bar_answers(vf))
		return -EIO;
	if (write)
		return count;
	return vfcap_shadow_read(vf, buf, count, offset - VFCAP_SHADOW_START);
}

static int vfcap_add_sparse_mmap(struct vfcap_device *vf,
				 struct vfio_info_cap *caps)
{
	u64 size = pci_resource_len(vf->core.pdev, VFCAP_VMD_MEMBAR2);
	DEFINE_RAW_FLEX(struct vfio_region_info_cap_sparse_mmap, sparse, areas,
			2);
	unsigned int nr = 0;

	sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	sparse->header.version = 1;
	if (VFCAP_TRAPPED_START)
		sparse->areas[nr++].size = VFCAP_TRAPPED_START;
	if (size > VFCAP_TRAPPED_END) {
		sparse->areas[nr].offset = VFCAP_TRAPPED_END;
		sparse->areas[nr++].size = size - VFCAP_TRAPPED_END;
	}
	sparse->nr_areas = nr;
	return vfio_info_add_capability(caps, &sparse->header,
					struct_size(sparse, areas, nr));
}

/**
 * vfcap_shadow_region_info - tell of a region, and of what of it can be mapped
 * @vf: the device
 * @info: what is told of the region
 * @caps: its capabilities
 *
 * Context: Process context.
 * Return: as vfio_pci_ioctl_get_region_info().
 */
int vfcap_shadow_region_info(struct vfcap_device *vf,
			     struct vfio_region_info *info,
			     struct vfio_info_cap *caps)
{
	int ret = vfio_pci_ioctl_get_region_info(&vf->core.vdev, info, caps);

	if (ret || !vfcap_traps(vf, info->index) ||
	    !(info->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return ret;
	return vfcap_add_sparse_mmap(vf, caps);
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
 * Return: as vfio_pci_core_get_dmabuf_phys(); -EINVAL for what is trapped.
 */
int vfcap_get_dmabuf_phys(struct vfio_pci_core_device *core,
			  struct p2pdma_provider **provider, unsigned int region,
			  struct phys_vec *phys_vec,
			  struct vfio_region_dma_range *ranges, size_t nr_ranges)
{
	size_t i;

	for (i = 0; i < nr_ranges; i++)
		if (vfcap_is_trapped(to_vfcap(&core->vdev), region,
				     ranges[i].offset, ranges[i].length))
			return -EINVAL;
	return vfio_pci_core_get_dmabuf_phys(core, provider, region, phys_vec,
					     ranges, nr_ranges);
}
#endif
