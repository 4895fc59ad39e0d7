/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFCAP_H
#define VFCAP_H

#include <linux/cleanup.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pci-vfcap.h>
#include <linux/ratelimit.h>
#include <linux/rbtree.h>
#include <linux/vfio_pci_core.h>
#include <linux/vfio_vfcap.h>
#include <linux/vfcap-compat.h>
#include <linux/workqueue.h>

#include "wc.h"

struct eventfd_ctx;
struct vfcap_device;
struct vfcap_list;

/**
 * struct vfcap_param - a module parameter that takes one of some words
 * @words: the words, and NULL
 * @choices: all of them, for messages
 * @value: index of the one that it has; read and written at any time
 */
struct vfcap_param {
	const char * const *words;
	const char *choices;
	unsigned int value;
};

/* Whether a capability is shown: a parameter for each */
enum vfcap_mode { VFCAP_AUTO, VFCAP_ON, VFCAP_OFF };

/**
 * struct vfcap_condition - what mode auto asks for
 * @holds: whether it holds for this VF
 * @may_hold: Optional, for what VFIO tells only after the open: whether it may
 *	come to hold.
 * @otherwise: why the capability is not shown if it does not
 * @always: mode on asks for it too
 */
struct vfcap_condition {
	bool (*holds)(struct vfcap_device *vf);
	bool (*may_hold)(struct vfcap_device *vf);
	enum vfcap_reason otherwise;
	bool always;
};

/**
 * struct vfcap_reg_behavior - what a guest's write does to a dword
 * @rw: bits that take the written value, and are 0 after a reset
 * @w1c: bits that a written 1 clears, and are 0 after a reset
 * @preset: bits that are 1 after a reset, and which a write does not change
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
 * @list: the list of capabilities that it enters
 * @id: capability ID, of that list
 * @version: capability version
 * @nr_regs: length in dwords, the capability header included
 * @behavior: one entry for each dword
 * @enable: Enable, in the dword at offset 4. A capability without has no register
 *	that a write changes, and none of what follows here up to
 *	@clear_on_disable.
 * @restart: there too, what a write of 1 has start anew while Enable is 0;
 *	reads as 0
 * @clear_on_enable: there too, bits that go to 0 when Enable goes to 1
 * @clear_on_disable: and when it goes to 0
 * @mode: its parameter, with &enum vfcap_mode
 * @conditions: what mode auto asks for. Of these mode on logs the first that is
 *	missing.
 * @nr_conditions: how many
 * @forced: what mode on logs before it
 * @unavailable: what the log says when Enable is 0 in the PF
 * @keep: Optional. Places in config space that it must not cover, whatever they
 *	read, as offsets of dwords; the last one is 0.
 * @init: From the PF's registers, CPU endian, if it is shared with one, fill in
 *	the reset value of every dword behind the header. Return why it cannot be
 *	shown, or VFCAP_REASON_NONE.
 * @implemented: Optional. Which of the bits that @behavior calls writable this VF
 *	has, from the present value of that dword.
 * @may_enable: Optional. Whether Enable can be set now; else it stays 0.
 * @block: Optional. Take away what Enable gives, before it goes to 0.
 * @sync: Optional. Make what is behind the registers what they say. @enabled is Enable's
 *	value; @restart is set after a reset of the VF, or of the interface.
 *
 * All but @implemented are called in process context, under the dev_set lock.
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
	enum vfcap_reason (*init)(struct vfcap_device *vf, const u32 *pf,
				  u32 *regs);
	u32 (*implemented)(u32 value);
	bool (*may_enable)(struct vfcap_device *vf);
	void (*block)(struct vfcap_device *vf);
	void (*sync)(struct vfcap_device *vf, bool enabled, bool restart);
};

/*
 * All capabilities: those that a VF shares with its PF, then others. User space
 * knows them by the same numbers, enum vfcap_cap_index.
 */
enum {
	VFCAP_SHDW = PCI_VFCAP_COUNT,
	VFCAP_NR_CAPS
};

static_assert(VFCAP_CAP_PASID == (int)PCI_VFCAP_PASID);
static_assert(VFCAP_CAP_PRI == (int)PCI_VFCAP_PRI);
static_assert(VFCAP_CAP_SHDW == (int)VFCAP_SHDW);
static_assert(VFCAP_CAP_COUNT == (int)VFCAP_NR_CAPS);

static inline bool vfcap_is_shared(unsigned int id)
{
	return id < PCI_VFCAP_COUNT;
}

/* The longest capability, in dwords */
#define VFCAP_MAX_REGS		VFCAP_STATE_REGS

