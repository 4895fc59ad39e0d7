// SPDX-License-Identifier: GPL-2.0-only
/*
 * A record per PF that takes part, found from the struct pci_dev
 *
 * Nothing here is keyed by bus number: buses can be renumbered, and a PF that was
 * removed and found again is another struct pci_dev, hence has another record.
 */
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "pci-vfcap.h"

/* How often the guard looks */
#define VFCAP_GUARD_PERIOD	msecs_to_jiffies(300)

#define VFCAP_PASID_CTRL(bits)	((u32)(bits) << 16)

/* Found by the kernel when it enumerated the PF, if it was configured to look for it */
static u16 vfcap_find_pasid(struct pci_dev *pf)
{
#ifdef CONFIG_PCI_PASID
	return pf->pasid_cap;
#else
	return pci_find_ext_capability(pf, PCI_EXT_CAP_ID_PASID);
#endif
}

static u16 vfcap_find_pri(struct pci_dev *pf)
{
#ifdef CONFIG_PCI_PRI
	return pf->pri_cap;
#else
	return pci_find_ext_capability(pf, PCI_EXT_CAP_ID_PRI);
#endif
}

const struct vfcap_shared vfcap_shared[PCI_VFCAP_COUNT] = {
	[PCI_VFCAP_PASID] = {
		.name	 = "PASID",
		.state_file = "pasid_state",
		.ext_id	 = PCI_EXT_CAP_ID_PASID,
		.find	 = vfcap_find_pasid,
		.nr_regs = PCI_EXT_CAP_PASID_SIZEOF / sizeof(u32),
		.locked	 = {
			[PCI_PASID_CAP / 4] =
				VFCAP_PASID_CTRL(PCI_PASID_CTRL_ENABLE |
						 PCI_PASID_CTRL_EXEC |
						 PCI_PASID_CTRL_PRIV),
		},
	},
	[PCI_VFCAP_PRI] = {
		.name	 = "PRI",
		.state_file = "pri_state",
		.ext_id	 = PCI_EXT_CAP_ID_PRI,
		.find	 = vfcap_find_pri,
		.nr_regs = PCI_EXT_CAP_PRI_SIZEOF / sizeof(u32),
		/* VFs were given shares of the allocation. */
		.number	 = PCI_PRI_ALLOC_REQ / 4,
		.locked	 = {
			[PCI_PRI_CTRL / 4]	= PCI_PRI_CTRL_ENABLE,
		},
	},
};

struct workqueue_struct *vfcap_wq;
const struct vfcap_pf_ops *vfcap_pf_ops;

static LIST_HEAD(vfcap_list);

/*
 * Protects vfcap_list and the records' reference counts, and keeps the sysfs directories of a
 * record and of its successor from existing at the same time. Nests inside a record's
 * @use_lock and outside its @lock.
 */
static DEFINE_MUTEX(vfcap_list_lock);

static struct pci_vfcap *vfcap_lookup(struct pci_dev *pf)
{
	struct pci_vfcap *record;

	list_for_each_entry(record, &vfcap_list, node) {
		if (record->pf == pf) {
			record->refs++;
			return record;
		}
	}
	return NULL;
}

/**
 * vfcap_no_records - whether all records were put
 *
 * Return: true if so.
 */
bool vfcap_no_records(void)
{
	return list_empty(&vfcap_list);
}

/**
 * vfcap_find - find the record of a PF
 * @pf: the PF
 *
 * Context: Process context.
 * Return: the record, to be released with vfcap_put(), or NULL if there is none.
 */
struct pci_vfcap *vfcap_find(struct pci_dev *pf)
{
	guard(mutex)(&vfcap_list_lock);

	return vfcap_lookup(pf);
}

/* A driver that hands the PF to user space may have made a directory of this name. */
static bool vfcap_has_dir(struct pci_dev *pf)
{
	struct kernfs_node *dir = sysfs_get_dirent(pf->dev.kobj.sd, "vfcap");

	sysfs_put(dir);
	return dir;
}

/*
 * A directory is only made while the PF has a driver. The PF's removal first unbinds the
 * driver and then deletes the PF, and our notifier waits at either event for the lock that
 * is held here. So the parent directory cannot go away meanwhile. Only readers depend on the
 * directory.
 */
