/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether a VF is whole: what a test asks after it did its worst to it.
 */
#ifndef VFCAP_TEST_WHOLE_H
#define VFCAP_TEST_WHOLE_H

#include <stdbool.h>

struct vfio;

/* Whether a VF that is open shows PASID, and the host is told so */
bool whole_shows_pasid(struct vfio *v, const char *bdf);

/*
 * Open a VF that is bound to this driver, through its cdev, see that PASID is shown
 * and that Enable gates what is attached, and close it. NULL, or what is wrong.
 */
const char *whole_vf(const char *bdf);

/* The same of the PF's first VFs, which are to be ours and all its VFs */
const char *whole_vfs(unsigned int nr);

#endif
