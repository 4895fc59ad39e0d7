// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets of a device, which also reset its emulated registers, and changes of its power state
 *
 * VFIO_DEVICE_RESET, an FLR that the guest asks for, and resets by sysfs or by the owner
 * of the bus all end in the driver's reset_done callback. A return from D3hot to D0, which
 * resets a function without No_Soft_Reset (PCI PM r1.2, sec 5.4.1), has no callback: it is
 * detected by comparing power states. A return from D3cold resets any function.
 *
 * An IOMMU that detaches a PASID makes a function with ATS invalidate its cache of
 * translations, and waits for the answer. Outside of D0 a function does not answer. So
 * PASIDs are attached in the IOMMU only while the device is in D0 and its user has not
 * let it go to low power: they are detached before it leaves D0, and attached again after
 * it has come back.
 *
 * There are two ways out of D0. A guest writes PMCSR, and core carries that out at once.
 * Or the user lets the device go to low power, with VFIO_DEVICE_FEATURE_LOW_POWER_*: from
 * then on runtime PM may suspend it at any time, and resumes it for each access. Core
 * reports neither to a driver, and a wakeup that ends low power only to the user; this
 * driver learns of a resume from a callback of its own, vfcap_runtime_resume().
 *
 * All calls of the user that may do either go through vfcap_call_core() (but see
 * vfcap_ioctl_hot_reset()). It runs under the dev_set lock, and when it returns no PASID
 * is attached that must not be. After a reset from elsewhere, a worker detaches them.
 */
#include <linux/log2.h>
#include <linux/pci.h>
#include <linux/pm_domain.h>
#include <linux/pm_runtime.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "access.h"
#include "base.h"
#include "effects.h"
#include "emul.h"

/**
 * struct vfcap_core_call - a call into core that may reset the device or change its power state
 * @call: make the call, with vfcap_block() before anything that it may clear
 * @buf: what core reads before it does anything
 * @count: how many bytes
 * @bytes: their values just before that. The user may change them.
 * @start: for a write to config space: where it begins
 * @ppos: and its VFIO region offset
 * @flags: for VFIO_DEVICE_FEATURE: its flags
 * @argsz: and its argsz
 */
struct vfcap_core_call {
	ssize_t (*call)(struct vfcap_device *vd, struct vfcap_core_call *c);
	void __user *buf;
	size_t count;
	u8 bytes[sizeof(struct vfio_device_low_power_entry_with_wakeup)];
	loff_t start;
	loff_t *ppos;
	u32 flags;
	size_t argsz;
};

/* Whether the device is in a state that it leaves with a reset, unless it has No_Soft_Reset */
static bool vfcap_in_d3(struct vfcap_device *vd)
{
	pci_power_t state = READ_ONCE(vd->core.pdev->current_state);

	return state == PCI_D3hot || state == PCI_D3cold;
}

/* Whether a return from D3hot to D0 resets the device, which must not be suspended now */
static bool vfcap_soft_reset(struct vfcap_device *vd)
{
	struct pci_dev *pdev = vd->core.pdev;
	u16 pmcsr;

	if (!pdev->pm_cap)
		return false;
	pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &pmcsr);
	return PCI_POSSIBLE_ERROR(pmcsr) ||
	       !(pmcsr & PCI_PM_CTRL_NO_SOFT_RESET);
}

/* Caller holds the dev_set lock. */
static ssize_t vfcap_call_locked(struct vfcap_device *vd,
				 struct vfcap_core_call *c)
{
	struct device *dev = &vd->core.pdev->dev;
	u64 losses = pci_vfcap_vf_losses(vd->handle);
	ssize_t ret;
	bool in_d3;

	/*
	 * Core wakes the device, too. Here that is done before the state is read, so that
	 * any change of the state is the guest's doing.
	 */
	if (pm_runtime_resume_and_get(dev) < 0)
		return -EIO;
	/* What a wakeup has ended must not be taken for what begins now. */
	vfcap_catch_up(vd);
	in_d3 = vfcap_in_d3(vd);

	ret = c->call(vd, c);

