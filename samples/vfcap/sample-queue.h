/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The simulated device of the sample PF driver
 *
 * It takes the place of registers and admin commands. What each callback of
 * struct pci_vfcap_ops does with the device is done by a function of the same
 * meaning here; all may sleep, and may run at any time concurrently with debugfs.
 */
#ifndef SAMPLE_QUEUE_H
#define SAMPLE_QUEUE_H

#include <linux/mutex.h>
#include <linux/pci-vfcap.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#define SAMPLE_DRIVER_NAME	"vfcap-sample-pf"

struct dentry;
struct pci_dev;
struct sample_queue;

/**
 * struct sample_vf - page requests of one VF
 * @queue: the device that it is part of
 * @answer: answers one request every sample_queue.latency_ms
 * @name: its PCI address, empty until it was first enabled
 * @enabled: whether it may send requests
 * @allocation: how many may be in flight
 * @in_flight: how many are in flight, the lost ones included
 * @lost: how many of them are never answered
 */
struct sample_vf {
	struct sample_queue *queue;
	struct delayed_work answer;
	char name[16];
	bool enabled;
	u32 allocation;
	u32 in_flight;
	u32 lost;
};

/**
 * struct sample_queue - the simulated device
 * @pf: the PF
 * @ops: what the knob "registered" registers
 * @dir: the PF's debugfs directory
 * @wait: woken when requests were answered or dropped
 * @stopping: the knobs are being removed, @stuck no longer counts
 * @stuck: sample_queue_drain() does not return
 * @lose: requests sent from now on are never answered
 * @place: what sample_queue_place() returns, by capability
 * @control_mask: bits that sample_queue_control() lets be set
 * @first_user_error: errno for sample_queue_first_user() to fail with
 * @enable_error: errno for sample_queue_enable() to fail with
 * @lock: protects all below. Innermost; never held while pci-vfcap is called.
 * @latency_ms: time that the answer to a request takes
 * @calls_full: some calls did not fit
 * @calls_len: length of @calls
 * @calls: the calls so far, a line each
 * @nr_vfs: how many VFs there can be
 * @vfs: the VFs, by index
 */
struct sample_queue {
	struct pci_dev *pf;
	const struct pci_vfcap_ops *ops;
	struct dentry *dir;
	wait_queue_head_t wait;
	bool stopping;

	/* Knobs that debugfs reads and writes in place */
	bool stuck;
	bool lose;
	int place[PCI_VFCAP_COUNT];
	u32 control_mask;
	u32 first_user_error;
	u32 enable_error;

	struct mutex lock;	/* protects all below */
	u32 latency_ms;
	bool calls_full;
	size_t calls_len;
	char calls[8192];
	unsigned int nr_vfs;
	struct sample_vf vfs[] __counted_by(nr_vfs);
};

extern const char * const sample_cap_names[PCI_VFCAP_COUNT];

struct sample_queue *devm_sample_queue_create(struct pci_dev *pf);
int sample_queue_place(struct sample_queue *queue, struct pci_dev *vf,
		       enum pci_vfcap_id id);
int sample_queue_first_user(struct sample_queue *queue, enum pci_vfcap_id id);
void sample_queue_last_user(struct sample_queue *queue, enum pci_vfcap_id id);
u32 sample_queue_control(struct sample_queue *queue, struct pci_dev *vf,
			 enum pci_vfcap_id id, u32 old, u32 new);
int sample_queue_enable(struct sample_queue *queue, struct pci_dev *vf,
			u32 allocation);
void sample_queue_disable(struct sample_queue *queue, struct pci_dev *vf);
int sample_queue_drain(struct sample_queue *queue, struct pci_dev *vf,
		       unsigned long timeout);
void sample_queue_reset(struct sample_queue *queue, struct pci_dev *vf);
void sample_queue_reset_all(struct sample_queue *queue);

/* What debugfs makes the device do */
int sample_queue_request(struct sample_queue *queue, const char *name, u32 nr);
void sample_queue_set_latency(struct sample_queue *queue, u32 latency_ms);

/* sample-debugfs.c */
int devm_sample_debugfs_create(struct sample_queue *queue,
			       const struct pci_vfcap_ops *ops);

#endif /* SAMPLE_QUEUE_H */
