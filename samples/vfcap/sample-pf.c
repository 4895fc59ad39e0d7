// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample PF driver: takes part in the capabilities that its VFs share with it
 *
 * To be copied by authors of PF drivers. Everything that concerns pci-vfcap is in this
 * file. The sample_queue_*() functions stand for what a real driver does with its
 * device; sample-queue.c simulates one, so that this driver can be bound to any
 * SR-IOV PF. sample-debugfs.c has knobs for tests. Leave both out of a copy.
 *
 *	modprobe vfcap-sample-pf
 *	echo vfcap-sample-pf > /sys/bus/pci/devices/0000:01:00.0/driver_override
 *	echo 0000:01:00.0 > /sys/bus/pci/devices/0000:01:00.0/driver/unbind
 *	echo 0000:01:00.0 > /sys/bus/pci/drivers_probe
 *	echo 2 > /sys/bus/pci/devices/0000:01:00.0/sriov_numvfs
 *
 * Not shown here: a driver that changes the PF's own capability does so between
 * pci_vfcap_change_begin() and pci_vfcap_change_end(), and one whose device
 * reports failed page responses calls pci_vfcap_pri_failed(), from a thread or a
 * work item since it may sleep.
 *
 * Locks: callbacks run with locks of pci-vfcap and of the VF's driver held, and
 * pci_vfcap_unregister() and pci_disable_sriov() wait for them. A lock that is
 * taken in a callback must therefore not be held around either of the two. Here
 * that is a mutex inside sample-queue.c. The PF's device lock is held around
 * remove(), so callbacks must not take it.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-vfcap.h>

#include "sample-queue.h"

/*
 * The PF's driver knows the layout of its VFs' config space, including registers
 * outside of all capabilities, which no list in the VF shows. Without this
 * callback, or if it returns 0, the VF's driver searches for a place that reads as
 * zero.
 */
static int sample_pf_place(struct pci_dev *pf, struct pci_dev *vf,
			   enum pci_vfcap_id id)
{
	return sample_queue_place(pci_get_drvdata(pf), vf, id);
}

/*
 * Resources that cost something even without a user, such as page request queues,
 * are best set up here. An error hides the capability from the VF that is being
 * opened. The VF works otherwise, which is better than a guest whose page requests
 * get no answer.
 */
static int sample_pf_first_user(struct pci_dev *pf, enum pci_vfcap_id id)
{
	return sample_queue_first_user(pci_get_drvdata(pf), id);
}

/*
 * Undoes the above. Not called by pci_vfcap_unregister(): when a registration ends,
 * remove() or devres releases what first_user() set up.
 */
static void sample_pf_last_user(struct pci_dev *pf, enum pci_vfcap_id id)
{
	sample_queue_last_user(pci_get_drvdata(pf), id);
}

/*
 * The guest's registers hold what this returns, and that takes effect. For example,
 * the driver of a device that cannot tell a VF's privileged requests apart clears
 * PCI_PASID_CTRL_PRIV. Always let bits be cleared: resets and close do that, and
 * cannot fail.
 */
static u32 sample_pf_control(struct pci_dev *pf, struct pci_dev *vf,
			     enum pci_vfcap_id id, u32 old, u32 new)
{
	return sample_queue_control(pci_get_drvdata(pf), vf, id, old, new);
}

/*
 * All VFs and the PF share what the PF's Page Request Allocation allows, hence
 * @allocation: the device must not let this VF use more than its part, or it
 * starves the others.
 */
static int sample_pf_pri_enable(struct pci_dev *pf, struct pci_dev *vf,
				u32 allocation)
{
	return sample_queue_enable(pci_get_drvdata(pf), vf, allocation);
}

/*
 * Called while a guest's write to a register, or a reset, waits: only stop new
 * requests, and leave the wait for those in flight to pri_drain().
 */
static void sample_pf_pri_disable(struct pci_dev *pf, struct pci_dev *vf)
{
	sample_queue_disable(pci_get_drvdata(pf), vf);
}

/*
 * May wait, as a worker calls it. The timeout is to be kept, since a device may
 * lose requests, and pri_reset() must end the wait.
 */