static void vfcap_add_dir(struct pci_vfcap *record)
{
	struct pci_dev *pf = record->pf;
	enum pci_vfcap_id id;
	int ret;

	lockdep_assert_held(&vfcap_list_lock);

	if (!READ_ONCE(pf->dev.driver) || vfcap_has_dir(pf))
		return;
	ret = kobject_add(&record->kobj, &pf->dev.kobj, "vfcap");
	if (ret) {
		pci_warn(pf, "no directory \"vfcap\" in sysfs (error %d)\n", ret);
		return;
	}

	guard(mutex)(&record->lock);
	for (id = 0; id < PCI_VFCAP_COUNT; id++)
		record->state_files[id] =
			sysfs_get_dirent(record->kobj.sd,
					 vfcap_shared[id].state_file);
}

static void vfcap_del_dir(struct pci_vfcap *record)
{
	enum pci_vfcap_id id;

	lockdep_assert_held(&vfcap_list_lock);

	if (!record->kobj.state_in_sysfs)
		return;
	scoped_guard(mutex, &record->lock)
		for (id = 0; id < PCI_VFCAP_COUNT; id++) {
			sysfs_put(record->state_files[id]);
			record->state_files[id] = NULL;
		}
	/* Waits for readers, which take the lock. */
	kobject_del(&record->kobj);
}

/**
 * vfcap_show_dir - make the PF's sysfs directory if it is missing
 * @record: the record
 *
 * Context: Process context.
 */
void vfcap_show_dir(struct pci_vfcap *record)
{
	guard(mutex)(&vfcap_list_lock);

	vfcap_add_dir(record);
}

/**
 * vfcap_hide_dir - remove the PF's sysfs directory before the PF goes
 * @record: the record
 *
 * Context: Process context. Waits for readers.
 */
void vfcap_hide_dir(struct pci_vfcap *record)
{
	guard(mutex)(&vfcap_list_lock);

	vfcap_del_dir(record);
}

/**
 * vfcap_pf_notify - wake pollers of the state of a PF's capabilities
 * @record: the PF's record, with its lock held
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each
 */
void vfcap_pf_notify(struct pci_vfcap *record, unsigned long mask)
{
	unsigned long bit;

	lockdep_assert_held(&record->lock);

	for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT)
		if (record->state_files[bit])
			sysfs_notify_dirent(record->state_files[bit]);
}

static struct pci_vfcap *vfcap_make(struct pci_dev *pf)
{
	struct pci_vfcap *record;
	int ret;

	record = kzalloc_obj(*record, GFP_KERNEL);
	if (!record)
		return ERR_PTR(-ENOMEM);

	ret = init_srcu_struct(&record->srcu);
	if (ret) {
		kfree(record);
		return ERR_PTR(ret);
	}

	record->refs = 1;
	record->pf = pci_dev_get(pf);
	/* The driver may be gone already, leaving VFs behind: there was no record then. */
	record->unbinding = !pf->dev.driver;
	mutex_init(&record->use_lock);
	mutex_init(&record->lock);
	INIT_LIST_HEAD(&record->vfs);
	INIT_DELAYED_WORK(&record->guard, vfcap_pf_ops->guard);
	kobject_init(&record->kobj, vfcap_pf_ops->ktype);
	list_add(&record->node, &vfcap_list);
	return record;
}

/**
 * vfcap_get - find the record of a PF, or make it
 * @pf: the PF
 *
 * The record stays valid, and keeps referring to the same PF, until vfcap_put(),
 * even if the PF is removed first.
 *
 * Context: Process context. The caller holds a reference on @pf. Takes no
 * device lock, so it may be called from a VF driver's probe inside the PF
 * driver's pci_enable_sriov().
 * Return: the record, or ERR_PTR(-errno).
 */
struct pci_vfcap *vfcap_get(struct pci_dev *pf)
{
	struct pci_vfcap *record;

	guard(mutex)(&vfcap_list_lock);

	record = vfcap_lookup(pf) ?: vfcap_make(pf);
	if (!IS_ERR(record))
		vfcap_add_dir(record);
	return record;
}

