/* SPDX-License-Identifier: GPL-2.0-only */
/* What a device shows, and where */
#ifndef VFCAP_SHOW_H
#define VFCAP_SHOW_H

#include "vfcap.h"

/* place.c: where a capability goes */
bool vfcap_place_is_given(struct vfcap_device *vf, unsigned int id);
enum vfcap_reason vfcap_place(struct vfcap_device *vf, unsigned int id,
			      u16 pf_pos);

/* show.c: what a VF shows: planned as often as asked, committed once */
void vfcap_plan(struct vfcap_device *vf);
int vfcap_commit(struct vfcap_device *vf);
int vfcap_begin(struct vfcap_device *vf);

#endif /* VFCAP_SHOW_H */
