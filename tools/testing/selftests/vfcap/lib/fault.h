/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults that the kernel injects into this task: the n-th operation from now on that
 * allocates memory, or copies from or to user space, fails.
 */
#ifndef VFCAP_TEST_FAULT_H
#define VFCAP_TEST_FAULT_H

#include <stdbool.h>

/*
 * Set fault injection up; returns whether the kernel has it. To be called by the task
 * whose calls are to fail.
 */
bool fault_setup(void);

/*
 * fault_arm() makes the @n-th operation from now on fail, n > 0. fault_disarm() ends
 * that, and returns whether a fault was injected.
 */
void fault_arm(unsigned int n);
bool fault_disarm(void);

#endif
