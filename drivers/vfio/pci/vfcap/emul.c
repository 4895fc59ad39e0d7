// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine behind the emulated capabilities
 *
 * A shown capability lives in core's vconfig, in bytes that core takes for
 * virtual: core serves every read of them from memory, at any width and
 * alignment, and hands none of them to the hardware. Writes are taken from core
 * and go through the capability's register-behaviour table here.
 */
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/uaccess.h>

#include "vfcap.h"

/* Stands for the bytes of an empty header at the start of the list: read-only. */
#define VFCAP_ANCHOR	VFCAP_NR_CAPS
/* Stands for bytes that are not emulated. */
#define VFCAP_NONE	(VFCAP_NR_CAPS + 1)

static const struct vfcap_cap * const vfcap_caps[VFCAP_NR_CAPS] = {
	[VFCAP_PASID]	= &vfcap_pasid,
};

static size_t vfcap_cap_size(const struct vfcap_cap *cap)
{
	return cap->nr_regs * sizeof(u32);
}

static __le32 *vfcap_reg(struct vfcap_device *vf, unsigned int index,
			 unsigned int reg)
{
	return (__le32 *)(vf->core.vconfig + vf->pos[index]) + reg;
}

static void vfcap_show(struct vfcap_device *vf, unsigned int index)
{
	const struct vfcap_cap *cap = vfcap_caps[index];
	struct pci_dev *pdev = vf->core.pdev;
	u32 regs[VFCAP_MAX_REGS] = {};
	unsigned int i;
	int wanted;
	u16 pos;

	wanted = cap->init(vf, regs);
	if (wanted < 0)
		return;

	pos = vfcap_chain_place(vf, wanted, vfcap_cap_size(cap));
	if (!pos) {
		pci_info(pdev, "%s capability not shown: no %zu free bytes in the VF's config space read as zero\n",
			 cap->name, vfcap_cap_size(cap));
		return;
	}

	vf->pos[index] = pos;
	for (i = 1; i < cap->nr_regs; i++)
		*vfcap_reg(vf, index, i) = cpu_to_le32(regs[i]);
	vfcap_chain_link(vf, pos, cap);
	pci_info(pdev, "%s capability shown at %#x\n", cap->name, pos);
}

/*
 * What is shown depends on how the device was opened, and VFIO tells that only
 * once the open is over: decide at the first access to config space.
 */
static int vfcap_decide(struct vfcap_device *vf)
{
	struct device *dev = &vf->core.pdev->dev;
	unsigned int i;
	int ret;

	/* Pairs with the release below. */
	if (smp_load_acquire(&vf->decided))
		return 0;

	/* Outside the lock: core's resume callback takes memory_lock. */
	ret = pm_runtime_resume_and_get(dev);
	if (ret < 0)
		return -EIO;

	mutex_lock(&vf->lock);
	if (!vf->decided) {
		for (i = 0; i < VFCAP_NR_CAPS; i++)
			vfcap_show(vf, i);
		/* Whoever sees it set sees what was shown. */
		smp_store_release(&vf->decided, true);
	}
	mutex_unlock(&vf->lock);

	pm_runtime_put(dev);
	return 0;
}

/* Caller holds the lock. @mask has the written bytes of @val set. */
static void vfcap_write_reg(struct vfcap_device *vf, unsigned int index,
			    unsigned int reg, u32 val, u32 mask)
{
	const struct vfcap_cap *cap = vfcap_caps[index];
	__le32 *p = vfcap_reg(vf, index, reg);
	u32 old = le32_to_cpu(*p);
	u32 rw = cap->behavior[reg].rw & mask;

	if (cap->implemented)
		rw &= cap->implemented(old);

	/* Core reads this dword without the lock. */
	WRITE_ONCE(*p, cpu_to_le32((old & ~rw) | (val & rw)));
}

/* A write to @count bytes from @offset on, all within one capability */
static ssize_t vfcap_cap_write(struct vfcap_device *vf, unsigned int index,
			       const char __user *buf, size_t count,
			       unsigned int offset)
{
	unsigned int first = offset / sizeof(u32);
	unsigned int last = (offset + count - 1) / sizeof(u32);
	__le32 val[VFCAP_MAX_REGS] = {}, mask[VFCAP_MAX_REGS] = {};
	struct device *dev = &vf->core.pdev->dev;
	unsigned int i;

	if (copy_from_user((u8 *)val + offset, buf, count))
		return -EFAULT;
	memset((u8 *)mask + offset, 0xff, count);

	/* Like any access, it wakes a VF in low power. Core does so for its own. */
	if (pm_runtime_resume_and_get(dev) < 0)
		return -EIO;

	mutex_lock(&vf->lock);
	for (i = first; i <= last; i++)
		vfcap_write_reg(vf, index, i, le32_to_cpu(val[i]),
				le32_to_cpu(mask[i]));
	mutex_unlock(&vf->lock);

	pm_runtime_put(dev);
	return count;
}

