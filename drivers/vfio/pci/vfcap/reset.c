// SPDX-License-Identifier: GPL-2.0-only
/*
 * What resets a VF, and so its emulated registers
 *
 * VFIO_DEVICE_RESET, an FLR that the guest writes, and the resets by sysfs or
 * by the bus's owner all end in the driver's reset_done callback. A return from
 * D3hot to D0, which resets a function without No_Soft_Reset (PCI PM r1.2, sec
 * 5.4.1), has no callback: it is seen by comparing power states.
 */
#include <linux/pci.h>

#include "vfcap.h"

/* Whether a return to D0 resets the function; out of D3cold it always does. */
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

/* Returns what vfcap_power_end() takes. */
static bool vfcap_power_begin(struct vfcap_device *vf)
{
	mutex_lock(&vf->power_lock);
	return vfcap_in_d3(vf->core.pdev);
}

static void vfcap_power_end(struct vfcap_device *vf, bool was_in_d3)
{
	struct pci_dev *pdev = vf->core.pdev;

	if (was_in_d3 && !vfcap_in_d3(pdev) && vfcap_soft_reset(pdev))
		vfcap_emul_reset(vf);
	mutex_unlock(&vf->power_lock);
}

/**
 * vfcap_core_config_write - hand a config write to core
 * @vf: the VF
 * @buf: the bytes
 * @count: how many
 * @ppos: VFIO region offset, advanced by what was written
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_write().
 */
ssize_t vfcap_core_config_write(struct vfcap_device *vf, const char __user *buf,
				size_t count, loff_t *ppos)
{
	u16 pmcsr = vf->core.pdev->pm_cap + PCI_PM_CTRL;
	loff_t start = *ppos & VFIO_PCI_OFFSET_MASK;
	bool was_in_d3;
	ssize_t ret;

	/* Behind the PM capability there is no other register to compare for. */
	if (!vf->core.pdev->pm_cap || start >= pmcsr + sizeof(u16) ||
	    start + count <= pmcsr)
		return vfio_pci_core_write(&vf->core.vdev, buf, count, ppos);

	was_in_d3 = vfcap_power_begin(vf);
	ret = vfio_pci_core_write(&vf->core.vdev, buf, count, ppos);
	vfcap_power_end(vf, was_in_d3);
	return ret;
}

/**
 * vfcap_ioctl - the VFIO device's ioctls
 * @vdev: the VFIO device
 * @cmd: VFIO_DEVICE_*
 * @arg: its argument
 *
 * All are core's. A VFIO_DEVICE_RESET powers the device up before it tries the
 * reset, and may give up then.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl().
 */
long vfcap_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg)
{
	struct vfio_pci_core_device *core =
		container_of(vdev, struct vfio_pci_core_device, vdev);
	struct vfcap_device *vf = to_vfcap(core);
	bool was_in_d3;
	long ret;

	if (cmd != VFIO_DEVICE_RESET)
		return vfio_pci_core_ioctl(vdev, cmd, arg);

	was_in_d3 = vfcap_power_begin(vf);
	ret = vfio_pci_core_ioctl(vdev, cmd, arg);
	vfcap_power_end(vf, was_in_d3);
	return ret;
}

/**
 * vfcap_ioctl_feature - VFIO_DEVICE_FEATURE
 * @vdev: the VFIO device
 * @flags: feature index and VFIO_DEVICE_FEATURE_*
 * @arg: the feature's argument
 * @argsz: its size in bytes
 *
 * All features are core's. Between entry to and exit from low power the device
 * may leave D0 by runtime PM at any time, and come back for any access; core
 * keeps that to itself. A function that loses its registers then loses them at
 * both ends here.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl_feature().
 */
int vfcap_ioctl_feature(struct vfio_device *vdev, u32 flags, void __user *arg,
			size_t argsz)
{
	struct vfio_pci_core_device *core =
		container_of(vdev, struct vfio_pci_core_device, vdev);
	bool soft_reset = false;
	int ret;

	/* Before the call, since the register may be out of reach afterwards. */
	switch (flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		if (!READ_ONCE(core->pm_runtime_engaged))
			break;
		fallthrough;
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
		soft_reset = !(flags & VFIO_DEVICE_FEATURE_PROBE) &&
			     vfcap_soft_reset(core->pdev);
	}

	ret = vfio_pci_core_ioctl_feature(vdev, flags, arg, argsz);
	if (!ret && soft_reset)
		vfcap_emul_reset(to_vfcap(core));
	return ret;
}

/* A frozen channel is recovered by a reset of the link, without reset_done. */
static pci_ers_result_t vfcap_error_detected(struct pci_dev *pdev,
					     pci_channel_state_t state)
{
	struct vfcap_device *vf = to_vfcap(dev_get_drvdata(&pdev->dev));

	if (state == pci_channel_io_frozen)
		vf->frozen = true;
	return vfio_pci_core_aer_err_detected(pdev, state);
}

static void vfcap_error_resume(struct pci_dev *pdev)
{
	struct vfcap_device *vf = to_vfcap(dev_get_drvdata(&pdev->dev));

	if (vf->frozen)
		vfcap_emul_reset(vf);
	vf->frozen = false;
}

static void vfcap_reset_done(struct pci_dev *pdev)
{
	vfcap_emul_reset(to_vfcap(dev_get_drvdata(&pdev->dev)));
}

const struct pci_error_handlers vfcap_err_handlers = {
	.error_detected	= vfcap_error_detected,
	.resume		= vfcap_error_resume,
	.reset_done	= vfcap_reset_done,
};
