// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VF has which of its PF's capabilities
 *
 * From its open on, a VF holds each capability that it may come to show, until it is
 * closed or it turns out that the capability is not shown. While a capability is held, the
 * PF's driver cannot begin to change it; while it is shown, the guard watches it.
 */
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include "pci-vfcap.h"

static bool assigned_flag = true;
module_param(assigned_flag, bool, 0644);
MODULE_PARM_DESC(assigned_flag, "Mark a VF as assigned while it is open, so that its PF's driver keeps SR-IOV enabled if it checks pci_vfs_assigned() (default: Y)");

/**
 * vfcap_mark_assigned - mark a VF that is open as assigned
 * @handle: the VF's handle, with its PF's lock held
 *
 * Does nothing while its PF has no driver, or is losing it.
 */
void vfcap_mark_assigned(struct pci_vfcap_vf *handle)
{
	lockdep_assert_held(&handle->record->lock);

	if (assigned_flag && handle->open && !handle->record->unbinding)
		pci_set_dev_assigned(handle->vf);
}

/* Holders are counted, since a PF may have thousands of VFs. Caller holds the lock. */
static void vfcap_set_held(struct pci_vfcap_vf *handle, unsigned long held)
{
	struct pci_vfcap *record = handle->record;
	unsigned long before = vfcap_mask(record->holders);
	enum pci_vfcap_id id;

	for (id = 0; id < PCI_VFCAP_COUNT; id++)
		record->holders[id] += !!(held & BIT(id)) -
				       !!(handle->held & BIT(id));
	handle->held = held;
	vfcap_pf_notify(record, before ^ vfcap_mask(record->holders));
}

static void vfcap_set_pos(struct pci_vfcap_vf *handle, enum pci_vfcap_id id,
			  u16 pos)
{
	handle->record->showing[id] += !!pos - !!handle->pos[id];
	handle->pos[id] = pos;
}

/**
 * pci_vfcap_vf_register - let a VF take part
 * @vf: the function
 * @ops: callbacks of its driver, valid until pci_vfcap_vf_unregister()
 * @priv: argument of the callbacks
 *
 * Context: Process context. Takes no device lock, so it may be called from a
 * driver's probe, including inside the PF driver's pci_enable_sriov().
 * Return: a handle, NULL if @vf is not a VF and thus shares nothing, or ERR_PTR(-ENOMEM).
 */
struct pci_vfcap_vf *pci_vfcap_vf_register(struct pci_dev *vf,
					   const struct pci_vfcap_vf_ops *ops,
					   void *priv)
{
	struct pci_vfcap_vf *handle __free(kfree) = NULL;
	struct pci_vfcap *record;

	if (!vf->is_virtfn)
		return NULL;

	handle = kzalloc_obj(*handle, GFP_KERNEL);
	if (!handle)
		return ERR_PTR(-ENOMEM);
	record = vfcap_get(pci_physfn(vf));
	if (IS_ERR(record))
		return ERR_CAST(record);

	handle->record = record;
	handle->vf = vf;
	handle->ops = ops;
	handle->priv = priv;
	INIT_WORK(&handle->tell, vfcap_tell);
	scoped_guard(mutex, &record->lock)
		list_add_tail(&handle->node, &record->vfs);
	return no_free_ptr(handle);
}
EXPORT_SYMBOL_GPL(pci_vfcap_vf_register);

/**
 * pci_vfcap_vf_unregister - the VF no longer takes part
 * @handle: the VF's handle, closed; NULL does nothing
 *
 * Context: Process context. Waits for callbacks of the PF's driver for this VF.
 */
void pci_vfcap_vf_unregister(struct pci_vfcap_vf *handle)
{
	struct pci_vfcap *record;

	if (!handle)
		return;

	record = handle->record;
	vfcap_requests_exit(handle);
	vfcap_tell_rest(handle);
	scoped_guard(mutex, &record->lock)
		list_del(&handle->node);
	kfree(handle->cause);
	kfree(handle);
	vfcap_put(record);
}
EXPORT_SYMBOL_GPL(pci_vfcap_vf_unregister);

/* From now on the kernel reports writes to the registers by user space. */
static void vfcap_claim(struct pci_vfcap *record, enum pci_vfcap_id id)
{
	const struct vfcap_shared *cap = &vfcap_shared[id];

	record->claimed[id] =
		pci_request_config_region_exclusive(record->pf,
						    cap->find(record->pf),
						    cap->nr_regs * sizeof(u32),
						    "vfcap");
}

