// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page requests of a VF, which its PF's driver answers
 *
 * Clearing Enable of the Page Request Interface stops new requests at once; the
 * interface is stopped when those in flight are answered (PCIe r6.0, sec
 * 7.8.10.3). Only who answers them knows when that is. The PF's interface goes
 * on meanwhile, and so do those of other VFs.
 */
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "pci-vfcap.h"

static unsigned int pri_drain_ms = 1000;
module_param(pri_drain_ms, uint, 0644);
MODULE_PARM_DESC(pri_drain_ms, "How long a VF's page requests may take to be answered after it cleared PRI Enable, before it is failed (default: 1000)");

/* Caller holds pri_lock. */
static void vfcap_pri_start(struct pci_vfcap_vf *user, u32 allocation)
{
	int ret = vfcap_call_pri_enable(user, allocation);

	user->pri_on = !ret;
	user->pri_refused = ret;
	if (ret)
		dev_warn_ratelimited(&user->vf->dev, "PRI is enabled but sends nothing: the driver of its PF refused an allocation of %u (error %d)\n",
				     allocation, ret);
}

/* Caller holds pri_lock. */
static void vfcap_pri_stop(struct pci_vfcap_vf *user)
{
	if (user->pri_on)
		vfcap_call_pri_disable(user);
	user->pri_on = false;
	user->pri_refused = false;
	user->pri_again = 0;
}

static void vfcap_pri_report_stopped(struct pci_vfcap_vf *user)
{
	guard(mutex)(&user->shared->lock);

	user->ops->pri_stopped(user->priv);
}

static void vfcap_pri_report_failed(struct pci_vfcap_vf *user)
{
	guard(mutex)(&user->shared->lock);

	vfcap_lose_one(user, ~0UL,
		       "its page requests were not answered in time");
}

/* Caller holds pri_lock. Reports the end of the wait, once. */
static void vfcap_pri_end_wait(struct pci_vfcap_vf *user, int error)
{
	if (!user->pri_waiting)
		return;

	user->pri_waiting = false;
	user->pri_failed = error;
	cancel_delayed_work(&user->pri_limit);
	if (error) {
		user->pri_again = 0;
		vfcap_pri_report_failed(user);
	} else {
		vfcap_pri_report_stopped(user);
	}
}

static void vfcap_pri_drain(struct work_struct *work)
{
	struct pci_vfcap_vf *user = container_of(work, struct pci_vfcap_vf,
						 pri_drain);
	unsigned long timeout = msecs_to_jiffies(READ_ONCE(pri_drain_ms));
	int ret;

	ret = vfcap_call_pri_drain(user, timeout);

	guard(mutex)(&user->pri_lock);

	user->pri_draining = false;
	vfcap_pri_end_wait(user, ret);
	if (user->pri_again)
		vfcap_pri_start(user, user->pri_again);
	user->pri_again = 0;
}

/* Nobody waits longer, whether the PF's driver minds the limit or not. */
static void vfcap_pri_limit(struct work_struct *work)
{
	struct pci_vfcap_vf *user = container_of(to_delayed_work(work),
						 struct pci_vfcap_vf,
						 pri_limit);

	guard(mutex)(&user->pri_lock);

	/* It may have begun before the wait that it was for was over. */
	if (!time_before(jiffies, user->pri_deadline))
		vfcap_pri_end_wait(user, -ETIMEDOUT);
}

/**
 * vfcap_pri_init - prepare a VF's handle
 * @user: the handle
 */
void vfcap_pri_init(struct pci_vfcap_vf *user)
{
	mutex_init(&user->pri_lock);
	INIT_WORK(&user->pri_drain, vfcap_pri_drain);
	INIT_DELAYED_WORK(&user->pri_limit, vfcap_pri_limit);
}

/**
 * vfcap_pri_exit - end what runs for a VF
 * @user: its handle, closed
 *
 * Context: Process context. Waits for the PF driver's pri_drain.
 */
void vfcap_pri_exit(struct pci_vfcap_vf *user)
{
	cancel_work_sync(&user->pri_drain);
	cancel_delayed_work_sync(&user->pri_limit);
}

/**
 * pci_vfcap_pri_answered - whether the PF's driver answers its VFs' page requests
 * @user: the VF's handle
 *
 * Context: Process context.
 * Return: true if the driver has declared so with its pri_* callbacks.
 */
bool pci_vfcap_pri_answered(struct pci_vfcap_vf *user)
{
	guard(mutex)(&user->shared->lock);

	return vfcap_answers(user->shared);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_answered);

/**
 * pci_vfcap_pri_share - how many page requests a VF may have outstanding
 * @user: the VF's handle
 *
 * Each VF has an equal share of what the PF was allotted (PCIe r6.0, sec
 * 7.8.10.5), which is not its capacity. While a VF shows PRI the allotment is
 * watched, and VFs cannot become more, so that the shares never exceed it.
 *
 * Context: Process context.
 * Return: a number of requests, 0 where the PF has no PRI or more VFs than that.
 */
