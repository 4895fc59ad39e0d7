// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include <linux/vfio.h>

#include "feature.h"

#define GET	VFIO_DEVICE_FEATURE_GET
#define SET	VFIO_DEVICE_FEATURE_SET

int vfcap_query(struct vfio *v, uint32_t cap, struct vfcap_feature_query *q)
{
	memset(q, 0xff, sizeof(*q));
	q->cap = cap;
	memset(q->reserved, 0, sizeof(q->reserved));
	return vfio_feature(v, GET | VFCAP_FEATURE_QUERY, q, sizeof(*q));
}

int vfcap_choose(struct vfio *v, uint32_t cap, uint32_t flags, uint16_t offset)
{
	struct vfcap_feature_choose data = {
		.cap = cap, .flags = flags, .offset = offset,
	};

	return vfio_feature(v, SET | VFCAP_FEATURE_CHOOSE, &data, sizeof(data));
}

int vfcap_get_state(struct vfio *v, struct vfcap_feature_state *state)
{
	memset(state, 0, sizeof(*state));
	return vfio_feature(v, GET | VFCAP_FEATURE_STATE, state, sizeof(*state));
}

int vfcap_set_state(struct vfio *v, const struct vfcap_feature_state *state)
{
	struct vfcap_feature_state copy = *state;

	return vfio_feature(v, SET | VFCAP_FEATURE_STATE, &copy, sizeof(copy));
}

int vfcap_set_lost_eventfd(struct vfio *v, int efd)
{
	struct vfcap_feature_lost_eventfd data = { .fd = efd };

	return vfio_feature(v, SET | VFCAP_FEATURE_LOST_EVENTFD, &data,
			    sizeof(data));
}

int vfcap_pri_failed(struct vfio *v, uint32_t flags)
{
	struct vfcap_feature_pri_failed data = { .flags = flags };

	return vfio_feature(v, SET | VFCAP_FEATURE_PRI_FAILED, &data, sizeof(data));
}
