// SPDX-License-Identifier: GPL-2.0-only
/*
 * The effects of the registers, and the events that pci-vfcap reports
 *
 * Effects are the PASIDs in the IOMMU, and the page requests that the PF's driver or the
 * VMM answers. They are withdrawn before Enable goes to 0, and granted after it has gone
 * to 1. Enable is cleared by a guest's write, a reset, a loss, or a return from low
 * power. Code that notices this without the dev_set lock leaves the rest to a worker.
 */
#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "base.h"
#include "caps.h"
#include "effects.h"
#include "emul.h"

static bool loss_as_error;
module_param(loss_as_error, bool, 0644);
MODULE_PARM_DESC(loss_as_error, "Signal the loss of a shared capability as a device error (VFIO_PCI_ERR_IRQ_INDEX), on which QEMU stops the VM, instead of through an eventfd of its own (default: N)");

const struct vfcap_cap * const vfcap_caps[VFCAP_NR_CAPS] = {
	[PCI_VFCAP_PASID]	= &vfcap_pasid,
	[PCI_VFCAP_PRI]		= &vfcap_pri,
	[VFCAP_SHDW]		= &vfcap_shdw,
};

static struct workqueue_struct *vfcap_sync_wq;

/**
 * vfcap_queue_sync - let a worker call vfcap_sync()
 * @vd: the device
 *
 * Context: Any context, while the device is bound.
 */
void vfcap_queue_sync(struct vfcap_device *vd)
{
	queue_work(vfcap_sync_wq, &vd->sync_work);
}

/**
 * vfcap_was_reset - follow up on a reset of the device
 * @vd: the device
 * @losses: what pci_vfcap_vf_losses() returned when the reset began
 *
 * The PCI core calls reset_done() after a failure too. What is behind the registers follows
 * at the next vfcap_sync().
 *
 * Context: Process context. Core may hold memory_lock.
 */
void vfcap_was_reset(struct vfcap_device *vd, u64 losses)
{
	vfcap_emul_reset(vd);
	pci_vfcap_vf_reset(vd->handle, losses);
}

/* Whether the device has returned from low power, and that was not noticed yet */
static bool vfcap_has_returned(struct vfcap_device *vd)
{
	return vd->entry.noted && !vfcap_is_let_go(vd);
}

/*
 * To be called first once the device's low power has ended. A function that loses its
 * registers on a return to D0 was reset if it left D0 after it was let go, which
 * something else may have prevented. When it left D0 is not known, so the reset counts
 * from the entry on.
 */
static void vfcap_notice_return(struct vfcap_device *vd)
{
	if (!vfcap_has_returned(vd))
		return;

	if (vd->entry.soft_reset &&
	    pm_runtime_suspended_time(&vd->core.pdev->dev) > vd->entry.suspended)
		vfcap_was_reset(vd, vd->entry.losses);
	vd->entry.noted = false;
}

static void vfcap_block_cap(struct vfcap_device *vd, const struct vfcap_cap *cap)
{
	if (cap->block)
		cap->block(vd);
	if (cap->flush)
		cap->flush(vd);
}

/**
 * vfcap_block - withdraw what the device's Enable bits grant
 * @vd: the device
 * @caps: of which capabilities, BIT(index) each
 *
 * To be called before anything that may clear these bits. If they were not cleared,
 * vfcap_sync() restores the effects.
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_block(struct vfcap_device *vd, unsigned long caps)
{
	unsigned long id;

	lockdep_assert_held(vfcap_dev_set_lock(vd));

	caps &= vd->shown;
	for_each_set_bit(id, &caps, VFCAP_NR_CAPS)
		vfcap_block_cap(vd, vd->table[id]);
}

/* Notify the PF's side and the device's user of a loss that has taken effect. */
static void vfcap_tell_loss(struct vfcap_device *vd, unsigned long lost)
{
	pci_vfcap_loss_done(vd->handle, lost);
	if (READ_ONCE(loss_as_error)) {
		vfio_pci_core_aer_err_detected(vd->core.pdev,
					       pci_channel_io_normal);
		return;
	}
	guard(mutex)(&vd->lock);
	if (vd->lost_eventfd)
		eventfd_signal(vd->lost_eventfd);
}

static void vfcap_sync_cap(struct vfcap_device *vd, unsigned int id)
{
	const struct vfcap_cap *cap = vd->table[id];
	bool cleared, restart;
	u32 ctrl = vfcap_emul_take(vd, id, &cleared, &restart);

	if (cleared)
		pci_vfcap_control(vfcap_handle(vd, id), id, ctrl, ctrl);
	if (cap->sync)
		cap->sync(vd, ctrl & cap->enable, restart);
}

