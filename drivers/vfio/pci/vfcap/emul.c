// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine behind the emulated capabilities
 *
 * A shown capability lives in core's vconfig, in bytes that core takes for
 * virtual: core serves every read of them from memory, at any width and
 * alignment, and hands none of them to the hardware. Writes are taken from core
 * and go through the capability's register-behaviour table here.
 *
 * What is behind the registers, PASIDs in the IOMMU and page requests that the
 * PF's driver answers, follows them: taken away before Enable goes to 0, given
 * after it went to 1. PASIDs are also taken away while the VF sleeps, see power.c.
 */
#include <linux/cleanup.h>
#include <linux/pci.h>

#include "vfcap.h"

const struct vfcap_cap * const vfcap_caps[VFCAP_NR_CAPS] = {
	[PCI_VFCAP_PASID]	= &vfcap_pasid,
	[PCI_VFCAP_PRI]		= &vfcap_pri,
	[VFCAP_SHDW]		= &vfcap_shdw,
};

static __le32 *vfcap_reg(struct vfcap_device *vf, unsigned int id,
			 unsigned int reg)
{
	return (__le32 *)(vf->core.vconfig + vf->plan[id].pos) + reg;
}

static u32 vfcap_load(struct vfcap_device *vf, unsigned int id,
		      unsigned int reg)
{
	return le32_to_cpu(READ_ONCE(*vfcap_reg(vf, id, reg)));
}

/* Core reads the dword without the lock, and so does who has no more to ask. */
static void vfcap_store(struct vfcap_device *vf, unsigned int id,
			unsigned int reg, u32 val)
{
	WRITE_ONCE(*vfcap_reg(vf, id, reg), cpu_to_le32(val));
}

/**
 * vfcap_reg_get - read an emulated register
 * @vf: the VF
 * @id: the capability
 * @reg: which of its dwords
 *
 * Context: Process context.
 * Return: its value, CPU endian, 0 while the capability is not shown.
 */
u32 vfcap_reg_get(struct vfcap_device *vf, unsigned int id,
		  unsigned int reg)
{
	guard(mutex)(&vf->lock);

	return vf->shown & BIT(id) ? vfcap_load(vf, id, reg) : 0;
}

/**
 * vfcap_emul_is_enabled - whether a capability is enabled
 * @vf: the VF
 * @id: a capability that it shows
 *
 * Context: Process context, under the dev_set lock. It may be disabled directly
 * afterwards, and vfcap_sync() comes after that.
 * Return: true if so.
 */
bool vfcap_emul_is_enabled(struct vfcap_device *vf, unsigned int id)
{
	return vfcap_load(vf, id, VFCAP_CTRL) & vfcap_caps[id]->enable;
}

/**
 * vfcap_set_status - set bits that only the device sets
 * @vf: the VF
 * @id: the capability
 * @bits: of the dword at offset 4. Those that Enable going to 0 clears are set
 *	only while it is 0.
 *
 * Context: Process context.
 */
void vfcap_set_status(struct vfcap_device *vf, unsigned int id, u32 bits)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	u32 ctrl;

	guard(mutex)(&vf->lock);

	if (!(vf->shown & BIT(id)))
		return;
	ctrl = vfcap_load(vf, id, VFCAP_CTRL);
	if (ctrl & cap->enable)
		bits &= ~cap->clear_on_disable;
	vfcap_store(vf, id, VFCAP_CTRL, ctrl | bits);
}

/**
 * vfcap_emul_show - have the guest see a capability
 * @vf: the VF
 * @id: the capability, which is shown as planned
 *
 * Context: Process context, under the dev_set lock, before anybody accesses config
 * space.
 */
void vfcap_emul_show(struct vfcap_device *vf, unsigned int id)
{
	const struct vfcap_plan *plan = &vf->plan[id];
	unsigned int i;

	guard(mutex)(&vf->lock);

	for (i = 1; i < vfcap_caps[id]->nr_regs; i++)
		vfcap_store(vf, id, i, plan->regs[i]);
	vfcap_chain_link(vf, vfcap_caps[id], plan->pos);
	__set_bit(id, &vf->shown);
}