/*
 * Note what VFs depend on from now on: each locked bit that was set when any of them came
 * to show the capability, and the number as it was when the first of them did, since all
 * have shares of that.
 */
static void vfcap_see(const struct vfcap_shared *cap, u32 *seen,
		      const u32 *regs)
{
	unsigned int i;

	for (i = 0; i < cap->nr_regs; i++)
		seen[i] |= regs[i] & cap->locked[i];
	if (cap->number && !seen[cap->number])
		seen[cap->number] = regs[cap->number];
}

static void vfcap_unclaim(struct pci_vfcap *record, enum pci_vfcap_id id)
{
	struct resource *claimed = record->claimed[id];

	if (claimed)
		pci_release_config_region(record->pf, claimed->start,
					  resource_size(claimed));
	record->claimed[id] = NULL;
}

/* A capability that is not shown cannot be lost. Caller holds the lock. */
static void vfcap_unshow(struct pci_vfcap_vf *handle, unsigned long mask)
{
	unsigned long bit;

	vfcap_loss_over(handle, mask);
	for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT) {
		vfcap_set_pos(handle, bit, 0);
		if (handle->record->showing[bit])
			continue;
		vfcap_unclaim(handle->record, bit);
		__clear_bit(bit, &handle->record->missing);
	}
}

/* Give up what is held of @mask. If that was all, the PF may sleep. Caller holds use_lock. */
static void vfcap_drop(struct pci_vfcap_vf *handle, unsigned long mask)
{
	struct pci_vfcap *record = handle->record;
	unsigned long held = handle->held;
	unsigned long unused, bit;

	scoped_guard(mutex, &record->lock) {
		vfcap_set_held(handle, held & ~mask);
		vfcap_unshow(handle, mask);
		unused = record->noticed & ~vfcap_mask(record->holders);
	}
	record->noticed &= ~unused;
	for_each_set_bit(bit, &unused, PCI_VFCAP_COUNT)
		vfcap_call(record, (void)0, last_user, bit);
	if (held && !handle->held)
		pm_runtime_put(&record->pf->dev);
}

/*
 * Hold those of @mask that the PF has. A PF that sleeps loses what its VFs show, so the
 * caller has woken it, and it stays awake as long as any VF holds something.
 */
static int vfcap_hold(struct pci_vfcap_vf *handle, unsigned long mask)
{
	struct pci_vfcap *record = handle->record;
	unsigned long bit, new;
	int ret;

	guard(mutex)(&record->use_lock);

	for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT)
		if (pci_vfcap_read(record->pf, bit, NULL, 0) < 0)
			__clear_bit(bit, &mask);

	scoped_guard(mutex, &record->lock) {
		if (record->changing & mask) {
			dev_warn_ratelimited(&handle->vf->dev, "not opened: the driver of its PF %s is changing what it would show; try again later\n",
					     pci_name(record->pf));
			return -EBUSY;
		}
		handle->open = true;
		vfcap_set_held(handle, mask);
		handle->misses = 0;
		handle->pri_answered = vfcap_answers(record);
		vfcap_mark_assigned(handle);
	}

	if (mask)
		pm_runtime_get_noresume(&record->pf->dev);

	new = mask & ~record->noticed;
	for_each_set_bit(bit, &new, PCI_VFCAP_COUNT) {
		ret = vfcap_call(record, 0, first_user, bit);
		if (!ret) {
			__set_bit(bit, &record->noticed);
			continue;
		}
		dev_warn_ratelimited(&handle->vf->dev, "%s capability not shown: the driver of its PF %s cannot provide it (error %d)\n",
				     vfcap_shared[bit].name,
				     pci_name(record->pf), ret);
		vfcap_drop(handle, BIT(bit));
	}
	return 0;
}

/**
 * pci_vfcap_vf_open - the VF's user opens it
 * @handle: the VF's handle; NULL does nothing
 * @mask: capabilities that it may come to show, BIT(enum pci_vfcap_id) each;
 *	those that the PF does not have, or whose first_user callback fails, are
 *	left out, and all of them are if the PF cannot be woken
 *
 * The PF is kept awake until there is nothing left that the VF may show.
 *
 * Context: Process context. Calls the PF driver's first_user. May resume the PF.
 * Return: 0, -EBUSY while the PF's driver changes one of them, -ENOMEM.
 */
