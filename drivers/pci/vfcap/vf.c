// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VF has which of its PF's capabilities
 *
 * A capability is held by a VF from its open on if it may come to be shown, and
 * until it is closed or it turns out that it is not shown. While it is held the
 * PF's driver cannot begin to change it; while it is shown the guard watches it.
 */
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "pci-vfcap.h"

static bool assigned_flag = true;
module_param(assigned_flag, bool, 0644);
MODULE_PARM_DESC(assigned_flag, "Mark a VF as assigned while it is open, so that its PF's driver keeps SR-IOV enabled if it asks pci_vfs_assigned() (default: Y)");

/**
 * vfcap_mark_assigned - mark a VF that is open as assigned
 * @user: the VF's handle, with its PF's lock held
 *
 * Not while its PF has no driver, or is losing it.
 */
void vfcap_mark_assigned(struct pci_vfcap_vf *user)
{
	lockdep_assert_held(&user->shared->lock);

	if (assigned_flag && user->open && !user->shared->unbinding)
		pci_set_dev_assigned(user->vf);
}

/* They are counted, since a PF may have thousands of VFs. Caller holds the lock. */
static void vfcap_set_held(struct pci_vfcap_vf *user, unsigned long held)
{
	struct pci_vfcap *shared = user->shared;
	enum pci_vfcap_id id;

	for (id = 0; id < PCI_VFCAP_COUNT; id++)
		shared->holders[id] += !!(held & BIT(id)) -
				       !!(user->held & BIT(id));
	user->held = held;
}

static void vfcap_set_pos(struct pci_vfcap_vf *user, enum pci_vfcap_id id,
			  u16 pos)
{
	user->shared->showing[id] += !!pos - !!user->pos[id];
	user->pos[id] = pos;
}

/**
 * pci_vfcap_vf_register - have a VF take part
 * @vf: the virtual function
 * @ops: what its driver is told through, valid until pci_vfcap_vf_unregister()
 * @priv: handed to @ops
 *
 * Context: Process context. Takes no device lock, so it may be called from a
 * driver's probe, also from inside the PF driver's pci_enable_sriov().
 * Return: a handle, ERR_PTR(-EINVAL) when @vf is no VF, ERR_PTR(-ENOMEM), or
 * another error from sysfs.
 */
struct pci_vfcap_vf *pci_vfcap_vf_register(struct pci_dev *vf,
					   const struct pci_vfcap_vf_ops *ops,
					   void *priv)
{
	struct pci_vfcap *shared;
	struct pci_vfcap_vf *user;
	int ret;

	if (!vf->is_virtfn)
		return ERR_PTR(-EINVAL);

	shared = vfcap_get(pci_physfn(vf));
	if (IS_ERR(shared))
		return ERR_CAST(shared);

	user = kzalloc_obj(*user, GFP_KERNEL);
	if (!user) {
		ret = -ENOMEM;
		goto err_put;
	}

	user->shared = shared;
	user->vf = vf;
	user->ops = ops;
	user->priv = priv;
	INIT_WORK(&user->tell, vfcap_tell);
	scoped_guard(mutex, &shared->lock)
		list_add_tail(&user->node, &shared->vfs);

	ret = sysfs_create_group(&vf->dev.kobj, &vfcap_vf_group);
	if (ret)
		goto err_free;
	return user;

err_free:
	scoped_guard(mutex, &shared->lock)
		list_del(&user->node);
	kfree(user);
err_put:
	vfcap_put(shared);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(pci_vfcap_vf_register);

/**
 * pci_vfcap_vf_unregister - the VF no longer takes part
 * @user: the VF's handle, closed; NULL does nothing
 *
 * Context: Process context. Waits for callbacks of the PF's driver for this VF.
 */
void pci_vfcap_vf_unregister(struct pci_vfcap_vf *user)
{
	struct pci_vfcap *shared;

	if (!user)
		return;

	shared = user->shared;
	vfcap_pri_exit(user);
	vfcap_tell_rest(user);
	/* Waits for who reads it. */
	sysfs_remove_group(&user->vf->dev.kobj, &vfcap_vf_group);
	scoped_guard(mutex, &shared->lock)
		list_del(&user->node);
	kfree(user);
	vfcap_put(shared);
}
EXPORT_SYMBOL_GPL(pci_vfcap_vf_unregister);

/* The kernel says so, from now on, if user space writes the registers. */
static void vfcap_claim(struct pci_vfcap *shared, enum pci_vfcap_id id)
{
	size_t size = vfcap_shared[id].nr_regs * sizeof(u32);
	int pos = vfcap_read(shared, id, NULL, 0);

	if (pos > 0)
		shared->claimed[id] =
			pci_request_config_region_exclusive(shared->pf, pos,
							    size, "vfcap");
}

/*
 * What VFs depend on, from now on. Bits add up; of a number, VFs have shares of what it
 * was at first.
 */
static void vfcap_see(struct pci_vfcap *shared, enum pci_vfcap_id id,
		      const u32 *regs)
{
	const struct vfcap_shared *cap = &vfcap_shared[id];
	u32 *seen = shared->seen[id];
	unsigned int i;

	for (i = 0; i < cap->nr_regs; i++)
		seen[i] |= regs[i] & cap->locked[i];
	if (cap->number && !seen[cap->number])
		seen[cap->number] = regs[cap->number];
}

/* Let user space write the registers again that no VF shows any more. */
static void vfcap_unclaim(struct pci_vfcap *shared)
{
	unsigned long shown = vfcap_shown(shared);
	enum pci_vfcap_id id;

	for (id = 0; id < PCI_VFCAP_COUNT; id++) {
		struct resource *claimed = shared->claimed[id];

		if (!claimed || shown & BIT(id))
			continue;
		pci_release_config_region(shared->pf, claimed->start,
					  resource_size(claimed));
		shared->claimed[id] = NULL;
	}
}

/* What is not shown cannot be lost. Caller holds the lock. */
static void vfcap_unshow(struct pci_vfcap_vf *user, unsigned long mask)
{
	unsigned long bit;

	vfcap_loss_ends(user, mask);
	for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT)
		vfcap_set_pos(user, bit, 0);
	vfcap_sysfs_notify(user, user->lost & mask);
	user->lost &= ~mask;
	user->returned &= ~mask;
	vfcap_unclaim(user->shared);
}

