/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The structures that all files of the driver use: a device, and a capability. What files
 * declare for each other is in headers of their own, here from the bottom up as the
 * Makefile lists them: base.h, chain.h, emul.h, caps.h, effects.h, bar.h, access.h. A
 * file includes the headers of the files that it uses, which are all lower ones. Only
 * callbacks in structures lead up.
 */
#ifndef VFCAP_H
#define VFCAP_H

#include <linux/cleanup.h>
#include <linux/mutex.h>
#include <linux/pci-vfcap.h>
#include <linux/ratelimit.h>
#include <linux/rwsem.h>
#include <linux/vfio_pci_core.h>
#include <linux/vfio_vfcap.h>
#include <linux/vfcap-compat.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

struct eventfd_ctx;
struct vfcap_device;
struct vfcap_list;

/**
 * struct vfcap_param - a module parameter that takes one of a few words
 * @words: the words, then NULL
 * @choices: all of them, for messages
 * @value: index of its present word; read and written at any time
 */
struct vfcap_param {
	const char * const *words;
	const char *choices;
	unsigned int value;
};

/* Whether a capability is shown: the value of its parameter */
enum vfcap_mode { VFCAP_AUTO, VFCAP_ON, VFCAP_OFF, VFCAP_GATED };

/**
 * struct vfcap_condition - what mode auto or mode gated requires
 * @holds: whether it holds for this device
 * @may_hold: Optional, for what VFIO knows only after the open: whether it may
 *	come to hold.
 * @otherwise: why the capability is not shown if it does not
 * @always: mode on requires it, too
 * @gated: only mode gated requires it
 */
struct vfcap_condition {
	bool (*holds)(struct vfcap_device *vd);
	bool (*may_hold)(struct vfcap_device *vd);
	enum vfcap_reason otherwise;
	bool always;
	bool gated;
};

/**
 * struct vfcap_reg_behavior - what a guest's write does to a dword
 * @rw: bits that take the written value, and are 0 after a reset
 * @w1c: bits that are cleared by writing 1, and are 0 after a reset
 * @preset: bits that are 1 after a reset, and that a write does not change
 *
 * All other bits are read-only and keep their value over a reset.
 */
struct vfcap_reg_behavior {
	u32 rw;
	u32 w1c;
	u32 preset;
};

/**
 * struct vfcap_cap - a capability that is emulated
 * @name: for messages, as the PCIe specification writes it
 * @param: the module parameter that says whether it is shown
 * @list: the list of capabilities that it is linked into
 * @id: capability ID, of that list
 * @version: capability version
 * @nr_regs: length in dwords, the capability header included
 * @behavior: one entry for each dword
 * @enable: the Enable bit, in the dword at offset 4. A capability without one has no
 *	register that a write changes, and has nothing in the fields from here to
 *	@clear_on_disable.
 * @restart: in the same dword, the bit that makes the interface start again when 1 is
 *	written while Enable is 0; reads as 0
 * @clear_on_enable: in the same dword, bits that go to 0 when Enable goes to 1
 * @clear_on_disable: and those that do so when it goes to 0
 * @mode: its parameter, with &enum vfcap_mode
 * @conditions: what mode auto requires. Mode on logs the first of them that does not hold.
 * @nr_conditions: how many
 * @forced: what mode on logs in front of that
 * @unavailable: what the log says when Enable is 0 in the PF
 * @keep: Optional. Places in config space that it must not cover, whatever they read, as
 *	offsets of dwords, then 0.
 * @init: From the hardware's registers (CPU endian), those of the PF or of the function
 *	itself, fill in the reset value of every dword behind the header. Return why it
 *	cannot be shown, or VFCAP_REASON_NONE.
 * @implemented: Optional. Which of the bits that @behavior calls writable this device
 *	has, given the present value of that dword.
 * @may_enable: Optional. Whether Enable can be set now; else it stays 0.
 * @block: Optional. Withdraw what Enable grants, before it goes to 0.
 * @flush: Optional. Let nothing new begin, and end what is under way, before a reset or a
 *	loss. If neither follows, @sync undoes it.
 * @sync: Optional. Make the effects match the registers. @enabled is Enable's value;
 *	@restart is set after a reset of the device, or of the interface.
 *
 * All except @implemented are called in process context, under the dev_set lock.
 */
