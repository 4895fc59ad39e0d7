// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fault.h"
#include "host.h"

#define DEBUGFS "/sys/kernel/debug/"

static int fault_fd = -1;

/*
 * Fail every allocation, including those that may sleep, every page and every user copy,
 * without logging it. A kernel may lack the setting for highmem, which only kernels like
 * 32-bit x86 have.
 */
static const struct {
	const char *file, *value;
	bool needed;
} fault_settings[] = {
	{ DEBUGFS "failslab/ignore-gfp-wait", "N", true },
	{ DEBUGFS "failslab/task-filter", "Y", true },
	{ DEBUGFS "failslab/verbose", "0", true },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N", true },
	{ DEBUGFS "fail_page_alloc/min-order", "0", true },
	{ DEBUGFS "fail_page_alloc/task-filter", "Y", true },
	{ DEBUGFS "fail_page_alloc/verbose", "0", true },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N", false },
	{ DEBUGFS "fail_usercopy/task-filter", "Y", true },
	{ DEBUGFS "fail_usercopy/verbose", "0", true },
};

bool fault_setup(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fault_settings); i++)
		if (host_write(fault_settings[i].file, fault_settings[i].value) &&
		    fault_settings[i].needed)
			return false;
	fault_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return fault_fd >= 0;
}

void fault_arm(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(fault_fd, text, len, 0) != len) {
		perror("fail-nth");
		exit(1);
	}
}

bool fault_disarm(void)
{
	char text[16] = "";
	ssize_t len = pread(fault_fd, text, sizeof(text) - 1, 0);

	/*
	 * These calls copy from and to user space themselves. If it is one of them that
	 * fails, the fault had not been reached before.
	 */
	if (pwrite(fault_fd, "0", 1, 0) != 1 && pwrite(fault_fd, "0", 1, 0) != 1) {
		perror("fail-nth");
		exit(1);
	}
	return len > 0 && text[0] == '0';
}
