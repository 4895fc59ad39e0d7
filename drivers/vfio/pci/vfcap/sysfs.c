// SPDX-License-Identifier: GPL-2.0-only
/*
 * "vfcap" in the sysfs directory of a VF or a whole function, see
 * Documentation/ABI/testing/sysfs-bus-pci-vfcap
 */
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/pci.h>
#include <linux/sysfs.h>

#include "access.h"
#include "effects.h"

static struct vfcap_device *vfcap_of_attr(struct device *dev,
					  struct device_attribute *attr,
					  unsigned long *id)
{
	struct dev_ext_attribute *ext =
		container_of(attr, struct dev_ext_attribute, attr);

	*id = (unsigned long)ext->var;
	return vfcap_from_pci(to_pci_dev(dev));
}

static bool vfcap_is_open(struct vfcap_device *vd)
{
	return READ_ONCE(vd->core.vdev.open_count);
}

static ssize_t open_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%d\n",
			  vfcap_is_open(vfcap_from_pci(to_pci_dev(dev))));
}

/* What is not shared cannot be lost either. */
static const char *vfcap_own_state(struct vfcap_device *vd, unsigned long id)
{
	guard(mutex)(&vd->lock);

	if (vd->shown & BIT(id))
		return "shown";
	return vd->caps & BIT(id) && vfcap_is_open(vd) && !vfcap_is_committed(vd) ?
	       "held" : "hidden";
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	unsigned long id;
	struct vfcap_device *vd = vfcap_of_attr(dev, attr, &id);

	return sysfs_emit(buf, "%s\n", vd->handle ?
			  pci_vfcap_state(vd->handle, id) :
			  vfcap_own_state(vd, id));
}

static ssize_t offset_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	unsigned long id;
	struct vfcap_device *vd = vfcap_of_attr(dev, attr, &id);

	guard(mutex)(&vd->lock);

	return sysfs_emit(buf, "%#x\n",
			  vd->shown & BIT(id) ? vd->plan[id].pos : 0);
}

#define VFCAP_DEVICE_ATTR(_name, _id, _show)				\
static struct dev_ext_attribute vfcap_##_name = {			\
	.attr	= __ATTR(_name, 0444, _show, NULL),			\
	.var	= (void *)(unsigned long)(_id),				\
}

VFCAP_DEVICE_ATTR(open, 0, open_show);
VFCAP_DEVICE_ATTR(pasid_state, PCI_VFCAP_PASID, state_show);
VFCAP_DEVICE_ATTR(pasid_offset, PCI_VFCAP_PASID, offset_show);
VFCAP_DEVICE_ATTR(pri_state, PCI_VFCAP_PRI, state_show);
VFCAP_DEVICE_ATTR(pri_offset, PCI_VFCAP_PRI, offset_show);

static struct attribute *vfcap_attrs[] = {
	&vfcap_open.attr.attr,
	&vfcap_pasid_state.attr.attr, &vfcap_pasid_offset.attr.attr,
	&vfcap_pri_state.attr.attr, &vfcap_pri_offset.attr.attr,
	NULL
};

static const struct attribute_group vfcap_group = {
	.name	= "vfcap",
	.attrs	= vfcap_attrs,
};

/* A VMD endpoint has none. */
static bool vfcap_has_group(struct vfcap_device *vd)
{
	return vd->caps & BIT(PCI_VFCAP_PASID);
}

/**
 * vfcap_sysfs_add - make a device's directory
 * @vd: the device
 *
 * Context: Process context, while the device is probed.
 * Return: 0, also for devices that have none, or an error from sysfs.
 */
int vfcap_sysfs_add(struct vfcap_device *vd)
{
	return vfcap_has_group(vd) ?
	       sysfs_create_group(&vd->core.pdev->dev.kobj, &vfcap_group) : 0;
}

/**
 * vfcap_sysfs_remove - undo vfcap_sysfs_add()
 * @vd: the device, which nobody has open
 *
 * Context: Process context. Waits for readers.
 */
void vfcap_sysfs_remove(struct vfcap_device *vd)
{
	if (vfcap_has_group(vd))
		sysfs_remove_group(&vd->core.pdev->dev.kobj, &vfcap_group);
}
