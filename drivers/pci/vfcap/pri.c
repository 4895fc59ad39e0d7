// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page requests of a VF, which the driver of its PF or the VF's user answers
 *
 * Clearing Enable of the Page Request Interface stops new requests at once; the
 * interface is stopped when those in flight are answered (PCIe r6.0, sec
 * 10.5.2.3). Only whoever answers them knows when that is. Meanwhile the PF's
 * interface and those of other VFs go on.
 */
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "pci-vfcap.h"

static unsigned int pri_drain_ms = 1000;
module_param(pri_drain_ms, uint, 0644);
MODULE_PARM_DESC(pri_drain_ms, "How long a VF's page requests may take to be answered after it cleared PRI Enable; then the kernel answers them instead of the VMM; where the PF's driver answers them, the VF loses its capabilities (default: 1000)");

static unsigned int pri_answer_ms = 10000;
module_param(pri_answer_ms, uint, 0644);
MODULE_PARM_DESC(pri_answer_ms, "How long a VMM may take to answer a page request of its VF, before the kernel answers it instead (default: 10000)");

/**
 * struct vfcap_requests - the page requests of a VF
 *
 * Allocated apart from the handle, since many VFs may be bound while few are open.
 *
 * @handle: the VF's handle
 * @lock: Protects all below. Taken before @lock of the PF.
 * @on: PRI was enabled, and the PF driver lets the VF send page requests
 * @refused: it was enabled, and the PF driver refused
 * @again: the allocation with which to enable it again once it is drained
 * @drain: waits for the requests in flight
 * @draining: @drain was queued and has not finished
 * @waiting: its result is still of interest
 * @limit: ends the wait after pri_drain_ms
 * @failed: the wait ended before the requests were answered
 * @claimed: The VF's user answers instead of the PF's driver, see iopf_shared_claim(). Set
 *	before the VF shows PRI, and until its user can have no page table attached.
 * @halted: there was a Response Failure: nothing more until it is enabled again
 * @resetting: a reset with callbacks, or the recovery from an error, has begun
 */
struct vfcap_requests {
	struct pci_vfcap_vf *handle;
	struct mutex lock;		/* all below */
	bool on;
	bool refused;
	u32 again;
	struct work_struct drain;
	bool draining;
	bool waiting;
	struct delayed_work limit;
	bool failed;
	bool claimed;
	bool halted;
	bool resetting;
};

/*
 * What a PF's driver would do, done in the IOMMU core where the VF's user answers. The
 * number of outstanding requests is not limited there, but how long each of them may be
 * outstanding is.
 */
static int vfcap_iopf_enable(struct pci_dev *pf, struct pci_dev *vf,
			     u32 allocation)
{
	iopf_shared_open(&vf->dev);
	return 0;
}

static void vfcap_iopf_disable(struct pci_dev *pf, struct pci_dev *vf)
{
	iopf_shared_close(&vf->dev);
}

/* The kernel can answer in a user's place, though not in a device's: nothing is lost. */
static int vfcap_iopf_drain(struct pci_dev *pf, struct pci_dev *vf,
			    unsigned long timeout)
{
	if (iopf_shared_drain(&vf->dev, timeout))
		iopf_shared_abort(&vf->dev);
	return 0;
}

static void vfcap_iopf_reset(struct pci_dev *pf, struct pci_dev *vf)
{
	iopf_shared_abort(&vf->dev);
}

static const struct pci_vfcap_ops vfcap_iopf_ops = {
	.pri_enable	= vfcap_iopf_enable,
	.pri_disable	= vfcap_iopf_disable,
	.pri_drain	= vfcap_iopf_drain,
	.pri_reset	= vfcap_iopf_reset,
};