/* Give a capability's registers their reset value. Caller holds the lock. */
static void vfcap_reset_cap(struct vfcap_device *vf, unsigned int id)
{
	const struct vfcap_reg_behavior *behavior = vfcap_caps[id]->behavior;
	unsigned int i;

	for (i = VFCAP_CTRL; i < vfcap_caps[id]->nr_regs; i++)
		vfcap_store(vf, id, i,
			    (vfcap_load(vf, id, i) &
			     ~(behavior[i].rw | behavior[i].w1c)) |
			    behavior[i].preset);
	__set_bit(id, &vf->cleared);
	__set_bit(id, &vf->restart);
}

/**
 * vfcap_block - take away what the VF's Enable bits give
 * @vf: the VF
 * @caps: of which capabilities, BIT(index) each
 *
 * For what may clear them next; vfcap_sync() gives it back if it did not.
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_block(struct vfcap_device *vf, unsigned long caps)
{
	unsigned long id;

	lockdep_assert_held(vfcap_dev_set_lock(vf));

	caps &= vf->shown;
	for_each_set_bit(id, &caps, VFCAP_NR_CAPS)
		if (vfcap_caps[id]->block)
			vfcap_caps[id]->block(vf);
}

static void vfcap_sync_cap(struct vfcap_device *vf, unsigned int id)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	bool cleared = false, restart = false;
	u32 ctrl;

	if (READ_ONCE(vf->cleared) & BIT(id)) {
		guard(mutex)(&vf->lock);

		ctrl = vfcap_load(vf, id, VFCAP_CTRL);
		cleared = __test_and_clear_bit(id, &vf->cleared);
		restart = __test_and_clear_bit(id, &vf->restart);
	} else {
		/* Who clears it now has this called again. */
		ctrl = vfcap_load(vf, id, VFCAP_CTRL);
	}
	if (cleared && vfcap_is_shared(id))
		pci_vfcap_control(vf->shared, id, ctrl, ctrl);
	if (cap->sync)
		cap->sync(vf, ctrl & cap->enable, restart);
}

/**
 * vfcap_sync - make what is behind the registers what they say
 * @vf: the VF
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_sync(struct vfcap_device *vf)
{
	unsigned long lost, id;

	lockdep_assert_held(vfcap_dev_set_lock(vf));

	vfcap_notice_return(vf);
	lost = vfcap_begin_loss(vf);
	for_each_set_bit(id, &vf->shown, VFCAP_NR_CAPS)
		vfcap_sync_cap(vf, id);
	vfcap_end_loss(vf, lost);
}

/**
 * vfcap_catch_up - have what happened before come before what follows
 * @vf: the VF
 *
 * Whoever holds the dev_set lock leaves all else as vfcap_sync() does.
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_catch_up(struct vfcap_device *vf)
{
	/* What changes right now may as well come afterwards. */
	if (READ_ONCE(vf->lost) || READ_ONCE(vf->cleared) ||
	    vfcap_has_returned(vf))
		vfcap_sync(vf);
}

static u32 vfcap_writable(const struct vfcap_cap *cap, unsigned int reg,
			  u32 old)
{
	u32 rw = cap->behavior[reg].rw;

	return cap->implemented ? rw & cap->implemented(old) : rw;
}

/* What a register reads after a write of @val to its bits @mask */
static u32 vfcap_written(const struct vfcap_cap *cap, unsigned int reg, u32 old,
			 u32 val, u32 mask)
{
	u32 rw = vfcap_writable(cap, reg, old) & mask;

	return ((old & ~rw) | (val & rw)) &
	       ~(val & mask & cap->behavior[reg].w1c);
}

/**
 * vfcap_emul_may_enable - whether a guest could enable a capability now
 * @vf: the VF
 * @id: a capability that it shows
 *
 * Context: Process context, under the dev_set lock.
 * Return: false if its Enable would stay 0.
 */
bool vfcap_emul_may_enable(struct vfcap_device *vf, unsigned int id)
{
	const struct vfcap_cap *cap = vfcap_caps[id];

	return pci_vfcap_usable(vf->shared, id) &&
	       (!cap->may_enable || cap->may_enable(vf));
}

