// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the PF's side tells of: above all that a capability was lost, which is
 * taken from the guest then, and told to the VF's user
 */
#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "effects.h"
#include "emul.h"

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
 * vfcap_forget_eventfds - tell the user nothing more
 * @vf: the VF
 *
 * Context: Process context.
 */
void vfcap_forget_eventfds(struct vfcap_device *vf)
{
	vfcap_set_eventfd(vf, &vf->lost_eventfd, NULL);
	vfcap_set_eventfd(vf, &vf->return_eventfd, NULL);
}