struct vfcap_cap {
	const char *name;
	const char *param;
	const struct vfcap_list *list;
	u16 id;
	u8 version;
	u8 nr_regs;
	const struct vfcap_reg_behavior *behavior;
	u32 enable;
	u32 restart;
	u32 clear_on_enable;
	u32 clear_on_disable;
	const struct vfcap_param *mode;
	const struct vfcap_condition *conditions;
	size_t nr_conditions;
	const char *forced;
	const char *unavailable;
	const u16 *keep;
	enum vfcap_reason (*init)(struct vfcap_device *vd, const u32 *pf,
				  u32 *regs);
	u32 (*implemented)(u32 value);
	bool (*may_enable)(struct vfcap_device *vd);
	void (*block)(struct vfcap_device *vd);
	void (*flush)(struct vfcap_device *vd);
	void (*sync)(struct vfcap_device *vd, bool enabled, bool restart);
};

/*
 * All capabilities: those that hardware has, which a VF shares with its PF, then the
 * others. User space knows them by the same numbers, enum vfcap_cap_index.
 */
enum {
	VFCAP_SHDW = PCI_VFCAP_COUNT,
	VFCAP_NR_CAPS
};

static_assert(VFCAP_CAP_PASID == (int)PCI_VFCAP_PASID);
static_assert(VFCAP_CAP_PRI == (int)PCI_VFCAP_PRI);
static_assert(VFCAP_CAP_SHDW == (int)VFCAP_SHDW);
static_assert(VFCAP_CAP_COUNT == (int)VFCAP_NR_CAPS);
static_assert(VFCAP_CAUSE_SIZE == PCI_VFCAP_CAUSE_SIZE);

/* The longest capability, in dwords */
#define VFCAP_MAX_REGS		VFCAP_STATE_REGS

static inline size_t vfcap_cap_size(const struct vfcap_cap *cap)
{
	return cap->nr_regs * sizeof(u32);
}

/* In every capability, the dword with its Control register */
#define VFCAP_CTRL		1

/**
 * struct vfcap_choice - what the user chose for a capability
 * @flags: VFCAP_CHOOSE_*, 0 for nothing
 * @offset: where it is to lie, 0 for no opinion
 */
struct vfcap_choice {
	u32 flags;
	u16 offset;
};

/**
 * struct vfcap_alias - pages of a BAR that are write combining
 * @start: offset in the BAR
 * @size: in bytes, whole pages
 * @before: the kernel's mapping of the page before them, if that page is uncached
 * @after: and of the page behind them
 * @index: of the region through which the user maps them
 * @bar: the BAR
 */
struct vfcap_alias {
	u64 start;
	u64 size;
	void __iomem *before;
	void __iomem *after;
	u32 index;
	unsigned int bar;
};

/**
 * struct vfcap_wc - which pages of a device's BARs are write combining
 * @bar_lock: Held for read around everything in which core may use its own mapping of a
 *	BAR, and for write while that is taken down or made. Taken outside of mmap_lock,
 *	since user memory is accessed under it; whoever waits for it can be killed.
 * @map_lock: Held for read around everything that maps pages of a BAR into user space,
 *	and for write (with @bar_lock) while @aliases change. Taken inside of mmap_lock
 *	and @bar_lock, outside of core's memory_lock; no user memory is accessed under it.
 * @aliases: struct vfcap_alias by region index
 * @taken: BARs that core has no mapping of, BIT(BAR) each: those that have an alias.
 *	Protected by @bar_lock.
 * @refused: reasons for refusals that were logged in this session
 */
struct vfcap_wc {
	struct rw_semaphore bar_lock;
	struct rw_semaphore map_lock;
	struct xarray aliases;
	unsigned long taken;
	unsigned long refused;
};

/**
 * struct vfcap_plan - how a capability would be shown, or is
 * @pos: where it lies, 0 if it is not shown
 * @step: what decided that
 * @reason: why it is not shown
 * @given: the user or the administrator says where it goes
 * @hw: the hardware's registers from which @regs is derived, CPU endian
 * @regs: its dwords after a reset, CPU endian, except for the header
 */
struct vfcap_plan {
	u16 pos;
	enum vfcap_step step;
	enum vfcap_reason reason;
	bool given;
	u32 hw[VFCAP_MAX_REGS];
	u32 regs[VFCAP_MAX_REGS];
};