/*
 * Whether an access begins within the range. It is cut down to what lies on the
 * same side of the range's edges as its first byte.
 */
static bool vfcap_cut(unsigned int pos, size_t *count, unsigned int start,
		      unsigned int size)
{
	if (pos >= start + size)
		return false;
	if (pos >= start) {
		*count = min_t(size_t, *count, start + size - pos);
		return true;
	}
	*count = min_t(size_t, *count, start - pos);
	return false;
}

/*
 * Cut an access down to its first piece, which lies within one capability, on
 * the list's anchor, or outside of all. Returns which.
 */
static unsigned int vfcap_first_piece(struct vfcap_device *vf, unsigned int pos,
				      size_t *count)
{
	unsigned int i;

	for (i = 0; i < VFCAP_NR_CAPS; i++)
		if (vf->pos[i] && vfcap_cut(pos, count, vf->pos[i],
					    vfcap_cap_size(vfcap_caps[i])))
			return i;
	if (vf->anchored &&
	    vfcap_cut(pos, count, PCI_CFG_SPACE_SIZE, sizeof(u32)))
		return VFCAP_ANCHOR;
	return VFCAP_NONE;
}

/**
 * vfcap_config_read - read the VF's virtual config space
 * @vf: the VF
 * @buf: where the bytes go
 * @count: how many
 * @ppos: VFIO region offset, advanced by what was read
 *
 * Context: Process context, no locks held.
 * Return: bytes read, or -errno as vfio_pci_core_read() has it.
 */
ssize_t vfcap_config_read(struct vfcap_device *vf, char __user *buf,
			  size_t count, loff_t *ppos)
{
	int ret = vfcap_decide(vf);

	if (ret)
		return ret;

	return vfio_pci_core_read(&vf->core.vdev, buf, count, ppos);
}

/**
 * vfcap_config_write - write the VF's virtual config space
 * @vf: the VF
 * @buf: the bytes
 * @count: how many
 * @ppos: VFIO region offset, advanced by what was written
 *
 * What falls into an emulated capability stays here, the rest goes to core.
 *
 * Context: Process context, no locks held.
 * Return: bytes written, or -errno as vfio_pci_core_write() has it: an access
 * that fails midway fails as a whole, with its first part done.
 */
ssize_t vfcap_config_write(struct vfcap_device *vf, const char __user *buf,
			   size_t count, loff_t *ppos)
{
	u64 offset = *ppos & VFIO_PCI_OFFSET_MASK;
	ssize_t done = 0;
	int err;

	/* Core looks at the whole access before it does any of it. */
	if (count && (offset >= vf->core.pdev->cfg_size ||
		      count > vf->core.pdev->cfg_size - offset))
		return -EFAULT;

	err = vfcap_decide(vf);
	if (err)
		return err;

	while (done < count) {
		size_t piece = count - done;
		loff_t pos = *ppos + done;
		unsigned int index;
		ssize_t ret;

		index = vfcap_first_piece(vf, offset + done, &piece);
		switch (index) {
		case VFCAP_NONE:
			ret = vfcap_core_config_write(vf, buf + done, piece,
						      &pos);
			break;
		case VFCAP_ANCHOR:
			ret = piece;
			break;
		default:
			ret = vfcap_cap_write(vf, index, buf + done, piece,
					      offset + done - vf->pos[index]);
		}
		if (ret < 0)
			return ret;
		done += ret;
		if (ret < piece)
			break;
	}

	*ppos += done;
	return done;
}

/**
 * vfcap_emul_reset - give all emulated registers their reset value
 * @vf: the VF
 *
 * Context: Process context. Takes the engine's lock, and no other: core may
 * hold memory_lock.
 */
void vfcap_emul_reset(struct vfcap_device *vf)
{
	unsigned int i, reg;

	mutex_lock(&vf->lock);
	for (i = 0; i < VFCAP_NR_CAPS; i++) {
		if (!vf->pos[i])
			continue;
		for (reg = 0; reg < vfcap_caps[i]->nr_regs; reg++)
			vfcap_write_reg(vf, i, reg, 0, ~0U);
	}
	mutex_unlock(&vf->lock);
}

/**
 * vfcap_emul_close - forget what this session showed
 * @vf: the VF
 *
 * Context: Before core is closed, since that frees vconfig and then resets the
 * VF. The last user of the file is gone, so nobody else accesses config space.
 */
void vfcap_emul_close(struct vfcap_device *vf)
{
	mutex_lock(&vf->lock);
	memset(vf->pos, 0, sizeof(vf->pos));
	vf->anchored = false;
	vf->decided = false;
	mutex_unlock(&vf->lock);
}