int pci_vfcap_vf_open(struct pci_vfcap_vf *handle, unsigned long mask)
{
	struct device *pf;
	int ret;

	if (!handle)
		return 0;

	if (!handle->cause)
		handle->cause = kcalloc(PCI_VFCAP_COUNT, sizeof(*handle->cause), GFP_KERNEL);
	if (!handle->cause)
		return -ENOMEM;
	ret = vfcap_requests_init(handle);
	if (ret)
		return ret;
	if (!mask)
		return vfcap_hold(handle, 0);

	/* The PF's driver may take locks of its own in there, so none of ours is held. */
	pf = &handle->record->pf->dev;
	ret = pm_runtime_resume_and_get(pf);
	if (ret) {
		dev_warn_ratelimited(&handle->vf->dev, "shows none of its PF's capabilities: %s cannot be woken (error %d)\n",
				     dev_name(pf), ret);
		return vfcap_hold(handle, 0);
	}
	ret = vfcap_hold(handle, mask);
	pm_runtime_put(pf);
	return ret;
}
EXPORT_SYMBOL_GPL(pci_vfcap_vf_open);

/**
 * pci_vfcap_vf_close - the VF's user has closed it
 * @handle: the VF's handle, after pci_vfcap_pri_reset(); NULL does nothing
 *
 * Context: Process context. Calls the PF driver's last_user.
 */
void pci_vfcap_vf_close(struct pci_vfcap_vf *handle)
{
	struct pci_vfcap *record;

	if (!handle)
		return;

	record = handle->record;
	guard(mutex)(&record->use_lock);
	scoped_guard(mutex, &record->lock) {
		handle->open = false;
		pci_clear_dev_assigned(handle->vf);
	}
	vfcap_drop(handle, ~0UL);
}
EXPORT_SYMBOL_GPL(pci_vfcap_vf_close);

/* Why a VF cannot use a capability even though its PF has it */
static const char *vfcap_find_own_loss(struct pci_vfcap_vf *handle,
				       enum pci_vfcap_id id)
{
	struct pci_vfcap *record = handle->record;

	if (record->unbinding)
		return "its PF has no driver, or is losing it";
	/* What is shown was decided while somebody else answered. */
	if (id == PCI_VFCAP_PRI && handle->pri_answered != vfcap_answers(record))
		return "its page requests are now answered by somebody else";
	return NULL;
}

/* Why a VF cannot use a capability */
static const char *vfcap_find_vf_loss(struct pci_vfcap_vf *handle,
				      enum pci_vfcap_id id, const u32 *seen)
{
	return vfcap_find_own_loss(handle, id) ?:
	       vfcap_find_loss(handle->record, id, seen);
}

/**
 * vfcap_find_returned - find which losses a reset would end, and report a change of that
 * @handle: the VF's handle, with its PF's lock held
 * @well: the capabilities that its PF provides, see vfcap_find_loss()
 */
void vfcap_find_returned(struct pci_vfcap_vf *handle, unsigned long well)
{
	unsigned long bit, returned = 0;

	lockdep_assert_held(&handle->record->lock);

	well &= handle->lost;
	for_each_set_bit(bit, &well, PCI_VFCAP_COUNT)
		if (!vfcap_find_own_loss(handle, bit))
			returned |= BIT(bit);
	if (returned == handle->returned)
		return;
	handle->returned = returned;
	handle->ops->returned(handle->priv);
}

/**
 * pci_vfcap_vf_losses - how often a VF has lost capabilities so far
 * @handle: the VF's handle; NULL has lost nothing
 *
 * Context: Process context. Makes no callbacks.
 * Return: a number to pass to pci_vfcap_vf_reset() after a reset that begins now.
 */
u64 pci_vfcap_vf_losses(struct pci_vfcap_vf *handle)
{
	if (!handle)
		return 0;

	guard(mutex)(&handle->record->lock);

	return handle->losses;
}
EXPORT_SYMBOL_GPL(pci_vfcap_vf_losses);

/**
 * pci_vfcap_vf_reset - the VF was reset
 * @handle: the VF's handle; NULL does nothing
 * @losses: what pci_vfcap_vf_losses() returned before the reset began. What was lost
 *	since stays lost: the device may have been reset before that.
 *
 * Ends the loss of each capability that the PF has again.
 *
 * Context: Process context. Calls the VF driver's returned callback.
 */