static int sample_pf_pri_drain(struct pci_dev *pf, struct pci_dev *vf,
			       unsigned long timeout)
{
	return sample_queue_drain(pci_get_drvdata(pf), vf, timeout);
}

/*
 * The VF was reset or changes hands: an answer to a request from before must not
 * reach whoever has it next. Wake pri_drain(), which may be running.
 */
static void sample_pf_pri_reset(struct pci_dev *pf, struct pci_dev *vf)
{
	sample_queue_reset(pci_get_drvdata(pf), vf);
}

/* A driver has all of the pri_* callbacks, or none. */
static const struct pci_vfcap_ops sample_pf_vfcap_ops = {
	.place		= sample_pf_place,
	.first_user	= sample_pf_first_user,
	.last_user	= sample_pf_last_user,
	.control	= sample_pf_control,
	.pri_enable	= sample_pf_pri_enable,
	.pri_disable	= sample_pf_pri_disable,
	.pri_drain	= sample_pf_pri_drain,
	.pri_reset	= sample_pf_pri_reset,
};

/*
 * A reset of the PF resets its VFs too, and only the PF's driver can tell the VFs'
 * drivers. It does so here, so that they stop before the device does. The cause is
 * for the log, where it follows "PASID lost: ".
 */
static void sample_pf_reset_prepare(struct pci_dev *pf)
{
	pci_vfcap_lost(pf, "its PF is being reset by user space or the kernel");
}

/*
 * And here for a VF that was reset in between, and found the capability still in
 * place. First make the driver's state agree with the device, as callbacks may
 * follow at once.
 *
 * A driver that takes part in error recovery reports likewise from
 * error_detected() and resume(), and any driver around a reset of its own.
 */
static void sample_pf_reset_done(struct pci_dev *pf)
{
	sample_queue_reset_all(pci_get_drvdata(pf));
	pci_vfcap_lost(pf, "its PF was reset by user space or the kernel");
}

static const struct pci_error_handlers sample_pf_err_handlers = {
	.reset_prepare	= sample_pf_reset_prepare,
	.reset_done	= sample_pf_reset_done,
};

static int sample_pf_probe(struct pci_dev *pf, const struct pci_device_id *id)
{
	struct sample_queue *queue;
	int ret;

	ret = pcim_enable_device(pf);
	if (ret)
		return ret;
	pci_set_master(pf);

	queue = devm_sample_queue_create(pf);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	pci_set_drvdata(pf, queue);

	/*
	 * Callbacks may run before this returns: a VF can be open already, where
	 * it outlived the driver that the PF had before. So this comes after all
	 * that callbacks use, and before there are VFs of our own. devres
	 * releases in reverse order: callbacks end before the queue is freed.
	 */
	ret = devm_pci_vfcap_register(pf, &sample_pf_vfcap_ops);
	if (ret)
		return ret;

	/* For tests; leave it out of a copy. */
	return devm_sample_debugfs_create(queue, &sample_pf_vfcap_ops);
}

/*
 * devres is released after remove(), so the VFs are gone before the registration
 * ends: their users are waited for and leave through the callbacks, and no VF is
 * left that shows a capability which nobody answers for.
 */
static void sample_pf_remove(struct pci_dev *pf)
{
	pci_disable_sriov(pf);
}

/* Empty: the driver fits any PF, so it takes only those that driver_override gives it. */
static const struct pci_device_id sample_pf_ids[] = {
	{ }
};

static struct pci_driver sample_pf_driver = {
	.name			= SAMPLE_DRIVER_NAME,
	.id_table		= sample_pf_ids,
	.probe			= sample_pf_probe,
	.remove			= sample_pf_remove,
	.sriov_configure	= pci_sriov_configure_simple,
	.err_handler		= &sample_pf_err_handlers,
};

module_pci_driver(sample_pf_driver);

MODULE_DESCRIPTION("vfcap sample: a PF driver that answers for its VFs' capabilities");
MODULE_AUTHOR("The vfcap authors");
MODULE_LICENSE("GPL");