	if (in_d3 && !vfcap_in_d3(vd) && vfcap_soft_reset(vd))
		vfcap_was_reset(vd, losses);
	vfcap_sync(vd);
	pm_runtime_put(dev);
	return ret;
}

static bool vfcap_get_bytes(struct vfcap_core_call *c)
{
	return !copy_from_user(c->bytes, c->buf, c->count);
}

/*
 * Call core under the dev_set lock, without waiting there for user memory, which the user
 * may take any time to provide. Others need the lock meanwhile, above all the worker that
 * handles a loss. The memory is read once without the lock, which faults it in, and again
 * if it is gone by the time core reads it, which is before core has done anything. Memory
 * that is there but cannot be read, as with a wrong tag of arm64's memory tagging, ends
 * the call here.
 */
static ssize_t vfcap_call_core(struct vfcap_device *vd,
			       struct vfcap_core_call *c)
{
	bool there;
	ssize_t ret;

	do {
		if (!vfcap_get_bytes(c))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;

		CLASS(vfcap_locked, lock)(vd);
		if (!lock)
			return -EINTR;
		pagefault_disable();
		there = vfcap_get_bytes(c);
		ret = there ? vfcap_call_locked(vd, c) : -EFAULT;
		/* Core has other reasons for -EFAULT, too. */
		if (ret == -EFAULT)
			there = vfcap_get_bytes(c);
		pagefault_enable();
	} while (!there);
	return ret;
}

/* Whether a write to config space sets a bit of the byte at @pos */
static bool vfcap_write_sets(const struct vfcap_core_call *c, unsigned int pos,
			     u8 bit)
{
	return vfcap_overlaps(c->start, c->count, pos, 1) &&
	       c->bytes[pos - c->start] & bit;
}

/* Whether the PCI core has a way to reset the device: without one it does not begin. */
static bool vfcap_can_reset(struct vfcap_device *vd)
{
	return READ_ONCE(vd->core.pdev->reset_methods[0]);
}

/* Whether a write makes the device leave D0 */
static bool vfcap_write_sleeps(struct vfcap_device *vd,
			       const struct vfcap_core_call *c)
{
	struct pci_dev *pdev = vd->core.pdev;
	unsigned int pmcsr = pdev->pm_cap + PCI_PM_CTRL;
	bool d1, d2;

	if (!pdev->pm_cap)
		return false;
	/* Both bits together are D3hot. */
	d1 = vfcap_write_sets(c, pmcsr, (__force u8)PCI_D1);
	d2 = vfcap_write_sets(c, pmcsr, (__force u8)PCI_D2);
	return (d1 && d2) || (d1 && pdev->d1_support) ||
	       (d2 && pdev->d2_support);
}

/* Whether a write asks for an FLR through Advanced Features, and core then does it */
static bool vfcap_write_resets_by_af(struct pci_dev *pdev,
				     const struct vfcap_core_call *c)
{
	const u8 needed = PCI_AF_CAP_TP | PCI_AF_CAP_FLR;
	u8 pos = pci_find_capability(pdev, PCI_CAP_ID_AF);
	u8 cap;

	if (!pos || !vfcap_write_sets(c, pos + PCI_AF_CTRL, PCI_AF_CTRL_FLR))
		return false;
	pci_read_config_byte(pdev, pos + PCI_AF_CAP, &cap);
	return (cap & needed) == needed;
}

/* Whether a write makes core reset the device: only if the device offers what it asks for */
static bool vfcap_write_resets(struct vfcap_device *vd,
			       const struct vfcap_core_call *c)
{
	struct pci_dev *pdev = vd->core.pdev;

	if (!vfcap_can_reset(vd))
		return false;
	return (pdev->devcap & PCI_EXP_DEVCAP_FLR &&
		vfcap_write_sets(c, pdev->pcie_cap + PCI_EXP_DEVCTL + 1,
				 PCI_EXP_DEVCTL_BCR_FLR >> 8)) ||
	       vfcap_write_resets_by_af(pdev, c);
}

