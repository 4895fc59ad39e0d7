// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a PF's driver can do: take part, and change what its VFs share
 */
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "pci-vfcap.h"

static bool vfcap_ops_valid(const struct pci_vfcap_ops *ops)
{
	int pri = !!ops->pri_enable + !!ops->pri_disable + !!ops->pri_drain +
		  !!ops->pri_reset;

	return pri == 0 || pri == 4;
}

/* Caller holds the lock. */
static void vfcap_set_changing(struct pci_vfcap *record, unsigned long changing)
{
	vfcap_pf_notify(record, record->changing ^ changing);
	record->changing = changing;
}

/* VFs may have been opened before the PF's driver registers. */
static void vfcap_notice_users(struct pci_vfcap *record,
			       const struct pci_vfcap_ops *ops)
{
	unsigned long held, bit;
	int ret;

	scoped_guard(mutex, &record->lock)
		held = vfcap_mask(record->holders);

	for_each_set_bit(bit, &held, PCI_VFCAP_COUNT) {
		ret = ops->first_user ? ops->first_user(record->pf, bit) : 0;
		if (!ret)
			__set_bit(bit, &record->noticed);
		else
			pci_warn(record->pf, "its driver cannot provide %s for VFs that are open already (error %d)\n",
				 vfcap_shared[bit].name, ret);
	}
}

/**
 * pci_vfcap_register - let a PF's driver take part
 * @pf: the PF
 * @ops: its callbacks, which stay valid until pci_vfcap_unregister()
 *
 * A driver that has nothing to say about its VFs need not register: their
 * capabilities then follow the PF's registers. Best called from probe, before VFs
 * are created.
 *
 * Context: Process context. May call @ops->first_user before it returns.
 * Return: 0, -EINVAL if @pf is not a PF or if @ops has some but not all of the
 * pri_* callbacks, -EBUSY if it is registered already, or -ENOMEM.
 */
int pci_vfcap_register(struct pci_dev *pf, const struct pci_vfcap_ops *ops)
{
	struct pci_vfcap *record;

	if (!pf->is_physfn || !vfcap_ops_valid(ops))
		return -EINVAL;

	record = vfcap_get(pf);
	if (IS_ERR(record))
		return PTR_ERR(record);

	guard(mutex)(&record->use_lock);

	/* It is only set and cleared under use_lock. */
	if (rcu_access_pointer(record->ops)) {
		vfcap_put(record);
		return -EBUSY;
	}

	/* first_user sets up what the other callbacks need. */
	record->noticed = 0;
	vfcap_notice_users(record, ops);
	scoped_guard(mutex, &record->lock)
		rcu_assign_pointer(record->ops, ops);
	return 0;
}
EXPORT_SYMBOL_GPL(pci_vfcap_register);

/**
 * vfcap_drop_ops - end a PF driver's registration, if there is one
 * @record: the PF's record; the caller holds a reference of its own
 *
 * Context: Process context. Waits for running callbacks.
 * Return: true if there was one.
 */
bool vfcap_drop_ops(struct pci_vfcap *record)
{
	static const char cause[] =
		"the driver of its PF no longer answers page requests";
	const struct pci_vfcap_ops *ops;
	struct pci_vfcap_vf *handle;

	scoped_guard(mutex, &record->use_lock) {
		guard(mutex)(&record->lock);

		record->noticed = 0;
		vfcap_set_changing(record, 0);
		ops = vfcap_ops(record);
		if (!ops)
			return false;
		rcu_assign_pointer(record->ops, NULL);
		list_for_each_entry(handle, &record->vfs, node)
			if (handle->pri_answered)
				vfcap_lose_one(handle, BIT(PCI_VFCAP_PRI), cause);
		vfcap_log_losses(record, cause);
	}
	synchronize_srcu(&record->srcu);
	vfcap_put(record);
	return true;
}

/**
 * pci_vfcap_unregister - end the registration of a PF's driver
 * @pf: the PF
 *
 * Ends changes that the driver has begun. VFs that show PRI because this driver
 * answers their page requests lose it. Neither pri_disable nor pri_reset is called
 * for them, nor is last_user: the driver undoes by itself what it did for them. It
 * had best remove its VFs before.
 *
 * Does nothing if the PF is not registered.
 *
 * Context: Process context, not from a callback. Waits until all callbacks for
 * this PF have returned; none runs afterwards.
 */
