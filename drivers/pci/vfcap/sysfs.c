// SPDX-License-Identifier: GPL-2.0-only
/*
 * "vfcap" in the sysfs folders of a PF and of its VFs, see
 * Documentation/ABI/testing/sysfs-bus-pci-vfcap
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "pci-vfcap.h"

/**
 * struct vfcap_attribute - an attribute of one capability
 * @attr: its name and mode
 * @id: the capability
 * @show_pf: Print it for a PF, with its lock held.
 * @show_vf: Or for a VF.
 */
struct vfcap_attribute {
	struct attribute attr;
	enum pci_vfcap_id id;
	ssize_t (*show_pf)(struct pci_vfcap *shared, enum pci_vfcap_id id,
			   char *buf);
	ssize_t (*show_vf)(struct pci_vfcap_vf *user, enum pci_vfcap_id id,
			   char *buf);
};

static struct pci_vfcap *to_shared(struct kobject *kobj)
{
	return container_of(kobj, struct pci_vfcap, kobj);
}

static struct pci_vfcap_vf *to_user(struct kobject *kobj)
{
	return container_of(kobj, struct pci_vfcap_vf, kobj);
}

static ssize_t pf_driver_show(struct pci_vfcap *shared, enum pci_vfcap_id id,
			      char *buf)
{
	/* It stays while it is registered, and that while we hold the lock. */
	const struct device_driver *drv = READ_ONCE(shared->pf->dev.driver);

	return sysfs_emit(buf, "%s\n",
			  vfcap_ops(shared) && drv ? drv->name : "none");
}

static ssize_t pf_state_show(struct pci_vfcap *shared, enum pci_vfcap_id id,
			     char *buf)
{
	const char *state = "unlocked";

	if (shared->changing & BIT(id))
		state = "changing";
	else if (vfcap_shown(shared) & BIT(id))
		state = vfcap_find_loss(shared, id) ? "lost" : "locked";
	else if (vfcap_held(shared) & BIT(id))
		state = "locked";
	return sysfs_emit(buf, "%s\n", state);
}

static ssize_t pf_users_show(struct pci_vfcap *shared, enum pci_vfcap_id id,
			     char *buf)
{
	struct pci_vfcap_vf *user;
	int len = 0;

	list_for_each_entry(user, &shared->vfs, node)
		if (user->held & BIT(id))
			len += sysfs_emit_at(buf, len, "%s\n",
					     pci_name(user->vf));
	return len;
}

static ssize_t vf_state_show(struct pci_vfcap_vf *user, enum pci_vfcap_id id,
			     char *buf)
{
	const char *state = "hidden";

	if (user->lost & BIT(id))
		state = "lost";
	else if (vfcap_is_shown(user, id))
		state = "shown";
	else if (user->held & BIT(id))
		state = "held";
	return sysfs_emit(buf, "%s\n", state);
}

static ssize_t vf_offset_show(struct pci_vfcap_vf *user, enum pci_vfcap_id id,
			      char *buf)
{
	return sysfs_emit(buf, "%#x\n", user->pos[id]);
}

#define VFCAP_ATTRIBUTE(_var, _name, _id, ...)				\
static struct vfcap_attribute _var = {					\
	.attr	= { .name = #_name, .mode = 0444 },			\
	.id	= _id,							\
	__VA_ARGS__							\
}

VFCAP_ATTRIBUTE(pf_driver, driver, 0, .show_pf = pf_driver_show);
VFCAP_ATTRIBUTE(pf_pasid_state, state, PCI_VFCAP_PASID, .show_pf = pf_state_show);
VFCAP_ATTRIBUTE(pf_pasid_users, users, PCI_VFCAP_PASID, .show_pf = pf_users_show);
VFCAP_ATTRIBUTE(pf_pri_state, state, PCI_VFCAP_PRI, .show_pf = pf_state_show);
VFCAP_ATTRIBUTE(pf_pri_users, users, PCI_VFCAP_PRI, .show_pf = pf_users_show);
VFCAP_ATTRIBUTE(vf_pasid_state, state, PCI_VFCAP_PASID, .show_vf = vf_state_show);
VFCAP_ATTRIBUTE(vf_pasid_offset, offset, PCI_VFCAP_PASID, .show_vf = vf_offset_show);
VFCAP_ATTRIBUTE(vf_pri_state, state, PCI_VFCAP_PRI, .show_vf = vf_state_show);
VFCAP_ATTRIBUTE(vf_pri_offset, offset, PCI_VFCAP_PRI, .show_vf = vf_offset_show);

#define VFCAP_GROUP(_var, _name, ...)					\
static const struct attribute_group _var = {				\
	.name	= _name,						\
	.attrs	= (struct attribute *[]) { __VA_ARGS__, NULL },		\
}

VFCAP_GROUP(pf_group, NULL, &pf_driver.attr);
VFCAP_GROUP(pf_pasid_group, "pasid", &pf_pasid_state.attr, &pf_pasid_users.attr);
VFCAP_GROUP(pf_pri_group, "pri", &pf_pri_state.attr, &pf_pri_users.attr);
VFCAP_GROUP(vf_pasid_group, "pasid", &vf_pasid_state.attr, &vf_pasid_offset.attr);
VFCAP_GROUP(vf_pri_group, "pri", &vf_pri_state.attr, &vf_pri_offset.attr);

static const struct attribute_group *pf_groups[] = {
	&pf_group, &pf_pasid_group, &pf_pri_group, NULL
};

static const struct attribute_group *vf_groups[] = {
	&vf_pasid_group, &vf_pri_group, NULL
};

static ssize_t pf_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	const struct vfcap_attribute *va =
		container_of(attr, struct vfcap_attribute, attr);
	struct pci_vfcap *shared = to_shared(kobj);

	guard(mutex)(&shared->lock);

	return va->show_pf(shared, va->id, buf);
}

static ssize_t vf_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	const struct vfcap_attribute *va =
		container_of(attr, struct vfcap_attribute, attr);
	struct pci_vfcap_vf *user = to_user(kobj);

	guard(mutex)(&user->shared->lock);

	return va->show_vf(user, va->id, buf);
}

static void pf_release(struct kobject *kobj)
{
	struct pci_vfcap *shared = to_shared(kobj);

	pci_dev_put(shared->pf);
	cleanup_srcu_struct(&shared->srcu);
	kfree(shared);
}

static void vf_release(struct kobject *kobj)
{
	kfree(to_user(kobj));
}

const struct kobj_type vfcap_pf_ktype = {
	.release	= pf_release,
	.sysfs_ops	= &(const struct sysfs_ops) { .show = pf_show },
	.default_groups	= pf_groups,
};

const struct kobj_type vfcap_vf_ktype = {
	.release	= vf_release,
	.sysfs_ops	= &(const struct sysfs_ops) { .show = vf_show },
	.default_groups	= vf_groups,
};

/**
 * vfcap_sysfs_notify - wake who polls the state of a VF's capabilities
 * @user: the VF's handle
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each
 */
void vfcap_sysfs_notify(struct pci_vfcap_vf *user, unsigned long mask)
{
	unsigned long bit;

	for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT)
		sysfs_notify(&user->kobj, vfcap_shared[bit].dir, "state");
}
