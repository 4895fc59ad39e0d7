// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module parameters whose value is one of a few words; most of them say whether a
 * capability is shown: auto, on or off. What auto requires is checked here.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "base.h"

static int vfcap_param_set(const char *val, const struct kernel_param *kp)
{
	struct vfcap_param *param = kp->arg;
	int ret = __sysfs_match_string(param->words, -1, val);

	if (ret < 0) {
		/* A value that is written to sysfs may end with a newline. */
		pr_err("%s: parameter %s: \"%.*s\" is not one of %s\n",
		       KBUILD_MODNAME, kp->name, (int)strcspn(val, "\n"), val,
		       param->choices);
		return ret;
	}
	WRITE_ONCE(param->value, ret);
	return 0;
}

static int vfcap_param_get(char *buf, const struct kernel_param *kp)
{
	const struct vfcap_param *param = kp->arg;

	return sysfs_emit(buf, "%s\n", param->words[READ_ONCE(param->value)]);
}

const struct kernel_param_ops vfcap_param_ops = {
	.set = vfcap_param_set,
	.get = vfcap_param_get,
};

const char * const vfcap_mode_words[] = {
	[VFCAP_AUTO]	= "auto",
	[VFCAP_ON]	= "on",
	[VFCAP_OFF]	= "off",
	NULL
};

static bool vfcap_mode_asks(enum vfcap_mode mode,
			    const struct vfcap_condition *c)
{
	return c->gated ? mode == VFCAP_GATED : mode != VFCAP_ON || c->always;
}

/**
 * vfcap_mode_wants - whether a device that is being opened may come to show a capability
 * @vd: the device
 * @cap: the capability
 *
 * Return: false if its parameter forbids it already.
 */
bool vfcap_mode_wants(struct vfcap_device *vd, const struct vfcap_cap *cap)
{
	enum vfcap_mode mode = READ_ONCE(cap->mode->value);
	size_t i;

	if (mode == VFCAP_OFF)
		return false;

	for (i = 0; i < cap->nr_conditions; i++) {
		const struct vfcap_condition *c = &cap->conditions[i];

		if (vfcap_mode_asks(mode, c) && !(c->may_hold ?: c->holds)(vd))
			return false;
	}
	return true;
}

/**
 * vfcap_mode_forbids - why a device that is open does not show a capability
 * @vd: the device
 * @cap: the capability
 *
 * Return: the reason, or VFCAP_REASON_NONE if its parameter lets it be shown.
 */
enum vfcap_reason vfcap_mode_forbids(struct vfcap_device *vd,
				     const struct vfcap_cap *cap)
{
	enum vfcap_mode mode = READ_ONCE(cap->mode->value);
	enum vfcap_reason forced = VFCAP_REASON_NONE;
	size_t i;

	if (mode == VFCAP_OFF)
		return VFCAP_REASON_PARAMETER;

	for (i = 0; i < cap->nr_conditions; i++) {
		const struct vfcap_condition *c = &cap->conditions[i];

		if (c->holds(vd))
			continue;
		if (vfcap_mode_asks(mode, c))
			return c->otherwise;
		if (!c->gated)
			forced = forced ?: c->otherwise;
	}
	if (forced)
		vfcap_log(vd, "parameter %s=on: %s %s\n", cap->param,
			  cap->forced, vfcap_reason_text(cap, forced));
	return VFCAP_REASON_NONE;
}

/**
 * vfcap_has_iommu - whether there is an IOMMU between the device and memory
 * @vd: the device
 *
 * Without one, VFIO gives a device to a user only in its no-IOMMU mode, through the group
 * or the cdev, and each of these has its own mark for that. What is checked here is what
 * an IOMMU's driver gives a device.
 *
 * Return: true if so.
 */
bool vfcap_has_iommu(struct vfcap_device *vd)
{
	struct dev_iommu *iommu = vd->core.pdev->dev.iommu;

	return iommu && iommu->iommu_dev;
}

/**
 * vfcap_by_cdev - whether the device was opened through its cdev
 * @vd: the device
 *
 * Return: true if so, once the open is over. See vfcap_by_iommufd().
 */
bool vfcap_by_cdev(struct vfcap_device *vd)
{
	return vfio_device_cdev_opened(&vd->core.vdev);
}

/**
 * vfcap_by_iommufd - whether it may have been opened through its cdev
 * @vd: the device
 *
 * Return: true if it has the iommufd that a cdev needs, which is set before VFIO marks
 * the cdev as opened.
 */
bool vfcap_by_iommufd(struct vfcap_device *vd)
{
	return vfcap_has_iommufd(&vd->core.vdev);
}

/* The walk ends at the second device. */
static int vfcap_count(struct device *dev, void *data)
{
	return ++*(int *)data > 1;
}

/**
 * vfcap_is_alone_in_group - whether no other device is in the device's IOMMU group
 * @vd: the device
 *
 * Page tables are attached to a group, so another device in it would have them too.
 *
 * Return: true if so.
 */
bool vfcap_is_alone_in_group(struct vfcap_device *vd)
{
	struct iommu_group *group = iommu_group_get(&vd->core.pdev->dev);
	int devices = 0;

	if (!group)
		return false;
	iommu_group_for_each_dev(group, &devices, vfcap_count);
	iommu_group_put(group);
	return devices == 1;
}

/**
 * vfcap_pf_is_kernels - whether the PF is driven by the kernel
 * @vd: the device
 *
 * The registers of a PF that was given to user space, through VFIO or another driver
 * that leaves DMA to its user, are under that user's control.
 *
 * Return: false if it was given to user space; true for a function that shares
 * nothing with a PF.
 */
bool vfcap_pf_is_kernels(struct vfcap_device *vd)
{
	const struct device_driver *drv;

	if (!vd->handle)
		return true;
	/*
	 * The PF's device lock cannot be taken: its holder may be waiting for our
	 * file to be closed. A driver is part of its module, which is freed an
	 * RCU grace period after its last function was unbound.
	 */
	guard(rcu)();
	drv = READ_ONCE(pci_physfn(vd->core.pdev)->dev.driver);
	return !drv || !to_pci_driver(drv)->driver_managed_dma;
}
