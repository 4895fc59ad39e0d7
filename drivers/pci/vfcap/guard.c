// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard: notices when a PF's capability is lost while VFs show it
 *
 * Some causes come with an event: the PF's driver is unbound, the PF is removed, or
 * its driver reports a loss. A loss that lasts is found by reading the PF's registers.
 * If the PF is reset, and the kernel restores its registers before anybody looks, the VFs
 * show it: they were reset too (PCIe r6.0, sec 9.2.2.3), and have lost what the kernel
 * had enabled in them.
 */
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "pci-vfcap.h"

/* A VF counts as reset if it is found so twice in a row, which takes less than a second. */
#define VFCAP_GUARD_MISSES	2

/* Is a bit that the kernel has set clear in hardware? */
static bool vfcap_bit_lost(struct pci_dev *vf, bool set, int cap, int reg,
			   u16 bit)
{
	u16 val;

	if (!set || !cap)
		return false;
	pci_read_config_word(vf, cap + reg, &val);
	return !PCI_POSSIBLE_ERROR(val) && !(val & bit);
}

/* The VF's own reset clears these bits too, for a moment. */
static bool vfcap_vf_was_reset(struct pci_dev *vf)
{
	bool lost;

	if (vfcap_is_busy(vf))
		return false;

	lost = vfcap_bit_lost(vf, vf->ats_enabled, vf->ats_cap, PCI_ATS_CTRL,
			      PCI_ATS_CTRL_ENABLE) ||
	       vfcap_bit_lost(vf, vf->msix_enabled, vf->msix_cap,
			      PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);

	return lost && !vfcap_is_busy(vf);
}

static void vfcap_guard_vfs(struct pci_vfcap *record)
{
	static const char cause[] = "its PF was reset, and the VF with it";
	struct pci_vfcap_vf *handle;

	list_for_each_entry(handle, &record->vfs, node) {
		if (!vfcap_vf_was_reset(handle->vf))
			handle->misses = 0;
		/* Counted also while a VF shows nothing, since it may later. */
		else if (++handle->misses >= VFCAP_GUARD_MISSES)
			vfcap_lose_one(handle, ~0UL, cause);
	}
	vfcap_log_losses(record, cause);
}

/*
 * Capabilities that were lost for the same cause are reported together. Returns false if
 * there is no point in looking at the VFs.
 */
static bool vfcap_guard_pf(struct pci_vfcap *record)
{
	const char *causes[PCI_VFCAP_COUNT] = {};
	unsigned long shown = vfcap_mask(record->showing);
	unsigned long bit, other, mask, well = 0;
	struct pci_vfcap_vf *handle;
	bool answers = true;

	if (vfcap_is_busy(record->pf))
		return false;
	for_each_set_bit(bit, &shown, PCI_VFCAP_COUNT)
		causes[bit] = vfcap_find_loss(record, bit, record->seen[bit]);
	/* If it has become busy meanwhile, what was read means nothing. */
	if (vfcap_is_busy(record->pf))
		return false;

	for_each_set_bit(bit, &shown, PCI_VFCAP_COUNT) {
		mask = 0;
		for_each_set_bit(other, &shown, PCI_VFCAP_COUNT)
			if (causes[other] == causes[bit])
				mask |= BIT(other);
		if (causes[bit])
			vfcap_lose(record, mask, causes[bit]);
		else
			well |= BIT(bit);
		answers &= causes[bit] != vfcap_no_answer;
	}
	list_for_each_entry(handle, &record->vfs, node)
		vfcap_find_returned(handle, well);
	vfcap_pf_notify(record, record->missing ^ (shown & ~well));
	record->missing = shown & ~well;
	return answers;
}

/**
 * vfcap_guard - check a PF whose VFs show capabilities
 * @work: the record's @guard
 */
void vfcap_guard(struct work_struct *work)
{
	struct pci_vfcap *record = container_of(to_delayed_work(work),
						struct pci_vfcap, guard);

	guard(mutex)(&record->lock);

	if (vfcap_guard_pf(record))
		vfcap_guard_vfs(record);
	if (vfcap_mask(record->showing))
		vfcap_guard_start(record);
}

/*
 * PF drivers that check pci_vfs_assigned() leave assigned VFs behind when they are unbound.
 * VFs that are not marked as assigned are removed first, which waits for their users as
 * with vfio-pci.
 */
static void vfcap_pf_unbinding(struct pci_vfcap *record)
{
	struct pci_vfcap_vf *handle;

	guard(mutex)(&record->lock);

	record->unbinding = true;
	list_for_each_entry(handle, &record->vfs, node)
		pci_clear_dev_assigned(handle->vf);
	vfcap_lose(record, ~0UL, pci_device_is_present(record->pf) ?
		   "the driver of its PF is being unbound" :
		   "its PF is being removed, and does not answer");
}

/*
 * The code of a driver that forgot to unregister may be unloaded next. The record may have
 * been made after the unbinding began, so that vfcap_pf_unbinding() has not seen it yet.
 */
static void vfcap_pf_unbound(struct pci_vfcap *record)
{
	vfcap_pf_unbinding(record);
	if (vfcap_drop_ops(record))
		pci_warn(record->pf, "its driver did not call pci_vfcap_unregister()\n");
}

/* Called after a failed probe, before devres, which may be what unregisters the driver */
static void vfcap_pf_not_bound(struct pci_vfcap *record)
{
	vfcap_pf_unbinding(record);
	vfcap_drop_ops(record);
}

static void vfcap_pf_bound(struct pci_vfcap *record)
{
	struct pci_vfcap_vf *handle;

	vfcap_show_dir(record);

	guard(mutex)(&record->lock);

	record->unbinding = false;
	list_for_each_entry(handle, &record->vfs, node)
		vfcap_mark_assigned(handle);
}

static void vfcap_pf_removed(struct pci_vfcap *record)
{
	scoped_guard(mutex, &record->lock)
		vfcap_lose(record, ~0UL, "its PF was removed");
	vfcap_hide_dir(record);
}

static int vfcap_guard_notify(struct notifier_block *nb, unsigned long action,
			      void *data)
{
	static void (* const handlers[])(struct pci_vfcap *record) = {
		[BUS_NOTIFY_DRIVER_NOT_BOUND]	= vfcap_pf_not_bound,
		[BUS_NOTIFY_BOUND_DRIVER]	= vfcap_pf_bound,
		[BUS_NOTIFY_UNBIND_DRIVER]	= vfcap_pf_unbinding,
		[BUS_NOTIFY_UNBOUND_DRIVER]	= vfcap_pf_unbound,
		[BUS_NOTIFY_DEL_DEVICE]		= vfcap_pf_removed,
	};
	struct pci_vfcap *record __free(vfcap_put) = NULL;

	if (action >= ARRAY_SIZE(handlers) || !handlers[action])
		return NOTIFY_DONE;

	record = vfcap_find(to_pci_dev(data));
	if (record)
		handlers[action](record);
	return NOTIFY_OK;
}

struct notifier_block vfcap_guard_nb = {
	.notifier_call = vfcap_guard_notify,
};
