/* SPDX-License-Identifier: GPL-2.0 */
/* The monitor of the lab's QEMU, as its operator would use it, to plug devices in */
#ifndef VFCAP_TEST_MONITOR_H
#define VFCAP_TEST_MONITOR_H

#include <stdbool.h>

#include "../../kselftest.h"

bool monitor_is_there(void);

/* Run a command; returns 0 or -errno, -EIO with a message if QEMU refuses it */
int monitor_command(const char *format, ...) __printf(1, 2);

#endif