/**
 * struct vfcap_device - a VF, VMD endpoint or whole function bound to this driver
 * @core: what vfio-pci-core knows about it. A VF's dev_set contains only this VF; that of
 *	another function may contain all functions that are reset with it. Its lock (the
 *	dev_set lock) is VFIO's own, taken around open, close and PASID attach. Here it
 *	also serialises, from outside of @core.memory_lock, what writes an emulated
 *	register, resets the device or changes its power state, each with its effects. It
 *	protects @plan, @committed, @shown (which @lock protects as well), @in_d3, @entry,
 *	@pri, @pasids, @written and @choice.
 * @table: vfcap_caps, which describes each capability, for files that come before it
 * @caps: the capabilities that such a device may come to show, BIT(index) each
 * @vmd: the kind of VMD endpoint, VFCAP_VMD_*, 0 for any other device
 * @handle: what pci-vfcap knows about a VF, from probe to remove; NULL for others, which
 *	share nothing
 * @link_reset: The recovery of the last error resets the link, or has done so. Only
 *	used in the error handlers, which the PCI core calls one by one.
 * @losses: how often it had lost something when the last reset with callbacks began, or
 *	the last error was detected. Protected by its device lock.
 * @in_d3: it was in D3 when a hot reset began
 * @sync_work: deals, under the dev_set lock, with what happened without it
 * @log_limit: limits how many opens are logged
 * @quiet: Nothing is logged about what is shown: this open is one of too many, or this is
 *	only a plan.
 * @entry: its state when the user let it go to low power
 * @entry.noted: whether the user has done so, and the device's return was not noticed yet
 * @entry.suspended: for how many ns it had been suspended then
 * @entry.losses: how often it had lost something by then
 * @entry.soft_reset: whether a return to D0 resets it
 * @map_known: Whether core's map of its config space is what this driver knows. If not,
 *	nothing is shown in this session, and the map is not used: one of another kind
 *	may be shorter.
 * @shadow: whether the native shadow registers are emulated in this session
 * @ims_pos: offset in config space of the byte that announces IMS, which is hidden in
 *	this session, or 0
 * @pasid_iommu: whether the IOMMU can back a guest's PASIDs, in one of two ways
 * @pasid_gated: and whether the device's PASIDs are attached to it one by one; else the
 *	guest owns their table
 * @wc: which pages of its BARs are write combining
 * @pri: a whole function's own PRI, which its guest has
 * @pri.pos: its offset in config space, 0 if the guest does not have it
 * @pri.failures: of the bits in Status that are cleared by writing 1, those that are
 *	known to be set
 * @pri.halted: after a Response Failure: Enable is 0, though the guest is shown 1
 * @pasids: what the user attached to its PASIDs, struct vfcap_attachment by PASID
 * @nr_pasids: how many
 * @written: capabilities whose Enable was written in this session, BIT(index) each
 * @choice: what the user chose for each capability, in this session
 * @plan: how each capability is shown once @committed is set, or would be until then.
 *	Once it is set, the plan no longer changes, and needs no lock.
 * @committed: Whether the plan was carried out. It stands until the close. Set with
 *	release order, so that a lockless reader that sees it set also sees @plan, @shown
 *	and @core.vconfig.
 * @plain_reads: Once @committed is set: reads of config space are core's as they are. Set
 *	with release order after everything that it depends on, for one look in place of many.
 * @plain_writes: and writes of it that do not touch special bytes
 * @lock: Protects everything below, and the emulated bytes of @core.vconfig:
 *	vfio-pci-core has no lock for config accesses. Innermost, and never held while
 *	core is called: reset_done() takes it under memory_lock.
 * @shown: which capabilities are shown, BIT(index) each
 * @cleared: capabilities whose control bits were cleared, which vfcap_sync() has not seen yet
 * @restart: those of them that were reset
 * @lost: capabilities that were lost, and whose loss has not taken effect yet
 * @lost_eventfd: notifies the user of a loss, or NULL
 * @return_eventfd: and when a reset would end one, or NULL
 */
