// SPDX-License-Identifier: GPL-2.0-only
/*
 * Knobs of the sample PF driver, for tests
 *
 * They are files in debugfs, in vfcap-sample-pf/DDDD:BB:DD.F/, with the address of
 * the PF. BDF is a VF's DDDD:BB:DD.F, CAP is "pasid" or "pri", in upper or lower case.
 *
 * The device:
 *   latency_ms	Time that the answer to a request takes, default 1. Each VF's
 *		requests are answered one by one. A write also applies to requests
 *		that are waiting, whose time begins again.
 *   lost	Y: requests sent from now on are never answered. Default N.
 *   stuck	Y: pri_drain() does not return, whatever its timeout, until N is
 *		written. Unbinding the driver waits for that too, if it removes
 *		VFs whose requests are being drained. Default N.
 *   request	Write "BDF N": the VF sends N page requests. Fails with EPERM if
 *		it is not enabled, ENOSPC if more than its allocation would be in
 *		flight (none is sent then).
 *   in_flight	Read one line per VF that was ever enabled, by index:
 *		"BDF enabled|disabled ALLOCATION IN_FLIGHT".
 *
 * What callbacks return:
 *   place_pasid, place_pri		place(), signed, default 0
 *   control_mask			control() returns the new value & this, default
 *					0xffffffff
 *   first_user_error, pri_enable_error	The callback fails with this errno, given as a
 *					positive number. Default 0: it succeeds.
 *
 *   calls	Read the callbacks called, oldest first: "first_user CAP",
 *		"last_user CAP", "place BDF CAP", "control BDF CAP OLD NEW" (8 hex
 *		digits each), "pri_enable BDF ALLOCATION", "pri_disable BDF",
 *		"pri_drain BDF RESULT" (when it returns), "pri_reset BDF", with CAP
 *		as "PASID" or "PRI". It has room for 8 KiB; the last line is "..."
 *		if later calls did not fit. Write anything: clear it.
 *
 * What the driver calls; a write returns when the call has returned, with its error:
 *   registered	Write 0: pci_vfcap_unregister(), 1: pci_vfcap_register().
 *   change	Write "begin CAP": pci_vfcap_change_begin(), "end CAP":
 *		pci_vfcap_change_end().
 *   lost_event	Write a text: pci_vfcap_lost() with it as the cause.
 *   pri_failed	Write "BDF STATUS", STATUS in hex: pci_vfcap_pri_failed().
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/sprintf.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "sample-queue.h"

/* The directory for all PFs exists while one of them is bound. */
static DEFINE_MUTEX(sample_root_lock);
static struct dentry *sample_root;
static unsigned int sample_root_users;

static int sample_latency_get(void *data, u64 *val)
{
	struct sample_queue *queue = data;

	guard(mutex)(&queue->lock);

	*val = queue->latency_ms;
	return 0;
}

static int sample_latency_set(void *data, u64 val)
{
	if (val > U32_MAX)
		return -ERANGE;
	sample_queue_set_latency(data, val);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(sample_latency_fops, sample_latency_get,
			 sample_latency_set, "%llu\n");

static int sample_place_get(void *data, u64 *val)
{
	*val = READ_ONCE(*(int *)data);
	return 0;
}

static int sample_place_set(void *data, u64 val)
{
	WRITE_ONCE(*(int *)data, val);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE_SIGNED(sample_place_fops, sample_place_get,
				sample_place_set, "%lld\n");

static int sample_in_flight_show(struct seq_file *m, void *v)
{
	struct sample_queue *queue = m->private;
	unsigned int i;

	guard(mutex)(&queue->lock);

	for (i = 0; i < queue->nr_vfs; i++) {
		struct sample_vf *vf = &queue->vfs[i];

		if (*vf->name)
			seq_printf(m, "%s %s %u %u\n", vf->name,
				   vf->enabled ? "enabled" : "disabled",
				   vf->allocation, vf->in_flight);
	}
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(sample_in_flight);

static int sample_calls_show(struct seq_file *m, void *v)
{
	struct sample_queue *queue = m->private;

	guard(mutex)(&queue->lock);

	seq_write(m, queue->calls, queue->calls_len);
	if (queue->calls_full)
		seq_puts(m, "...\n");
	return 0;
}

static ssize_t sample_calls_write(struct file *file, const char __user *ubuf,
				  size_t count, loff_t *ppos)
{
	struct seq_file *m = file->private_data;
	struct sample_queue *queue = m->private;

	guard(mutex)(&queue->lock);

	queue->calls_len = 0;
	queue->calls_full = false;
	return count;
}

DEFINE_SHOW_STORE_ATTRIBUTE(sample_calls);

/* Files that take a line as a command. No lock is held while it runs. */
static ssize_t sample_command(struct file *file, const char __user *ubuf,
			      size_t count,
			      int (*command)(struct sample_queue *queue,
					     char *line))
{
	char line[128] = {};
	int ret;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, ubuf, count))
		return -EFAULT;

	ret = command(file->private_data, strim(line));
	return ret ?: count;
}

#define SAMPLE_COMMAND(name)						\
static ssize_t name ## _write(struct file *file,			\
			      const char __user *ubuf, size_t count,	\
			      loff_t *ppos)				\
{									\
	return sample_command(file, ubuf, count, name);			\
}									\
									\
