// SPDX-License-Identifier: GPL-2.0-only
/*
 * What resets a VF, and so its emulated registers
 *
 * VFIO_DEVICE_RESET, an FLR that the guest writes, and the resets by sysfs or
 * by the bus's owner all end in the driver's reset_done callback. A return from
 * D3hot to D0, which resets a function without No_Soft_Reset (PCI PM r1.2, sec
 * 5.4.1), has no callback: it is seen by comparing power states.
 *
 * A reset from inside the VFIO file runs under the dev_set lock, and when it
 * returns no PASID is attached. For one from outside that is left to a worker.
 * What low power does is in power.c.
 */
#include <linux/log2.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "access.h"
#include "base.h"
#include "effects.h"

/* Whether a write to @start sets a bit of the byte at @pos */
static bool vfcap_write_sets(const struct vfcap_core_call *c, loff_t start,
			     unsigned int pos, u8 bit)
{
	return vfcap_overlaps(start, c->count, pos, 1) &&
	       c->bytes[pos - start] & bit;
}

/* Whether the PCI core has a way to reset the VF: without one it does not begin. */
static bool vfcap_can_reset(struct vfcap_device *vf)
{
	return READ_ONCE(vf->core.pdev->reset_methods[0]);
}

/* Whether a write has the VF leave D0 */
static bool vfcap_write_sleeps(struct vfcap_device *vf,
			       const struct vfcap_core_call *c, loff_t start)
{
	struct pci_dev *pdev = vf->core.pdev;
	unsigned int pmcsr = pdev->pm_cap + PCI_PM_CTRL;
	bool d1, d2;

	if (!pdev->pm_cap)
		return false;
	/* Both bits are D3hot. */
	d1 = vfcap_write_sets(c, start, pmcsr, (__force u8)PCI_D1);
	d2 = vfcap_write_sets(c, start, pmcsr, (__force u8)PCI_D2);
	return (d1 && d2) || (d1 && pdev->d1_support) ||
	       (d2 && pdev->d2_support);
}

/* Whether a write has core reset the VF: only where the VF offers what it asks for */
static bool vfcap_write_resets(struct vfcap_device *vf,
			       const struct vfcap_core_call *c, loff_t start)
{
	struct pci_dev *pdev = vf->core.pdev;

	if (!vfcap_can_reset(vf))
		return false;
	return (pdev->devcap & PCI_EXP_DEVCAP_FLR &&
		vfcap_write_sets(c, start, pdev->pcie_cap + PCI_EXP_DEVCTL + 1,
				 PCI_EXP_DEVCTL_BCR_FLR >> 8)) ||
	       (vf->af_pos &&
		vfcap_write_sets(c, start, vf->af_pos + PCI_AF_CTRL,
				 PCI_AF_CTRL_FLR));
}

/*
 * Whether a write may reset the VF. Upon a write to any register of a capability core
 * acts on the bit that resets, which another write may have just left there. The same
 * registers change its power state.
 */
static bool vfcap_may_reset(struct vfcap_device *vf, loff_t pos, size_t size)
{
	loff_t end = min_t(loff_t, pos + size, PCI_CFG_SPACE_SIZE);

	if (!vf->map_known)
		return pos < end;
	for (; pos < end; pos++) {
		switch (vf->core.pci_config_map[pos]) {
		case PCI_CAP_ID_EXP:
		case PCI_CAP_ID_PM:
		case PCI_CAP_ID_AF:
			return true;
		}
	}
	return false;
}

/* How much of a write core does at once: it gets the bytes before it does anything. */
static size_t vfcap_core_piece(struct vfcap_device *vf, loff_t pos, size_t count)
{
	const u8 *map = vf->core.pci_config_map;
	size_t size = 1;

	while (size < count && (pos + size) % sizeof(u32) &&
	       map[pos + size] == map[pos])
		size++;
	size = rounddown_pow_of_two(size);
	return pos % size ? 1 : size;
}

static ssize_t vfcap_write_that_may_reset(struct vfcap_device *vf,
					  struct vfcap_core_call *c)
{
	loff_t start = *c->ppos & VFIO_PCI_OFFSET_MASK;
	struct device *dev = &vf->core.pdev->dev;
	u64 losses = pci_vfcap_vf_losses(vf->handle);
	ssize_t ret;
	bool in_d3;

	/* Core does so too. Here it tells what a guest did from what runtime PM did. */
	if (pm_runtime_resume_and_get(dev) < 0)
		return -EIO;
	in_d3 = vfcap_in_d3(vf);