/*
 * The Control dword after a write, as far as others have a say in it. The PF's driver
 * is not asked to enable what cannot be had, for it would act on that.
 */
static u32 vfcap_agree(struct vfcap_device *vf, unsigned int id, u32 old,
		       u32 new)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	u32 open = vfcap_writable(cap, VFCAP_CTRL, old) |
		   cap->behavior[VFCAP_CTRL].w1c;
	u32 answer;

	if (!(old & cap->enable) && !vfcap_emul_may_enable(vf, id)) {
		if (new & cap->enable)
			pci_notice_ratelimited(vf->core.pdev,
					       "%s cannot be enabled now\n",
					       cap->name);
		new &= ~cap->enable;
		open &= ~cap->enable;
	}
	answer = pci_vfcap_control(vf->shared, id, old, new);

	/* Of bits that a guest cannot write, what is answered does not count. */
	return new ^ ((new ^ answer) & open);
}

/*
 * Caller holds both locks. The device may have changed bits since it read @old:
 * store only what the write changes.
 */
static void vfcap_store_ctrl(struct vfcap_device *vf, unsigned int id,
			     u32 old, u32 new, u32 written)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	u32 ctrl = vfcap_load(vf, id, VFCAP_CTRL);

	/* It may have been lost since others agreed to it. */
	if (vf->lost & BIT(id))
		new &= ~cap->behavior[VFCAP_CTRL].rw;
	ctrl ^= (ctrl ^ new) & (old ^ new);
	if ((old ^ new) & cap->enable)
		ctrl &= ~(new & cap->enable ? cap->clear_on_enable :
			  cap->clear_on_disable);
	if (written & cap->restart && !(ctrl & cap->enable)) {
		__set_bit(id, &vf->cleared);
		__set_bit(id, &vf->restart);
	}
	vfcap_store(vf, id, VFCAP_CTRL, ctrl);
}

/**
 * vfcap_emul_write - a guest's write to an emulated capability
 * @vf: the VF
 * @id: the capability
 * @val: the capability's dwords, CPU endian
 * @mask: of these, the bytes that are written
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_emul_write(struct vfcap_device *vf, unsigned int id,
		      const u32 *val, const u32 *mask)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	unsigned int i;
	u32 old, new;

	lockdep_assert_held(vfcap_dev_set_lock(vf));

	vfcap_catch_up(vf);

	old = vfcap_load(vf, id, VFCAP_CTRL);
	new = old;
	if (mask[VFCAP_CTRL] && cap->enable)
		new = vfcap_agree(vf, id, old,
				  vfcap_written(cap, VFCAP_CTRL, old,
						val[VFCAP_CTRL],
						mask[VFCAP_CTRL]));
	if (old & ~new & cap->enable && cap->block)
		cap->block(vf);

	scoped_guard(mutex, &vf->lock) {
		for (i = VFCAP_CTRL + 1; i < cap->nr_regs; i++)
			vfcap_store(vf, id, i,
				    vfcap_written(cap, i, vfcap_load(vf, id, i),
						  val[i], mask[i]));
		vfcap_store_ctrl(vf, id, old, new,
				 val[VFCAP_CTRL] & mask[VFCAP_CTRL]);
	}

	/* What Enable gives was taken away before it was cleared. */
	if (new & cap->enable || !cap->block)
		vfcap_sync_cap(vf, id);
}

/**
 * vfcap_emul_save - all registers of a capability
 * @vf: the VF
 * @id: a capability that it shows
 * @regs: filled with its dwords, CPU endian, header included
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_emul_save(struct vfcap_device *vf, unsigned int id, u32 *regs)
{
	unsigned int i;

	guard(mutex)(&vf->lock);

	for (i = 0; i < vfcap_caps[id]->nr_regs; i++)
		regs[i] = vfcap_load(vf, id, i);
}

/**
 * vfcap_emul_could_be - whether registers could have these values
 * @vf: the VF
 * @id: a capability that it shows
 * @wanted: its dwords, CPU endian, header included
 * @now: what they are
 *
 * Context: Process context, under the dev_set lock.
 * Return: false if a read-only bit differs, or a bit is set that Enable clears.
 */
