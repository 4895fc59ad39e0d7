/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PCI_VFCAP_INTERNAL_H
#define PCI_VFCAP_INTERNAL_H

#include <linux/cleanup.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-vfcap.h>
#include <linux/srcu.h>
#include <linux/vfcap-compat.h>
#include <linux/workqueue.h>

/* The longest shared capability, in dwords */
#define VFCAP_SHARED_REGS	(PCI_EXT_CAP_PRI_SIZEOF / sizeof(u32))

/**
 * struct vfcap_shared - a capability of a PF that its VFs share
 * @name: for messages, as the PCIe specification writes it
 * @state_file: the file of its state in the sysfs directory of a PF or VF
 * @ext_id: extended capability ID
 * @find: returns its offset in a PF as the kernel found it, 0 if the PF has none
 * @nr_regs: length in dwords
 * @number: index of the dword that holds a number, which must not become smaller while
 *	a VF shows the capability; 0 if there is none
 * @locked: bits of the other dwords that must stay set if they are set
 */
struct vfcap_shared {
	const char *name;
	const char *state_file;
	u16 ext_id;
	u16 (*find)(struct pci_dev *pf);
	u8 nr_regs;
	u8 number;
	u32 locked[VFCAP_SHARED_REGS];
};

extern const struct vfcap_shared vfcap_shared[PCI_VFCAP_COUNT];

/**
 * struct pci_vfcap - the record of a PF
 * @kobj: the directory "vfcap" in the PF's sysfs directory, which may be missing
 * @node: entry in the list of all records
 * @refs: one per VF that takes part, one for the PF driver's registration.
 *	Protected by the list's lock.
 * @pf: the PF. A reference on it is held, so it outlives its removal, and its
 *	address is not reused for another device meanwhile.
 * @use_lock: Serialises the notices of first and last users. Outermost.
 * @noticed: capabilities whose first user the PF driver was notified of
 * @srcu: Read side around each callback of the PF driver, so that the end of its
 *	registration can wait for them without holding up those of other VFs
 * @ops: the PF driver's callbacks, NULL when it has not registered. Changed under
 *	@use_lock and @lock.
 * @lock: Protects all members below, and the VFs' state. Innermost, except for locks that
 *	the VFs' callbacks take; no callback of the PF driver runs under it.
 * @state_files: files of its directory that can be polled, NULL without the directory
 * @vfs: the VFs that take part
 * @holders: how many of them hold each capability
 * @showing: how many of them show it
 * @changing: capabilities that the PF driver is changing
 * @unbinding: the PF has no driver, or is losing it
 * @seen: the PF's registers as they were when VFs came to show a capability
 * @claimed: registers that are claimed, so that the kernel reports writes by user space
 * @missing: capabilities that VFs show but the PF lacked when the guard last looked
 * @guard: watches the PF while a VF shows a capability
 */
struct pci_vfcap {
	struct kobject kobj;
	struct list_head node;
	unsigned int refs;
	struct pci_dev *pf;

	struct mutex use_lock;		/* first and last users */
	unsigned long noticed;

	struct srcu_struct srcu;
	const struct pci_vfcap_ops __rcu *ops;

	struct mutex lock;		/* all below, and the VFs' state */
	struct kernfs_node *state_files[PCI_VFCAP_COUNT];
	struct list_head vfs;
	unsigned int holders[PCI_VFCAP_COUNT];
	unsigned int showing[PCI_VFCAP_COUNT];
	unsigned long changing;
	bool unbinding;
	u32 seen[PCI_VFCAP_COUNT][VFCAP_SHARED_REGS];
	struct resource *claimed[PCI_VFCAP_COUNT];
	unsigned long missing;
	struct delayed_work guard;
};

/**
 * struct pci_vfcap_vf - a VF that takes part
 * @node: entry in the PF's list of VFs
 * @record: the record of its PF, referenced
 * @vf: the VF; its driver is bound to it for as long as this lives
 * @ops: its driver's callbacks
 * @priv: their argument
 * @tell: notifies user space of losses that have taken effect, and of their ends
 * @open: it is open. Protected by the PF's lock, as are all members below.
 * @pri_answered: whether the PF's driver answered page requests when it was opened
 * @pos: where it shows each capability, 0 if it does not
 * @misses: how many times in a row it was found to have lost its own state
 * @held: capabilities that it shows, or may come to show
 * @lost: those of them that were lost
 * @losing: those of @lost that its driver has not yet taken from the guest
 * @unlogged: losses that are yet to be logged, before the lock is released
 * @untold: losses that user space is yet to be notified of
 * @over: ends of losses that it is yet to be notified of, after @untold
 * @cause: why each was lost last; allocated at the first open, as few of many VFs may be open
 * @returned: those of @lost that a reset would bring back, as reported to its driver
 * @losses: how often a loss was noticed, whether or not it was known already
 * @lost_last: the value of @losses at the last loss of each capability
 * @pri: its page requests; allocated at the first open, and not changed after that
 */
struct pci_vfcap_vf {
	struct list_head node;
	struct pci_vfcap *record;
	struct pci_dev *vf;
	const struct pci_vfcap_vf_ops *ops;
	void *priv;
	struct work_struct tell;