/*
 * A PF that sleeps loses what its VFs show, and one that is woken has it again. So
 * it is awake before anything is looked at, and as long as any of it is held.
 */
static int vfcap_wake_pf(struct pci_vfcap_vf *user)
{
	int ret = pm_runtime_resume_and_get(&user->shared->pf->dev);

	user->keeps_awake = !ret;
	return ret;
}

static void vfcap_let_pf_sleep(struct pci_vfcap_vf *user)
{
	if (!user->keeps_awake || user->held)
		return;
	pm_runtime_put(&user->shared->pf->dev);
	user->keeps_awake = false;
}

/* Give up what is held of @mask. Caller holds use_lock. */
static void vfcap_drop(struct pci_vfcap_vf *user, unsigned long mask)
{
	struct pci_vfcap *shared = user->shared;
	unsigned long unused, bit;

	scoped_guard(mutex, &shared->lock) {
		vfcap_set_held(user, user->held & ~mask);
		vfcap_unshow(user, mask);
		unused = shared->noticed & ~vfcap_held(shared);
	}
	shared->noticed &= ~unused;
	for_each_set_bit(bit, &unused, PCI_VFCAP_COUNT)
		vfcap_call_last_user(shared, bit);
	vfcap_let_pf_sleep(user);
}

/**
 * pci_vfcap_vf_open - the VF's user opens it
 * @user: the VF's handle; NULL does nothing
 * @mask: capabilities that it may come to show, BIT(enum pci_vfcap_id) each;
 *	those that the PF does not have, or whose first_user callback failed, are
 *	left out, and so are all if the PF cannot be woken
 *
 * The PF is kept awake until there is nothing left that the VF may show.
 *
 * Context: Process context. Calls the PF driver's first_user. May resume the PF.
 * Return: 0, -EBUSY while the PF's driver changes one of them, -ENOMEM.
 */
int pci_vfcap_vf_open(struct pci_vfcap_vf *user, unsigned long mask)
{
	struct pci_vfcap *shared;
	unsigned long bit, new;
	int ret;

	if (!user)
		return 0;

	shared = user->shared;
	ret = vfcap_pri_init(user);
	if (ret)
		return ret;
	/* The PF's driver may take locks of its own in there: without any of ours. */
	ret = mask ? vfcap_wake_pf(user) : 0;
	if (ret) {
		dev_warn_ratelimited(&user->vf->dev, "shows nothing of its PF's: %s cannot be woken (error %d)\n",
				     pci_name(shared->pf), ret);
		mask = 0;
	}
	guard(mutex)(&shared->use_lock);

	for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT)
		if (vfcap_read(shared, bit, NULL, 0) < 0)
			__clear_bit(bit, &mask);

	scoped_guard(mutex, &shared->lock) {
		if (shared->changing & mask) {
			dev_warn_ratelimited(&user->vf->dev, "not opened: the driver of its PF %s is changing what it would show; try again later\n",
					     pci_name(shared->pf));
			vfcap_let_pf_sleep(user);
			return -EBUSY;
		}
		user->open = true;
		vfcap_set_held(user, mask);
		user->misses = 0;
		user->pri_answered = vfcap_answers(shared);
		vfcap_mark_assigned(user);
	}

	new = mask & ~shared->noticed;
	for_each_set_bit(bit, &new, PCI_VFCAP_COUNT) {
		ret = vfcap_call_first_user(shared, bit);
		if (!ret) {
			__set_bit(bit, &shared->noticed);
			continue;
		}
		dev_warn_ratelimited(&user->vf->dev, "%s capability not shown: the driver of its PF %s cannot provide it (error %d)\n",
				     vfcap_shared[bit].name,
				     pci_name(shared->pf), ret);
		vfcap_drop(user, BIT(bit));
	}
	vfcap_let_pf_sleep(user);
	return 0;
}
EXPORT_SYMBOL_GPL(pci_vfcap_vf_open);

