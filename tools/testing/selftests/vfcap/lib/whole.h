/* SPDX-License-Identifier: GPL-2.0 */
/* Whether a VF is intact: what a test checks after it did its worst to it. */
#ifndef VFCAP_TEST_WHOLE_H
#define VFCAP_TEST_WHOLE_H

#include <stdbool.h>

struct vfio;

/* Whether an open VF shows PASID, and the host reports it as shown */
bool whole_shows_pasid(struct vfio *v, const char *bdf);

/*
 * Open, through its cdev, a VF that is bound to this driver, check that PASID is shown
 * and that attached page tables are gated by Enable, and close it. Returns NULL, or what
 * is wrong.
 */
const char *whole_vf(const char *bdf);

/* The same for the PF's first VFs, which must be ours and the only ones it has */
const char *whole_vfs(unsigned int nr);

#endif