/**
 * vfcap_sync - make the effects match the registers
 * @vd: the device
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_sync(struct vfcap_device *vd)
{
	unsigned long lost, id;

	lockdep_assert_held(vfcap_dev_set_lock(vd));

	vfcap_notice_return(vd);
	/* The registers already show what is lost. */
	scoped_guard(mutex, &vd->lock) {
		lost = vd->lost;
		vd->lost = 0;
	}
	vfcap_block(vd, lost);
	for_each_set_bit(id, &vd->shown, VFCAP_NR_CAPS)
		vfcap_sync_cap(vd, id);
	if (lost)
		vfcap_tell_loss(vd, lost);
}

/**
 * vfcap_catch_up - carry out what is pending before the caller goes on
 * @vd: the device
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_catch_up(struct vfcap_device *vd)
{
	/* What happens at this very moment may be missed: it counts as happening later. */
	if (READ_ONCE(vd->lost) || READ_ONCE(vd->cleared) ||
	    vfcap_has_returned(vd))
		vfcap_sync(vd);
}

/**
 * vfcap_sync_work - call vfcap_sync()
 * @work: &vfcap_device.sync_work
 */
void vfcap_sync_work(struct work_struct *work)
{
	struct vfcap_device *vd = container_of(work, struct vfcap_device,
					       sync_work);

	/*
	 * A user can hold the lock for as long as it keeps one of its own pages from
	 * being read. A worker gets no signals: this waits as mutex_lock() would, but the
	 * kernel does not report it as a hung task.
	 */
	if (mutex_lock_interruptible(vfcap_dev_set_lock(vd)))
		return;
	vfcap_sync(vd);
	mutex_unlock(vfcap_dev_set_lock(vd));
}

/**
 * vfcap_may_enable - whether a guest could enable a capability now
 * @vd: the device
 * @id: a capability that it shows
 *
 * Context: Process context, under the dev_set lock.
 * Return: false if its Enable would stay 0.
 */
bool vfcap_may_enable(struct vfcap_device *vd, unsigned int id)
{
	const struct vfcap_cap *cap = vd->table[id];

	return pci_vfcap_usable(vfcap_handle(vd, id), id) &&
	       (!cap->may_enable || cap->may_enable(vd));
}

/*
 * What the Control dword becomes after a write, once others have had their say. The PF's
 * driver is not asked to enable what cannot be had, since it would act on that.
 */
static u32 vfcap_agree(struct vfcap_device *vd, unsigned int id, u32 old,
		       u32 new)
{
	const struct vfcap_cap *cap = vd->table[id];
	u32 open = vfcap_emul_writable(cap, VFCAP_CTRL, old) |
		   cap->behavior[VFCAP_CTRL].w1c;
	u32 answer;

	if (!(old & cap->enable) && !vfcap_may_enable(vd, id)) {
		if (new & cap->enable)
			pci_notice_ratelimited(vd->core.pdev,
					       "%s cannot be enabled now\n",
					       cap->name);
		new &= ~cap->enable;
		open &= ~cap->enable;
	}
	answer = pci_vfcap_control(vfcap_handle(vd, id), id, old, new);

	/* For bits that a guest cannot write, the answer does not count. */
	return new ^ ((new ^ answer) & open);
}

/**
 * vfcap_guest_write - carry out a guest's write to an emulated capability
 * @vd: the device
 * @id: the capability
 * @val: the capability's dwords, CPU endian
 * @mask: which of their bytes are written
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_guest_write(struct vfcap_device *vd, unsigned int id,
		       const u32 *val, const u32 *mask)
{
	const struct vfcap_cap *cap = vd->table[id];
	u32 old, new;

	lockdep_assert_held(vfcap_dev_set_lock(vd));

	vfcap_catch_up(vd);

	old = vfcap_emul_ctrl(vd, id);
	new = old;
	if (mask[VFCAP_CTRL] & cap->enable)
		vd->written |= BIT(id);
	if (mask[VFCAP_CTRL] && cap->enable)
		new = vfcap_agree(vd, id, old,
				  vfcap_emul_written(cap, VFCAP_CTRL, old,
						     val[VFCAP_CTRL],
						     mask[VFCAP_CTRL]));
	if (old & ~new & cap->enable && cap->block)
		cap->block(vd);

	vfcap_emul_store(vd, id, val, mask, old, new);

	/* What Enable grants was withdrawn before it was cleared. */
	if (new & cap->enable || !cap->block)
		vfcap_sync_cap(vd, id);
}