/**
 * vfcap_put - release a record
 * @record: the record; NULL does nothing
 *
 * Context: Process context.
 */
void vfcap_put(struct pci_vfcap *record)
{
	if (!record)
		return;

	guard(mutex)(&vfcap_list_lock);

	if (--record->refs)
		return;

	list_del(&record->node);
	cancel_delayed_work_sync(&record->guard);
	vfcap_del_dir(record);
	kobject_put(&record->kobj);
}

/**
 * pci_vfcap_read - read a capability that a PF shares with its VFs
 * @pf: the PF
 * @id: which one
 * @regs: filled with the registers, from the capability header on, in CPU endianness
 * @nr_regs: how many dwords to read
 *
 * Reads the hardware and not a cached copy: resets, other users of the PF and user space
 * change registers behind the kernel's back. The result is a snapshot; the registers are
 * watched only while a VF shows the capability.
 *
 * Context: Any context that may read config space.
 * Return: the capability's offset in bytes, -ENOENT if the PF has no such
 * capability, -ENODEV if it does not answer (removed, or powered down).
 */
int pci_vfcap_read(struct pci_dev *pf, enum pci_vfcap_id id, u32 *regs,
		   size_t nr_regs)
{
	const struct vfcap_shared *cap = &vfcap_shared[id];
	u16 pos = cap->find(pf);
	u32 val = 0;
	size_t i;

	if (pos)
		pci_read_config_dword(pf, pos, &val);
	if (PCI_EXT_CAP_ID(val) != cap->ext_id)
		return pci_device_is_present(pf) ? -ENOENT : -ENODEV;

	for (i = 0; i < nr_regs; i++) {
		if (i)
			pci_read_config_dword(pf, pos + i * sizeof(val), &val);
		regs[i] = val;
	}

	/*
	 * Checked last: if the device is present now, all registers were read from a live
	 * device. The same is true if the last register is not all ones.
	 */
	if (PCI_POSSIBLE_ERROR(val) && !pci_device_is_present(pf))
		return -ENODEV;
	return pos;
}
EXPORT_SYMBOL_GPL(pci_vfcap_read);

/**
 * vfcap_mask - which capabilities any VF of a PF holds or shows
 * @counts: how many VFs do so: @holders or @showing of its record, with the lock held
 *
 * Return: a mask of BIT(enum pci_vfcap_id).
 */
unsigned long vfcap_mask(const unsigned int *counts)
{
	unsigned long mask = 0;
	enum pci_vfcap_id id;

	for (id = 0; id < PCI_VFCAP_COUNT; id++)
		if (counts[id])
			mask |= BIT(id);
	return mask;
}

/**
 * vfcap_find_vf - find the handle of a VF
 * @record: the record of its PF, with its lock held
 * @vf: the VF
 *
 * Return: the handle, valid as long as the lock is held, or NULL if the VF takes no part.
 */
struct pci_vfcap_vf *vfcap_find_vf(struct pci_vfcap *record, struct pci_dev *vf)
{
	struct pci_vfcap_vf *handle;

	lockdep_assert_held(&record->lock);

	list_for_each_entry(handle, &record->vfs, node)
		if (handle->vf == vf)
			return handle;
	return NULL;
}

/**
 * pci_vfcap_usable - whether a capability may be enabled in the VF
 * @handle: the VF's handle; NULL loses nothing
 * @id: a capability that it shows
 *
 * The capability may be lost right afterwards; the lost callback is called after this
 * function has begun to return false.
 *
 * Context: Process context.
 * Return: false while it is lost.
 */
bool pci_vfcap_usable(struct pci_vfcap_vf *handle, enum pci_vfcap_id id)
{
	if (!handle)
		return true;

	guard(mutex)(&handle->record->lock);

	return vfcap_is_shown(handle, id) && !(handle->lost & BIT(id));
}
EXPORT_SYMBOL_GPL(pci_vfcap_usable);

/**
 * vfcap_guard_start - let the guard watch a PF
 * @record: the PF's record, with its lock held
 *
 * The guard goes on for as long as a VF shows a capability.
 */
void vfcap_guard_start(struct pci_vfcap *record)
{
	queue_delayed_work(vfcap_wq, &record->guard, VFCAP_GUARD_PERIOD);
}