static const struct file_operations name ## _fops = {			\
	.owner	= THIS_MODULE,						\
	.open	= simple_open,						\
	.write	= name ## _write,					\
}

static int sample_request(struct sample_queue *queue, char *line)
{
	char name[16];
	u32 nr;

	if (sscanf(line, "%15s %u", name, &nr) != 2)
		return -EINVAL;
	return sample_queue_request(queue, name, nr);
}

SAMPLE_COMMAND(sample_request);

static int sample_change(struct sample_queue *queue, char *line)
{
	char verb[6], name[6];
	enum pci_vfcap_id id;

	if (sscanf(line, "%5s %5s", verb, name) != 2)
		return -EINVAL;

	for (id = 0; id < PCI_VFCAP_COUNT; id++)
		if (!strcasecmp(name, sample_cap_names[id]))
			break;
	if (id == PCI_VFCAP_COUNT)
		return -EINVAL;

	if (!strcmp(verb, "begin"))
		return pci_vfcap_change_begin(queue->pf, id);
	if (strcmp(verb, "end"))
		return -EINVAL;
	pci_vfcap_change_end(queue->pf, id);
	return 0;
}

SAMPLE_COMMAND(sample_change);

static int sample_lost_event(struct sample_queue *queue, char *line)
{
	pci_vfcap_lost(queue->pf, line);
	return 0;
}

SAMPLE_COMMAND(sample_lost_event);

static int sample_pri_failed(struct sample_queue *queue, char *line)
{
	struct pci_dev *vf __free(pci_dev_put) = NULL;
	unsigned int domain, bus, slot, func;
	u16 status;

	if (sscanf(line, "%x:%x:%x.%x %hx", &domain, &bus, &slot, &func,
		   &status) != 5)
		return -EINVAL;

	vf = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, func));
	if (!vf || !vf->is_virtfn || pci_physfn(vf) != queue->pf)
		return -ENODEV;

	pci_vfcap_pri_failed(queue->pf, vf, status);
	return 0;
}

SAMPLE_COMMAND(sample_pri_failed);

static int sample_registered(struct sample_queue *queue, char *line)
{
	bool registered;
	int ret;

	ret = kstrtobool(line, &registered);
	if (ret)
		return ret;

	/* At the end, devres ends the registration if there is one. */
	if (registered)
		return pci_vfcap_register(queue->pf, queue->ops);
	pci_vfcap_unregister(queue->pf);
	return 0;
}

SAMPLE_COMMAND(sample_registered);

static void sample_debugfs_remove(void *data)
{
	struct sample_queue *queue = data;

	/* A write to "registered" may wait for a stuck pri_drain(). */
	WRITE_ONCE(queue->stopping, true);

	/* Waits for reads and writes that are under way. */
	debugfs_remove(queue->dir);

	guard(mutex)(&sample_root_lock);

	if (!--sample_root_users)
		debugfs_remove(sample_root);
}

/*
 * To be called after the registration: the knobs are then removed before it ends, so
 * that none of them registers a PF that no driver has any more.
 */
int devm_sample_debugfs_create(struct sample_queue *queue,
			       const struct pci_vfcap_ops *ops)
{
	struct dentry *dir;

	queue->ops = ops;

	scoped_guard(mutex, &sample_root_lock) {
		if (!sample_root_users++)
			sample_root = debugfs_create_dir(SAMPLE_DRIVER_NAME,
							 NULL);
		dir = debugfs_create_dir(pci_name(queue->pf), sample_root);
	}
	queue->dir = dir;

	debugfs_create_file("latency_ms", 0600, dir, queue,
			    &sample_latency_fops);
	debugfs_create_bool("lost", 0600, dir, &queue->lose);
	debugfs_create_bool("stuck", 0600, dir, &queue->stuck);
	debugfs_create_file("request", 0200, dir, queue, &sample_request_fops);
	debugfs_create_file("in_flight", 0400, dir, queue,
			    &sample_in_flight_fops);

	debugfs_create_file("place_pasid", 0600, dir,
			    &queue->place[PCI_VFCAP_PASID], &sample_place_fops);
	debugfs_create_file("place_pri", 0600, dir,
			    &queue->place[PCI_VFCAP_PRI], &sample_place_fops);
	debugfs_create_x32("control_mask", 0600, dir, &queue->control_mask);
	debugfs_create_u32("first_user_error", 0600, dir,
			   &queue->first_user_error);
	debugfs_create_u32("pri_enable_error", 0600, dir,
			   &queue->enable_error);

	debugfs_create_file("calls", 0600, dir, queue, &sample_calls_fops);

	debugfs_create_file("registered", 0200, dir, queue,
			    &sample_registered_fops);
	debugfs_create_file("change", 0200, dir, queue, &sample_change_fops);
	debugfs_create_file("lost_event", 0200, dir, queue,
			    &sample_lost_event_fops);
	debugfs_create_file("pri_failed", 0200, dir, queue,
			    &sample_pri_failed_fops);

	return devm_add_action_or_reset(&queue->pf->dev, sample_debugfs_remove,
					queue);
}
