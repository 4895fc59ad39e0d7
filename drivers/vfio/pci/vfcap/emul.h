/* SPDX-License-Identifier: GPL-2.0-only */
/* The engine: the registers alone, without their effects */
#ifndef VFCAP_EMUL_H
#define VFCAP_EMUL_H

#include "vfcap.h"

/* emul.c: the engine that runs the registers of all capabilities */
u32 vfcap_reg_get(struct vfcap_device *vd, unsigned int id,
		  unsigned int reg);
u32 vfcap_emul_ctrl(struct vfcap_device *vd, unsigned int id);
void vfcap_set_status(struct vfcap_device *vd, unsigned int id, u32 bits);
void vfcap_emul_show(struct vfcap_device *vd, unsigned int id);
u32 vfcap_emul_take(struct vfcap_device *vd, unsigned int id, bool *cleared,
		    bool *restart);
u32 vfcap_emul_writable(const struct vfcap_cap *cap, unsigned int reg, u32 old);
u32 vfcap_emul_written(const struct vfcap_cap *cap, unsigned int reg, u32 old,
		       u32 val, u32 mask);
void vfcap_emul_store(struct vfcap_device *vd, unsigned int id, const u32 *val,
		      const u32 *mask, u32 old, u32 new);
bool vfcap_emul_set_w1c(struct vfcap_device *vd, unsigned int id, u32 ctrl);
void vfcap_emul_save(struct vfcap_device *vd, unsigned int id, u32 *regs);
bool vfcap_emul_could_be(struct vfcap_device *vd, unsigned int id,
			 const u32 *wanted, const u32 *now, u32 ignored);
void vfcap_emul_lose(struct vfcap_device *vd, unsigned long mask);
void vfcap_emul_reset(struct vfcap_device *vd);

#endif /* VFCAP_EMUL_H */