static inline size_t vfcap_cap_size(const struct vfcap_cap *cap)
{
	return cap->nr_regs * sizeof(u32);
}

/* The dword of every capability that has its Control register */
#define VFCAP_CTRL		1

/**
 * struct vfcap_choice - what the user chose for a capability
 * @flags: VFCAP_CHOOSE_*, 0 for nothing
 * @offset: where it shall lie, 0 for no opinion
 */
struct vfcap_choice {
	u32 flags;
	u16 offset;
};

/**
 * struct vfcap_plan - what would be shown of a capability, or is
 * @pos: where it lies, 0 if it is not shown
 * @step: what decided that
 * @reason: why it is not shown
 * @given: the user or the administrator says where it goes
 * @pf: the PF's registers from which @regs follows, CPU endian
 * @regs: its dwords after a reset, CPU endian, but for the header
 */
struct vfcap_plan {
	u16 pos;
	enum vfcap_step step;
	enum vfcap_reason reason;
	bool given;
	u32 pf[VFCAP_MAX_REGS];
	u32 regs[VFCAP_MAX_REGS];
};

/**
 * struct vfcap_device - a VF, or VMD endpoint, bound to this driver
 * @core: what vfio-pci-core knows of it. A VF's dev_set has this VF only. The
 *	lock there (the dev_set lock) is VFIO's own around open, close and PASID
 *	attach. Here it also serialises, from outside of @core.memory_lock, what
 *	writes an emulated register, resets the VF or changes its power state,
 *	each with its effects. It protects @plan, @committed, @shown and @anchored, of
 *	which @lock protects the last two as well, @entry, @pasids and @choice.
 * @table: the capabilities that there are, for what they are made of
 * @caps: the capabilities that such a device may come to show, BIT(index) each
 * @vmd: what kind of VMD endpoint it is, VFCAP_VMD_*, 0 for a VF
 * @handle: what pci-vfcap knows of a VF, from probe to remove; NULL for others
 * @link_reset: The recovery of the last error resets the link, or has done so. Only
 *	used in the error handlers, which the PCI core calls one by one.
 * @losses: how often it had lost something when the last reset with callbacks began,
 *	or the last error was detected. Under its device lock.
 * @sync_work: makes good, under the dev_set lock, what happened without it
 * @log_limit: how many opens may be logged
 * @quiet: Nothing is logged of what is shown: this open is one of too many, or it is
 *	only planned.
 * @entry: when its user let it go to low power
 * @entry.suspended: for how many ns it had been suspended then; U64_MAX if the user has
 *	not, or it was noticed that it has returned
 * @entry.losses: how often it had lost something
 * @entry.soft_reset: whether a return from D3hot to D0 resets it
 * @map_known: whether core's map of its config space is what this driver knows; if not,
 *	nothing is shown in this session
 * @af_pos: offset of the VF's Advanced Features capability, if that has a reset, or 0
 * @shadow: whether the native shadow registers are emulated in this session
 * @ims_pos: offset in config space of the byte that tells of IMS, which is hidden in
 *	this session, or 0
 * @pasid_iommu: whether the IOMMU attaches the VF's PASIDs one by one
 * @wc: which pages of its BARs are write combining
 * @pasids: what the user attached to its PASIDs, struct vfcap_attachment by PASID
 * @nr_pasids: how many
 * @choice: what the user chose for each capability, in this session
 * @plan: what is shown of each capability once @committed is set, what would be until
 *	then. It no longer changes then, and needs no lock.
 * @committed: Whether the plan was carried out. It stands until the close. Set with
 *	release order, so that a lockless reader which sees it set sees @plan, @shown
 *	and @core.vconfig.
 * @lock: Protects all below, and the emulated bytes of @core.vconfig:
 *	vfio-pci-core has no lock over config accesses. Innermost, and never
 *	held while core is called: reset_done() takes it under memory_lock.
 * @anchored: whether the header at the start of the list is an empty one that
 *	is emulated as well
 * @shown: which capabilities are shown, BIT(index) each
 * @cleared: capabilities whose control bits were cleared, and others do not know
 * @restart: those of them that were reset
 * @lost: capabilities that were lost, and whose loss has not taken effect yet
 * @returned: capabilities that were lost, and that a reset gives back
 * @cause: why each was lost last
 * @lost_eventfd: tells the user of a loss, or NULL
 * @return_eventfd: and of the way back
 */
