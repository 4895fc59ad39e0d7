// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine behind the emulated capabilities
 *
 * A shown capability lives in core's vconfig, in bytes that core regards as virtual: core
 * serves every read of them from memory, at any width and alignment, and hands none of
 * them to the hardware. Writes are intercepted before they get to core, and go through
 * the capability's table of register behaviour here.
 *
 * This file handles only the registers. Their effects are in effects.c.
 */
#include <linux/cleanup.h>
#include <linux/pci.h>

#include "chain.h"
#include "emul.h"

static __le32 *vfcap_reg(struct vfcap_device *vd, unsigned int id,
			 unsigned int reg)
{
	return (__le32 *)(vd->core.vconfig + vd->plan[id].pos) + reg;
}

static u32 vfcap_load(struct vfcap_device *vd, unsigned int id,
		      unsigned int reg)
{
	return le32_to_cpu(READ_ONCE(*vfcap_reg(vd, id, reg)));
}

/* Core reads the dword without the lock, and so does vfcap_emul_ctrl(). */
static void vfcap_store(struct vfcap_device *vd, unsigned int id,
			unsigned int reg, u32 val)
{
	WRITE_ONCE(*vfcap_reg(vd, id, reg), cpu_to_le32(val));
}

/**
 * vfcap_reg_get - read an emulated register
 * @vd: the device
 * @id: the capability
 * @reg: which of its dwords
 *
 * Context: Process context.
 * Return: its value, CPU endian, 0 while the capability is not shown.
 */
u32 vfcap_reg_get(struct vfcap_device *vd, unsigned int id,
		  unsigned int reg)
{
	guard(mutex)(&vd->lock);

	return vd->shown & BIT(id) ? vfcap_load(vd, id, reg) : 0;
}

/**
 * vfcap_emul_ctrl - read the dword that has the Control register
 * @vd: the device
 * @id: a capability that it shows
 *
 * Context: Process context, under the dev_set lock. The capability may be disabled right
 * afterwards; vfcap_sync() follows that.
 * Return: its value, CPU endian.
 */
u32 vfcap_emul_ctrl(struct vfcap_device *vd, unsigned int id)
{
	return vfcap_load(vd, id, VFCAP_CTRL);
}

/**
 * vfcap_set_status - set bits that only the device sets
 * @vd: the device
 * @id: the capability
 * @bits: of the dword at offset 4. Those that are cleared when Enable goes to 0 are set
 *	only while it is 0.
 *
 * Context: Process context.
 */
void vfcap_set_status(struct vfcap_device *vd, unsigned int id, u32 bits)
{
	const struct vfcap_cap *cap = vd->table[id];
	u32 ctrl;

	guard(mutex)(&vd->lock);

	if (!(vd->shown & BIT(id)))
		return;
	ctrl = vfcap_load(vd, id, VFCAP_CTRL);
	if (ctrl & cap->enable)
		bits &= ~cap->clear_on_disable;
	vfcap_store(vd, id, VFCAP_CTRL, ctrl | bits);
}

/**
 * vfcap_emul_show - make a capability visible to the guest
 * @vd: the device
 * @id: the capability, which is shown as planned
 *
 * The capability is linked into its list, and its bytes become virtual for core.
 *
 * Context: Process context, under the dev_set lock, before anybody accesses config
 * space.
 */
void vfcap_emul_show(struct vfcap_device *vd, unsigned int id)
{
	const struct vfcap_cap *cap = vd->table[id];
	const struct vfcap_plan *plan = &vd->plan[id];
	unsigned int i;

	guard(mutex)(&vd->lock);

	for (i = 1; i < cap->nr_regs; i++)
		vfcap_store(vd, id, i, plan->regs[i]);
	cap->list->link(vd, cap, plan->pos);
	memset(vd->core.pci_config_map + plan->pos, VFCAP_MAP_VIRTUAL,
	       vfcap_cap_size(cap));
	__set_bit(id, &vd->shown);
}

/**
 * vfcap_emul_take - read the Control dword, and learn what happened to it
 * @vd: the device
 * @id: a capability that it shows
 * @cleared: set to whether bits of it were cleared, since the last call
 * @restart: set to whether it was reset since then
 *
 * Context: Process context, under the dev_set lock.
 * Return: its value, CPU endian.
 */