/**
 * pci_vfcap_vf_close - the VF's user has closed it
 * @user: the VF's handle, after pci_vfcap_pri_reset(); NULL does nothing
 *
 * Context: Process context. Calls the PF driver's last_user.
 */
void pci_vfcap_vf_close(struct pci_vfcap_vf *user)
{
	struct pci_vfcap *shared;

	if (!user)
		return;

	shared = user->shared;
	guard(mutex)(&shared->use_lock);
	scoped_guard(mutex, &shared->lock) {
		user->open = false;
		pci_clear_dev_assigned(user->vf);
	}
	vfcap_drop(user, ~0UL);
}
EXPORT_SYMBOL_GPL(pci_vfcap_vf_close);

/* Why a VF cannot have a capability, or have it back, though its PF has it */
static const char *vfcap_find_own_loss(struct pci_vfcap_vf *user,
				       enum pci_vfcap_id id)
{
	struct pci_vfcap *shared = user->shared;

	if (shared->unbinding)
		return "its PF has no driver, or is losing it";
	/* It was decided with the one, and is not to be had with the other. */
	if (id == PCI_VFCAP_PRI && user->pri_answered != vfcap_answers(shared))
		return "who answers its page requests has changed";
	return NULL;
}

/* The same, whether its PF has it or not */
static const char *vfcap_find_vf_loss(struct pci_vfcap_vf *user,
				      enum pci_vfcap_id id)
{
	return vfcap_find_own_loss(user, id) ?:
	       vfcap_find_loss(user->shared, id);
}

/**
 * vfcap_find_returned - tell a VF's driver what of its losses a reset would end
 * @user: the VF's handle, with its PF's lock held
 * @well: what its PF has, as vfcap_find_loss() says
 */
void vfcap_find_returned(struct pci_vfcap_vf *user, unsigned long well)
{
	unsigned long bit, returned = 0;

	lockdep_assert_held(&user->shared->lock);

	well &= user->lost;
	for_each_set_bit(bit, &well, PCI_VFCAP_COUNT)
		if (!vfcap_find_own_loss(user, bit))
			returned |= BIT(bit);
	if (returned == user->returned)
		return;
	user->returned = returned;
	user->ops->returned(user->priv, returned);
}

/**
 * pci_vfcap_vf_losses - how often a VF has lost capabilities so far
 * @user: the VF's handle; NULL has lost nothing
 *
 * Context: Process context. Calls nothing back.
 * Return: a number for pci_vfcap_vf_reset(), of a reset that begins now.
 */
u64 pci_vfcap_vf_losses(struct pci_vfcap_vf *user)
{
	if (!user)
		return 0;

	guard(mutex)(&user->shared->lock);

	return user->losses;
}
EXPORT_SYMBOL_GPL(pci_vfcap_vf_losses);

/**
 * pci_vfcap_vf_reset - the VF was reset
 * @user: the VF's handle; NULL does nothing
 * @losses: what pci_vfcap_vf_losses() returned before the reset began. What was lost
 *	since stays lost: the device may have been reset before that.
 *
 * Ends the loss of what the PF has again.
 *
 * Context: Process context. Calls @returned back.
 */
void pci_vfcap_vf_reset(struct pci_vfcap_vf *user, u64 losses)
{
	unsigned long bit, back = 0;
	struct pci_vfcap *shared;

	if (!user)
		return;

	shared = user->shared;
	guard(mutex)(&shared->lock);

	user->misses = 0;
	for_each_set_bit(bit, &user->lost, PCI_VFCAP_COUNT) {
		const char *cause = vfcap_find_vf_loss(user, bit);

		if (!cause && user->lost_last[bit] > losses)
			cause = "it was lost after the reset had begun";
		if (cause) {
			pci_info_ratelimited(user->vf, "%s is still lost after a reset: %s\n",
					     vfcap_shared[bit].name, cause);
			continue;
		}
		pci_info(user->vf, "%s can be used again\n",
			 vfcap_shared[bit].name);
		back |= BIT(bit);
	}
	vfcap_loss_ends(user, back);
	user->lost &= ~back;
	user->returned &= ~back;
	vfcap_sysfs_notify(user, back);
	if (back)
		user->ops->returned(user->priv, user->returned);
}
EXPORT_SYMBOL_GPL(pci_vfcap_vf_reset);