/* Like vfcap_call(), but calls whoever answers: the user's side, or the PF's driver */
#define vfcap_pri_call(_pri, none, callback, ...)			\
({									\
	struct vfcap_requests *pri_ = (_pri);				\
	struct pci_vfcap_vf *handle_ = pri_->handle;			\
									\
	pri_->claimed ?							\
		vfcap_iopf_ops.callback(handle_->record->pf,		\
					handle_->vf, ##__VA_ARGS__) :	\
		vfcap_call(handle_->record, none, callback,		\
			   handle_->vf, ##__VA_ARGS__);			\
})

/*
 * Caller holds the lock. PRI may have been lost since the VF asked for it, without the VF
 * knowing yet: then it stays off, as it will in the VF.
 */
static void vfcap_pri_start(struct vfcap_requests *pri, u32 allocation)
{
	int ret;

	if (!pci_vfcap_usable(pri->handle, PCI_VFCAP_PRI))
		return;

	ret = vfcap_pri_call(pri, 0, pri_enable, allocation);
	pri->on = !ret;
	pri->refused = ret;
	if (ret)
		dev_warn_ratelimited(&pri->handle->vf->dev, "PRI is enabled but sends nothing: the driver of its PF refused an allocation of %u (error %d)\n",
				     allocation, ret);
}

/* Caller holds the lock. */
static void vfcap_pri_stop(struct vfcap_requests *pri)
{
	if (pri->on)
		vfcap_pri_call(pri, (void)0, pri_disable);
	pri->on = false;
	pri->refused = false;
	pri->again = 0;
}

static void vfcap_pri_report_stopped(struct pci_vfcap_vf *handle)
{
	guard(mutex)(&handle->record->lock);

	handle->ops->pri_stopped(handle->priv);
}

/* Caller holds the lock. Reports the end of the wait, once. */
static void vfcap_pri_end_wait(struct vfcap_requests *pri, int error)
{
	static const char cause[] = "its page requests were not answered in time";
	struct pci_vfcap *record = pri->handle->record;

	if (!pri->waiting)
		return;

	pri->waiting = false;
	pri->failed = error;
	cancel_delayed_work(&pri->limit);
	if (!error) {
		vfcap_pri_report_stopped(pri->handle);
		return;
	}
	pri->again = 0;

	guard(mutex)(&record->lock);

	vfcap_lose_one(pri->handle, ~0UL, cause);
	vfcap_log_losses(record, cause);
}

static void vfcap_pri_drain(struct work_struct *work)
{
	struct vfcap_requests *pri = container_of(work, struct vfcap_requests, drain);
	unsigned long timeout = msecs_to_jiffies(READ_ONCE(pri_drain_ms));
	int ret;

	ret = vfcap_pri_call(pri, 0, pri_drain, timeout);

	guard(mutex)(&pri->lock);

	pri->draining = false;
	vfcap_pri_end_wait(pri, ret);
	if (pri->again)
		vfcap_pri_start(pri, pri->again);
	pri->again = 0;
}

/* The limit holds whether or not the PF's driver observes it. */
static void vfcap_pri_limit(struct work_struct *work)
{
	struct vfcap_requests *pri =
		container_of(to_delayed_work(work), struct vfcap_requests, limit);

	guard(mutex)(&pri->lock);

	/* If it is queued again, the wait that this run was queued for is over. */
	if (!delayed_work_pending(&pri->limit))
		vfcap_pri_end_wait(pri, -ETIMEDOUT);
}

/**
 * vfcap_requests_init - prepare a VF for an open
 * @handle: its handle
 *
 * Context: Process context; opens of a VF do not run concurrently.
 * Return: 0 or -ENOMEM.
 */
int vfcap_requests_init(struct pci_vfcap_vf *handle)
{
	struct vfcap_requests *pri;

	if (handle->pri)
		return 0;

	pri = kzalloc_obj(*pri, GFP_KERNEL);
	if (!pri)
		return -ENOMEM;
	pri->handle = handle;
	mutex_init(&pri->lock);
	INIT_WORK(&pri->drain, vfcap_pri_drain);
	INIT_DELAYED_WORK(&pri->limit, vfcap_pri_limit);
	/* A reset from outside looks at it without a lock. */
	smp_store_release(&handle->pri, pri);
	return 0;
}

/**
 * vfcap_requests_exit - end what runs for a VF
 * @handle: its handle, closed
 *
 * Context: Process context. Waits for the PF driver's pri_drain.
 */
void vfcap_requests_exit(struct pci_vfcap_vf *handle)
{
	if (!handle->pri)
		return;

	cancel_work_sync(&handle->pri->drain);
	cancel_delayed_work_sync(&handle->pri->limit);
	kfree(handle->pri);
}

/**
 * pci_vfcap_pri_answered - whether the PF's driver answers its VFs' page requests
 * @handle: the VF's handle
 *
 * Context: Process context.
 * Return: true if the driver declares that, by having pri_* callbacks.
 */
bool pci_vfcap_pri_answered(struct pci_vfcap_vf *handle)
{
	guard(mutex)(&handle->record->lock);

	return vfcap_answers(handle->record);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_answered);

/**
 * pci_vfcap_pri_deliverable - whether a VF's page requests could reach its user
 * @handle: the VF's handle
 *
 * Context: Process context.
 * Return: true if the IOMMU delivers them, and the kernel lets this module stand between
 * them and the user.
 */
bool pci_vfcap_pri_deliverable(struct pci_vfcap_vf *handle)
{
	return vfcap_delivers_page_requests(&handle->vf->dev);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_deliverable);

/**
 * pci_vfcap_pri_claim - let a VF's user answer its page requests
 * @handle: the VF's handle, open, before it shows PRI
 *
 * From now on iommufd accepts page tables with a fault queue for the VF. Requests reach
 * the queue while PRI is enabled. If the user does not answer in time (parameter
 * pri_answer_ms), the kernel answers with Invalid Request instead.
 *
 * Context: Process context.
 * Return: 0, -ENODEV if they cannot be delivered or the PF's driver answers them, -EBUSY
 * if such a page table is attached already.
 */
int pci_vfcap_pri_claim(struct pci_vfcap_vf *handle)
{
	unsigned long timeout = msecs_to_jiffies(READ_ONCE(pri_answer_ms));
	struct vfcap_requests *pri = handle->pri;
	int ret;

	if (pci_vfcap_pri_answered(handle))
		return -ENODEV;

	guard(mutex)(&pri->lock);

	if (pri->claimed)
		return 0;
	ret = iopf_shared_claim(&handle->vf->dev, timeout);
	pri->claimed = !ret;
	return ret;
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_claim);

/**
 * pci_vfcap_pri_release - end pci_vfcap_pri_claim()
 * @handle: the VF's handle, closed; NULL does nothing
 *
 * Must not be called before its user's page tables are detached: at each reset the kernel
 * attaches them again, and without the claim nothing would stand in front of them.
 *
 * Context: Process context.
 */
void pci_vfcap_pri_release(struct pci_vfcap_vf *handle)
{
	struct vfcap_requests *pri = handle ? handle->pri : NULL;

	if (!pri || !pri->claimed)
		return;

	/* What the drain waited for was answered when the VF was closed. */
	flush_work(&pri->drain);
	guard(mutex)(&pri->lock);

	iopf_shared_release(&handle->vf->dev);
	pri->claimed = false;
	pri->halted = false;
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_release);

/**
 * pci_vfcap_pri_claimed - whether a VF's user answers its page requests
 * @handle: the VF's handle, open
 *
 * Context: Process context, the same as for pci_vfcap_pri_claim().
 * Return: true if so.
 */
bool pci_vfcap_pri_claimed(struct pci_vfcap_vf *handle)
{
	return handle->pri->claimed;
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_claimed);

/**
 * pci_vfcap_pri_share - how many page requests a VF may have outstanding
 * @handle: the VF's handle
 *
 * Each VF has an equal share of what the PF was allotted (PCIe r6.0, sec
 * 10.5.2.5), which is not the PF's capacity. While a VF shows PRI the allotment is
 * watched and no VFs can be added, so that the shares never exceed the allotment.
 *
 * Context: Process context.
 * Return: a number of requests, 0 if the PF has no PRI or was allotted fewer requests
 * than it has VFs.
 */
u32 pci_vfcap_pri_share(struct pci_vfcap_vf *handle)
{
	const unsigned int reg = PCI_PRI_ALLOC_REQ / 4;
	struct pci_vfcap *record = handle->record;
	u32 regs[VFCAP_SHARED_REGS];
	u16 vfs;

	/* pci_num_vf() is 0 until the last VF was added. */
	pci_read_config_word(record->pf,
			     pci_find_ext_capability(record->pf,
						     PCI_EXT_CAP_ID_SRIOV) +
			     PCI_SRIOV_NUM_VF, &vfs);
	if (!vfs || pci_vfcap_read(record->pf, PCI_VFCAP_PRI, regs,
				   ARRAY_SIZE(regs)) < 0)
		return 0;

	guard(mutex)(&record->lock);

	/* VFs that show PRI have shares of what the allotment was when they came to. */
	if (record->showing[PCI_VFCAP_PRI])
		regs[reg] = min(regs[reg], record->seen[PCI_VFCAP_PRI][reg]);
	return regs[reg] / vfs;
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_share);

/**
 * pci_vfcap_pri_enable - let a VF send page requests
 * @handle: the VF's handle
 * @allocation: how many may be outstanding, at least 1
 *
 * While requests from before are still being answered, this takes effect after
 * that. If the PF's driver refuses, nothing is sent until PRI is disabled and
 * enabled again; the refusal is logged. PRI that was lost is not enabled.
 *
 * Context: Process context. Calls the PF driver's pri_enable, unless this was done
 * already since pci_vfcap_pri_disable().
 */
void pci_vfcap_pri_enable(struct pci_vfcap_vf *handle, u32 allocation)
{
	struct vfcap_requests *pri = handle->pri;

	guard(mutex)(&pri->lock);

	if (pri->on || pri->refused || pri->halted || pri->resetting)
		return;
	if (pri->draining)
		pri->again = allocation;
	else
		vfcap_pri_start(pri, allocation);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_enable);

/**
 * pci_vfcap_pri_disable - keep a VF from sending new page requests
 * @handle: the VF's handle
 *
 * When no requests are in flight any more, perhaps before this returns, the VF driver's
 * pri_stopped callback is called. If that takes longer than the limit (parameter
 * pri_drain_ms), requests that the VF's user was to answer are answered with Invalid
 * Request. If the PF's driver answers them, the VF loses its capabilities instead, and
 * pri_stopped is called only after pci_vfcap_pri_reset().
 *
 * Context: Process context. Calls the PF driver's pri_disable; does not wait.
 */
void pci_vfcap_pri_disable(struct pci_vfcap_vf *handle)
{
	unsigned long timeout = msecs_to_jiffies(READ_ONCE(pri_drain_ms));
	struct vfcap_requests *pri = handle->pri;

	guard(mutex)(&pri->lock);

	pri->halted = false;
	if (pri->on) {
		vfcap_pri_stop(pri);
		pri->waiting = true;
		pri->draining = true;
		/* A wait for the user ends in time by itself. */
		if (!pri->claimed)
			mod_delayed_work(vfcap_wq, &pri->limit, timeout);
		queue_work(vfcap_wq, &pri->drain);
		return;
	}
	vfcap_pri_stop(pri);
	if (!pri->waiting && !pri->failed)
		vfcap_pri_report_stopped(handle);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_disable);

/**
 * pci_vfcap_pri_reset - forget a VF's page requests
 * @handle: the VF's handle
 *
 * Disables PRI if it is enabled, and stops it at once.
 *
 * Context: Process context. Calls the PF driver's pri_disable and pri_reset if
 * the VF shows PRI.
 */
void pci_vfcap_pri_reset(struct pci_vfcap_vf *handle)
{
	struct vfcap_requests *pri = handle->pri;
	bool shown;

	guard(mutex)(&pri->lock);

	scoped_guard(mutex, &handle->record->lock)
		shown = vfcap_is_shown(handle, PCI_VFCAP_PRI);
	if (!shown)
		return;

	vfcap_pri_stop(pri);
	vfcap_pri_call(pri, (void)0, pri_reset);
	pri->halted = false;
	pri->waiting = false;
	pri->failed = false;
	cancel_delayed_work(&pri->limit);
	vfcap_pri_report_stopped(handle);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_reset);

/* NULL if it is not a VF or was never opened. For callers without a lock against an open */
static struct vfcap_requests *vfcap_requests(struct pci_vfcap_vf *handle)
{
	/* Pairs with vfcap_requests_init(). */
	return handle ? smp_load_acquire(&handle->pri) : NULL;
}

static void vfcap_pri_flush(struct pci_vfcap_vf *handle, bool resetting)
{
	struct vfcap_requests *pri = vfcap_requests(handle);

	if (!pri)
		return;

	guard(mutex)(&pri->lock);

	pri->resetting |= resetting;
	if (!pri->claimed)
		return;
	vfcap_pri_stop(pri);
	vfcap_pri_call(pri, (void)0, pri_reset);
}

/**
 * pci_vfcap_pri_flush - answer what a VF's user has not answered, before the VF is reset
 * @handle: the VF's handle; NULL does nothing
 *
 * After a reset, a late response would be taken for that to another request with the same
 * index. Nothing new comes until pci_vfcap_pri_enable() is called again. Does nothing if
 * the PF's driver answers.
 *
 * Context: Process context. The VF may be closed.
 */
void pci_vfcap_pri_flush(struct pci_vfcap_vf *handle)
{
	vfcap_pri_flush(handle, false);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_flush);

/**
 * pci_vfcap_pri_reset_begin - flush, and enable nothing until the reset is over
 * @handle: the VF's handle; NULL does nothing
 *
 * As pci_vfcap_pri_flush(). Also, pci_vfcap_pri_enable() does nothing until
 * pci_vfcap_pri_reset_end().
 *
 * Context: Process context. The VF may be closed.
 */
void pci_vfcap_pri_reset_begin(struct pci_vfcap_vf *handle)
{
	vfcap_pri_flush(handle, true);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_reset_begin);

/**
 * pci_vfcap_pri_reset_end - the reset is over
 * @handle: the VF's handle; NULL does nothing
 *
 * What is still enabled takes effect at the next pci_vfcap_pri_enable().
 *
 * Context: Process context. The VF may be closed.
 */
void pci_vfcap_pri_reset_end(struct pci_vfcap_vf *handle)
{
	struct vfcap_requests *pri = vfcap_requests(handle);

	if (!pri)
		return;

	guard(mutex)(&pri->lock);

	pri->resetting = false;
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_reset_end);

/**
 * pci_vfcap_pri_halt - let no page request through until PRI is enabled again
 * @handle: the VF's handle, open
 *
 * This is what a function does on a Response Failure (PCIe r6.0, sec 10.4.2.1). Enable
 * stays as it is. Does nothing if the PF's driver answers.
 *
 * Context: Process context.
 */
void pci_vfcap_pri_halt(struct pci_vfcap_vf *handle)
{
	struct vfcap_requests *pri = handle->pri;

	guard(mutex)(&pri->lock);

	if (!pri->claimed)
		return;
	pri->halted = true;
	if (pri->on)
		vfcap_pri_call(pri, (void)0, pri_disable);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_halt);

/**
 * pci_vfcap_pri_failed - report an error of a VF's page requests
 * @pf: the PF
 * @vf: its VF
 * @status: PCI_PRI_STATUS_RF if a response failed, PCI_PRI_STATUS_UPRGI if one came
 *	for a group that was never requested; other bits are ignored
 *
 * The VF's user finds the bits set in its Page Request Status.
 *
 * Context: Process context; may be called from a callback.
 */
void pci_vfcap_pri_failed(struct pci_dev *pf, struct pci_dev *vf, u16 status)
{
	struct pci_vfcap *record __free(vfcap_put) = vfcap_find(pf);
	struct pci_vfcap_vf *handle;

	if (!record)
		return;

	status &= PCI_PRI_STATUS_RF | PCI_PRI_STATUS_UPRGI;

	guard(mutex)(&record->lock);

	handle = vfcap_find_vf(record, vf);
	if (handle && vfcap_is_shown(handle, PCI_VFCAP_PRI))
		handle->ops->pri_failed(handle->priv, status);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_failed);