/*
 * The user may change the bytes before core reads them. A reset that results from that is
 * dealt with afterwards, and what stays attached to a device that sleeps is detached when
 * it wakes up.
 */
static ssize_t vfcap_call_write(struct vfcap_device *vd,
				struct vfcap_core_call *c)
{
	if (vfcap_write_sleeps(vd, c) || vfcap_write_resets(vd, c))
		vfcap_block(vd, ~0UL);
	return vfio_pci_core_write(&vd->core.vdev, c->buf, c->count, c->ppos);
}

/*
 * Whether a write includes a byte with which it may reset the device or change its power
 * state. On a write to any register of a capability that can, core acts on the bit that
 * asks for it, which another write may have just left set. Emulated bytes do not get here.
 */
static bool vfcap_may_reset(struct vfcap_device *vd, loff_t pos, size_t size)
{
	loff_t end = min_t(loff_t, pos + size, PCI_CFG_SPACE_SIZE);

	while (pos < end && vd->map_known && !vfcap_is_special(vd->core.pci_config_map[pos]))
		pos++;
	return pos < end;
}

/**
 * vfcap_core_piece - how much of a config write core does at once
 * @vd: the device
 * @pos: where the write begins
 * @count: how many bytes it has
 *
 * Context: Any context, while the device is open.
 * Return: how many bytes core gets before it does anything: 1, 2 or 4. If its map is not
 * known, the most that it may get.
 */
size_t vfcap_core_piece(struct vfcap_device *vd, loff_t pos, size_t count)
{
	const u8 *map = vd->core.pci_config_map;
	size_t size = 1;

	while (size < count && (pos + size) % sizeof(u32) &&
	       (!vd->map_known || map[pos + size] == map[pos]))
		size++;
	size = rounddown_pow_of_two(size);
	return pos % size ? 1 : size;
}

/**
 * vfcap_core_config_write - hand a config write to core
 * @vd: the device
 * @buf: the bytes
 * @count: How many; cut down to what core does at once if they may reset the device.
 * @ppos: VFIO region offset, advanced by what was written
 *
 * If the write may reset the device, or makes it leave D0, then the device's PASIDs are
 * detached first.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_write(), or -EINTR.
 */
ssize_t vfcap_core_config_write(struct vfcap_device *vd, const char __user *buf,
				size_t *count, loff_t *ppos)
{
	loff_t start = *ppos & VFIO_PCI_OFFSET_MASK;

	if (!vfcap_may_reset(vd, start, *count))
		return vfio_pci_core_write(&vd->core.vdev, buf, *count, ppos);
	*count = vfcap_core_piece(vd, start, *count);
	if (!vfcap_may_reset(vd, start, *count))
		return vfio_pci_core_write(&vd->core.vdev, buf, *count, ppos);

	return vfcap_call_core(vd, &(struct vfcap_core_call) {
		.call	= vfcap_call_write,
		.buf	= (char __user *)buf,
		.count	= *count,
		.start	= start,
		.ppos	= ppos,
	});
}

static ssize_t vfcap_call_reset(struct vfcap_device *vd,
				struct vfcap_core_call *c)
{
	if (vd->core.reset_works && vfcap_can_reset(vd))
		vfcap_block(vd, ~0UL);
	return vfio_pci_core_ioctl(&vd->core.vdev, VFIO_DEVICE_RESET, 0);
}

/**
 * vfcap_ioctl_reset - VFIO_DEVICE_RESET
 * @vd: the device
 *
 * Core powers the device up before it tries the reset, and may give up at that point. If
 * there is no way to reset the device, nothing is detached.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl().
 */
long vfcap_ioctl_reset(struct vfcap_device *vd)
{
	return vfcap_call_core(vd, &(struct vfcap_core_call) {
		.call	= vfcap_call_reset,
	});
}

static void vfcap_note_state(struct vfcap_device *vd)
{
	vd->in_d3 = vfcap_in_d3(vd);
}

/* What was lost meanwhile stays lost. */
static void vfcap_see_state(struct vfcap_device *vd)
{
	if (vd->in_d3 && !vfcap_in_d3(vd) && vfcap_soft_reset(vd))
		vfcap_was_reset(vd, 0);
	vfcap_sync(vd);
}

