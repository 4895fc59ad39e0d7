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
 * struct vfcap_attribute - an attribute of a PF or VF
 * @attr: its name and mode
 * @id: the capability that it is about
 * @show: Print it, with the PF's lock held. @handle is NULL for a PF.
 */
struct vfcap_attribute {
	struct device_attribute attr;
	enum pci_vfcap_id id;
	ssize_t (*show)(struct pci_vfcap *record, struct pci_vfcap_vf *handle,
			enum pci_vfcap_id id, char *buf);
};

static struct pci_vfcap *to_record(struct kobject *kobj)
{
	return container_of(kobj, struct pci_vfcap, kobj);
}

static ssize_t pf_driver_show(struct pci_vfcap *record, struct pci_vfcap_vf *handle,
			      enum pci_vfcap_id id, char *buf)
{
	/* A registered driver stays bound as long as the lock is held. */
	const struct device_driver *drv = READ_ONCE(record->pf->dev.driver);

	return sysfs_emit(buf, "%s\n",
			  vfcap_ops(record) && drv ? drv->name : "none");
}

static ssize_t pf_state_show(struct pci_vfcap *record, struct pci_vfcap_vf *handle,
			     enum pci_vfcap_id id, char *buf)
{
	const char *state = "unlocked", *cause = NULL;

	if (record->showing[id])
		cause = vfcap_find_loss(record, id, record->seen[id]);
	if (record->changing & BIT(id))
		state = "changing";
	else if (cause && cause != vfcap_not_now)
		state = "lost";
	else if (record->holders[id])
		state = "locked";
	return sysfs_emit(buf, "%s\n", state);
}

static ssize_t pf_users_show(struct pci_vfcap *record, struct pci_vfcap_vf *handle,
			     enum pci_vfcap_id id, char *buf)
{
	struct pci_vfcap_vf *user;
	int len = 0;

	list_for_each_entry(user, &record->vfs, node) {
		if (!(user->held & BIT(id)))
			continue;
		/* Whole names only: part of one may be the name of another device. */
		if (len + strlen(pci_name(user->vf)) + 2 > PAGE_SIZE)
			break;
		len += sysfs_emit_at(buf, len, "%s\n", pci_name(user->vf));
	}
	return len;
}

static ssize_t vf_state_show(struct pci_vfcap *record, struct pci_vfcap_vf *handle,
			     enum pci_vfcap_id id, char *buf)
{
	return sysfs_emit(buf, "%s\n", vfcap_state(handle, id));
}

static ssize_t vf_open_show(struct pci_vfcap *record, struct pci_vfcap_vf *handle,
			    enum pci_vfcap_id id, char *buf)
{
	return sysfs_emit(buf, "%d\n", handle->open);
}

static ssize_t vf_offset_show(struct pci_vfcap *record, struct pci_vfcap_vf *handle,
			      enum pci_vfcap_id id, char *buf)
{
	return sysfs_emit(buf, "%#x\n", handle->pos[id]);
}

/* A VF's group is removed before its handle. */
static ssize_t vf_show(struct device *dev, struct device_attribute *attr,
		       char *buf)
{
	struct vfcap_attribute *va = container_of(attr, struct vfcap_attribute,
						  attr);
	struct pci_dev *vf = to_pci_dev(dev);
	struct pci_vfcap *record __free(vfcap_put) = vfcap_find(pci_physfn(vf));

	guard(mutex)(&record->lock);

	return va->show(record, vfcap_find_vf(record, vf), va->id, buf);
}

static ssize_t pf_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	struct vfcap_attribute *va = container_of(attr, struct vfcap_attribute,
						  attr.attr);
	struct pci_vfcap *record = to_record(kobj);

	guard(mutex)(&record->lock);

	return va->show(record, NULL, va->id, buf);
}

/* The folder of a PF, a kobject of its own, calls pf_show() in place of vf_show(). */
#define VFCAP_ATTRIBUTE(_of, _name, _id, _what)				\
static struct vfcap_attribute _of##_##_name = {				\
	.attr	= __ATTR(_name, 0444, vf_show, NULL),			\
	.id	= _id,							\
	.show	= _of##_##_what##_show,					\
}

VFCAP_ATTRIBUTE(pf, driver, 0, driver);
VFCAP_ATTRIBUTE(pf, pasid_state, PCI_VFCAP_PASID, state);
VFCAP_ATTRIBUTE(pf, pasid_users, PCI_VFCAP_PASID, users);
VFCAP_ATTRIBUTE(pf, pri_state, PCI_VFCAP_PRI, state);
VFCAP_ATTRIBUTE(pf, pri_users, PCI_VFCAP_PRI, users);
VFCAP_ATTRIBUTE(vf, open, 0, open);
VFCAP_ATTRIBUTE(vf, pasid_state, PCI_VFCAP_PASID, state);
VFCAP_ATTRIBUTE(vf, pasid_offset, PCI_VFCAP_PASID, offset);
VFCAP_ATTRIBUTE(vf, pri_state, PCI_VFCAP_PRI, state);
VFCAP_ATTRIBUTE(vf, pri_offset, PCI_VFCAP_PRI, offset);

static struct attribute *pf_attrs[] = {
	&pf_driver.attr.attr,
	&pf_pasid_state.attr.attr, &pf_pasid_users.attr.attr,
	&pf_pri_state.attr.attr, &pf_pri_users.attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(pf);

static struct attribute *vf_attrs[] = {
	&vf_open.attr.attr,
	&vf_pasid_state.attr.attr, &vf_pasid_offset.attr.attr,
	&vf_pri_state.attr.attr, &vf_pri_offset.attr.attr,
	NULL
};

/* A group of the device itself: a kobject for each VF would take memory. */
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

/* The record outlives the PF's folder if the PF is removed first. */
const struct kobj_type vfcap_pf_ktype = {
	.release	= pf_release,
	.sysfs_ops	= &(const struct sysfs_ops) { .show = pf_show },
	.default_groups	= pf_groups,
};
