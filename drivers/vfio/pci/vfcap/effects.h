/* SPDX-License-Identifier: GPL-2.0-only */
/* What a device shows, the effects of its registers, and what happens to these */
#ifndef VFCAP_EFFECTS_H
#define VFCAP_EFFECTS_H

#include "vfcap.h"

/* effects.c: the effects of the registers */
extern const struct vfcap_cap * const vfcap_caps[];
extern const struct pci_vfcap_vf_ops vfcap_vf_ops;
void vfcap_queue_sync(struct vfcap_device *vd);
void vfcap_was_reset(struct vfcap_device *vd, u64 losses);
void vfcap_block(struct vfcap_device *vd, unsigned long caps);
void vfcap_sync(struct vfcap_device *vd);
void vfcap_catch_up(struct vfcap_device *vd);
void vfcap_sync_work(struct work_struct *work);
bool vfcap_may_enable(struct vfcap_device *vd, unsigned int id);
void vfcap_guest_write(struct vfcap_device *vd, unsigned int id,
		       const u32 *val, const u32 *mask);
bool vfcap_restore(struct vfcap_device *vd, unsigned int id, const u32 *regs);
void vfcap_set_eventfd(struct vfcap_device *vd, struct eventfd_ctx **slot,
		       struct eventfd_ctx *ctx);
void vfcap_end_session(struct vfcap_device *vd);
int vfcap_effects_init(void);
void vfcap_effects_exit(void);

/* place.c: where a capability goes */
bool vfcap_place_is_given(struct vfcap_device *vd, unsigned int id);
enum vfcap_reason vfcap_place(struct vfcap_device *vd, unsigned int id,
			      u16 hw_pos);

/* show.c: what a device shows: planned as often as asked, committed once */
void vfcap_plan(struct vfcap_device *vd);
int vfcap_commit(struct vfcap_device *vd);
int vfcap_begin(struct vfcap_device *vd);

#endif /* VFCAP_EFFECTS_H */