/*
 * Call a function for each device that is reset together with this one, is open and is
 * bound to this driver. They share one lock. Returns false if the caller is killed.
 */
static bool vfcap_each_together(struct vfcap_device *vd,
				void (*call)(struct vfcap_device *vd))
{
	struct vfio_device_set *set = vd->core.vdev.dev_set;
	struct vfio_device *vdev;

	CLASS(vfcap_locked, lock)(vd);
	if (!lock)
		return false;
	list_for_each_entry(vdev, &set->device_list, dev_set_list)
		if (vdev->ops == vd->core.vdev.ops && vdev->open_count)
			call(to_vfcap(vdev));
	return true;
}

/**
 * vfcap_ioctl_hot_reset - VFIO_DEVICE_PCI_HOT_RESET
 * @vd: the device
 * @arg: its argument
 *
 * Core resets all functions that are reset together, all owned by their user, under the
 * dev_set lock. When this returns, whatever depended on what the reset has cleared has been
 * taken away. If the reset fails, they may all be in D0 nevertheless: core wakes them first.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl(), or -EINTR with nothing done.
 */
long vfcap_ioctl_hot_reset(struct vfcap_device *vd, unsigned long arg)
{
	long ret;

	if (!vfcap_each_together(vd, vfcap_note_state))
		return -EINTR;
	ret = vfio_pci_core_ioctl(&vd->core.vdev, VFIO_DEVICE_PCI_HOT_RESET, arg);
	vfcap_each_together(vd, ret ? vfcap_see_state : vfcap_catch_up);
	return ret;
}

/* VFIO keeps the device awake until the ioctl returns. */
static ssize_t vfcap_call_low_power(struct vfcap_device *vd,
				    struct vfcap_core_call *c)
{
	int ret = vfio_pci_core_ioctl_feature(&vd->core.vdev, c->flags, c->buf,
					      c->argsz);

	if (ret || (c->flags & VFIO_DEVICE_FEATURE_MASK) ==
		   VFIO_DEVICE_FEATURE_LOW_POWER_EXIT)
		return ret;

	vd->entry.noted = true;
	vd->entry.suspended = pm_runtime_suspended_time(&vd->core.pdev->dev);
	vd->entry.losses = pci_vfcap_vf_losses(vd->handle);
	vd->entry.soft_reset = vfcap_soft_reset(vd);
	vfcap_block(vd, ~0UL);
	if (vd->entry.soft_reset)
		vfcap_emul_reset(vd);
	return 0;
}

/**
 * vfcap_feature_low_power - VFIO_DEVICE_FEATURE_LOW_POWER_*
 * @vd: the device
 * @flags: feature index and VFIO_DEVICE_FEATURE_*
 * @arg: the feature's argument
 * @argsz: its size in bytes
 *
 * The device enters low power, or leaves it. If a function loses its registers on the way
 * from D3hot to D0, they count as lost when it is let go.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl_feature(), or -EINTR.
 */
int vfcap_feature_low_power(struct vfcap_device *vd, u32 flags,
			    void __user *arg, size_t argsz)
{
	struct vfcap_core_call c = {
		.call	= vfcap_call_low_power,
		.buf	= arg,
		.flags	= flags,
		.argsz	= argsz,
	};
	int ret;

	if ((flags & VFIO_DEVICE_FEATURE_MASK) ==
	    VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP)
		c.count = sizeof(struct vfio_device_low_power_entry_with_wakeup);
	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_SET, c.count);
	return ret == 1 ? vfcap_call_core(vd, &c) : ret;
}

/*
 * The state that a device was suspended to is only known before it is resumed. A whole
 * function may have come to D3cold when the bridge above it was powered down: it has then
 * lost everything, whatever No_Soft_Reset says.
 */
