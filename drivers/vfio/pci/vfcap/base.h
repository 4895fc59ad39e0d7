/* SPDX-License-Identifier: GPL-2.0-only */
/* Used by all other files: the log, parameters, and whether the device is awake */
#ifndef VFCAP_BASE_H
#define VFCAP_BASE_H

#include <linux/moduleparam.h>
#include <linux/pci.h>

#include "vfcap.h"

/* reason.c: the log of a session, and the texts that say why a capability is not shown */
const char *vfcap_reason_text(const struct vfcap_cap *cap,
			      enum vfcap_reason reason);
__printf(2, 3)
void vfcap_log(struct vfcap_device *vd, const char *fmt, ...);

/* mode.c: parameters that take one of a few words, such as whether a capability is shown */
extern const struct kernel_param_ops vfcap_param_ops;
extern const char * const vfcap_mode_words[];

#define VFCAP_MODE_PARAM {			\
	.words		= vfcap_mode_words,	\
	.choices	= "auto, on, off",	\
}

bool vfcap_mode_wants(struct vfcap_device *vd, const struct vfcap_cap *cap);
enum vfcap_reason vfcap_mode_forbids(struct vfcap_device *vd,
				     const struct vfcap_cap *cap);
bool vfcap_has_iommu(struct vfcap_device *vd);
bool vfcap_by_cdev(struct vfcap_device *vd);
bool vfcap_by_iommufd(struct vfcap_device *vd);
bool vfcap_is_alone_in_group(struct vfcap_device *vd);
bool vfcap_pf_is_kernels(struct vfcap_device *vd);

/*
 * Whether the device is in D0. Called under the dev_set lock. If the user has let the
 * device go to low power, it may leave D0 right afterwards, unless the caller serves an
 * ioctl or a write of the user, around which the device is kept awake.
 */
static inline bool vfcap_is_awake(struct vfcap_device *vd)
{
	return READ_ONCE(vd->core.pdev->current_state) == PCI_D0;
}

/* Whether its user has let the device go to low power. Takes memory_lock. */
static inline bool vfcap_is_let_go(struct vfcap_device *vd)
{
	guard(rwsem_read)(&vd->core.memory_lock);

	return vd->core.pm_runtime_engaged;
}

/*
 * Whether the device is in D0, and can leave it only under the dev_set lock, which the
 * caller holds: what is attached to it may stay attached.
 */
static inline bool vfcap_stays_awake(struct vfcap_device *vd)
{
	return vfcap_is_awake(vd) && !vfcap_is_let_go(vd);
}

#endif /* VFCAP_BASE_H */
