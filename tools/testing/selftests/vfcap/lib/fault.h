/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults that the kernel injects into this task: the n-th place from now on that
 * takes memory, or copies from or to user space, fails.
 */
#ifndef VFCAP_TEST_FAULT_H
#define VFCAP_TEST_FAULT_H

#include <stdbool.h>

/* Whether the kernel can; set it up. From the task whose calls are to fail. */
bool fault_setup(void);

/* The @n-th from now on, n > 0; then none any more, and whether it came to that */
void fault_arm(unsigned int n);
bool fault_disarm(void);

#endif