u32 vfcap_emul_take(struct vfcap_device *vd, unsigned int id, bool *cleared,
		    bool *restart)
{
	*cleared = false;
	*restart = false;
	/* Whoever clears bits at this very moment also gets vfcap_sync() called again. */
	if (!(READ_ONCE(vd->cleared) & BIT(id)))
		return vfcap_emul_ctrl(vd, id);

	guard(mutex)(&vd->lock);

	*cleared = __test_and_clear_bit(id, &vd->cleared);
	*restart = __test_and_clear_bit(id, &vd->restart);
	return vfcap_emul_ctrl(vd, id);
}

/**
 * vfcap_emul_writable - which bits of a register take a written value
 * @cap: the capability
 * @reg: which of its dwords
 * @old: its present value
 *
 * Context: Any context.
 * Return: the bits.
 */
u32 vfcap_emul_writable(const struct vfcap_cap *cap, unsigned int reg, u32 old)
{
	u32 rw = cap->behavior[reg].rw;

	return cap->implemented ? rw & cap->implemented(old) : rw;
}

/**
 * vfcap_emul_written - what a register reads after a write
 * @cap: the capability
 * @reg: which of its dwords
 * @old: its value before
 * @val: what is written
 * @mask: which of its bits are written
 *
 * Context: Any context.
 * Return: its new value.
 */
u32 vfcap_emul_written(const struct vfcap_cap *cap, unsigned int reg, u32 old,
		       u32 val, u32 mask)
{
	u32 rw = vfcap_emul_writable(cap, reg, old) & mask;

	return ((old & ~rw) | (val & rw)) &
	       ~(val & mask & cap->behavior[reg].w1c);
}

/*
 * The caller holds both locks. The device may have changed bits since the caller read
 * @old: store only what the write changes.
 */
static void vfcap_store_ctrl(struct vfcap_device *vd, unsigned int id,
			     u32 old, u32 new, u32 written)
{
	const struct vfcap_cap *cap = vd->table[id];
	u32 ctrl = vfcap_load(vd, id, VFCAP_CTRL);

	/* The capability may have been lost since others agreed to the write. */
	if (vd->lost & BIT(id))
		new &= ~cap->behavior[VFCAP_CTRL].rw;
	ctrl ^= (ctrl ^ new) & (old ^ new);
	if ((old ^ new) & cap->enable)
		ctrl &= ~(new & cap->enable ? cap->clear_on_enable :
			  cap->clear_on_disable);
	if (written & cap->restart && !(ctrl & cap->enable)) {
		__set_bit(id, &vd->cleared);
		__set_bit(id, &vd->restart);
	}
	vfcap_store(vd, id, VFCAP_CTRL, ctrl);
}

/**
 * vfcap_emul_store - store what a guest has written
 * @vd: the device
 * @id: a capability that it shows
 * @val: its dwords, CPU endian
 * @mask: which of their bytes are written
 * @old: what the Control dword read before
 * @new: what it is to read afterwards, as others have agreed
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_emul_store(struct vfcap_device *vd, unsigned int id, const u32 *val,
		      const u32 *mask, u32 old, u32 new)
{
	const struct vfcap_cap *cap = vd->table[id];
	unsigned int i;

	guard(mutex)(&vd->lock);

	for (i = VFCAP_CTRL + 1; i < cap->nr_regs; i++)
		vfcap_store(vd, id, i,
			    vfcap_emul_written(cap, i, vfcap_load(vd, id, i),
					       val[i], mask[i]));
	vfcap_store_ctrl(vd, id, old, new, val[VFCAP_CTRL] & mask[VFCAP_CTRL]);
}

/**
 * vfcap_emul_set_w1c - set bits that only the device sets and only a guest clears
 * @vd: the device
 * @id: a capability that it shows
 * @ctrl: what the Control dword is to read, as vfcap_emul_could_be() accepts it
 *
 * Context: Process context, under the dev_set lock.
 * Return: false, with nothing done, if Enable is not as in @ctrl.
 */
