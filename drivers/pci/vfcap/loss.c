// SPDX-License-Identifier: GPL-2.0-only
/*
 * Losses: why a PF's VFs can no longer use a capability, and who is told
 *
 * A PF can have thousands of VFs, and they lose what they share all at once. So
 * that it is taken from all guests before anybody is told of the first, the PF's
 * lock is held only to mark them and to call their drivers, which take it away by
 * workers of their own. The log follows without that lock, and each VF's uevent, by
 * another worker, when its driver says that it is done.
 */
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "pci-vfcap.h"

/* If no more VFs than this lose something, the log names each. */
#define VFCAP_VFS_NAMED		8

/* One at a time, since there may be thousands to tell, and nobody waits for them. */
struct workqueue_struct *vfcap_tell_wq;

const char vfcap_no_answer[] =
	"its PF does not answer; it was removed or is powered down";

/**
 * vfcap_is_busy - whether the kernel resets a function, or recovers it from an error
 * @pdev: the PF or VF
 *
 * Its registers say nothing then, and are not to be touched.
 *
 * Return: true if so.
 */
bool vfcap_is_busy(struct pci_dev *pdev)
{
	return pdev->block_cfg_access ||
	       READ_ONCE(pdev->error_state) == pci_channel_io_frozen;
}

/* In hardware: user space can put it there past the kernel. */
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
 *
 * Return: the cause as far as it is known, NULL when all is well.
 */
const char *vfcap_find_loss(struct pci_vfcap *record, enum pci_vfcap_id id)
{
	const struct vfcap_shared *cap = &vfcap_shared[id];
	const u32 *seen = record->seen[id];
	u32 regs[VFCAP_MAX_REGS];
	unsigned int i;
	bool lost;
	int pos;

	lockdep_assert_held(&record->lock);

	/* A probe that fails may have no event, or not as the last thing it does. */
	if (!READ_ONCE(record->pf->dev.driver))
		return "its PF has no driver";

	pos = vfcap_read(record, id, regs, cap->nr_regs);
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

/* Caller holds the lock. Without memory there is none: NULL. */
static struct vfcap_cause *vfcap_get_cause(struct pci_vfcap *record,
					   struct vfcap_cause *cause)
{
	if (cause)
		cause->users++;
	return cause;
}

static void vfcap_put_cause(struct pci_vfcap *record, struct vfcap_cause *cause)
{
	lockdep_assert_held(&record->lock);

	if (!cause || --cause->users)
		return;
	if (record->cause == cause)
		record->cause = NULL;
	kfree(cause);
}

/* One for all VFs that lose something for the same cause. Caller holds the lock. */
static struct vfcap_cause *vfcap_find_cause(struct pci_vfcap *record,
					    const char *text)
{
	size_t size = strlen(text) + 1;
	struct vfcap_cause *cause = record->cause;

	if (!cause || strcmp(cause->text, text)) {
		cause = kzalloc(struct_size(cause, text, size), GFP_KERNEL);
		if (cause)
			memcpy(cause->text, text, size);
		record->cause = cause;
	}
	return vfcap_get_cause(record, cause);
}

static const char *vfcap_cause_text(const struct vfcap_cause *cause)
{
	return cause ? cause->text : "there is no memory to say why";
}

/**
 * vfcap_lose_one - take lost capabilities from a VF that shows them
 * @handle: the VF's handle, with its PF's lock held
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each
 * @text: the cause
 *
 * It is told once, until it has the capability back, which takes a reset that begins
 * after the last time. vfcap_log_losses() follows when the lock is no longer held.
 */
void vfcap_lose_one(struct pci_vfcap_vf *handle, unsigned long mask,
		    const char *text)
{
	struct pci_vfcap *record = handle->record;
	unsigned long new = 0, bit;
	enum pci_vfcap_id id;

	lockdep_assert_held(&record->lock);

	handle->losses++;
	for (id = 0; id < PCI_VFCAP_COUNT; id++) {
		if (!(mask & BIT(id)) || !vfcap_is_shown(handle, id))
			continue;
		new |= BIT(id);
		handle->lost_last[id] = handle->losses;
	}
	new &= ~handle->lost;
	if (!new)
		return;

	handle->lost |= new;
	handle->losing |= new;
	handle->ops->lost(handle->priv, new, text);

	handle->unlogged |= new;
	for_each_set_bit(bit, &new, PCI_VFCAP_COUNT) {
		vfcap_put_cause(record, handle->cause[bit]);
		handle->cause[bit] = vfcap_find_cause(record, text);
	}
}

/**
 * vfcap_lose - take lost capabilities from all VFs that show them
 * @record: the PF's record, with its lock held
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each
 * @text: the cause
 *
 * As vfcap_lose_one().
 */
void vfcap_lose(struct pci_vfcap *record, unsigned long mask, const char *text)
{
	struct pci_vfcap_vf *handle;

	list_for_each_entry(handle, &record->vfs, node)
		vfcap_lose_one(handle, mask, text);
}

/**
 * vfcap_loss_ends - what was being taken from a VF's guest is taken
 * @handle: the VF's handle, with its PF's lock held
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each; others than those that are being
 *	lost do not matter
 */
void vfcap_loss_ends(struct pci_vfcap_vf *handle, unsigned long mask)
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

	vfcap_loss_ends(handle, mask);
}
EXPORT_SYMBOL_GPL(pci_vfcap_loss_done);