	/*
	 * The user may change the bytes before core reads them. A reset that
	 * comes of it is made good afterwards, and what stays attached to a VF
	 * that sleeps is detached when it wakes up.
	 */
	if (vfcap_write_sleeps(vf, c, start) || vfcap_write_resets(vf, c, start))
		vfcap_block(vf, ~0UL);

	ret = vfio_pci_core_write(&vf->core.vdev, c->buf, c->count, c->ppos);

	if (in_d3 && !vfcap_in_d3(vf) && vfcap_soft_reset(vf))
		vfcap_was_reset(vf, losses);
	vfcap_sync(vf);
	pm_runtime_put(dev);
	return ret;
}

/**
 * vfcap_core_config_write - hand a config write to core
 * @vf: the VF
 * @buf: the bytes
 * @count: How many. Where they may reset the VF, cut down to what core does at once.
 * @ppos: VFIO region offset, advanced by what was written
 *
 * If it may reset the VF, or has it leave D0, then its PASIDs are detached first.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_write(), or -EINTR.
 */
ssize_t vfcap_core_config_write(struct vfcap_device *vf, const char __user *buf,
				size_t *count, loff_t *ppos)
{
	loff_t start = *ppos & VFIO_PCI_OFFSET_MASK;

	if (!vfcap_may_reset(vf, start, *count))
		return vfio_pci_core_write(&vf->core.vdev, buf, *count, ppos);
	*count = vfcap_core_piece(vf, start, *count);
	if (!vfcap_may_reset(vf, start, *count))
		return vfio_pci_core_write(&vf->core.vdev, buf, *count, ppos);

	return vfcap_call_core(vf, &(struct vfcap_core_call) {
		.call	= vfcap_write_that_may_reset,
		.buf	= (char __user *)buf,
		.count	= *count,
		.ppos	= ppos,
	});
}

/**
 * vfcap_ioctl_reset - VFIO_DEVICE_RESET
 * @vf: the VF
 *
 * Core powers the device up before it tries the reset, and may give up then. Without a
 * way to reset it nothing is detached.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl().
 */
long vfcap_ioctl_reset(struct vfcap_device *vf)
{
	bool in_d3;
	u64 losses;
	long ret;

	CLASS(vfcap_locked, lock)(vf);
	if (!lock)
		return -EINTR;

	losses = pci_vfcap_vf_losses(vf->handle);
	in_d3 = vfcap_in_d3(vf);
	if (vf->core.reset_works && vfcap_can_reset(vf))
		vfcap_block(vf, ~0UL);
	ret = vfio_pci_core_ioctl(&vf->core.vdev, VFIO_DEVICE_RESET, 0);
	if (in_d3 && !vfcap_in_d3(vf) && vfcap_soft_reset(vf))
		vfcap_was_reset(vf, losses);
	vfcap_sync(vf);
	return ret;
}

static struct vfcap_device *vfcap_from_pci(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	return to_vfcap(&core->vdev);
}

static void vfcap_reset_prepare(struct pci_dev *pdev)
{
	struct vfcap_device *vf = vfcap_from_pci(pdev);

	vf->losses = pci_vfcap_vf_losses(vf->handle);
}

/*
 * A frozen channel is recovered by a reset of the link, without reset_done, and so is a
 * normal one if another driver asks for it: slot_reset tells. A recovery that failed has
 * no end: only the last error counts.
 */
static pci_ers_result_t vfcap_error_detected(struct pci_dev *pdev,
					     pci_channel_state_t state)
{
	vfcap_from_pci(pdev)->link_reset = state == pci_channel_io_frozen;
	vfcap_reset_prepare(pdev);
	return vfio_pci_core_aer_err_detected(pdev, state);
}

/* Whether the recovery succeeds is for others to say. */
static pci_ers_result_t vfcap_slot_reset(struct pci_dev *pdev)
{
	vfcap_from_pci(pdev)->link_reset = true;
	return PCI_ERS_RESULT_NONE;
}

static void vfcap_error_resume(struct pci_dev *pdev)
{
	struct vfcap_device *vf = vfcap_from_pci(pdev);

	if (vf->link_reset)
		vfcap_was_reset(vf, vf->losses);
	vf->link_reset = false;
}

static void vfcap_reset_done(struct pci_dev *pdev)
{
	struct vfcap_device *vf = vfcap_from_pci(pdev);

	vfcap_was_reset(vf, vf->losses);
}

const struct pci_error_handlers vfcap_err_handlers = {
	.error_detected	= vfcap_error_detected,
	.slot_reset	= vfcap_slot_reset,
	.resume		= vfcap_error_resume,
	.reset_prepare	= vfcap_reset_prepare,
	.reset_done	= vfcap_reset_done,
};