void pci_vfcap_unregister(struct pci_dev *pf)
{
	struct pci_vfcap *record __free(vfcap_put) = vfcap_find(pf);

	if (record)
		vfcap_drop_ops(record);
}
EXPORT_SYMBOL_GPL(pci_vfcap_unregister);

static void vfcap_devm_unregister(void *pf)
{
	pci_vfcap_unregister(pf);
}

/**
 * devm_pci_vfcap_register - pci_vfcap_register() for as long as @pf is bound
 * @pf: the PF
 * @ops: its callbacks
 *
 * The registration ends after the driver's remove callback. A driver that frees
 * there what its vfcap callbacks use must first call pci_vfcap_unregister() itself.
 *
 * Context: As for pci_vfcap_register(), from the driver's probe.
 * Return: As for pci_vfcap_register().
 */
int devm_pci_vfcap_register(struct pci_dev *pf, const struct pci_vfcap_ops *ops)
{
	return pci_vfcap_register(pf, ops) ?:
	       devm_add_action_or_reset(&pf->dev, vfcap_devm_unregister, pf);
}
EXPORT_SYMBOL_GPL(devm_pci_vfcap_register);

/**
 * pci_vfcap_change_begin - ask to change a capability that VFs share
 * @pf: the PF, registered by the calling driver
 * @id: the capability
 *
 * Until pci_vfcap_change_end(), VFs that would show it cannot be opened. Changes of
 * different capabilities nest in any order.
 *
 * Context: Process context; may be called from a callback.
 * Return: 0, -EBUSY if an open VF shows the capability or may come to show it,
 * -EALREADY if a change of it has begun already, -ENOENT if the PF is not registered.
 */
int pci_vfcap_change_begin(struct pci_dev *pf, enum pci_vfcap_id id)
{
	struct pci_vfcap *record __free(vfcap_put) = vfcap_find(pf);

	if (!record)
		return -ENOENT;

	guard(mutex)(&record->lock);

	if (!vfcap_ops(record))
		return -ENOENT;
	if (record->changing & BIT(id))
		return -EALREADY;
	if (record->holders[id])
		return -EBUSY;
	vfcap_set_changing(record, record->changing | BIT(id));
	return 0;
}
EXPORT_SYMBOL_GPL(pci_vfcap_change_begin);

/**
 * pci_vfcap_change_end - end a change
 * @pf: the PF
 * @id: the capability
 *
 * Does nothing if no change has begun.
 *
 * Context: Process context; may be called from a callback.
 */
void pci_vfcap_change_end(struct pci_dev *pf, enum pci_vfcap_id id)
{
	struct pci_vfcap *record __free(vfcap_put) = vfcap_find(pf);

	if (!record)
		return;

	guard(mutex)(&record->lock);

	vfcap_set_changing(record, record->changing & ~BIT(id));
}
EXPORT_SYMBOL_GPL(pci_vfcap_change_end);

/**
 * pci_vfcap_lost - report that the PF's capabilities are gone, or were gone
 * @pf: the PF
 * @cause: what happened, for the log, as in "its PF was reset". The pointer is not
 *	kept.
 *
 * For a driver that knows of an event that its VFs do not see, above all a reset of
 * the PF: that resets the VFs as well, and PASID and PRI may be enabled again before
 * anybody looks. Best called from both the reset_prepare and the reset_done handler:
 * before the device does anything unexpected, and again for a VF that was reset in
 * between and found the capability still in place.
 *
 * All VFs that show a shared capability lose it until they are reset: their
 * PASIDs are detached, and pri_disable and pri_drain follow for each that sends
 * page requests.
 *
 * Context: Process context; may be called from a callback.
 */
void pci_vfcap_lost(struct pci_dev *pf, const char *cause)
{
	struct pci_vfcap *record __free(vfcap_put) = vfcap_find(pf);

	if (!record)
		return;

	guard(mutex)(&record->lock);

	vfcap_lose(record, ~0UL, cause);
}
EXPORT_SYMBOL_GPL(pci_vfcap_lost);
