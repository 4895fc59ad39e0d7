// SPDX-License-Identifier: GPL-2.0-only
/*
 * Losses: why a PF's VFs can no longer use a capability, and who is notified
 *
 * A PF can have thousands of VFs, and all of them lose what they share at the same time.
 * So that no guest has it longer than others, all VFs are marked first and their drivers
 * called, which take it away in workers of their own. A few lines in the log follow.
 * When a VF's driver says that it is done, another worker sends the VF's uevent. The end
 * of a loss sends a uevent too.
 */
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "pci-vfcap.h"

/* If no more VFs than this lose something, the log names each. */
#define VFCAP_VFS_NAMED		8

/* Sends uevents one at a time: there may be thousands, and nobody waits for them. */
struct workqueue_struct *vfcap_tell_wq;

const char vfcap_no_answer[] =
	"its PF does not answer; it was removed or is powered down";

/**
 * vfcap_is_busy - whether the kernel is resetting a function, or recovering it from an error
 * @pdev: the PF or VF
 *
 * Its registers are meaningless then, and must not be accessed.
 *
 * Return: true if so.
 */
bool vfcap_is_busy(struct pci_dev *pdev)
{
	return pdev->block_cfg_access ||
	       READ_ONCE(pdev->error_state) == pci_channel_io_frozen;
}

/* Read from hardware, since user space can change it behind the kernel's back. */
static bool vfcap_in_low_power(struct pci_dev *pf)
{
	u16 pmcsr = 0;

	if (pf->pm_cap)
		pci_read_config_word(pf, pf->pm_cap + PCI_PM_CTRL, &pmcsr);
	return pmcsr & PCI_PM_CTRL_STATE_MASK;
}

/**
 * vfcap_find_loss - why a PF cannot provide a capability at this time
 * @record: the PF's record, with its lock held
 * @id: a capability that VFs show, or showed
 * @seen: what its registers had set when they did
 *
 * Return: the cause as far as it is known, NULL if all is well.
 */
const char *vfcap_find_loss(struct pci_vfcap *record, enum pci_vfcap_id id,
			    const u32 *seen)
{
	const struct vfcap_shared *cap = &vfcap_shared[id];
	u32 regs[VFCAP_SHARED_REGS];
	unsigned int i;
	bool lost;
	int pos;

	lockdep_assert_held(&record->lock);

	/* The notifier may miss a probe that fails, or be called before the probe ends. */
	if (!READ_ONCE(record->pf->dev.driver))
		return "its PF has no driver";

	pos = pci_vfcap_read(record->pf, id, regs, cap->nr_regs);
	if (pos == -ENODEV)
		return vfcap_no_answer;
	if (pos < 0)
		return "the capability is gone from its PF";
	if (vfcap_in_low_power(record->pf))
		return "its PF is in a low power state";

	lost = cap->number && regs[cap->number] < seen[cap->number];
	for (i = 0; i < cap->nr_regs; i++)
		if (cap->locked[i])
			lost |= PCI_POSSIBLE_ERROR(regs[i]) ||
				seen[i] & cap->locked[i] & ~regs[i];
	return lost ?
	       "it was disabled in its PF (user space, IOMMU driver, reset)" :
	       NULL;
}

/**
 * vfcap_lose_one - take lost capabilities from a VF that shows them
 * @handle: the VF's handle, with its PF's lock held
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each
 * @text: the cause
 *
 * The VF's driver is notified once, and then not again until the VF has the capability
 * back, which takes a reset that begins after the last call. The caller calls
 * vfcap_log_losses() before it releases the lock.
 */
void vfcap_lose_one(struct pci_vfcap_vf *handle, unsigned long mask,
		    const char *text)
{
	unsigned long new = 0, bit;

	lockdep_assert_held(&handle->record->lock);

	handle->losses++;
	for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT) {
		if (!vfcap_is_shown(handle, bit))
			continue;
		handle->lost_last[bit] = handle->losses;
		if (handle->lost & BIT(bit))
			continue;
		new |= BIT(bit);
		strscpy(handle->cause[bit], text);
	}
	if (!new)
		return;

	handle->lost |= new;
	handle->losing |= new;
	handle->over &= ~new;
	handle->unlogged |= new;
	handle->ops->lost(handle->priv, new);
}

/**
 * vfcap_log_losses - log what VFs have lost
 * @record: the PF's record, with its lock held since they lost it
 * @cause: why
 *
 * If more than VFCAP_VFS_NAMED VFs have lost the same, there is one line for all of them.
 */
