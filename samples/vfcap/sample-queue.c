// SPDX-License-Identifier: GPL-2.0-only
/*
 * The simulated device of the sample PF driver: page requests of VFs, answered
 * after a while, and a record of the calls to the driver
 *
 * Each VF's requests are answered one by one, independently of other VFs'. Tests
 * can slow that down, make requests get lost, and keep the driver from returning.
 */
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/sprintf.h>
#include <linux/string.h>

#include "sample-queue.h"

const char * const sample_cap_names[PCI_VFCAP_COUNT] = {
	[PCI_VFCAP_PASID]	= "PASID",
	[PCI_VFCAP_PRI]		= "PRI",
};

/*
 * The VFs are in an array, as in hardware: a callback allocates nothing, and no
 * pointer to a VF is kept that could outlive it.
 */
static struct sample_vf *sample_vf(struct sample_queue *queue,
				   struct pci_dev *vf)
{
	return &queue->vfs[pci_iov_vf_id(vf)];
}

static __printf(2, 3) void sample_log(struct sample_queue *queue,
				      const char *fmt, ...)
{
	char *end = queue->calls + queue->calls_len;
	size_t room = sizeof(queue->calls) - queue->calls_len;
	va_list args;
	int len;

	lockdep_assert_held(&queue->lock);

	/* Once a call did not fit, no more are recorded, so that no gap is hidden. */
	if (queue->calls_full)
		return;

	va_start(args, fmt);
	len = vsnprintf(end, room, fmt, args);
	va_end(args);

	if (len < room) {
		queue->calls_len += len;
	} else {
		*end = '\0';
		queue->calls_full = true;
	}
}

int sample_queue_place(struct sample_queue *queue, struct pci_dev *vf,
		       enum pci_vfcap_id id)
{
	guard(mutex)(&queue->lock);

	sample_log(queue, "place %s %s\n", pci_name(vf), sample_cap_names[id]);
	return READ_ONCE(queue->place[id]);
}

int sample_queue_first_user(struct sample_queue *queue, enum pci_vfcap_id id)
{
	guard(mutex)(&queue->lock);

	sample_log(queue, "first_user %s\n", sample_cap_names[id]);
	return -(int)READ_ONCE(queue->first_user_error);
}

void sample_queue_last_user(struct sample_queue *queue, enum pci_vfcap_id id)
{
	guard(mutex)(&queue->lock);

	sample_log(queue, "last_user %s\n", sample_cap_names[id]);
}

u32 sample_queue_control(struct sample_queue *queue, struct pci_dev *vf,
			 enum pci_vfcap_id id, u32 old, u32 new)
{
	guard(mutex)(&queue->lock);

	sample_log(queue, "control %s %s %08x %08x\n", pci_name(vf),
		   sample_cap_names[id], old, new);
	return new & READ_ONCE(queue->control_mask);
}

/* A no-op if an answer is under way already */
static void sample_vf_arm(struct sample_vf *vf)
{
	lockdep_assert_held(&vf->queue->lock);

	if (vf->in_flight > vf->lost)
		schedule_delayed_work(&vf->answer,
				      msecs_to_jiffies(vf->queue->latency_ms));
}

static void sample_vf_answer(struct work_struct *work)
{
	struct sample_vf *vf = container_of(to_delayed_work(work),
					    struct sample_vf, answer);

	guard(mutex)(&vf->queue->lock);

	/* Unless they were dropped while this work started */
	if (vf->in_flight > vf->lost)
		vf->in_flight--;
	if (!vf->in_flight)
		wake_up_all(&vf->queue->wait);
	sample_vf_arm(vf);
}

static void sample_vf_reset(struct sample_vf *vf)
{
	lockdep_assert_held(&vf->queue->lock);

	cancel_delayed_work(&vf->answer);
	vf->allocation = 0;
	vf->in_flight = 0;
	vf->lost = 0;
	wake_up_all(&vf->queue->wait);
}

int sample_queue_enable(struct sample_queue *queue, struct pci_dev *vf,
			u32 allocation)
{
	struct sample_vf *sample = sample_vf(queue, vf);
	int error = READ_ONCE(queue->enable_error);

	guard(mutex)(&queue->lock);

	sample_log(queue, "pri_enable %s %u\n", pci_name(vf), allocation);
	if (error)
		return -error;

	strscpy(sample->name, pci_name(vf));
	sample->allocation = allocation;
	sample->enabled = true;
	return 0;
}

