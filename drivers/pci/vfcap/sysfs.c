// SPDX-License-Identifier: GPL-2.0-only
/*
 * "vfcap" in the sysfs folders of a PF and of its VFs, see
 * Documentation/ABI/testing/sysfs-bus-pci-vfcap
 */
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "pci-vfcap.h"

/**
 * struct pf_attribute - an attribute of a PF
 * @attr: its name and mode
 * @id: the capability that it is about
 * @show: Print it, with the PF's lock held.
 */
struct pf_attribute {
	struct attribute attr;
	enum pci_vfcap_id id;
	ssize_t (*show)(struct pci_vfcap *record, enum pci_vfcap_id id,
			char *buf);
};

/**
 * struct vf_attribute - an attribute of a VF
 * @attr: its name and mode
 * @id: the capability that it is about
 * @show: Print it, with the PF's lock held.
 */
struct vf_attribute {
	struct device_attribute attr;
	enum pci_vfcap_id id;
	ssize_t (*show)(struct pci_vfcap_vf *handle, enum pci_vfcap_id id,
			char *buf);
};

static struct pci_vfcap *to_record(struct kobject *kobj)
{
	return container_of(kobj, struct pci_vfcap, kobj);
}

static ssize_t pf_driver_show(struct pci_vfcap *record, enum pci_vfcap_id id,
			      char *buf)
{
	/* It stays while it is registered, and that while we hold the lock. */
	const struct device_driver *drv = READ_ONCE(record->pf->dev.driver);

	return sysfs_emit(buf, "%s\n",
			  vfcap_ops(record) && drv ? drv->name : "none");
}

static ssize_t pf_state_show(struct pci_vfcap *record, enum pci_vfcap_id id,
			     char *buf)
{
	const char *state = "unlocked";

	if (record->changing & BIT(id))
		state = "changing";
	else if (vfcap_shown(record) & BIT(id) && !vfcap_is_busy(record->pf))
		state = vfcap_find_loss(record, id) ? "lost" : "locked";
	else if (vfcap_held(record) & BIT(id))
		state = "locked";
	return sysfs_emit(buf, "%s\n", state);
}

static ssize_t pf_users_show(struct pci_vfcap *record, enum pci_vfcap_id id,
			     char *buf)
{
	struct pci_vfcap_vf *handle;
	int len = 0;

	list_for_each_entry(handle, &record->vfs, node) {
		if (!(handle->held & BIT(id)))
			continue;
		/* Whole names only: a part of one is another device's. */
		if (len + strlen(pci_name(handle->vf)) + 2 > PAGE_SIZE)
			break;
		len += sysfs_emit_at(buf, len, "%s\n", pci_name(handle->vf));
	}
	return len;
}

static ssize_t vf_state_show(struct pci_vfcap_vf *handle, enum pci_vfcap_id id,
			     char *buf)
{
	const char *state = "hidden";

	if (handle->losing & BIT(id))
		state = "losing";
	else if (handle->lost & BIT(id))
		state = "lost";
	else if (vfcap_is_shown(handle, id))
		state = "shown";
	else if (handle->held & BIT(id))
		state = "held";
	return sysfs_emit(buf, "%s\n", state);
}

static ssize_t vf_open_show(struct pci_vfcap_vf *handle, enum pci_vfcap_id id,
			    char *buf)
{
	return sysfs_emit(buf, "%d\n", handle->open);
}

static ssize_t vf_offset_show(struct pci_vfcap_vf *handle, enum pci_vfcap_id id,
			      char *buf)
{
	return sysfs_emit(buf, "%#x\n", handle->pos[id]);
}

static ssize_t pf_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	const struct pf_attribute *pa = container_of(attr, struct pf_attribute,
						     attr);
	struct pci_vfcap *record = to_record(kobj);

	guard(mutex)(&record->lock);

	return pa->show(record, pa->id, buf);
}

/* The group of a VF goes before its handle does. */
static ssize_t vf_show(struct device *dev, struct device_attribute *attr,
		       char *buf)
{
	const struct vf_attribute *va = container_of(attr, struct vf_attribute,
						     attr);
	struct pci_dev *vf = to_pci_dev(dev);
	struct pci_vfcap *record = vfcap_find(pci_physfn(vf));
	ssize_t ret;

	scoped_guard(mutex, &record->lock)
		ret = va->show(vfcap_find_vf(record, vf), va->id, buf);
	vfcap_put(record);
	return ret;
}

#define PF_ATTRIBUTE(_name, _id, _show)					\
static struct pf_attribute pf_##_name = {				\
	.attr	= { .name = #_name, .mode = 0444 },			\
	.id	= _id,							\
	.show	= _show,						\
}

#define VF_ATTRIBUTE(_name, _id, _show)					\
static struct vf_attribute vf_##_name = {				\
	.attr	= __ATTR(_name, 0444, vf_show, NULL),			\
	.id	= _id,							\
	.show	= _show,						\
}

PF_ATTRIBUTE(driver, 0, pf_driver_show);
PF_ATTRIBUTE(pasid_state, PCI_VFCAP_PASID, pf_state_show);
PF_ATTRIBUTE(pasid_users, PCI_VFCAP_PASID, pf_users_show);
PF_ATTRIBUTE(pri_state, PCI_VFCAP_PRI, pf_state_show);
PF_ATTRIBUTE(pri_users, PCI_VFCAP_PRI, pf_users_show);
VF_ATTRIBUTE(open, 0, vf_open_show);
VF_ATTRIBUTE(pasid_state, PCI_VFCAP_PASID, vf_state_show);
VF_ATTRIBUTE(pasid_offset, PCI_VFCAP_PASID, vf_offset_show);
VF_ATTRIBUTE(pri_state, PCI_VFCAP_PRI, vf_state_show);
VF_ATTRIBUTE(pri_offset, PCI_VFCAP_PRI, vf_offset_show);

static struct attribute *pf_attrs[] = {
	&pf_driver.attr,
	&pf_pasid_state.attr, &pf_pasid_users.attr,
	&pf_pri_state.attr, &pf_pri_users.attr,
	NULL
};
ATTRIBUTE_GROUPS(pf);

static struct attribute *vf_attrs[] = {
	&vf_open.attr.attr,
	&vf_pasid_state.attr.attr, &vf_pasid_offset.attr.attr,
	&vf_pri_state.attr.attr, &vf_pri_offset.attr.attr,
	NULL
};

/* Of the device itself: a folder with a life of its own takes memory for each VF. */
const struct attribute_group vfcap_vf_group = {
	.name	= "vfcap",
	.attrs	= vf_attrs,
};

static void pf_release(struct kobject *kobj)
{
	struct pci_vfcap *record = to_record(kobj);

	pci_dev_put(record->pf);
	cleanup_srcu_struct(&record->srcu);
	kfree(record);
}

/* It outlives the folder that it is in, when the PF is removed first. */
const struct kobj_type vfcap_pf_ktype = {
	.release	= pf_release,
	.sysfs_ops	= &(const struct sysfs_ops) { .show = pf_show },
	.default_groups	= pf_groups,
};