struct vfcap_device {
	struct vfio_pci_core_device core;
	const struct vfcap_cap * const *table;
	unsigned long caps;
	unsigned long vmd;
	struct pci_vfcap_vf *handle;
	bool link_reset;
	u64 losses;
	struct work_struct sync_work;
	struct ratelimit_state log_limit;
	bool quiet;
	struct {
		u64 suspended;
		u64 losses;
		bool soft_reset;
	} entry;
	bool map_known;
	u8 af_pos;
	bool shadow;
	u16 ims_pos;
	bool pasid_iommu;
	struct vfcap_wc wc;
	struct rb_root pasids;
	unsigned int nr_pasids;
	struct vfcap_choice choice[VFCAP_NR_CAPS];
	struct vfcap_plan plan[VFCAP_NR_CAPS];
	bool committed;
	struct mutex lock;		/* all below, and emulated bytes */
	bool anchored;
	unsigned long shown;
	unsigned long cleared;
	unsigned long restart;
	unsigned long lost;
	unsigned long returned;
	char cause[PCI_VFCAP_COUNT][VFCAP_CAUSE_SIZE];
	struct eventfd_ctx *lost_eventfd;
	struct eventfd_ctx *return_eventfd;
};

static inline struct vfcap_device *to_vfcap(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfcap_device, core.vdev);
}

static inline struct mutex *vfcap_dev_set_lock(struct vfcap_device *vf)
{
	return &vf->core.vdev.dev_set->lock;
}

/*
 * The dev_set lock until the end of a block, for a call of the user. VFIO accesses
 * memory of the user under it, who may take any time to provide that: whoever waits
 * can be killed, and then this is NULL.
 */
DEFINE_CLASS(vfcap_locked, struct mutex *, _T ? mutex_unlock(_T) : (void)0,
	     mutex_lock_killable(vfcap_dev_set_lock(vf)) ?
	     NULL : vfcap_dev_set_lock(vf), struct vfcap_device *vf)

/*
 * Whether an access begins within the range. It is cut down to what lies on the
 * same side of the range's edges as its first byte.
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
 * ends with the first piece that was done in part only; one that fails has it fail, with
 * those before it done.
 */