void sample_queue_disable(struct sample_queue *queue, struct pci_dev *vf)
{
	guard(mutex)(&queue->lock);

	sample_log(queue, "pri_disable %s\n", pci_name(vf));
	sample_vf(queue, vf)->enabled = false;
}

int sample_queue_drain(struct sample_queue *queue, struct pci_dev *vf,
		       unsigned long timeout)
{
	struct sample_vf *sample = sample_vf(queue, vf);
	int ret;

	/* Without the lock: whoever answers or resets takes it, and then wakes us. */
	wait_event_timeout(queue->wait, !READ_ONCE(sample->in_flight), timeout);

	/* This simulates a broken driver. Only tests do so, and they end it. */
	while (READ_ONCE(queue->stuck) && !READ_ONCE(queue->stopping))
		msleep(20);

	guard(mutex)(&queue->lock);

	ret = sample->in_flight ? -ETIMEDOUT : 0;
	sample_log(queue, "pri_drain %s %d\n", pci_name(vf), ret);
	return ret;
}

void sample_queue_reset(struct sample_queue *queue, struct pci_dev *vf)
{
	guard(mutex)(&queue->lock);

	sample_log(queue, "pri_reset %s\n", pci_name(vf));
	sample_vf_reset(sample_vf(queue, vf));
}

/* The PF was reset: its VFs are as after power-up. */
void sample_queue_reset_all(struct sample_queue *queue)
{
	unsigned int i;

	guard(mutex)(&queue->lock);

	for (i = 0; i < queue->nr_vfs; i++) {
		queue->vfs[i].enabled = false;
		sample_vf_reset(&queue->vfs[i]);
	}
}

/* The VF of this PCI address sends page requests. */
int sample_queue_request(struct sample_queue *queue, const char *name, u32 nr)
{
	unsigned int i;

	guard(mutex)(&queue->lock);

	for (i = 0; i < queue->nr_vfs; i++) {
		struct sample_vf *vf = &queue->vfs[i];

		if (!vf->enabled || strcmp(vf->name, name))
			continue;
		if ((u64)vf->in_flight + nr > vf->allocation)
			return -ENOSPC;

		vf->in_flight += nr;
		if (READ_ONCE(queue->lose))
			vf->lost += nr;
		sample_vf_arm(vf);
		return 0;
	}
	return -EPERM;
}

/* Also applies to requests that are waiting already */
void sample_queue_set_latency(struct sample_queue *queue, u32 latency_ms)
{
	unsigned int i;

	guard(mutex)(&queue->lock);

	queue->latency_ms = latency_ms;
	for (i = 0; i < queue->nr_vfs; i++) {
		cancel_delayed_work(&queue->vfs[i].answer);
		sample_vf_arm(&queue->vfs[i]);
	}
}

static void sample_queue_destroy(void *data)
{
	struct sample_queue *queue = data;
	unsigned int i;

	for (i = 0; i < queue->nr_vfs; i++)
		cancel_delayed_work_sync(&queue->vfs[i].answer);
}

/* Its memory and its work items go when the PF's driver is unbound. */
struct sample_queue *devm_sample_queue_create(struct pci_dev *pf)
{
	int nr_vfs = pci_sriov_get_totalvfs(pf);
	struct sample_queue *queue;
	unsigned int i;
	int ret;

	if (nr_vfs <= 0) {
		pci_err(pf, "not an SR-IOV physical function\n");
		return ERR_PTR(-ENODEV);
	}

	queue = devm_kzalloc(&pf->dev, struct_size(queue, vfs, nr_vfs),
			     GFP_KERNEL);
	if (!queue)
		return ERR_PTR(-ENOMEM);

	queue->pf = pf;
	queue->control_mask = ~0U;
	queue->latency_ms = 1;
	queue->nr_vfs = nr_vfs;
	mutex_init(&queue->lock);
	init_waitqueue_head(&queue->wait);
	for (i = 0; i < queue->nr_vfs; i++) {
		queue->vfs[i].queue = queue;
		INIT_DELAYED_WORK(&queue->vfs[i].answer, sample_vf_answer);
	}

	ret = devm_add_action_or_reset(&pf->dev, sample_queue_destroy, queue);
	return ret ? ERR_PTR(ret) : queue;
}