bool vfcap_emul_set_w1c(struct vfcap_device *vd, unsigned int id, u32 ctrl)
{
	const struct vfcap_cap *cap = vd->table[id];
	u32 w1c = cap->behavior[VFCAP_CTRL].w1c;
	u32 now;

	guard(mutex)(&vd->lock);

	now = vfcap_load(vd, id, VFCAP_CTRL);
	if ((now ^ ctrl) & cap->enable)
		return false;
	vfcap_store(vd, id, VFCAP_CTRL, (now & ~w1c) | (ctrl & w1c));
	return true;
}

/**
 * vfcap_emul_save - save all registers of a capability
 * @vd: the device
 * @id: a capability that it shows
 * @regs: filled with its dwords, CPU endian, header included
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_emul_save(struct vfcap_device *vd, unsigned int id, u32 *regs)
{
	unsigned int i;

	guard(mutex)(&vd->lock);

	for (i = 0; i < vd->table[id]->nr_regs; i++)
		regs[i] = vfcap_load(vd, id, i);
}

/**
 * vfcap_emul_could_be - whether registers could have these values
 * @vd: the device
 * @id: a capability that it shows
 * @wanted: its dwords, CPU endian, header included
 * @now: their present values
 * @ignored: bits of the header that may differ
 *
 * Context: Process context, under the dev_set lock.
 * Return: false if another read-only bit differs, or Enable is set together with a bit
 * that can only be set while Enable is 0.
 */
bool vfcap_emul_could_be(struct vfcap_device *vd, unsigned int id,
			 const u32 *wanted, const u32 *now, u32 ignored)
{
	const struct vfcap_cap *cap = vd->table[id];
	const struct vfcap_reg_behavior *b = cap->behavior;
	unsigned int i;

	if ((wanted[0] ^ now[0]) & ~ignored)
		return false;
	for (i = VFCAP_CTRL; i < cap->nr_regs; i++)
		if ((wanted[i] ^ now[i]) &
		    ~(vfcap_emul_writable(cap, i, now[i]) | b[i].w1c | b[i].preset))
			return false;
	return !(wanted[VFCAP_CTRL] & cap->enable) ||
	       !(wanted[VFCAP_CTRL] & cap->clear_on_disable);
}

/**
 * vfcap_emul_lose - clear the control bits that a guest has set, after a loss
 * @vd: the device
 * @mask: the capabilities that are lost, BIT(index) each
 *
 * Their effects follow at the next vfcap_sync().
 *
 * Context: Process context.
 */
void vfcap_emul_lose(struct vfcap_device *vd, unsigned long mask)
{
	const struct vfcap_cap *cap;
	unsigned long id;
	u32 ctrl;

	guard(mutex)(&vd->lock);

	/* Whoever sees the loss sees the bits clear. */
	vd->lost |= mask;
	mask &= vd->shown;
	for_each_set_bit(id, &mask, VFCAP_NR_CAPS) {
		cap = vd->table[id];
		ctrl = vfcap_load(vd, id, VFCAP_CTRL);
		if (ctrl & cap->enable)
			ctrl &= ~cap->clear_on_disable;
		vfcap_store(vd, id, VFCAP_CTRL,
			    ctrl & ~cap->behavior[VFCAP_CTRL].rw);
		__set_bit(id, &vd->cleared);
	}
}

/**
 * vfcap_emul_reset - set emulated registers to their reset values
 * @vd: the device
 *
 * Their effects follow at the next vfcap_sync().
 *
 * Context: Process context. Takes only the engine's lock: core may hold memory_lock.
 */
void vfcap_emul_reset(struct vfcap_device *vd)
{
	const struct vfcap_reg_behavior *b;
	unsigned long id;
	unsigned int i;

	guard(mutex)(&vd->lock);

	for_each_set_bit(id, &vd->shown, VFCAP_NR_CAPS) {
		b = vd->table[id]->behavior;
		for (i = VFCAP_CTRL; i < vd->table[id]->nr_regs; i++)
			vfcap_store(vd, id, i,
				    (vfcap_load(vd, id, i) &
				     ~(b[i].rw | b[i].w1c)) | b[i].preset);
	}
	vd->cleared |= vd->shown;
	vd->restart |= vd->shown;
}
