// SPDX-License-Identifier: GPL-2.0-only
/*
 * "vfcap" in the sysfs directory of a PF, see Documentation/ABI/testing/sysfs-bus-pci-vfcap
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/stringify.h>
#include <linux/sysfs.h>

#include "pci-vfcap.h"

/**
 * struct vfcap_attribute - an attribute of a PF
 * @attr: its name and mode
 * @id: the capability that it is about
 * @show: Print it, with the PF's lock held.
 */
struct vfcap_attribute {
	struct attribute attr;
	enum pci_vfcap_id id;
	ssize_t (*show)(struct pci_vfcap *record, enum pci_vfcap_id id, char *buf);
};

static struct pci_vfcap *to_record(struct kobject *kobj)
{
	return container_of(kobj, struct pci_vfcap, kobj);
}

static ssize_t driver_show(struct pci_vfcap *record, enum pci_vfcap_id id,
			   char *buf)
{
	/* A registered driver stays bound as long as the lock is held. */
	const struct device_driver *drv = READ_ONCE(record->pf->dev.driver);

	return sysfs_emit(buf, "%s\n",
			  vfcap_ops(record) && drv ? drv->name : "none");
}

static ssize_t state_show(struct pci_vfcap *record, enum pci_vfcap_id id, char *buf)
{
	const char *state = "unlocked";

	if (record->changing & BIT(id))
		state = "changing";
	else if (record->showing[id] && !vfcap_is_busy(record->pf))
		state = vfcap_find_loss(record, id, record->seen[id]) ?
			"lost" : "locked";
	else if (record->holders[id])
		state = "locked";
	return sysfs_emit(buf, "%s\n", state);
}

static ssize_t users_show(struct pci_vfcap *record, enum pci_vfcap_id id, char *buf)
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

static ssize_t pf_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	struct vfcap_attribute *va = container_of(attr, struct vfcap_attribute,
						  attr);
	struct pci_vfcap *record = to_record(kobj);

	guard(mutex)(&record->lock);

	return va->show(record, va->id, buf);
}

#define VFCAP_ATTRIBUTE(_name, _id, _show)				\
static struct vfcap_attribute pf_##_name = {				\
	.attr	= { .name = __stringify(_name), .mode = 0444 },		\
	.id	= _id,							\
	.show	= _show,						\
}

VFCAP_ATTRIBUTE(driver, 0, driver_show);
VFCAP_ATTRIBUTE(pasid_state, PCI_VFCAP_PASID, state_show);
VFCAP_ATTRIBUTE(pasid_users, PCI_VFCAP_PASID, users_show);
VFCAP_ATTRIBUTE(pri_state, PCI_VFCAP_PRI, state_show);
VFCAP_ATTRIBUTE(pri_users, PCI_VFCAP_PRI, users_show);

static struct attribute *pf_attrs[] = {
	&pf_driver.attr,
	&pf_pasid_state.attr, &pf_pasid_users.attr,
	&pf_pri_state.attr, &pf_pri_users.attr,
	NULL
};
ATTRIBUTE_GROUPS(pf);

static void pf_release(struct kobject *kobj)
{
	struct pci_vfcap *record = to_record(kobj);

	pci_dev_put(record->pf);
	cleanup_srcu_struct(&record->srcu);
	kfree(record);
}

/* The record outlives the PF's directory if the PF is removed first. */
const struct kobj_type vfcap_pf_ktype = {
	.release	= pf_release,
	.sysfs_ops	= &(const struct sysfs_ops) { .show = pf_show },
	.default_groups	= pf_groups,
};