void pci_vfcap_vf_reset(struct pci_vfcap_vf *handle, u64 losses)
{
	unsigned long bit, back = 0;
	struct pci_vfcap *record;

	if (!handle)
		return;

	record = handle->record;
	guard(mutex)(&record->lock);

	handle->misses = 0;
	for_each_set_bit(bit, &handle->lost, PCI_VFCAP_COUNT) {
		const char *cause = vfcap_find_vf_loss(handle, bit,
						       record->seen[bit]);

		if (!cause && handle->lost_last[bit] > losses)
			cause = "it was lost after the reset had begun";
		if (cause) {
			pci_info_ratelimited(handle->vf, "%s is still lost after a reset: %s\n",
					     vfcap_shared[bit].name, cause);
			continue;
		}
		pci_info(handle->vf, "%s can be used again\n",
			 vfcap_shared[bit].name);
		back |= BIT(bit);
	}
	vfcap_loss_over(handle, back);
	if (back)
		handle->ops->returned(handle->priv);
}
EXPORT_SYMBOL_GPL(pci_vfcap_vf_reset);

/**
 * pci_vfcap_show - the VF shows a capability from now on, or asks whether it could
 * @handle: the VF's handle; NULL may show anything
 * @id: the capability, held since pci_vfcap_vf_open()
 * @pos: its offset in the VF's config space; 0: only tell whether it could be shown
 * @regs: all its registers, as pci_vfcap_read() returned them. What was decided
 *	based on them is watched from now on.
 *
 * Context: Process context. Makes no callbacks.
 * Return: 0, -ENOENT if it is not held, -EIO if the PF no longer has it as in @regs,
 * or as it was when other VFs came to show it, if the PF has no driver or is in a low
 * power state, or if page requests are answered by somebody else than at the open.
 */
int pci_vfcap_show(struct pci_vfcap_vf *handle, enum pci_vfcap_id id, u16 pos,
		   const u32 *regs)
{
	u32 seen[VFCAP_SHARED_REGS] = {};
	struct pci_vfcap *record;
	bool first;

	if (!handle)
		return 0;

	record = handle->record;
	guard(mutex)(&record->lock);

	if (!(handle->held & BIT(id)))
		return -ENOENT;

	/* The PF may have more now than when another VF first showed it. */
	first = !record->showing[id];
	if (!first)
		memcpy(seen, record->seen[id], sizeof(seen));
	vfcap_see(&vfcap_shared[id], seen, regs);
	if (vfcap_find_vf_loss(handle, id, seen))
		return -EIO;
	if (!pos)
		return 0;

	memcpy(record->seen[id], seen, sizeof(seen));
	if (first)
		vfcap_claim(record, id);
	vfcap_set_pos(handle, id, pos);
	vfcap_guard_start(record);
	return 0;
}
EXPORT_SYMBOL_GPL(pci_vfcap_show);

/**
 * pci_vfcap_hide - the VF does not show a capability
 * @handle: the VF's handle; NULL does nothing
 * @id: the capability
 *
 * Context: Process context. Calls the PF driver's last_user.
 */
void pci_vfcap_hide(struct pci_vfcap_vf *handle, enum pci_vfcap_id id)
{
	if (!handle)
		return;

	guard(mutex)(&handle->record->use_lock);
	vfcap_drop(handle, BIT(id));
}
EXPORT_SYMBOL_GPL(pci_vfcap_hide);

/**
 * pci_vfcap_place - ask the PF's driver where a capability may lie in the VF
 * @handle: the VF's handle; for NULL nobody has an opinion
 * @id: the capability
 *
 * Context: Process context. Calls the PF driver's place.
 * Return: an offset in bytes, 0 if the driver has no opinion, or a negative
 * value if it is never to be shown. The driver's answer has not been checked.
 */
int pci_vfcap_place(struct pci_vfcap_vf *handle, enum pci_vfcap_id id)
{
	return handle ? vfcap_call(handle->record, 0, place, handle->vf, id) : 0;
}
EXPORT_SYMBOL_GPL(pci_vfcap_place);

/**
 * pci_vfcap_control - let the PF's driver take over a write to the Control dword
 * @handle: the VF's handle; for NULL nobody takes over anything
 * @id: the capability
 * @old: the value that the dword at offset 4 has now
 * @new: the value that it would have afterwards
 *
 * Context: Process context. Calls the PF driver's control.
 * Return: the value that it shall have; @new if the PF's driver takes over nothing.
 */
u32 pci_vfcap_control(struct pci_vfcap_vf *handle, enum pci_vfcap_id id,
		      u32 old, u32 new)
{
	/* Saves the barrier of srcu_read_lock() where no driver takes part. */
	if (!handle || !rcu_access_pointer(handle->record->ops))
		return new;
	return vfcap_call(handle->record, new, control, handle->vf, id, old, new);
}
EXPORT_SYMBOL_GPL(pci_vfcap_control);