/**
 * struct vfcap_report - VFs that have lost the same for the same cause
 * @mask: the capabilities
 * @cause: the cause, referenced
 * @nr: how many VFs
 * @vfs: the first of them, referenced
 */
struct vfcap_report {
	unsigned long mask;
	struct vfcap_cause *cause;
	unsigned int nr;
	struct pci_dev *vfs[VFCAP_VFS_NAMED];
};

/* Of what is yet to be logged, what was lost for the same cause as the first of it */
static unsigned long vfcap_unlogged(const struct pci_vfcap_vf *handle)
{
	unsigned long mask = 0, bit;

	for_each_set_bit(bit, &handle->unlogged, PCI_VFCAP_COUNT)
		if (handle->cause[bit] == handle->cause[__ffs(handle->unlogged)])
			mask |= BIT(bit);
	return mask;
}

static void vfcap_make_report(struct pci_vfcap *record, struct vfcap_report *r)
{
	struct pci_vfcap_vf *handle;

	*r = (struct vfcap_report){};

	guard(mutex)(&record->lock);

	list_for_each_entry(handle, &record->vfs, node) {
		unsigned long mask = vfcap_unlogged(handle);
		struct vfcap_cause *cause;

		if (!mask)
			continue;
		cause = handle->cause[__ffs(mask)];
		if (!r->nr) {
			r->mask = mask;
			r->cause = vfcap_get_cause(record, cause);
		}
		if (mask != r->mask || cause != r->cause)
			continue;
		handle->unlogged &= ~mask;
		if (r->nr < VFCAP_VFS_NAMED)
			r->vfs[r->nr] = pci_dev_get(handle->vf);
		r->nr++;
	}
}

/* The names of the capabilities in @mask, as in "PASID and PRI" */
static const char *vfcap_names(unsigned long mask)
{
	switch (mask) {
	case BIT(PCI_VFCAP_PASID):
		return vfcap_shared[PCI_VFCAP_PASID].name;
	case BIT(PCI_VFCAP_PRI):
		return vfcap_shared[PCI_VFCAP_PRI].name;
	default:
		return "PASID and PRI";
	}
}