	bool open;
	bool pri_answered;
	u16 pos[PCI_VFCAP_COUNT];
	unsigned int misses;
	unsigned long held;
	unsigned long lost;
	unsigned long losing;
	unsigned long unlogged;
	unsigned long untold;
	unsigned long over;
	char (*cause)[PCI_VFCAP_CAUSE_SIZE];
	unsigned long returned;
	u64 losses;
	u64 lost_last[PCI_VFCAP_COUNT];
	struct vfcap_requests *pri;
};

static inline bool vfcap_is_shown(const struct pci_vfcap_vf *handle,
				  enum pci_vfcap_id id)
{
	return handle->pos[id];
}

/* The PF driver's callbacks, with the PF's lock held */
static inline const struct pci_vfcap_ops *vfcap_ops(struct pci_vfcap *record)
{
	return rcu_dereference_protected(record->ops,
					 lockdep_is_held(&record->lock));
}

/* Does the PF's driver declare that it answers its VFs' page requests? */
static inline bool vfcap_answers(struct pci_vfcap *record)
{
	const struct pci_vfcap_ops *ops = vfcap_ops(record);

	return ops && ops->pri_enable;
}

/*
 * Call a callback of the PF's driver, with the PF and the arguments that follow. Callbacks
 * are optional, and so is the driver: without either the result is @none. The driver's
 * registration does not end while the callback runs.
 */
#define vfcap_call(_record, none, callback, ...)			\
({									\
	struct pci_vfcap *record_ = (_record);				\
	const struct pci_vfcap_ops *ops_;				\
									\
	guard(srcu)(&record_->srcu);					\
	__release(&record_->srcu);	/* sparse knows no end of it */	\
	ops_ = srcu_dereference(record_->ops, &record_->srcu);		\
	ops_ && ops_->callback ?					\
		ops_->callback(record_->pf, __VA_ARGS__) : (none);	\
})

/**
 * struct vfcap_pf_ops - what a record needs from files that come after pf.c
 * @ktype: the type of its directory in sysfs, whose release frees the record
 * @guard: the function of its work item @guard
 */
struct vfcap_pf_ops {
	const struct kobj_type *ktype;
	work_func_t guard;
};

/* pf.c: the records of PFs, and the workqueue */
extern struct workqueue_struct *vfcap_wq;
extern const struct vfcap_pf_ops *vfcap_pf_ops;
struct pci_vfcap *vfcap_get(struct pci_dev *pf);
struct pci_vfcap *vfcap_find(struct pci_dev *pf);
bool vfcap_no_records(void);
void vfcap_put(struct pci_vfcap *record);
void vfcap_show_dir(struct pci_vfcap *record);
void vfcap_hide_dir(struct pci_vfcap *record);
void vfcap_pf_notify(struct pci_vfcap *record, unsigned long mask);
unsigned long vfcap_mask(const unsigned int *counts);
struct pci_vfcap_vf *vfcap_find_vf(struct pci_vfcap *record,
				   struct pci_dev *vf);
void vfcap_guard_start(struct pci_vfcap *record);

DEFINE_FREE(vfcap_put, struct pci_vfcap *, vfcap_put(_T))

/* loss.c: why capabilities are lost, and who is notified */
extern struct workqueue_struct *vfcap_tell_wq;
extern const char vfcap_no_answer[];
bool vfcap_is_busy(struct pci_dev *pdev);
const char *vfcap_find_loss(struct pci_vfcap *record, enum pci_vfcap_id id,
			    const u32 *seen);
void vfcap_lose_one(struct pci_vfcap_vf *handle, unsigned long mask,
		    const char *cause);
void vfcap_lose(struct pci_vfcap *record, unsigned long mask,
		const char *cause);
void vfcap_loss_done(struct pci_vfcap_vf *handle, unsigned long mask);
void vfcap_loss_over(struct pci_vfcap_vf *handle, unsigned long mask);
void vfcap_log_losses(struct pci_vfcap *record, const char *cause);
void vfcap_sysfs_notify(struct pci_vfcap_vf *handle, unsigned long mask);
void vfcap_tell(struct work_struct *work);
void vfcap_tell_rest(struct pci_vfcap_vf *handle);

/* pri.c: page requests that the PF's driver or the VF's user answers */
int vfcap_requests_init(struct pci_vfcap_vf *handle);
void vfcap_requests_exit(struct pci_vfcap_vf *handle);

/* sysfs.c */
extern const struct kobj_type vfcap_pf_ktype;

/* vf.c: which VF has what */
void vfcap_mark_assigned(struct pci_vfcap_vf *handle);
void vfcap_find_returned(struct pci_vfcap_vf *handle, unsigned long well);

/* driver.c: what the PF's driver does */
bool vfcap_drop_ops(struct pci_vfcap *record);

/* guard.c: watches the PF */
extern struct notifier_block vfcap_guard_nb;
void vfcap_guard(struct work_struct *work);

#endif /* PCI_VFCAP_INTERNAL_H */
