// SPDX-License-Identifier: GPL-2.0-only
/*
 * The native shadow registers of a VMD endpoint whose firmware left them disabled
 *
 * Linux reads them in MEMBAR2, the host's address of MEMBAR1 at 2000h and that of MEMBAR2
 * at 2008h, if bit 1 of VMLOCK in config space says that they are valid. These two are
 * emulated here, and nothing next to them: what follows from 2010h on is an out-of-band
 * interface to the hardware.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/uaccess.h>
#include <linux/overflow.h>

#include "bar.h"
#include "base.h"
#include "caps.h"
#include "chain.h"

#define VFCAP_SHADOW_START	0x2000
#define VFCAP_SHADOW_SIZE	0x10

static bool vfcap_traps(struct vfcap_device *vd, unsigned int region)
{
	return vd->shadow && region == VFCAP_VMD_MEMBAR2;
}

/* Why they are not emulated, for the log, or NULL */
static const char *vfcap_shadow_check(struct vfcap_device *vd)
{
	struct pci_dev *pdev = vd->core.pdev;
	u32 vmlock;

	if (READ_ONCE(vfcap_vmd_shadow.value) == VFCAP_OFF)
		return vfcap_reason_text(&vfcap_shdw, VFCAP_REASON_PARAMETER);
	pci_read_config_dword(pdev, VFCAP_VMD_VMLOCK, &vmlock);
	if (PCI_POSSIBLE_ERROR(vmlock))
		return "it does not answer";
	if (vmlock & VFCAP_VMLOCK_SHADOW)
		return "the hardware shows its own";
	/* Writes to capabilities are left to core. */
	if (memchr_inv(vd->core.pci_config_map + VFCAP_VMD_VMLOCK,
		       VFCAP_MAP_RAW, sizeof(vmlock)))
		return "it has a capability where VMLOCK should be";
	if (pci_resource_len(pdev, VFCAP_VMD_MEMBAR2) <
	    VFCAP_SHADOW_START + VFCAP_SHADOW_SIZE)
		return "its MEMBAR2 is too small for them";
	if (!vfcap_vmd_check_bars(vd))
		return vfcap_reason_text(&vfcap_shdw, VFCAP_REASON_BARS);
	return NULL;
}

/**
 * vfcap_shadow_open - decide whether the shadow registers are emulated in this session
 * @vd: the device
 *
 * Context: After vfio_pci_core_enable(), under the dev_set lock, before the user
 * can reach the device.
 */
void vfcap_shadow_open(struct vfcap_device *vd)
{
	const char *reason;

	vd->shadow = false;
	if (!(vd->vmd & VFCAP_VMD_NATIVE) || !vd->map_known)
		return;

	reason = vfcap_shadow_check(vd);
	vd->shadow = !reason;
	if (reason)
		vfcap_log(vd, "native shadow registers not shown: %s\n",
			  reason);
	else
		vfcap_log(vd, "native shadow registers shown\n");
}

/**
 * vfcap_shadow_config_write - write VMLOCK in hardware, except for the virtual bit
 * @vd: the device
 * @buf: the bytes
 * @count: how many: 1, 2 or 4, all of them VMLOCK's
 * @pos: offset of the first one in config space
 *
 * Context: Process context, no locks held.
 * Return: @count, or -errno.
 */
ssize_t vfcap_shadow_config_write(struct vfcap_device *vd,
				  const char __user *buf, size_t count,
				  unsigned int pos)
{
	struct pci_dev *pdev = vd->core.pdev;
	__le32 bytes = 0;
	u32 val;
	int ret;

	if (copy_from_user(&bytes, buf, count))
		return -EFAULT;
	val = le32_to_cpu(bytes);
	/* The bit that a guest reads in VMLOCK and writes back must not reach the hardware. */
	if (pos == VFCAP_VMD_VMLOCK)
		val &= ~VFCAP_VMLOCK_SHADOW;

	if (pm_runtime_resume_and_get(&pdev->dev) < 0)
		return -EIO;
	if (count == sizeof(u32))
		ret = pci_user_write_config_dword(pdev, pos, val);
	else if (count == sizeof(u16))
		ret = pci_user_write_config_word(pdev, pos, val);
	else
		ret = pci_user_write_config_byte(pdev, pos, val);
	pm_runtime_put(&pdev->dev);
	return ret ?: count;
}