static void vfcap_log_report(struct pci_vfcap *record, struct vfcap_report *r)
{
	const char *cause = vfcap_cause_text(r->cause);
	struct pci_dev *pf = record->pf;
	unsigned int i;

	if (r->nr > VFCAP_VFS_NAMED)
		pci_err(pf, "%s lost by %u of its VFs: %s; their users cannot enable it until the PF has it back and then the VF is reset\n",
			vfcap_names(r->mask), r->nr, cause);
	for (i = 0; i < min(r->nr, VFCAP_VFS_NAMED); i++) {
		if (r->nr <= VFCAP_VFS_NAMED)
			pci_err(r->vfs[i], "%s lost: %s; its user cannot enable it until PF %s has it back and then the VF is reset\n",
				vfcap_names(r->mask), cause, pci_name(pf));
		pci_dev_put(r->vfs[i]);
	}

	guard(mutex)(&record->lock);

	vfcap_put_cause(record, r->cause);
}

/**
 * vfcap_log_losses - log what is yet to be logged
 * @record: the PF's record
 */
void vfcap_log_losses(struct pci_vfcap *record)
{
	struct vfcap_report r;

	for (;;) {
		vfcap_make_report(record, &r);
		if (!r.nr)
			break;
		vfcap_log_report(record, &r);
	}
}

static void vfcap_uevent(struct pci_vfcap_vf *handle, enum pci_vfcap_id id,
			 const char *cause)
{
	char *name = kasprintf(GFP_KERNEL, "VFCAP_CAPABILITY=%s",
			       vfcap_shared[id].name);
	char *why = kasprintf(GFP_KERNEL, "VFCAP_CAUSE=%s", cause);
	char *envp[4] = { "VFCAP_STATE=lost", name, why };

	/* Without memory for the details the list ends before these. */
	kobject_uevent_env(&handle->vf->dev.kobj, KOBJ_CHANGE, envp);
	kfree(name);
	kfree(why);
}

/**
 * vfcap_sysfs_notify - wake who polls the state of a VF's capabilities
 * @handle: the VF's handle
 * @mask: the capabilities, BIT(enum pci_vfcap_id) each
 */
void vfcap_sysfs_notify(struct pci_vfcap_vf *handle, unsigned long mask)
{
	static const char * const files[PCI_VFCAP_COUNT] = {
		[PCI_VFCAP_PASID]	= "pasid_state",
		[PCI_VFCAP_PRI]		= "pri_state",
	};
	unsigned long bit;

	for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT)
		sysfs_notify(&handle->vf->dev.kobj, "vfcap", files[bit]);
}

/**
 * vfcap_tell - tell user space of a VF's losses
 * @work: the handle's @tell
 */
void vfcap_tell(struct work_struct *work)
{
	struct pci_vfcap_vf *handle = container_of(work, struct pci_vfcap_vf,
						   tell);
	struct vfcap_cause *cause[PCI_VFCAP_COUNT] = {};
	struct pci_vfcap *record = handle->record;
	unsigned long mask, bit;

	scoped_guard(mutex, &record->lock) {
		mask = handle->untold;
		handle->untold = 0;
		for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT)
			cause[bit] = vfcap_get_cause(record, handle->cause[bit]);
	}

	for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT)
		vfcap_uevent(handle, bit, vfcap_cause_text(cause[bit]));
	vfcap_sysfs_notify(handle, mask);

	guard(mutex)(&record->lock);

	for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT)
		vfcap_put_cause(record, cause[bit]);
}

/**
 * vfcap_tell_rest - tell what is yet to be told before a VF goes
 * @handle: the VF's handle, closed
 *
 * Context: Process context. The VF's uevents do not wait for those of other VFs.
 */
void vfcap_tell_rest(struct pci_vfcap_vf *handle)
{
	struct pci_vfcap *record = handle->record;
	enum pci_vfcap_id id;

	vfcap_log_losses(record);
	if (cancel_work_sync(&handle->tell))
		vfcap_tell(&handle->tell);

	guard(mutex)(&record->lock);

	for (id = 0; id < PCI_VFCAP_COUNT; id++)
		vfcap_put_cause(record, handle->cause[id]);
}
