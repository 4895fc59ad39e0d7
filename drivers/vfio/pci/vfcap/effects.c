// SPDX-License-Identifier: GPL-2.0-only
/*
 * The effects of the registers, and the events that pci-vfcap reports
 *
 * Effects are PASIDs in the IOMMU, and page requests that the PF's driver answers: they are
 * taken away before Enable goes to 0, and given after it went to 1. Enable goes to 0 by a
 * guest's write, a reset, a loss, or a return from low power. Code that notices this
 * without the dev_set lock leaves the rest to a worker.
 */
#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/string.h>

#include "base.h"
#include "caps.h"
#include "effects.h"
#include "emul.h"

static bool loss_as_error;
module_param(loss_as_error, bool, 0644);
MODULE_PARM_DESC(loss_as_error, "Signal the loss of a shared capability as a device error (VFIO_PCI_ERR_IRQ_INDEX), upon which QEMU stops the VM, and not by an eventfd of its own (default: N)");

const struct vfcap_cap * const vfcap_caps[VFCAP_NR_CAPS] = {
	[PCI_VFCAP_PASID]	= &vfcap_pasid,
	[PCI_VFCAP_PRI]		= &vfcap_pri,
	[VFCAP_SHDW]		= &vfcap_shdw,
};

static struct workqueue_struct *vfcap_wq;

/**
 * vfcap_queue_sync - have vfcap_sync() called by a worker
 * @vf: the VF
 *
 * Context: Any context; the VF is bound.
 */
void vfcap_queue_sync(struct vfcap_device *vf)
{
	queue_work(vfcap_wq, &vf->sync_work);
}

/**
 * vfcap_was_reset - the VF was reset
 * @vf: the VF
 * @losses: what pci_vfcap_vf_losses() was when the reset began
 *
 * The PCI core calls reset_done() after a failure too. The effects on PASIDs and page
 * requests are left to a worker, since the caller may hold memory_lock.
 *
 * Context: Process context. Core may hold memory_lock.
 */
void vfcap_was_reset(struct vfcap_device *vf, u64 losses)
{
	vfcap_emul_reset(vf);
	pci_vfcap_vf_reset(vf->handle, losses);
	vfcap_queue_sync(vf);
}

/* Whether the VF's low power has ended, and nobody has noticed */
static bool vfcap_has_returned(struct vfcap_device *vf)
{
	return vf->entry.noted && !vfcap_is_let_go(vf);
}

/*
 * This comes first after the VF's low power has ended. A function without No_Soft_Reset
 * was reset if it left D0 since it was let go, which something else may have prevented.
 * When it left D0 is not known: the reset counts from the entry on.
 */
static void vfcap_notice_return(struct vfcap_device *vf)
{
	if (!vfcap_has_returned(vf))
		return;

	if (vf->entry.soft_reset &&
	    pm_runtime_suspended_time(&vf->core.pdev->dev) > vf->entry.suspended)
		vfcap_was_reset(vf, vf->entry.losses);
	vf->entry.noted = false;
}

/**
 * vfcap_block - take away what the VF's Enable bits give
 * @vf: the VF
 * @caps: of which capabilities, BIT(index) each
 *
 * For what may clear them next; vfcap_sync() gives it back if it did not.
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_block(struct vfcap_device *vf, unsigned long caps)
{
	unsigned long id;

	lockdep_assert_held(vfcap_dev_set_lock(vf));

	caps &= vf->shown;
	for_each_set_bit(id, &caps, VFCAP_NR_CAPS)
		if (vfcap_caps[id]->block)
			vfcap_caps[id]->block(vf);
}

/* Tell the PF's side and the VF's user of a loss that has taken effect. */
static void vfcap_tell_loss(struct vfcap_device *vf, unsigned long lost)
{
	pci_vfcap_loss_done(vf->handle, lost);
	if (READ_ONCE(loss_as_error)) {
		vfio_pci_core_aer_err_detected(vf->core.pdev,
					       pci_channel_io_normal);
		return;
	}
	guard(mutex)(&vf->lock);
	if (vf->lost_eventfd)
		eventfd_signal(vf->lost_eventfd);
}

static void vfcap_sync_cap(struct vfcap_device *vf, unsigned int id)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	bool cleared, restart;
	u32 ctrl = vfcap_emul_take(vf, id, &cleared, &restart);

	if (cleared && vfcap_is_shared(id))
		pci_vfcap_control(vf->handle, id, ctrl, ctrl);
	if (cap->sync)
		cap->sync(vf, ctrl & cap->enable, restart);
}