static __always_inline ssize_t
vfcap_access_pieces(struct vfcap_device *vf, char __user *buf, size_t count,
		    loff_t *ppos, bool write,
		    ssize_t (*access)(struct vfcap_device *vf,
				      char __user *buf, size_t *count,
				      loff_t pos, bool write))
{
	size_t done = 0;

	while (done < count) {
		size_t piece = count - done;
		ssize_t ret = access(vf, buf + done, &piece, *ppos + done,
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

/*
 * The rooms, from the ground up, as the Makefile lists them: each uses only what those
 * before it have. Back up lead the callbacks of structures.
 */

/* reason.c: the log of a session, and why a capability is not shown, in words */
const char *vfcap_reason_text(const struct vfcap_cap *cap,
			      enum vfcap_reason reason);
void vfcap_log_open(struct vfcap_device *vf);
__printf(2, 3)
void vfcap_log(struct vfcap_device *vf, const char *fmt, ...);

/* mode.c: parameters of words, such as those that say whether a capability is shown */
extern const struct kernel_param_ops vfcap_param_ops;
extern const char * const vfcap_mode_words[];

#define VFCAP_MODE_PARAM {			\
	.words		= vfcap_mode_words,	\
	.choices	= "auto, on, off",	\
}

bool vfcap_mode_wants(struct vfcap_device *vf, const struct vfcap_cap *cap);
enum vfcap_reason vfcap_mode_forbids(struct vfcap_device *vf,
				     const struct vfcap_cap *cap);
bool vfcap_has_iommu(struct vfcap_device *vf);
bool vfcap_pf_is_kernels(struct vfcap_device *vf);

/**
 * struct vfcap_core_call - a call of core that accesses memory of the user
 * @call: does it, under the dev_set lock
 * @buf: what core reads, before it does anything
 * @count: how many bytes
 * @bytes: what they were just before. The user may change them.
 * @ppos: of a write of config space
 * @flags: of a VFIO_DEVICE_FEATURE
 * @argsz: and this
 */
struct vfcap_core_call {
	ssize_t (*call)(struct vfcap_device *vf, struct vfcap_core_call *c);
	void __user *buf;
	size_t count;
	u8 bytes[sizeof(struct vfio_device_low_power_entry_with_wakeup)];
	loff_t *ppos;
	u32 flags;
	size_t argsz;
};

/* call.c: calls of core that access memory of the user */
ssize_t vfcap_call_core(struct vfcap_device *vf, struct vfcap_core_call *c);

/* power.c: the VF's power states */
bool vfcap_is_awake(struct vfcap_device *vf);
bool vfcap_is_let_go(struct vfcap_device *vf);
bool vfcap_stays_awake(struct vfcap_device *vf);
bool vfcap_in_d3(struct vfcap_device *vf);
bool vfcap_soft_reset(struct vfcap_device *vf);

/* chain.c: where a capability fits; ext_list.c, std_list.c: its place in a list */
bool vfcap_chain_fits(struct vfcap_device *vf, unsigned int id,
		      unsigned int pos);
bool vfcap_chain_is_free(struct vfcap_device *vf, unsigned int id,
			 unsigned int pos);
u16 vfcap_chain_find_gap(struct vfcap_device *vf, unsigned int id);
void vfcap_chain_link(struct vfcap_device *vf, const struct vfcap_cap *cap,
		      u16 pos);
void vfcap_ext_hide(struct vfcap_device *vf);

/* emul.c: the engine that runs the registers of all capabilities */
u32 vfcap_reg_get(struct vfcap_device *vf, unsigned int id,
		  unsigned int reg);
u32 vfcap_emul_ctrl(struct vfcap_device *vf, unsigned int id);
bool vfcap_emul_is_enabled(struct vfcap_device *vf, unsigned int id);
void vfcap_set_status(struct vfcap_device *vf, unsigned int id, u32 bits);
void vfcap_emul_show(struct vfcap_device *vf, unsigned int id);
u32 vfcap_emul_take(struct vfcap_device *vf, unsigned int id, bool *cleared,
		    bool *restart);
u32 vfcap_emul_writable(const struct vfcap_cap *cap, unsigned int reg, u32 old);
u32 vfcap_emul_written(const struct vfcap_cap *cap, unsigned int reg, u32 old,
		       u32 val, u32 mask);
void vfcap_emul_store(struct vfcap_device *vf, unsigned int id, const u32 *val,
		      const u32 *mask, u32 old, u32 new);
bool vfcap_emul_set_w1c(struct vfcap_device *vf, unsigned int id, u32 ctrl);
void vfcap_emul_save(struct vfcap_device *vf, unsigned int id, u32 *regs);
bool vfcap_emul_could_be(struct vfcap_device *vf, unsigned int id,
			 const u32 *wanted, const u32 *now);
void vfcap_emul_disable(struct vfcap_device *vf, unsigned long mask);
void vfcap_emul_reset(struct vfcap_device *vf);

/* attach.c: PASIDs that the VF's user attaches */
#if VFCAP_PASID_ATTACH
void vfcap_unbind_iommufd(struct vfio_device *vdev);
int vfcap_attach(struct vfcap_device *vf, u32 pasid, u32 *pt_id);
void vfcap_pasid_detach_ioas(struct vfio_device *vdev, u32 pasid);
void vfcap_pasid_block(struct vfcap_device *vf);
void vfcap_pasid_sync(struct vfcap_device *vf, bool enabled, bool restart);
void vfcap_pasid_forget(struct vfcap_device *vf);
#else
static inline void vfcap_pasid_block(struct vfcap_device *vf)
{
}

static inline void vfcap_pasid_sync(struct vfcap_device *vf, bool enabled,
				    bool restart)
{
}

static inline void vfcap_pasid_forget(struct vfcap_device *vf)
{
}
#endif

/* vmd.c: Intel Volume Management Device endpoints */
#define VFCAP_VMD_SHDW		BIT(0)	/* Linux looks for SHDW in it */
#define VFCAP_VMD_NATIVE	BIT(1)	/* it has registers of its own for that */
#define VFCAP_VMD_QEMU		BIT(2)	/* QEMU adds a SHDW of its own */

#define VFCAP_VMD_VMCAP		0x40
#define VFCAP_VMD_VMCONFIG	0x44
#define VFCAP_VMD_VMLOCK	0x70

#define VFCAP_VMD_MEMBAR1	2
#define VFCAP_VMD_MEMBAR2	4

extern const struct pci_device_id vfcap_vmd_ids[];
extern struct vfcap_param vfcap_vmd_shadow;
unsigned long vfcap_vmd_find(struct pci_dev *pdev);
bool vfcap_vmd_is_unknown(struct pci_dev *pdev);
u64 vfcap_vmd_bar(struct vfcap_device *vf, unsigned int bar);
bool vfcap_vmd_check_bars(struct vfcap_device *vf);

/* pasid.c, pri.c, shdw.c: the capabilities */
extern const struct vfcap_cap vfcap_pasid;
extern const struct vfcap_cap vfcap_pri;
extern const struct vfcap_cap vfcap_shdw;
int vfcap_pasid_open(struct vfcap_device *vf);

/* ims.c: Interrupt Message Storage, hidden in the Intel SIOV DVSEC */
void vfcap_ims_open(struct vfcap_device *vf);
int vfcap_ims_config_read(struct vfcap_device *vf, char __user *buf,
			  size_t count, unsigned int offset);

/* effects.c: what is behind the registers, and follows them */
extern const struct vfcap_cap * const vfcap_caps[];
void vfcap_queue_sync(struct vfcap_device *vf);
void vfcap_was_reset(struct vfcap_device *vf, u64 losses);
void vfcap_power_forget(struct vfcap_device *vf);
void vfcap_block(struct vfcap_device *vf, unsigned long caps);
void vfcap_sync(struct vfcap_device *vf);
void vfcap_catch_up(struct vfcap_device *vf);
void vfcap_sync_work(struct work_struct *work);
bool vfcap_may_enable(struct vfcap_device *vf, unsigned int id);
void vfcap_guest_write(struct vfcap_device *vf, unsigned int id,
		       const u32 *val, const u32 *mask);
bool vfcap_restore(struct vfcap_device *vf, unsigned int id, const u32 *regs);
void vfcap_end_session(struct vfcap_device *vf);
int vfcap_effects_init(void);
void vfcap_effects_exit(void);

/* loss.c: what the PF's side tells of */
extern const struct pci_vfcap_vf_ops vfcap_vf_ops;
void vfcap_set_eventfd(struct vfcap_device *vf, struct eventfd_ctx **slot,
		       struct eventfd_ctx *ctx);
void vfcap_forget_eventfds(struct vfcap_device *vf);
u32 vfcap_query_loss(struct vfcap_device *vf, unsigned int id, u8 *cause);

/* map.c: what core keeps of config space */
void vfcap_map_open(struct vfcap_device *vf);

/* place.c: where a capability goes */
bool vfcap_place_is_given(struct vfcap_device *vf, unsigned int id);
enum vfcap_reason vfcap_place(struct vfcap_device *vf, unsigned int id,
			      u16 pf_pos);

/* show.c: what a VF shows: planned as often as asked, committed once */
void vfcap_plan(struct vfcap_device *vf);
int vfcap_commit(struct vfcap_device *vf);
int vfcap_begin(struct vfcap_device *vf);

/* shadow.c: the native shadow registers of VMD endpoints that have none enabled */
void vfcap_shadow_open(struct vfcap_device *vf);
int vfcap_shadow_config_read(struct vfcap_device *vf, char __user *buf,
			     size_t count, unsigned int offset);
ssize_t vfcap_shadow_config_write(struct vfcap_device *vf,
				  const char __user *buf, size_t count,
				  unsigned int offset);
bool vfcap_shadow_hit(struct vfcap_device *vf, unsigned int region, u64 offset,
		      u64 size);
bool vfcap_shadow_cut(struct vfcap_device *vf, unsigned int region, u64 offset,
		      size_t *count);
ssize_t vfcap_shadow_rw(struct vfcap_device *vf, char __user *buf, size_t count,
			u64 offset, bool write);
bool vfcap_is_trapped(struct vfcap_device *vf, unsigned int region, u64 start,
		      u64 size);
int vfcap_shadow_region_info(struct vfcap_device *vf,
			     struct vfio_region_info *info,
			     struct vfio_info_cap *caps);

/* reset.c: what resets a VF, and so its emulated registers */
extern const struct pci_error_handlers vfcap_err_handlers;
ssize_t vfcap_core_config_write(struct vfcap_device *vf, const char __user *buf,
				size_t *count, loff_t *ppos);
long vfcap_ioctl_reset(struct vfcap_device *vf);

/* low_power.c: low power that the user asks for */
int vfcap_feature_low_power(struct vfcap_device *vf, u32 flags,
			    void __user *arg, size_t argsz);
void vfcap_power_init(void);
void vfcap_power_watch(struct vfcap_device *vf);
void vfcap_power_unwatch(struct vfcap_device *vf);

/* config.c: access to the virtual config space */
ssize_t vfcap_config_read(struct vfcap_device *vf, char __user *buf,
			  size_t count, loff_t *ppos);
ssize_t vfcap_config_write(struct vfcap_device *vf, const char __user *buf,
			   size_t count, loff_t *ppos);

/* feature.c: VFIO_DEVICE_FEATURE */
int vfcap_ioctl_feature(struct vfio_device *vdev, u32 flags, void __user *arg,
			size_t argsz);

#endif /* VFCAP_H */