static int vfcap_runtime_resume(struct device *dev)
{
	struct vfcap_device *vd = vfcap_from_pci(to_pci_dev(dev));
	bool had_power = vd->core.pdev->current_state != PCI_D3cold;
	int ret = dev->bus->pm->runtime_resume(dev);

	if (!had_power) {
		WRITE_ONCE(vd->entry.soft_reset, true);
		vfcap_emul_reset(vd);
	}
	/* If the user asked for a wakeup eventfd, this has ended low power. */
	vfcap_queue_sync(vd);
	return ret;
}

/* The driver's callbacks are core's. These take precedence; all but one are the bus's. */
static struct dev_pm_domain vfcap_pm_domain;

/**
 * vfcap_power_init - to be called once, before any device is bound
 *
 * Context: Process context.
 */
void vfcap_power_init(void)
{
	if (!IS_ENABLED(CONFIG_PM))
		return;
	vfcap_pm_domain.ops = *pci_bus_type.pm;
	vfcap_pm_domain.ops.runtime_resume = vfcap_runtime_resume;
}

/**
 * vfcap_power_watch - watch for a device's return from low power
 * @vd: the device, registered with VFIO, while it is probed
 *
 * Context: Process context.
 */
void vfcap_power_watch(struct vfcap_device *vd)
{
	struct device *dev = &vd->core.pdev->dev;

	if (IS_ENABLED(CONFIG_PM) && !dev->pm_domain)
		dev_pm_domain_set(dev, &vfcap_pm_domain);
}

/**
 * vfcap_power_unwatch - undo vfcap_power_watch()
 * @vd: the device, no longer registered with VFIO, while it is awake
 *
 * Context: Process context.
 */
void vfcap_power_unwatch(struct vfcap_device *vd)
{
	struct device *dev = &vd->core.pdev->dev;

	if (dev->pm_domain == &vfcap_pm_domain)
		dev_pm_domain_set(dev, NULL);
}

static void vfcap_reset_prepare(struct pci_dev *pdev)
{
	struct vfcap_device *vd = vfcap_from_pci(pdev);

	vd->losses = pci_vfcap_vf_losses(vd->handle);
	pci_vfcap_pri_reset_begin(vd->handle);
}

/*
 * A frozen channel is recovered by a reset of the link, without reset_done, and so is a
 * normal one if another driver asks for it: slot_reset is called then. The end of a
 * failed recovery is not reported: only the last error counts.
 */
static pci_ers_result_t vfcap_error_detected(struct pci_dev *pdev,
					     pci_channel_state_t state)
{
	vfcap_from_pci(pdev)->link_reset = state == pci_channel_io_frozen;
	vfcap_reset_prepare(pdev);
	return vfio_pci_core_aer_err_detected(pdev, state);
}

/* Others decide whether the recovery succeeds. */
static pci_ers_result_t vfcap_slot_reset(struct pci_dev *pdev)
{
	vfcap_from_pci(pdev)->link_reset = true;
	return PCI_ERS_RESULT_NONE;
}

/*
 * The registers have been reset before this, so that the worker finds Enable cleared. The
 * caller may hold memory_lock, and cannot do the rest itself. An error that was recovered
 * from without a reset has ended something, too.
 */
static void vfcap_reset_over(struct vfcap_device *vd)
{
	pci_vfcap_pri_reset_end(vd->handle);
	vfcap_queue_sync(vd);
}

static void vfcap_error_resume(struct pci_dev *pdev)
{
	struct vfcap_device *vd = vfcap_from_pci(pdev);

	if (vd->link_reset)
		vfcap_was_reset(vd, vd->losses);
	vd->link_reset = false;
	vfcap_reset_over(vd);
}

static void vfcap_reset_done(struct pci_dev *pdev)
{
	struct vfcap_device *vd = vfcap_from_pci(pdev);

	vfcap_was_reset(vd, vd->losses);
	vfcap_reset_over(vd);
}

const struct pci_error_handlers vfcap_err_handlers = {
	.error_detected	= vfcap_error_detected,
	.slot_reset	= vfcap_slot_reset,
	.resume		= vfcap_error_resume,
	.reset_prepare	= vfcap_reset_prepare,
	.reset_done	= vfcap_reset_done,
};