void vfcap_log_losses(struct pci_vfcap *record, const char *cause)
{
	static const char * const names[BIT(PCI_VFCAP_COUNT)] = {
		[BIT(PCI_VFCAP_PASID)]				= "PASID",
		[BIT(PCI_VFCAP_PRI)]				= "PRI",
		[BIT(PCI_VFCAP_PASID) | BIT(PCI_VFCAP_PRI)]	= "PASID and PRI",
	};
	unsigned int nr[BIT(PCI_VFCAP_COUNT)] = {};
	struct pci_dev *pf = record->pf;
	struct pci_vfcap_vf *handle;
	unsigned long mask;

	lockdep_assert_held(&record->lock);

	list_for_each_entry(handle, &record->vfs, node)
		nr[handle->unlogged]++;
	for (mask = 1; mask < ARRAY_SIZE(nr); mask++)
		if (nr[mask] > VFCAP_VFS_NAMED)
			pci_err(pf, "%s lost by %u of its VFs: %s; their users cannot enable it until the PF has it back and then the VF is reset\n",
				names[mask], nr[mask], cause);

	list_for_each_entry(handle, &record->vfs, node) {
		mask = handle->unlogged;
		handle->unlogged = 0;
		if (mask && nr[mask] <= VFCAP_VFS_NAMED)
			pci_err(handle->vf, "%s lost: %s; its user cannot enable it until PF %s has it back and then the VF is reset\n",
				names[mask], cause, pci_name(pf));
	}
}

/**
 * vfcap_lose - take lost capabilities from all VFs that show them
 * @record: the PF's record, with its lock held
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each
 * @text: the cause
 *
 * Does what vfcap_lose_one() does, and logs it.
 */
void vfcap_lose(struct pci_vfcap *record, unsigned long mask, const char *text)
{
	struct pci_vfcap_vf *handle;

	list_for_each_entry(handle, &record->vfs, node)
		vfcap_lose_one(handle, mask, text);
	vfcap_log_losses(record, text);
}

/**
 * vfcap_loss_done - note that what was lost has been taken from the VF's guest
 * @handle: the VF's handle, with its PF's lock held
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each; those that are not being lost are
 *	ignored
 */
void vfcap_loss_done(struct pci_vfcap_vf *handle, unsigned long mask)
{
	lockdep_assert_held(&handle->record->lock);

	mask &= handle->losing;
	if (!mask)
		return;
	handle->losing &= ~mask;
	handle->untold |= mask;
	queue_work(vfcap_tell_wq, &handle->tell);
}

/**
 * pci_vfcap_loss_done - report that what was lost has been taken from the VF's guest
 * @handle: the VF's handle
 * @mask: what the lost callback was called with, or that of several calls together
 *
 * Context: Process context. Makes no callbacks.
 */
void pci_vfcap_loss_done(struct pci_vfcap_vf *handle, unsigned long mask)
{
	guard(mutex)(&handle->record->lock);

	vfcap_loss_done(handle, mask);
}
EXPORT_SYMBOL_GPL(pci_vfcap_loss_done);

/**
 * pci_vfcap_query_loss - what is known about a VF's loss
 * @handle: the VF's handle; NULL has lost nothing
 * @id: a capability that it shows
 * @cause: filled with why it was lost, PCI_VFCAP_CAUSE_SIZE bytes
 * @returned: set to whether a reset would bring it back
 *
 * Context: Process context. Makes no callbacks.
 * Return: true if it is lost; otherwise false, with nothing filled in.
 */
bool pci_vfcap_query_loss(struct pci_vfcap_vf *handle, enum pci_vfcap_id id,
			  char *cause, bool *returned)
{
	if (!handle)
		return false;

	guard(mutex)(&handle->record->lock);

	if (!(handle->lost & BIT(id)))
		return false;
	strscpy(cause, handle->cause[id], PCI_VFCAP_CAUSE_SIZE);
	*returned = handle->returned & BIT(id);
	return true;
}
EXPORT_SYMBOL_GPL(pci_vfcap_query_loss);

/* Caller holds the lock. */
static const char *vfcap_state_word(const struct pci_vfcap_vf *handle, enum pci_vfcap_id id)
{
	if (handle->losing & BIT(id))
		return "losing";
	if (handle->lost & BIT(id))
		return "lost";
	if (vfcap_is_shown(handle, id))
		return "shown";
	return handle->held & BIT(id) ? "held" : "hidden";
}

