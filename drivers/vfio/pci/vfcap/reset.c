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
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/uaccess.h>

#include "vfcap.h"

/* Whether a return from D3hot to D0 resets the function */
static bool vfcap_soft_reset(struct pci_dev *pdev)
{
	u16 pmcsr;

	if (!pdev->pm_cap)
		return false;
	pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &pmcsr);
	return PCI_POSSIBLE_ERROR(pmcsr) ||
	       !(pmcsr & PCI_PM_CTRL_NO_SOFT_RESET);
}

static bool vfcap_in_d3(struct pci_dev *pdev)
{
	return pdev->current_state == PCI_D3hot ||
	       pdev->current_state == PCI_D3cold;
}

/*
 * The VF was reset, or as far as its driver is told: the PCI core calls
 * reset_done() after a failure too. @losses is what pci_vfcap_vf_losses() was when the
 * reset began. What is behind its registers may be out of reach here.
 */
static void vfcap_was_reset(struct vfcap_device *vf, u64 losses)
{
	vfcap_emul_reset(vf);
	pci_vfcap_vf_reset(vf->shared, losses);
	vfcap_queue_sync(vf);
}

/* Whether a write sets, or may set, a bit of the byte at @pos */
static bool vfcap_write_sets(const char __user *buf, size_t count, loff_t start,
			     unsigned int pos, u8 bit)
{
	u8 val;

	if (!vfcap_overlaps(start, count, pos, 1))
		return false;
	return get_user(val, (const u8 __user *)buf + pos - start) || val & bit;
}

/**
 * vfcap_may_reset - whether a write may reset the VF
 * @vf: the VF
 * @pos: offset in config space in bytes
 * @size: how many bytes
 *
 * Upon a write to any register of a capability core acts on the bit that resets, which
 * another write may have just left there.
 *
 * Context: Any context, while the device is open.
 * Return: true if so.
 */
bool vfcap_may_reset(struct vfcap_device *vf, loff_t pos, size_t size)
{
	loff_t end = min_t(loff_t, pos + size, PCI_CFG_SPACE_SIZE);

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

/**
 * vfcap_core_config_write - hand a config write to core
 * @vf: the VF
 * @buf: the bytes
 * @count: how many
 * @ppos: VFIO region offset, advanced by what was written
 *
 * If it may reset the VF then its PASIDs are detached first.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_write().
 */
ssize_t vfcap_core_config_write(struct vfcap_device *vf, const char __user *buf,
				size_t count, loff_t *ppos)
{
	struct pci_dev *pdev = vf->core.pdev;
	unsigned int devctl = pdev->pcie_cap + PCI_EXP_DEVCTL;
	unsigned int af_ctrl = vf->af_pos + PCI_AF_CTRL;
	loff_t start = *ppos & VFIO_PCI_OFFSET_MASK;
	bool in_d3;
	u64 losses;
	ssize_t ret;

	if (!vfcap_may_reset(vf, start, count))
		return vfio_pci_core_write(&vf->core.vdev, buf, count, ppos);

	guard(mutex)(vfcap_dev_set_lock(vf));

	losses = pci_vfcap_vf_losses(vf->shared);
	in_d3 = vfcap_in_d3(pdev);

	/*
	 * The user may change the bytes before core reads them. A reset that
	 * comes of it is made good afterwards.
	 */
	if (in_d3 ||
	    (pdev->pcie_cap && vfcap_write_sets(buf, count, start, devctl + 1,
						PCI_EXP_DEVCTL_BCR_FLR >> 8)) ||
	    (vf->af_pos && vfcap_write_sets(buf, count, start, af_ctrl,
					    PCI_AF_CTRL_FLR)))
		vfcap_block(vf, ~0UL);

	ret = vfio_pci_core_write(&vf->core.vdev, buf, count, ppos);

	if (in_d3 && !vfcap_in_d3(pdev) && vfcap_soft_reset(pdev))
		vfcap_was_reset(vf, losses);
	vfcap_sync(vf);
	return ret;
}

/**
 * vfcap_ioctl_reset - VFIO_DEVICE_RESET
 * @vf: the VF
 *
 * It powers the device up before it tries the reset, and may give up then; when
 * it returns no PASID is attached.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl().
 */
long vfcap_ioctl_reset(struct vfcap_device *vf)
{
	struct pci_dev *pdev = vf->core.pdev;
	bool in_d3;
	u64 losses;
	long ret;

	guard(mutex)(vfcap_dev_set_lock(vf));

	losses = pci_vfcap_vf_losses(vf->shared);
	in_d3 = vfcap_in_d3(pdev);
	vfcap_block(vf, ~0UL);
	ret = vfio_pci_core_ioctl(&vf->core.vdev, VFIO_DEVICE_RESET, 0);
	if (in_d3 && !vfcap_in_d3(pdev) && vfcap_soft_reset(pdev))
		vfcap_was_reset(vf, losses);
	vfcap_sync(vf);
	return ret;
}

/**
 * vfcap_feature_low_power - VFIO_DEVICE_FEATURE_LOW_POWER_*
 * @vf: the VF
 * @flags: feature index and VFIO_DEVICE_FEATURE_SET
 * @arg: the feature's argument
 * @argsz: its size in bytes
 *
 * The VF enters low power, or leaves it. It may leave D0 in between by runtime PM
 * at any time, and come back for any access; core keeps that to itself. A function
 * that loses its registers on the way from D3hot to D0 loses them when it is let go
 * to low power, and was reset if it left D0 until it returns: something else may have
 * kept it awake. When it did so nobody tells: the reset began with the entry.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl_feature().
 */
int vfcap_feature_low_power(struct vfcap_device *vf, u32 flags,
			    void __user *arg, size_t argsz)
{
	/* Before the call, since the register may be out of reach afterwards. */
	bool soft_reset = vfcap_soft_reset(vf->core.pdev);
	bool exit = (flags & VFIO_DEVICE_FEATURE_MASK) ==
		    VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;
	u64 losses, suspended;
	int ret;

	guard(mutex)(vfcap_dev_set_lock(vf));

	losses = pci_vfcap_vf_losses(vf->shared);
	suspended = pm_runtime_suspended_time(&vf->core.pdev->dev);
	vfcap_block(vf, ~0UL);
	ret = vfio_pci_core_ioctl_feature(&vf->core.vdev, flags, arg, argsz);
	if (!ret && soft_reset) {
		if (!exit)
			vfcap_emul_reset(vf);
		else if (pm_runtime_suspended_time(&vf->core.pdev->dev) >
			 vf->entry.suspended)
			vfcap_was_reset(vf, vf->entry.losses);
	}
	if (!ret) {
		vf->entry.suspended = exit ? U64_MAX : suspended;
		vf->entry.losses = losses;
	}
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

	vf->losses = pci_vfcap_vf_losses(vf->shared);
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