/**
 * vfcap_restore - set registers back to saved values
 * @vd: the device
 * @id: a capability that it shows
 * @regs: its dwords, as vfcap_emul_could_be() accepts them
 *
 * This is a guest's write to all of them, followed by the bits that only the device sets
 * and only a guest clears. Stopped is left as it is, since it depends on the device's
 * page requests.
 *
 * Context: Process context, under the dev_set lock.
 * Return: false if Enable should be 1 and is not.
 */
bool vfcap_restore(struct vfcap_device *vd, unsigned int id, const u32 *regs)
{
	static const u32 all[VFCAP_MAX_REGS] = {
		[0 ... VFCAP_MAX_REGS - 1] = ~0U,
	};

	vfcap_guest_write(vd, id, regs, all);
	return vfcap_emul_set_w1c(vd, id, regs[VFCAP_CTRL]);
}

static void vfcap_vf_lost(void *priv, unsigned long mask)
{
	struct vfcap_device *vd = priv;

	/*
	 * The registers show the loss at once. The rest needs the dev_set lock, which may
	 * take a long time to get.
	 */
	vfcap_emul_lose(vd, mask);
	vfcap_queue_sync(vd);
}

static void vfcap_vf_returned(void *priv)
{
	struct vfcap_device *vd = priv;

	guard(mutex)(&vd->lock);

	if (vd->return_eventfd)
		eventfd_signal(vd->return_eventfd);
}

static void vfcap_vf_pri_stopped(void *priv)
{
	vfcap_set_status(priv, PCI_VFCAP_PRI,
			 VFCAP_PRI_STATUS(PCI_PRI_STATUS_STOPPED));
}

static void vfcap_vf_pri_failed(void *priv, u16 status)
{
	vfcap_set_status(priv, PCI_VFCAP_PRI, VFCAP_PRI_STATUS(status));
}

const struct pci_vfcap_vf_ops vfcap_vf_ops = {
	.lost		= vfcap_vf_lost,
	.returned	= vfcap_vf_returned,
	.pri_stopped	= vfcap_vf_pri_stopped,
	.pri_failed	= vfcap_vf_pri_failed,
};

/**
 * vfcap_set_eventfd - set an eventfd that notifies the user
 * @vd: the device
 * @slot: which one: @lost_eventfd or @return_eventfd of &struct vfcap_device
 * @ctx: the eventfd, whose reference is taken over, or NULL for none
 *
 * Context: Process context.
 */
void vfcap_set_eventfd(struct vfcap_device *vd, struct eventfd_ctx **slot,
		       struct eventfd_ctx *ctx)
{
	scoped_guard(mutex, &vd->lock)
		swap(*slot, ctx);
	if (ctx)
		eventfd_ctx_put(ctx);
}

/**
 * vfcap_end_session - forget what this session showed
 * @vd: the device
 *
 * Context: Before core is closed, since that frees vconfig and then resets the device;
 * under the dev_set lock. The last user of the file is gone, so nobody else accesses
 * config space. PASIDs stay attached until the device is no longer a bus master.
 */
void vfcap_end_session(struct vfcap_device *vd)
{
	vd->entry.noted = false;
	vd->written = 0;
	if (VFCAP_PASID_ATTACH)
		vfcap_pasid_forget(vd);
	vfcap_emul_reset(vd);
	vfcap_sync(vd);
	vfcap_set_eventfd(vd, &vd->lost_eventfd, NULL);
	vfcap_set_eventfd(vd, &vd->return_eventfd, NULL);

	guard(mutex)(&vd->lock);

	memset(vd->choice, 0, sizeof(vd->choice));
	vd->shown = 0;
	vd->pri.pos = 0;
	vd->shadow = false;
	vd->committed = false;
	vd->plain_reads = false;
	vd->plain_writes = false;
}

/**
 * vfcap_effects_init - create the workqueue of the workers
 *
 * Return: 0, -ENOMEM.
 */
int vfcap_effects_init(void)
{
	/* While the host sleeps, so do its VFs. */
	vfcap_sync_wq = alloc_workqueue("vfcap-vfio-pci", WQ_UNBOUND | WQ_FREEZABLE,
					0);
	return vfcap_sync_wq ? 0 : -ENOMEM;
}

/**
 * vfcap_effects_exit - undo vfcap_effects_init()
 */
void vfcap_effects_exit(void)
{
	destroy_workqueue(vfcap_sync_wq);
}