/**
 * pci_vfcap_state - the state of a VF's capability, for its state file in sysfs
 * @handle: the VF's handle
 * @id: the capability
 *
 * The file is in the VF's sysfs directory "vfcap", which the VF's driver makes. Whoever polls
 * it is woken when the capability is lost, and when the loss ends.
 *
 * Context: Process context. Makes no callbacks.
 * Return: "hidden", "held", "shown", "losing" or "lost", see
 * Documentation/ABI/testing/sysfs-bus-pci-vfcap.
 */
const char *pci_vfcap_state(struct pci_vfcap_vf *handle, enum pci_vfcap_id id)
{
	guard(mutex)(&handle->record->lock);

	return vfcap_state_word(handle, id);
}
EXPORT_SYMBOL_GPL(pci_vfcap_state);

/*
 * Frees @cause, which may be NULL. The list of variables ends at the first that there was
 * no memory for.
 */
static void vfcap_uevent(struct pci_vfcap_vf *handle, enum pci_vfcap_id id,
			 const char *state, char *cause)
{
	char *now = kasprintf(GFP_KERNEL, "VFCAP_STATE=%s", state);
	char *name = kasprintf(GFP_KERNEL, "VFCAP_CAPABILITY=%s",
			       vfcap_shared[id].name);
	char *envp[4] = { now, name, cause };

	kobject_uevent_env(&handle->vf->dev.kobj, KOBJ_CHANGE, envp);
	kfree(now);
	kfree(name);
	kfree(cause);
}

/**
 * vfcap_sysfs_notify - wake pollers of the state of a VF's capabilities
 * @handle: the VF's handle
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each
 */
void vfcap_sysfs_notify(struct pci_vfcap_vf *handle, unsigned long mask)
{
	unsigned long bit;

	for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT)
		sysfs_notify(&handle->vf->dev.kobj, "vfcap",
			     vfcap_shared[bit].state_file);
}

/**
 * vfcap_loss_over - a VF has back what it had lost, or no longer shows it
 * @handle: the VF's handle, with its PF's lock held
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each; those that are not lost are ignored
 */
void vfcap_loss_over(struct pci_vfcap_vf *handle, unsigned long mask)
{
	vfcap_loss_done(handle, mask);
	mask &= handle->lost;
	if (!mask)
		return;
	handle->lost &= ~mask;
	handle->returned &= ~mask;
	handle->over |= mask;
	vfcap_sysfs_notify(handle, mask);
	queue_work(vfcap_tell_wq, &handle->tell);
}

/**
 * vfcap_tell - notify user space of a VF's losses, and of their ends
 * @work: the handle's @tell
 *
 * The end of a loss is reported after the loss. It is dropped if another loss follows
 * before it is reported.
 */
void vfcap_tell(struct work_struct *work)
{
	struct pci_vfcap_vf *handle = container_of(work, struct pci_vfcap_vf,
						   tell);
	const char *state[PCI_VFCAP_COUNT];
	char *cause[PCI_VFCAP_COUNT];
	unsigned long lost, over, bit;

	scoped_guard(mutex, &handle->record->lock) {
		lost = handle->untold;
		over = handle->over;
		handle->untold = 0;
		handle->over = 0;
		for_each_set_bit(bit, &lost, PCI_VFCAP_COUNT)
			cause[bit] = kasprintf(GFP_KERNEL, "VFCAP_CAUSE=%s",
					       handle->cause[bit]);
		for_each_set_bit(bit, &over, PCI_VFCAP_COUNT)
			state[bit] = vfcap_state_word(handle, bit);
	}
	for_each_set_bit(bit, &lost, PCI_VFCAP_COUNT)
		vfcap_uevent(handle, bit, "lost", cause[bit]);
	for_each_set_bit(bit, &over, PCI_VFCAP_COUNT)
		vfcap_uevent(handle, bit, state[bit], NULL);
	vfcap_sysfs_notify(handle, lost);
}

/**
 * vfcap_tell_rest - report what is yet to be reported before a VF goes
 * @handle: the VF's handle, closed
 *
 * Context: Process context. The VF's uevents do not wait for those of other VFs.
 */
void vfcap_tell_rest(struct pci_vfcap_vf *handle)
{
	if (cancel_work_sync(&handle->tell))
		vfcap_tell(&handle->tell);
}