bool vfcap_emul_could_be(struct vfcap_device *vf, unsigned int id,
			 const u32 *wanted, const u32 *now)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	const struct vfcap_reg_behavior *b = cap->behavior;
	unsigned int i;

	if (wanted[0] != now[0])
		return false;
	for (i = VFCAP_CTRL; i < cap->nr_regs; i++)
		if ((wanted[i] ^ now[i]) &
		    ~(vfcap_writable(cap, i, now[i]) | b[i].w1c | b[i].preset))
			return false;
	return !(wanted[VFCAP_CTRL] & cap->enable) ||
	       !(wanted[VFCAP_CTRL] & cap->clear_on_disable);
}

/**
 * vfcap_emul_restore - have registers as they once were
 * @vf: the VF
 * @id: a capability that it shows
 * @regs: its dwords, as vfcap_emul_could_be() accepts them
 *
 * It is a guest's write of all of them; what only the device sets and only a guest
 * clears follows. Stopped stays: it tells of this VF's own page requests.
 *
 * Context: Process context, under the dev_set lock.
 * Return: false if Enable should be 1 and is not.
 */
bool vfcap_emul_restore(struct vfcap_device *vf, unsigned int id,
			const u32 *regs)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	const struct vfcap_reg_behavior *b = &cap->behavior[VFCAP_CTRL];
	static const u32 all[VFCAP_MAX_REGS] = {
		[0 ... VFCAP_MAX_REGS - 1] = ~0U,
	};
	u32 ctrl;

	vfcap_emul_write(vf, id, regs, all);

	guard(mutex)(&vf->lock);

	ctrl = vfcap_load(vf, id, VFCAP_CTRL);
	if ((ctrl ^ regs[VFCAP_CTRL]) & cap->enable)
		return false;
	vfcap_store(vf, id, VFCAP_CTRL,
		    (ctrl & ~b->w1c) | (regs[VFCAP_CTRL] & b->w1c));
	return true;
}

/**
 * vfcap_emul_disable - clear control bits that a guest has set
 * @vf: the VF
 * @mask: of which capabilities, BIT(index) each
 *
 * What is behind them follows at the next vfcap_sync().
 *
 * Context: Process context.
 */
void vfcap_emul_disable(struct vfcap_device *vf, unsigned long mask)
{
	const struct vfcap_cap *cap;
	unsigned long id;
	u32 ctrl;

	guard(mutex)(&vf->lock);

	mask &= vf->shown;
	for_each_set_bit(id, &mask, VFCAP_NR_CAPS) {
		cap = vfcap_caps[id];
		ctrl = vfcap_load(vf, id, VFCAP_CTRL);
		if (ctrl & cap->enable)
			ctrl &= ~cap->clear_on_disable;
		vfcap_store(vf, id, VFCAP_CTRL,
			    ctrl & ~cap->behavior[VFCAP_CTRL].rw);
		__set_bit(id, &vf->cleared);
	}
}

/**
 * vfcap_emul_reset - give emulated registers their reset value
 * @vf: the VF
 *
 * What is behind them follows at the next vfcap_sync().
 *
 * Context: Process context. Takes the engine's lock, and no other: core may
 * hold memory_lock.
 */
void vfcap_emul_reset(struct vfcap_device *vf)
{
	unsigned long id;

	guard(mutex)(&vf->lock);

	for_each_set_bit(id, &vf->shown, VFCAP_NR_CAPS)
		vfcap_reset_cap(vf, id);
}

/**
 * vfcap_emul_close - forget what this session showed
 * @vf: the VF
 *
 * Context: Before core is closed, since that frees vconfig and then resets the
 * VF; under the dev_set lock. The last user of the file is gone, so nobody else
 * accesses config space. PASIDs stay attached until the VF is no bus master any more.
 */
void vfcap_emul_close(struct vfcap_device *vf)
{
	vfcap_pasid_forget(vf);
	vfcap_emul_reset(vf);
	vfcap_sync(vf);

	guard(mutex)(&vf->lock);

	memset(vf->choice, 0, sizeof(vf->choice));
	vf->shown = 0;
	vf->anchored = false;
	vf->shadow = false;
	vf->committed = false;
}