u32 pci_vfcap_pri_share(struct pci_vfcap_vf *user)
{
	const unsigned int reg = PCI_PRI_ALLOC_REQ / 4;
	struct pci_vfcap *shared = user->shared;
	u32 regs[VFCAP_MAX_REGS];
	u16 vfs;

	/* pci_num_vf() is 0 until the last of them was added. */
	pci_read_config_word(shared->pf,
			     pci_find_ext_capability(shared->pf,
						     PCI_EXT_CAP_ID_SRIOV) +
			     PCI_SRIOV_NUM_VF, &vfs);
	if (!vfs || vfcap_read(shared, PCI_VFCAP_PRI, regs,
			       ARRAY_SIZE(regs)) < 0)
		return 0;

	guard(mutex)(&shared->lock);

	/* Others have shares of what it was then. */
	if (vfcap_shown(shared) & BIT(PCI_VFCAP_PRI))
		regs[reg] = min(regs[reg], shared->seen[PCI_VFCAP_PRI][reg]);
	return regs[reg] / vfs;
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_share);

/**
 * pci_vfcap_pri_enable - let a VF send page requests
 * @user: the VF's handle
 * @allocation: how many may be outstanding, at least 1
 *
 * While requests from before are still being answered it takes effect after
 * that. If the PF's driver refuses, nothing is sent until it is disabled and
 * enabled again; the refusal is logged.
 *
 * Context: Process context. Calls the PF driver's pri_enable, unless it did since
 * pci_vfcap_pri_disable().
 */
void pci_vfcap_pri_enable(struct pci_vfcap_vf *user, u32 allocation)
{
	guard(mutex)(&user->pri_lock);

	if (user->pri_on || user->pri_refused)
		return;
	if (user->pri_draining)
		user->pri_again = allocation;
	else
		vfcap_pri_start(user, allocation);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_enable);

/**
 * pci_vfcap_pri_disable - let a VF send no new page requests
 * @user: the VF's handle
 *
 * The VF's driver is told by its pri_stopped callback, perhaps before this
 * returns, when none is in flight any more. Where that takes longer than the
 * limit (parameter pri_drain_ms) the VF loses its capabilities instead, and
 * pri_stopped comes only after pci_vfcap_pri_reset().
 *
 * Context: Process context. Calls the PF driver's pri_disable; does not wait.
 */
void pci_vfcap_pri_disable(struct pci_vfcap_vf *user)
{
	unsigned long timeout = msecs_to_jiffies(READ_ONCE(pri_drain_ms));

	guard(mutex)(&user->pri_lock);

	if (user->pri_on) {
		vfcap_pri_stop(user);
		user->pri_waiting = true;
		user->pri_draining = true;
		user->pri_deadline = jiffies + timeout;
		mod_delayed_work(vfcap_wq, &user->pri_limit, timeout);
		queue_work(vfcap_wq, &user->pri_drain);
		return;
	}
	vfcap_pri_stop(user);
	if (!user->pri_waiting && !user->pri_failed)
		vfcap_pri_report_stopped(user);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_disable);

/**
 * pci_vfcap_pri_reset - forget a VF's page requests
 * @user: the VF's handle
 *
 * Disables it if it is enabled, and stops it at once.
 *
 * Context: Process context. Calls the PF driver's pri_disable and pri_reset if
 * the VF shows PRI.
 */
void pci_vfcap_pri_reset(struct pci_vfcap_vf *user)
{
	bool shown;

	guard(mutex)(&user->pri_lock);

	scoped_guard(mutex, &user->shared->lock)
		shown = vfcap_is_shown(user, PCI_VFCAP_PRI);
	if (!shown)
		return;

	vfcap_pri_stop(user);
	vfcap_call_pri_reset(user);
	user->pri_waiting = false;
	user->pri_failed = false;
	cancel_delayed_work(&user->pri_limit);
	vfcap_pri_report_stopped(user);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_reset);

/**
 * pci_vfcap_pri_failed - report an error of a VF's page requests
 * @pf: the PF
 * @vf: its VF
 * @status: PCI_PRI_STATUS_RF when a response failed, PCI_PRI_STATUS_UPRGI when one
 *	came for a group that was never requested; other bits are ignored
 *
 * The VF's user finds the bits set in its Page Request Status.
 *
 * Context: Process context; may be called from a callback.
 */
void pci_vfcap_pri_failed(struct pci_dev *pf, struct pci_dev *vf, u16 status)
{
	struct pci_vfcap *shared = vfcap_find(pf);
	struct pci_vfcap_vf *user;

	if (!shared)
		return;

	status &= PCI_PRI_STATUS_RF | PCI_PRI_STATUS_UPRGI;
	scoped_guard(mutex, &shared->lock) {
		list_for_each_entry(user, &shared->vfs, node)
			if (user->vf == vf &&
			    vfcap_is_shown(user, PCI_VFCAP_PRI))
				user->ops->pri_failed(user->priv, status);
	}
	vfcap_put(shared);
}
EXPORT_SYMBOL_GPL(pci_vfcap_pri_failed);
