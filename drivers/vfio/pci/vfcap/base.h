/* SPDX-License-Identifier: GPL-2.0-only */
/* What the others stand on: the log, parameters, calls of core, power states */
#ifndef VFCAP_BASE_H
#define VFCAP_BASE_H

#include <linux/moduleparam.h>

#include "vfcap.h"

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

#endif /* VFCAP_BASE_H */
