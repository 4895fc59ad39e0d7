// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the PF's side tells of: above all that a capability was lost, which is
 * taken from the guest then, and told to the VF's user
 */
#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "vfcap.h"

static bool loss_as_error;
module_param(loss_as_error, bool, 0644);
MODULE_PARM_DESC(loss_as_error, "Signal the loss of a shared capability as a device error (VFIO_PCI_ERR_IRQ_INDEX), upon which QEMU stops the VM, and not by an eventfd of its own (default: N)");

static void vfcap_vf_lost(void *priv, unsigned long mask, const char *cause)
{
	struct vfcap_device *vf = priv;

	/*
	 * The registers say so at once. Whoever may take the dev_set lock does the rest,
	 * which may be long after that.
	 */
	scoped_guard(mutex, &vf->lock)
		vf->lost |= mask;
	vfcap_emul_disable(vf, mask);
	vfcap_queue_sync(vf);
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
	.pri_stopped	= vfcap_vf_pri_stopped,
	.pri_failed	= vfcap_vf_pri_failed,
};

/**
 * vfcap_begin_loss - have the loss of capabilities take effect
 * @vf: the VF
 *
 * If PASID is lost then PASIDs are detached. The registers say what is lost already. The
 * rest is vfcap_sync()'s.
 *
 * Context: Process context, under the dev_set lock.
 * Return: what was lost, for vfcap_end_loss().
 */
unsigned long vfcap_begin_loss(struct vfcap_device *vf)
{
	unsigned long lost;

	scoped_guard(mutex, &vf->lock) {
		lost = vf->lost;
		vf->lost = 0;
	}
	if (lost)
		vfcap_block(vf, lost);
	return lost;
}

/**
 * vfcap_end_loss - tell the PF's side and the VF's user of a loss that has taken effect
 * @vf: the VF
 * @lost: what vfcap_begin_loss() returned
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_end_loss(struct vfcap_device *vf, unsigned long lost)
{
	if (!lost)
		return;

	pci_vfcap_loss_done(vf->shared, lost);
	if (READ_ONCE(loss_as_error)) {
		vfio_pci_core_aer_err_detected(vf->core.pdev,
					       pci_channel_io_normal);
		return;
	}
	guard(mutex)(&vf->lock);
	if (vf->lost_eventfd)
		eventfd_signal(vf->lost_eventfd);
}

/**
 * vfcap_set_lost_eventfd - what tells the user of a loss from now on
 * @vf: the VF
 * @ctx: an eventfd, whose reference is taken over, or NULL
 *
 * Context: Process context.
 */
void vfcap_set_lost_eventfd(struct vfcap_device *vf, struct eventfd_ctx *ctx)
{
	scoped_guard(mutex, &vf->lock)
		swap(vf->lost_eventfd, ctx);
	if (ctx)
		eventfd_ctx_put(ctx);
}

/**
 * vfcap_feature_lost_eventfd - VFCAP_FEATURE_LOST_EVENTFD
 * @vf: the VF
 * @set: true
 * @data: struct vfcap_feature_lost_eventfd
 * @told: how much of it the user has
 *
 * Context: Process context, no locks held.
 * Return: 0 or -errno, see the structure.
 */
int vfcap_feature_lost_eventfd(struct vfcap_device *vf, bool set, void *data,
			       size_t told)
{
	const struct vfcap_feature_lost_eventfd *lost = data;
	struct eventfd_ctx *ctx = NULL;

	if (lost->reserved || lost->fd < -1)
		return -EINVAL;

	if (lost->fd >= 0) {
		ctx = eventfd_ctx_fdget(lost->fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	vfcap_set_lost_eventfd(vf, ctx);
	return 0;
}
