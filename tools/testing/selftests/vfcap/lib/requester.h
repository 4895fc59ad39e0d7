/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A function that requests pages with a PASID, through the agent in the VM's QEMU, and
 * keeps count of what it is answered. One thread has all of them.
 *
 * As real functions do, a whole one sends nothing while its PRI Enable is 0 in hardware. A
 * VF has no such register.
 */
#ifndef VFCAP_TEST_REQUESTER_H
#define VFCAP_TEST_REQUESTER_H

#include <stdbool.h>
#include <stdint.h>

#include "dma.h"

#define REQUESTER_PASID	5

struct requester {
	const char *bdf;
	/* By the number of a group: how often it was sent, answered, and the last answer */
	unsigned int sent[DMA_GROUPS];
	unsigned int answered[DMA_GROUPS];
	unsigned int code[DMA_GROUPS];
	long sent_at[DMA_GROUPS];	/* milliseconds, see now_ms() */
	long longest;			/* until one was answered, as far as was heard */
	unsigned int open;		/* sent and not answered */
	unsigned long responses;
	unsigned long success;
	unsigned long refused;		/* by the IOMMU: they were not sent */
	unsigned long withheld;		/* Enable was 0 in hardware */
};

/*
 * Whether the kernel answers a group once where it has no handler, and a VF with no failure.
 * Linux 7.3 does neither: see iopf_test.c.
 */
bool requester_kernel_is_mended(void);

/* From 0 on, whatever it was answered before */
int requester_init(struct requester *r, const char *bdf);

/* Send @count groups of @pages pages each; returns how many were, or -errno */
int requester_send(struct requester *r, uint64_t address, unsigned int group,
		   unsigned int count, unsigned int pages);
/* One of one page: whether it was sent */
bool requester_ask(struct requester *r, uint64_t address, unsigned int group);

/* Count what it was answered meanwhile; returns how many these were, or -errno */
int requester_hear(struct requester *r);

/* Whether a group is answered within that time, as often as it was sent, and so */
bool requester_gets(struct requester *r, unsigned int group, unsigned int code, long ms);
/* Whether nothing is heard for that long */
bool requester_hears_nothing(struct requester *r, long ms);
/* Whether each group is answered within that time, and none twice */
bool requester_is_even(struct requester *r, long ms);

#endif
