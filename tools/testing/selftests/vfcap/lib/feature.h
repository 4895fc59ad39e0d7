/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VFIO_DEVICE_FEATURE with the indices of <linux/vfio_vfcap.h>. All functions return 0 or
 * -errno.
 */
#ifndef VFCAP_TEST_FEATURE_H
#define VFCAP_TEST_FEATURE_H

#include <stdint.h>

#include <linux/vfio_vfcap.h>

#include "vfio.h"

/* Fields that the kernel fills in may contain anything before the call. */
int vfcap_query(struct vfio *v, uint32_t cap, struct vfcap_feature_query *q);
int vfcap_choose(struct vfio *v, uint32_t cap, uint32_t flags, uint16_t offset);
int vfcap_get_state(struct vfio *v, struct vfcap_feature_state *state);
int vfcap_set_state(struct vfio *v, const struct vfcap_feature_state *state);
/* -1: none */
int vfcap_set_lost_eventfd(struct vfio *v, int efd);
int vfcap_pri_failed(struct vfio *v, uint32_t flags);

#endif
