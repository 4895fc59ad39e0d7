// SPDX-License-Identifier: GPL-2.0-only
/*
 * A record per PF whose VFs take part, found from the struct pci_dev
 *
 * Nothing here is keyed by bus number: buses are renumbered, and a PF that was
 * removed and found again is another struct pci_dev, hence another record.
 */
#include <linux/cleanup.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-vfcap.h>
#include <linux/slab.h>

/**
 * struct pci_vfcap - what is known of one PF
 * @node: entry in vfcap_list
 * @ref: one reference per user, usually a VF's driver
 * @pf: the PF. A reference on it is held, so it outlives its removal, and its
 *	address is not given to another device meanwhile.
 */
struct pci_vfcap {
	struct list_head node;
	struct kref ref;
	struct pci_dev *pf;
};

static LIST_HEAD(vfcap_list);

/* Protects vfcap_list and the last put of a record. Innermost. */
static DEFINE_MUTEX(vfcap_list_lock);

/**
 * pci_vfcap_get - get the record of a VF's PF
 * @vf: the virtual function
 *
 * The record is made by the first caller. It stays valid, and keeps naming the
 * same PF, until pci_vfcap_put(), even when the VF or the PF is removed first.
 *
 * Context: Process context. The caller holds a reference on @vf. Takes no
 * device lock, so it may be called from a driver's probe, also from inside the
 * PF driver's pci_enable_sriov().
 * Return: the record, ERR_PTR(-EINVAL) when @vf is no VF, ERR_PTR(-ENOMEM).
 */
struct pci_vfcap *pci_vfcap_get(struct pci_dev *vf)
{
	struct pci_dev *pf = pci_physfn(vf);
	struct pci_vfcap *vfcap;

	if (!vf->is_virtfn)
		return ERR_PTR(-EINVAL);

	guard(mutex)(&vfcap_list_lock);

	list_for_each_entry(vfcap, &vfcap_list, node) {
		if (vfcap->pf == pf) {
			kref_get(&vfcap->ref);
			return vfcap;
		}
	}

	vfcap = kzalloc(sizeof(*vfcap), GFP_KERNEL);
	if (!vfcap)
		return ERR_PTR(-ENOMEM);

	kref_init(&vfcap->ref);
	vfcap->pf = pci_dev_get(pf);
	list_add(&vfcap->node, &vfcap_list);
	return vfcap;
}
EXPORT_SYMBOL_GPL(pci_vfcap_get);

/* Called with the lock held, by kref_put_mutex(). */
static void vfcap_release(struct kref *ref)
{
	struct pci_vfcap *vfcap = container_of(ref, struct pci_vfcap, ref);

	list_del(&vfcap->node);
	mutex_unlock(&vfcap_list_lock);

	pci_dev_put(vfcap->pf);
	kfree(vfcap);
}

/**
 * pci_vfcap_put - give a record back
 * @vfcap: what pci_vfcap_get() returned
 *
 * Context: Process context.
 */
void pci_vfcap_put(struct pci_vfcap *vfcap)
{
	kref_put_mutex(&vfcap->ref, vfcap_release, &vfcap_list_lock);
}
EXPORT_SYMBOL_GPL(pci_vfcap_put);

/**
 * pci_vfcap_pf - the PF that a record is about
 * @vfcap: the record
 *
 * Context: Any context.
 * Return: the PF, valid as long as the record is held. It may have been
 * removed from its bus meanwhile.
 */
struct pci_dev *pci_vfcap_pf(const struct pci_vfcap *vfcap)
{
	return vfcap->pf;
}
EXPORT_SYMBOL_GPL(pci_vfcap_pf);

/**
 * pci_vfcap_read - read an extended capability of the PF
 * @vfcap: the record
 * @id: extended capability ID, e.g. PCI_EXT_CAP_ID_PASID
 * @regs: where the registers go, from the capability header on, CPU endian
 * @nr_regs: how many dwords to read
 *
 * Reads the hardware and not what the kernel remembers of it: resets, other
 * users of the PF and user space change registers behind the kernel's back.
 *
 * Context: Any context that may read config space. The result is a snapshot;
 * no lock keeps it true.
 * Return: the capability's offset in bytes, -ENOENT when the PF has no such
 * capability, -ENODEV when it does not answer (removed, or powered down).
 */
int pci_vfcap_read(struct pci_vfcap *vfcap, u16 id, u32 *regs, size_t nr_regs)
{
	struct pci_dev *pf = vfcap->pf;
	int pos = pci_find_ext_capability(pf, id);
	size_t i;

	for (i = 0; pos && i < nr_regs; i++)
		pci_read_config_dword(pf, pos + i * sizeof(*regs), &regs[i]);

	/* Last, so that what was read before it was read from a live device. */
	if (!pci_device_is_present(pf))
		return -ENODEV;

	return pos ?: -ENOENT;
}
EXPORT_SYMBOL_GPL(pci_vfcap_read);

static void __exit pci_vfcap_exit(void)
{
	/* Users hold the module; a record that is left was never given back. */
	WARN_ON(!list_empty(&vfcap_list));
}
module_exit(pci_vfcap_exit);

MODULE_DESCRIPTION("PCI capabilities that VFs share with their PF");
MODULE_AUTHOR("The vfcap authors");
MODULE_LICENSE("GPL");
