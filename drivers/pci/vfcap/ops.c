// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the PF driver's callbacks
 *
 * All are optional, and so is their driver. Each stays for as long as it runs:
 * the end of a registration waits for it.
 */
#include <linux/pci.h>
#include <linux/srcu.h>

#include "pci-vfcap.h"

/* Without a driver */
static const struct pci_vfcap_ops vfcap_no_ops;

/* Its end is srcu_read_unlock(). */
static const struct pci_vfcap_ops *vfcap_begin_call(struct pci_vfcap *record,
						    int *idx)
	__acquires(&record->srcu)
{
	*idx = srcu_read_lock(&record->srcu);
	return srcu_dereference(record->ops, &record->srcu) ?: &vfcap_no_ops;
}

int vfcap_call_place(struct pci_vfcap_vf *handle, enum pci_vfcap_id id)
{
	struct pci_vfcap *record = handle->record;
	const struct pci_vfcap_ops *ops;
	int ret = 0;
	int idx;

	ops = vfcap_begin_call(record, &idx);
	if (ops->place)
		ret = ops->place(record->pf, handle->vf, id);
	srcu_read_unlock(&record->srcu, idx);
	return ret;
}

int vfcap_call_first_user(struct pci_vfcap *record, enum pci_vfcap_id id)
{
	const struct pci_vfcap_ops *ops;
	int ret = 0;
	int idx;

	ops = vfcap_begin_call(record, &idx);
	if (ops->first_user)
		ret = ops->first_user(record->pf, id);
	srcu_read_unlock(&record->srcu, idx);
	return ret;
}

void vfcap_call_last_user(struct pci_vfcap *record, enum pci_vfcap_id id)
{
	const struct pci_vfcap_ops *ops;
	int idx;

	ops = vfcap_begin_call(record, &idx);
	if (ops->last_user)
		ops->last_user(record->pf, id);
	srcu_read_unlock(&record->srcu, idx);
}

u32 vfcap_call_control(struct pci_vfcap_vf *handle, enum pci_vfcap_id id,
		       u32 old, u32 new)
{
	struct pci_vfcap *record = handle->record;
	const struct pci_vfcap_ops *ops;
	u32 ret = new;
	int idx;

	/* Who registers now came too late for this write. */
	if (!rcu_access_pointer(record->ops))
		return new;

	ops = vfcap_begin_call(record, &idx);
	if (ops->control)
		ret = ops->control(record->pf, handle->vf, id, old, new);
	srcu_read_unlock(&record->srcu, idx);
	return ret;
}

int vfcap_call_pri_enable(struct pci_vfcap_vf *handle, u32 allocation)
{
	struct pci_vfcap *record = handle->record;
	const struct pci_vfcap_ops *ops;
	int ret = 0;
	int idx;

	ops = vfcap_begin_call(record, &idx);
	if (ops->pri_enable)
		ret = ops->pri_enable(record->pf, handle->vf, allocation);
	srcu_read_unlock(&record->srcu, idx);
	return ret;
}

void vfcap_call_pri_disable(struct pci_vfcap_vf *handle)
{
	struct pci_vfcap *record = handle->record;
	const struct pci_vfcap_ops *ops;
	int idx;

	ops = vfcap_begin_call(record, &idx);
	if (ops->pri_disable)
		ops->pri_disable(record->pf, handle->vf);
	srcu_read_unlock(&record->srcu, idx);
}

int vfcap_call_pri_drain(struct pci_vfcap_vf *handle, unsigned long timeout)
{
	struct pci_vfcap *record = handle->record;
	const struct pci_vfcap_ops *ops;
	int ret = 0;
	int idx;

	ops = vfcap_begin_call(record, &idx);
	if (ops->pri_drain)
		ret = ops->pri_drain(record->pf, handle->vf, timeout);
	srcu_read_unlock(&record->srcu, idx);
	return ret;
}

void vfcap_call_pri_reset(struct pci_vfcap_vf *handle)
{
	struct pci_vfcap *record = handle->record;
	const struct pci_vfcap_ops *ops;
	int idx;

	ops = vfcap_begin_call(record, &idx);
	if (ops->pri_reset)
		ops->pri_reset(record->pf, handle->vf);
	srcu_read_unlock(&record->srcu, idx);
}
