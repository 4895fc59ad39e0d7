// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a capability is shown: a parameter auto|on|off for each, and what auto
 * asks for
 */
#include <linux/device.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>

#include "vfcap.h"

const char * const vfcap_mode_words[] = {
	[VFCAP_AUTO]	= "auto",
	[VFCAP_ON]	= "on",
	[VFCAP_OFF]	= "off",
	NULL
};

/**
 * vfcap_mode_wants - whether a VF that is being opened may come to show it
 * @vf: the VF
 * @cap: the capability
 *
 * Return: false if its parameter forbids it already.
 */
bool vfcap_mode_wants(struct vfcap_device *vf, const struct vfcap_cap *cap)
{
	enum vfcap_mode mode = READ_ONCE(cap->mode->value);
	size_t i;

	if (mode != VFCAP_AUTO)
		return mode == VFCAP_ON;

	for (i = 0; i < cap->nr_conditions; i++) {
		const struct vfcap_condition *c = &cap->conditions[i];

		if (!(c->may_hold ?: c->holds)(vf))
			return false;
	}
	return true;
}

/**
 * vfcap_mode_forbids - why a VF that is open does not show it
 * @vf: the VF
 * @cap: the capability
 *
 * Return: the reason, or VFCAP_REASON_NONE if its parameter lets it be shown.
 */
enum vfcap_reason vfcap_mode_forbids(struct vfcap_device *vf,
				     const struct vfcap_cap *cap)
{
	enum vfcap_mode mode = READ_ONCE(cap->mode->value);
	size_t i;

	if (mode == VFCAP_OFF)
		return VFCAP_REASON_PARAMETER;

	for (i = 0; i < cap->nr_conditions; i++)
		if (!cap->conditions[i].holds(vf))
			break;
	if (i == cap->nr_conditions)
		return VFCAP_REASON_NONE;
	if (mode == VFCAP_AUTO)
		return cap->conditions[i].otherwise;

	vfcap_log(vf, "parameter %s=on: %s %s\n", cap->param, cap->forced,
		  vfcap_reason_text(cap, cap->conditions[i].otherwise));
	return VFCAP_REASON_NONE;
}

/**
 * vfcap_pf_is_kernels - whether the PF is driven by the kernel
 * @vf: the VF
 *
 * A PF that was given to user space, through VFIO or another driver that leaves
 * DMA to its user, has its registers in that user's hands.
 *
 * Return: false if it is.
 */
bool vfcap_pf_is_kernels(struct vfcap_device *vf)
{
	const struct device_driver *drv;

	/*
	 * PF's device lock is out of reach: its holder may be waiting for our
	 * file to be closed. A driver is part of its module, which is freed an
	 * RCU grace period after its last function was unbound.
	 */
	guard(rcu)();
	drv = READ_ONCE(pci_vfcap_pf(vf->shared)->dev.driver);
	return !drv || !to_pci_driver(drv)->driver_managed_dma;
}