/**
 * vfcap_sync - make what is behind the registers what they say
 * @vf: the VF
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_sync(struct vfcap_device *vf)
{
	unsigned long lost, id;

	lockdep_assert_held(vfcap_dev_set_lock(vf));

	vfcap_notice_return(vf);
	/* The registers say what is lost already. */
	scoped_guard(mutex, &vf->lock) {
		lost = vf->lost;
		vf->lost = 0;
	}
	vfcap_block(vf, lost);
	for_each_set_bit(id, &vf->shown, VFCAP_NR_CAPS)
		vfcap_sync_cap(vf, id);
	if (lost)
		vfcap_tell_loss(vf, lost);
}

/**
 * vfcap_catch_up - carry out what is pending before the caller goes on
 * @vf: the VF
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_catch_up(struct vfcap_device *vf)
{
	/* A change that is made right now may be ordered after this. */
	if (READ_ONCE(vf->lost) || READ_ONCE(vf->cleared) ||
	    vfcap_has_returned(vf))
		vfcap_sync(vf);
}

/**
 * vfcap_sync_work - call vfcap_sync()
 * @work: &vfcap_device.sync_work
 */
void vfcap_sync_work(struct work_struct *work)
{
	struct vfcap_device *vf = container_of(work, struct vfcap_device,
					       sync_work);

	/*
	 * A user may hold the lock for as long as it does not let a page of its
	 * own be read. Nothing interrupts a worker, but it is no hung task so.
	 */
	if (mutex_lock_interruptible(vfcap_dev_set_lock(vf)))
		return;
	vfcap_sync(vf);
	mutex_unlock(vfcap_dev_set_lock(vf));
}

/**
 * vfcap_may_enable - whether a guest could enable a capability now
 * @vf: the VF
 * @id: a capability that it shows
 *
 * Context: Process context, under the dev_set lock.
 * Return: false if its Enable would stay 0.
 */
bool vfcap_may_enable(struct vfcap_device *vf, unsigned int id)
{
	const struct vfcap_cap *cap = vfcap_caps[id];

	return pci_vfcap_usable(vf->handle, id) &&
	       (!cap->may_enable || cap->may_enable(vf));
}

/*
 * The Control dword after a write, as far as others have a say in it. The PF's driver
 * is not asked to enable what cannot be had, for it would act on that.
 */
static u32 vfcap_agree(struct vfcap_device *vf, unsigned int id, u32 old,
		       u32 new)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	u32 open = vfcap_emul_writable(cap, VFCAP_CTRL, old) |
		   cap->behavior[VFCAP_CTRL].w1c;
	u32 answer;

	if (!(old & cap->enable) && !vfcap_may_enable(vf, id)) {
		if (new & cap->enable)
			pci_notice_ratelimited(vf->core.pdev,
					       "%s cannot be enabled now\n",
					       cap->name);
		new &= ~cap->enable;
		open &= ~cap->enable;
	}
	answer = pci_vfcap_control(vf->handle, id, old, new);

	/* Of bits that a guest cannot write, what is answered does not count. */
	return new ^ ((new ^ answer) & open);
}

/**
 * vfcap_guest_write - a guest's write to an emulated capability
 * @vf: the VF
 * @id: the capability
 * @val: the capability's dwords, CPU endian
 * @mask: of these, the bytes that are written
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_guest_write(struct vfcap_device *vf, unsigned int id,
		       const u32 *val, const u32 *mask)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	u32 old, new;

	lockdep_assert_held(vfcap_dev_set_lock(vf));

	vfcap_catch_up(vf);

	old = vfcap_emul_ctrl(vf, id);
	new = old;
	if (mask[VFCAP_CTRL] && cap->enable)
		new = vfcap_agree(vf, id, old,
				  vfcap_emul_written(cap, VFCAP_CTRL, old,
						     val[VFCAP_CTRL],
						     mask[VFCAP_CTRL]));
	if (old & ~new & cap->enable && cap->block)
		cap->block(vf);

	vfcap_emul_store(vf, id, val, mask, old, new);

	/* What Enable gives was taken away before it was cleared. */
	if (new & cap->enable || !cap->block)
		vfcap_sync_cap(vf, id);
}

/**
 * vfcap_restore - have registers as they once were
 * @vf: the VF
 * @id: a capability that it shows
 * @regs: its dwords, as vfcap_emul_could_be() accepts them
 *
 * It is a guest's write of all of them; what only the device sets and only a guest
 * clears follows. Stopped stays: it tells of this VF's own page requests.
 *
 * Context: Process context, under the dev_set lock.
 * Return: false if Enable should be 1 and is not.
 */
bool vfcap_restore(struct vfcap_device *vf, unsigned int id, const u32 *regs)
{
	static const u32 all[VFCAP_MAX_REGS] = {
		[0 ... VFCAP_MAX_REGS - 1] = ~0U,
	};

	vfcap_guest_write(vf, id, regs, all);
	return vfcap_emul_set_w1c(vf, id, regs[VFCAP_CTRL]);
}