/* As in core: with memory space disabled, or in D3hot, no BAR answers. */
static bool vfcap_bar_answers(struct vfcap_device *vd)
{
	return (__force int)vd->core.pdev->current_state < (__force int)PCI_D3hot &&
	       vd->core.vconfig[PCI_COMMAND] & PCI_COMMAND_MEMORY;
}

/**
 * vfcap_shadow_hit - whether a range of a region has one of the shadow registers
 * @vd: the device
 * @region: the region
 * @offset: in it
 * @size: of the range
 *
 * Pages that have one of them are not mapped.
 *
 * Context: Any context, while the device is open.
 * Return: true if so.
 */
bool vfcap_shadow_hit(struct vfcap_device *vd, unsigned int region, u64 offset,
		      u64 size)
{
	return vfcap_traps(vd, region) &&
	       vfcap_overlaps(offset, size, VFCAP_SHADOW_START,
			      VFCAP_SHADOW_SIZE);
}

/**
 * vfcap_shadow_cut - whether an access to a region begins in the shadow registers
 * @vd: the device
 * @region: the region
 * @offset: in it, where the access begins
 * @count: its length, cut down to what lies on the same side of their edges
 *
 * The registers are aligned to their total length, so that accesses next to them keep the
 * width that core gives them.
 *
 * Context: Any context, while the device is open.
 * Return: true if so.
 */
bool vfcap_shadow_cut(struct vfcap_device *vd, unsigned int region, u64 offset,
		      size_t *count)
{
	return vfcap_traps(vd, region) &&
	       vfcap_cut(offset, count, VFCAP_SHADOW_START, VFCAP_SHADOW_SIZE);
}

/**
 * vfcap_shadow_rw - read the shadow registers, or ignore a write to them
 * @vd: the device
 * @buf: the bytes
 * @count: how many, as vfcap_shadow_cut() says
 * @offset: of the first one in the region
 * @write: whether it is a write
 *
 * Context: Process context.
 * Return: @count, -EFAULT, or -EIO if the device does not answer.
 */
ssize_t vfcap_shadow_rw(struct vfcap_device *vd, char __user *buf, size_t count,
			u64 offset, bool write)
{
	__le64 regs[] = {
		cpu_to_le64(vfcap_vmd_bar(vd, VFCAP_VMD_MEMBAR1)),
		cpu_to_le64(vfcap_vmd_bar(vd, VFCAP_VMD_MEMBAR2)),
	};

	static_assert(sizeof(regs) == VFCAP_SHADOW_SIZE);

	if (!vfcap_bar_answers(vd))
		return -EIO;
	if (write)
		return count;
	return copy_to_user(buf, (u8 *)regs + (offset - VFCAP_SHADOW_START),
			    count) ? -EFAULT : count;
}

/**
 * vfcap_shadow_region_info - tell which parts of a BAR can be mapped
 * @vd: the device
 * @info: what core tells of the region
 * @caps: its capabilities
 *
 * Context: Process context.
 * Return: 0, -ENOMEM.
 */
int vfcap_shadow_region_info(struct vfcap_device *vd,
			     const struct vfio_region_info *info,
			     struct vfio_info_cap *caps)
{
	u64 start = ALIGN_DOWN(VFCAP_SHADOW_START, PAGE_SIZE);
	u64 end = ALIGN(VFCAP_SHADOW_START + VFCAP_SHADOW_SIZE, PAGE_SIZE);
	DEFINE_RAW_FLEX(struct vfio_region_info_cap_sparse_mmap, sparse, areas,
			2);
	unsigned int nr = 0;

	if (!vfcap_traps(vd, info->index) ||
	    !(info->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return 0;

	sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	sparse->header.version = 1;
	if (start)
		sparse->areas[nr++].size = start;
	if (info->size > end) {
		sparse->areas[nr].offset = end;
		sparse->areas[nr++].size = info->size - end;
	}
	sparse->nr_areas = nr;
	return vfio_info_add_capability(caps, &sparse->header,
					struct_size(sparse, areas, nr));
}
