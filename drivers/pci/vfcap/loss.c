// SPDX-License-Identifier: GPL-2.0-only
/*
 * Losses: why a PF's VFs can no longer use a capability, and who is told
 *
 * A PF can have thousands of VFs, and they lose what they share all at once. So that
 * no guest has it longer than others, all VFs are marked first, and their drivers
 * called, which take it away in workers of their own. A few lines in the log follow,
 * and each VF's uevent, from another worker, when its driver says that it is done. The end
 * of a loss sends one too.
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
 * vfcap_is_busy - whether the kernel resets a function, or recovers it from an error
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
 * @seen: what its registers had set then
 *
 * Return: the cause as far as it is known, NULL when all is well.
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

	/* The notifier may miss a probe that fails, or be called before its end. */
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
 * The VF's driver is told once, until the VF has the capability back, which takes a reset
 * that begins after the last call. vfcap_log_losses() follows before the lock is released.
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
 * As vfcap_lose_one(), and logs it.
 */
void vfcap_lose(struct pci_vfcap *record, unsigned long mask, const char *text)
{
	struct pci_vfcap_vf *handle;

	list_for_each_entry(handle, &record->vfs, node)
		vfcap_lose_one(handle, mask, text);
	vfcap_log_losses(record, text);
}

/**
 * vfcap_loss_done - what was being taken from a VF's guest is taken
 * @handle: the VF's handle, with its PF's lock held
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each; others than those that are being
 *	lost do not matter
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
 * pci_vfcap_loss_done - what was lost has been taken from the VF's guest
 * @handle: the VF's handle
 * @mask: what the lost callback was called with, or more of that
 *
 * Context: Process context. Calls nothing back.
 */
void pci_vfcap_loss_done(struct pci_vfcap_vf *handle, unsigned long mask)
{
	guard(mutex)(&handle->record->lock);

	vfcap_loss_done(handle, mask);
}
EXPORT_SYMBOL_GPL(pci_vfcap_loss_done);

/**
 * pci_vfcap_query_loss - what is known of a VF's loss
 * @handle: the VF's handle; NULL has lost nothing
 * @id: a capability that it shows
 * @cause: filled with why it was lost, PCI_VFCAP_CAUSE_SIZE bytes
 * @returned: set to whether a reset would bring it back
 *
 * Context: Process context. Calls nothing back.
 * Return: false, with nothing filled in, unless it is lost.
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
 * pci_vfcap_state - the state of a VF's capability, for its file of that name
 * @handle: the VF's handle
 * @id: the capability
 *
 * The file is in the folder "vfcap" of the VF in sysfs, which its driver makes: whoever
 * polls it is woken when the capability is lost, and at the end of that.
 *
 * Context: Process context. Calls nothing back.
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
 * Frees @cause, which may be NULL. The list of variables ends with the first that there was
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
 * vfcap_sysfs_notify - wake those who poll the state of a VF's capabilities
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
 * vfcap_loss_over - a VF has back what it had lost, or shows it no longer
 * @handle: the VF's handle, with its PF's lock held
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each; others than those that are lost do
 *	not matter
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
 * vfcap_tell - tell user space of a VF's losses, and of their ends
 * @work: the handle's @tell
 *
 * An end is told after its loss: it is forgotten if a loss follows before it is told.
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
 * vfcap_tell_rest - tell what is yet to be told before a VF goes
 * @handle: the VF's handle, closed
 *
 * Context: Process context. The VF's uevents do not wait for those of other VFs.
 */
void vfcap_tell_rest(struct pci_vfcap_vf *handle)
{
	if (cancel_work_sync(&handle->tell))
		vfcap_tell(&handle->tell);
}
