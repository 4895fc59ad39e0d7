// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access to a device's virtual config space: what falls into emulated capabilities,
 * and what goes to core
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/uaccess.h>

#include "access.h"
#include "bar.h"
#include "caps.h"
#include "chain.h"
#include "effects.h"

/*
 * An access to an emulated register wakes a device from low power, as any access does.
 * Core does so for the accesses that it handles.
 */
static int vfcap_wake_and_lock(struct vfcap_device *vd)
{
	struct device *dev = &vd->core.pdev->dev;

	if (pm_runtime_resume_and_get(dev) < 0)
		return -EIO;
	if (!mutex_lock_killable(vfcap_dev_set_lock(vd)))
		return 0;
	pm_runtime_put(dev);
	return -EINTR;
}

static void vfcap_unlock_and_put(struct vfcap_device *vd)
{
	mutex_unlock(vfcap_dev_set_lock(vd));
	pm_runtime_put(&vd->core.pdev->dev);
}

/* A write to @count bytes from @offset on, all within one capability */
static ssize_t vfcap_cap_write(struct vfcap_device *vd, unsigned int id,
			       const char __user *buf, size_t count,
			       unsigned int offset)
{
	u32 val[VFCAP_MAX_REGS] = {}, mask[VFCAP_MAX_REGS] = {};
	int ret;

	if (copy_from_user((u8 *)val + offset, buf, count))
		return -EFAULT;
	memset((u8 *)mask + offset, 0xff, count);
	le32_to_cpu_array(val, VFCAP_MAX_REGS);
	le32_to_cpu_array(mask, VFCAP_MAX_REGS);

	ret = vfcap_wake_and_lock(vd);
	if (ret)
		return ret;
	vfcap_guest_write(vd, id, val, mask);
	vfcap_unlock_and_put(vd);
	return count;
}

/* Correct the byte at @pos in what core has read from the hardware, from @offset on. */
static int vfcap_correct(char __user *buf, size_t count, u64 offset,
			 unsigned int pos, u8 clear, u8 set)
{
	u8 __user *byte = (u8 __user *)buf + (pos - offset);
	u8 val;

	if (!vfcap_overlaps(offset, count, pos, 1))
		return 0;
	if (get_user(val, byte))
		return -EFAULT;
	return put_user((val & ~clear) | set, byte);
}

/* Bring a whole function's Page Request Status up to date with the hardware before a read. */
static int vfcap_read_status(struct vfcap_device *vd, u64 offset, size_t count)
{
	int ret;

	if (!vd->pri.pos ||
	    !vfcap_overlaps(offset, count, vd->pri.pos + PCI_PRI_CTRL, sizeof(u32)))
		return 0;
	ret = vfcap_wake_and_lock(vd);
	if (ret)
		return ret;
	vfcap_sync(vd);
	vfcap_unlock_and_put(vd);
	return 0;
}

/**
 * vfcap_config_read - read the device's virtual config space, unless vfcap_reads_plain()
 * @vd: the device
 * @buf: where the bytes go
 * @count: how many
 * @ppos: VFIO region offset, advanced by what was read
 *
 * Context: Process context, no locks held.
 * Return: bytes read, or -errno as from vfio_pci_core_read().
 */
ssize_t vfcap_config_read(struct vfcap_device *vd, char __user *buf,
			  size_t count, loff_t *ppos)
{
	u64 offset = *ppos & VFIO_PCI_OFFSET_MASK;
	ssize_t done;
	int ret;

	ret = vfcap_begin(vd) ?: vfcap_read_status(vd, offset, count);
	if (ret)
		return ret;

	done = vfio_pci_core_read(&vd->core.vdev, buf, count, ppos);
	if (done > 0 && vd->shadow)
		ret = vfcap_correct(buf, done, offset, VFCAP_VMD_VMLOCK, 0,
				    VFCAP_VMLOCK_SHADOW);
	if (done > 0 && vd->ims_pos && !ret)
		ret = vfcap_correct(buf, done, offset, vd->ims_pos,
				    VFCAP_SIOV_CAP_IMS, 0);
	return ret ?: done;
}

/*
 * Whether a write begins in virtual bytes. @count is cut down to bytes that are all
 * virtual, or all not.
 */
static bool vfcap_cut_virtual(struct vfcap_device *vd, unsigned int offset,
			      size_t *count)
{
	const u8 *map = vd->core.pci_config_map + offset;
	bool is_virtual;
	size_t n = 1;

	if (!vd->map_known)
		return false;
	is_virtual = *map == VFCAP_MAP_VIRTUAL;
	while (n < *count && (map[n] == VFCAP_MAP_VIRTUAL) == is_virtual)
		n++;
	*count = n;
	return is_virtual;
}

/*
 * Do the first piece of a write: within one capability; in virtual bytes outside of any
 * capability, which are read-only; in a register of the hardware that has one bit of
 * ours; or outside of all of these.
 */
static ssize_t vfcap_write_piece(struct vfcap_device *vd, char __user *buf,
				 size_t *count, loff_t pos, bool write)
{
	unsigned int offset = pos & VFIO_PCI_OFFSET_MASK;
	unsigned long id;

	for_each_set_bit(id, &vd->shown, VFCAP_NR_CAPS)
		if (vfcap_cut(offset, count, vd->plan[id].pos,
			      vfcap_cap_size(vd->table[id])))
			return vfcap_cap_write(vd, id, buf, *count,
					       offset - vd->plan[id].pos);
	if (vfcap_cut_virtual(vd, offset, count))
		return *count;
	if (vd->shadow &&
	    vfcap_cut(offset, count, VFCAP_VMD_VMLOCK, sizeof(u32))) {
		*count = vfcap_core_piece(vd, offset, *count);
		return vfcap_shadow_config_write(vd, buf, *count, offset);
	}
	return vfcap_core_config_write(vd, buf, count, &pos);
}

/**
 * vfcap_config_write - write the device's virtual config space, unless vfcap_writes_plain()
 * @vd: the device
 * @buf: the bytes
 * @count: how many
 * @ppos: VFIO region offset, advanced by what was written
 *
 * What falls into an emulated capability is handled here, the rest goes to core.
 *
 * Context: Process context, no locks held.
 * Return: bytes written, or -errno as from vfio_pci_core_write(): an access that fails
 * midway fails as a whole, with its first part done. -EINTR if the caller is killed.
 */
ssize_t vfcap_config_write(struct vfcap_device *vd, const char __user *buf,
			   size_t count, loff_t *ppos)
{
	u64 offset = *ppos & VFIO_PCI_OFFSET_MASK;
	int ret;

	ret = vfcap_begin(vd);
	if (ret)
		return ret;

	/* Core checks the whole access before it does any of it. */
	if (count && (offset >= vd->core.pdev->cfg_size ||
		      count > vd->core.pdev->cfg_size - offset))
		return -EFAULT;
	return vfcap_access_pieces(vd, (char __user *)buf, count, ppos, true,
				   vfcap_write_piece);
}