static void vfcap_vf_lost(void *priv, unsigned long mask, const char *cause)
{
	struct vfcap_device *vf = priv;
	unsigned long bit;

	/*
	 * The registers say so at once. Whoever may take the dev_set lock does the rest,
	 * which may be long after that.
	 */
	scoped_guard(mutex, &vf->lock) {
		vf->lost |= mask;
		vf->returned &= ~mask;
		for_each_set_bit(bit, &mask, PCI_VFCAP_COUNT)
			strscpy(vf->cause[bit], cause);
	}
	vfcap_emul_disable(vf, mask);
	vfcap_queue_sync(vf);
}

static void vfcap_vf_returned(void *priv, unsigned long mask)
{
	struct vfcap_device *vf = priv;

	guard(mutex)(&vf->lock);

	vf->returned = mask;
	if (vf->return_eventfd)
		eventfd_signal(vf->return_eventfd);
}

static void vfcap_vf_pri_stopped(void *priv)
{
	vfcap_set_status(priv, PCI_VFCAP_PRI,
			 PCI_PRI_STATUS_STOPPED << 16);
}

static void vfcap_vf_pri_failed(void *priv, u16 status)
{
	vfcap_set_status(priv, PCI_VFCAP_PRI, (u32)status << 16);
}

const struct pci_vfcap_vf_ops vfcap_vf_ops = {
	.lost		= vfcap_vf_lost,
	.returned	= vfcap_vf_returned,
	.pri_stopped	= vfcap_vf_pri_stopped,
	.pri_failed	= vfcap_vf_pri_failed,
};

/**
 * vfcap_query_loss - what is known of a loss
 * @vf: the VF
 * @id: a capability that it shows and shares with its PF
 * @cause: filled with the cause, if it is lost
 *
 * Context: Process context, under the dev_set lock.
 * Return: VFCAP_QUERY_LOST and VFCAP_QUERY_RETURNED, as far as they hold.
 */
u32 vfcap_query_loss(struct vfcap_device *vf, unsigned int id, u8 *cause)
{
	if (pci_vfcap_usable(vf->handle, id))
		return 0;

	guard(mutex)(&vf->lock);

	strscpy(cause, vf->cause[id], VFCAP_CAUSE_SIZE);
	return VFCAP_QUERY_LOST |
	       (vf->returned & BIT(id) ? VFCAP_QUERY_RETURNED : 0);
}

/**
 * vfcap_set_eventfd - set what tells the user from now on
 * @vf: the VF
 * @slot: of what it tells: @lost_eventfd or @return_eventfd of &struct vfcap_device
 * @ctx: the eventfd, whose reference is taken over, or NULL for none
 *
 * Context: Process context.
 */
void vfcap_set_eventfd(struct vfcap_device *vf, struct eventfd_ctx **slot,
		       struct eventfd_ctx *ctx)
{
	scoped_guard(mutex, &vf->lock)
		swap(*slot, ctx);
	if (ctx)
		eventfd_ctx_put(ctx);
}

/**
 * vfcap_end_session - forget what this session showed
 * @vf: the VF
 *
 * Context: Before core is closed, since that frees vconfig and then resets the
 * VF; under the dev_set lock. The last user of the file is gone, so nobody else
 * accesses config space. PASIDs stay attached until the VF is no bus master any more.
 */
void vfcap_end_session(struct vfcap_device *vf)
{
	vf->entry.noted = false;
	if (VFCAP_PASID_ATTACH)
		vfcap_pasid_forget(vf);
	vfcap_emul_reset(vf);
	vfcap_sync(vf);
	vfcap_set_eventfd(vf, &vf->lost_eventfd, NULL);
	vfcap_set_eventfd(vf, &vf->return_eventfd, NULL);

	guard(mutex)(&vf->lock);

	memset(vf->choice, 0, sizeof(vf->choice));
	vf->shown = 0;
	vf->anchored = false;
	vf->shadow = false;
	vf->committed = false;
}

/**
 * vfcap_effects_init - make what the workers run on
 *
 * Return: 0, -ENOMEM.
 */
int vfcap_effects_init(void)
{
	/* While the host sleeps so do VFs. */
	vfcap_wq = alloc_workqueue("vfcap-vfio-pci", WQ_UNBOUND | WQ_FREEZABLE,
				   0);
	return vfcap_wq ? 0 : -ENOMEM;
}

/**
 * vfcap_effects_exit - end vfcap_effects_init()
 */
void vfcap_effects_exit(void)
{
	destroy_workqueue(vfcap_wq);
}