struct vfcap_device {
	struct vfio_pci_core_device core;
	const struct vfcap_cap * const *table;
	unsigned long caps;
	unsigned long vmd;
	struct pci_vfcap_vf *handle;
	bool link_reset;
	u64 losses;
	bool in_d3;
	struct work_struct sync_work;
	struct ratelimit_state log_limit;
	bool quiet;
	struct {
		bool noted;
		u64 suspended;
		u64 losses;
		bool soft_reset;
	} entry;
	bool map_known;
	bool shadow;
	u16 ims_pos;
	bool pasid_iommu;
	bool pasid_gated;
	struct vfcap_wc wc;
	struct {
		u16 pos;
		u16 failures;
		bool halted;
	} pri;
	struct xarray pasids;
	unsigned int nr_pasids;
	unsigned long written;
	struct vfcap_choice choice[VFCAP_NR_CAPS];
	struct vfcap_plan plan[VFCAP_NR_CAPS];
	bool committed;
	bool plain_reads;
	bool plain_writes;
	struct mutex lock;		/* all below, and emulated bytes */
	unsigned long shown;
	unsigned long cleared;
	unsigned long restart;
	unsigned long lost;
	struct eventfd_ctx *lost_eventfd;
	struct eventfd_ctx *return_eventfd;
};

static inline struct vfcap_device *to_vfcap(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfcap_device, core.vdev);
}

static inline struct vfcap_device *vfcap_from_pci(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	return to_vfcap(&core->vdev);
}

/*
 * Whether a capability that the device may show replaces the device's own one, as in
 * whole functions
 */
static inline bool vfcap_is_own(struct vfcap_device *vd, unsigned int id)
{
	return !vd->handle && id < PCI_VFCAP_COUNT;
}

/* For calls about a capability: a VF's handle if the VF shares that with its PF */
static inline struct pci_vfcap_vf *vfcap_handle(struct vfcap_device *vd,
						unsigned int id)
{
	return id < PCI_VFCAP_COUNT ? vd->handle : NULL;
}

static inline struct mutex *vfcap_dev_set_lock(struct vfcap_device *vd)
{
	return &vd->core.vdev.dev_set->lock;
}

/*
 * The dev_set lock until the end of a block, for a call by the user. VFIO accesses user
 * memory under it, which may take any time. A task that waits for the lock can be killed,
 * and then this is NULL.
 */
DEFINE_CLASS(vfcap_locked, struct mutex *, _T ? mutex_unlock(_T) : (void)0,
	     mutex_lock_killable(vfcap_dev_set_lock(vd)) ?
	     NULL : vfcap_dev_set_lock(vd), struct vfcap_device *vd)

/* For readers that hold no lock: if this is true, they see what was committed. */
static inline bool vfcap_is_committed(struct vfcap_device *vd)
{
	/* Pairs with the release in vfcap_commit(). */
	return smp_load_acquire(&vd->committed);
}

/*
 * Whether an access begins within the range. @count is cut down to what lies on the same
 * side of the range's edges as the first byte of the access.
 */
static inline bool vfcap_cut(u64 pos, size_t *count, u64 start, u64 size)
{
	if (pos >= start + size)
		return false;
	if (pos >= start) {
		*count = min_t(u64, *count, start + size - pos);
		return true;
	}
	*count = min_t(u64, *count, start - pos);
	return false;
}

static inline bool vfcap_overlaps(u64 start, u64 count, u64 pos, u64 size)
{
	return start < pos + size && start + count > pos;
}

/*
 * Do an access of the user piece by piece: @access cuts *@count down to the first piece
 * at @pos, does that, and returns how many bytes of it were done, or -errno. The access
 * ends with the first piece that was done only in part. A piece that fails makes the
 * whole access fail, with those before it done.
 */
static __always_inline ssize_t
vfcap_access_pieces(struct vfcap_device *vd, char __user *buf, size_t count,
		    loff_t *ppos, bool write,
		    ssize_t (*access)(struct vfcap_device *vd,
				      char __user *buf, size_t *count,
				      loff_t pos, bool write))
{
	size_t done = 0;

	while (done < count) {
		size_t piece = count - done;
		ssize_t ret = access(vd, buf + done, &piece, *ppos + done,
				     write);

		if (ret < 0)
			return ret;
		done += ret;
		if (ret < piece)
			break;
	}

	*ppos += done;
	return done;
}

#endif /* VFCAP_H */