/**
 * pci_vfcap_pf - the PF of a VF
 * @user: the VF's handle
 *
 * Context: Any context.
 * Return: the PF, valid as long as the handle is. It may have been removed from
 * its bus meanwhile.
 */
struct pci_dev *pci_vfcap_pf(const struct pci_vfcap_vf *user)
{
	return user->shared->pf;
}
EXPORT_SYMBOL_GPL(pci_vfcap_pf);

/**
 * pci_vfcap_read - read a shared capability of the PF
 * @user: the VF's handle
 * @id: which one
 * @regs: where the registers go, from the capability header on, CPU endian
 * @nr_regs: how many dwords to read
 *
 * Context: Any context that may read config space. The result is a snapshot;
 * only while the capability is shown is it watched.
 * Return: the capability's offset in the PF in bytes, -ENOENT when the PF has no
 * such capability, -ENODEV when it does not answer.
 */
int pci_vfcap_read(struct pci_vfcap_vf *user, enum pci_vfcap_id id, u32 *regs,
		   size_t nr_regs)
{
	return vfcap_read(user->shared, id, regs, nr_regs);
}
EXPORT_SYMBOL_GPL(pci_vfcap_read);

/**
 * pci_vfcap_show - the VF shows a capability from now on, or would like to
 * @user: the VF's handle
 * @id: the capability, held since pci_vfcap_vf_open()
 * @pos: its offset in the VF's config space; 0: only tell whether it could be shown
 * @regs: what pci_vfcap_read() gave of all its registers. What was decided by
 *	them is watched from here on.
 *
 * Context: Process context. Calls nothing back.
 * Return: 0, -ENOENT when it is not held, -EIO when the PF has it no longer as in
 * @regs, or as it was when other VFs came to show it, when the PF has no driver or
 * is in low power, or when who answers page requests has changed since the open.
 */
int pci_vfcap_show(struct pci_vfcap_vf *user, enum pci_vfcap_id id, u16 pos,
		   const u32 *regs)
{
	struct pci_vfcap *shared = user->shared;
	u32 before[VFCAP_MAX_REGS];
	bool first, lost;

	guard(mutex)(&shared->lock);

	if (!(user->held & BIT(id)))
		return -ENOENT;

	/* The PF may have been given more since another VF first showed it. */
	memcpy(before, shared->seen[id], sizeof(before));
	first = !(vfcap_shown(shared) & BIT(id));
	if (first)
		memset(shared->seen[id], 0, sizeof(before));
	vfcap_see(shared, id, regs);
	lost = vfcap_find_vf_loss(user, id);
	if (lost || !pos)
		memcpy(shared->seen[id], before, sizeof(before));
	if (lost)
		return -EIO;
	if (!pos)
		return 0;

	if (first)
		vfcap_claim(shared, id);
	vfcap_set_pos(user, id, pos);
	vfcap_guard_start(shared);
	return 0;
}
EXPORT_SYMBOL_GPL(pci_vfcap_show);

/**
 * pci_vfcap_hide - the VF does not show a capability
 * @user: the VF's handle
 * @id: the capability
 *
 * Context: Process context. Calls the PF driver's last_user.
 */
void pci_vfcap_hide(struct pci_vfcap_vf *user, enum pci_vfcap_id id)
{
	guard(mutex)(&user->shared->use_lock);
	vfcap_drop(user, BIT(id));
}
EXPORT_SYMBOL_GPL(pci_vfcap_hide);

/**
 * pci_vfcap_place - ask the PF's driver where a capability may lie in the VF
 * @user: the VF's handle
 * @id: the capability
 *
 * Context: Process context. Calls the PF driver's place.
 * Return: an offset in bytes, 0 when the driver has no opinion, or a negative
 * value if it is never to be shown. What a driver answers was not checked.
 */
int pci_vfcap_place(struct pci_vfcap_vf *user, enum pci_vfcap_id id)
{
	return vfcap_call_place(user, id);
}
EXPORT_SYMBOL_GPL(pci_vfcap_place);

/**
 * pci_vfcap_control - let the PF's driver take over a write to the Control dword
 * @user: the VF's handle
 * @id: the capability
 * @old: what the dword at offset 4 reads now
 * @new: what it would read afterwards
 *
 * Context: Process context. Calls the PF driver's control.
 * Return: what it shall read; @new where the PF's driver takes over nothing.
 */
u32 pci_vfcap_control(struct pci_vfcap_vf *user, enum pci_vfcap_id id, u32 old,
		      u32 new)
{
	return vfcap_call_control(user, id, old, new);
}
EXPORT_SYMBOL_GPL(pci_vfcap_control);
