/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A function that sends page requests with a PASID, through the agent in the VM's QEMU,
 * and keeps count of the responses. One thread owns all requesters.
 *
 * Like real functions, a whole function sends nothing while its PRI Enable is 0 in
 * hardware. A VF has no such register.
 */
#ifndef VFCAP_TEST_REQUESTER_H
#define VFCAP_TEST_REQUESTER_H

#include <stdbool.h>
#include <stdint.h>

#include "dma.h"

#define REQUESTER_PASID	5

struct requester {
	const char *bdf;
	/* By group number: how often it was sent and answered, and the last answer */
	unsigned int sent[DMA_GROUPS];
	unsigned int answered[DMA_GROUPS];
	unsigned int code[DMA_GROUPS];
	long sent_at[DMA_GROUPS];	/* milliseconds, see now_ms() */
	long longest;			/* time until a group was answered, as far as known */
	unsigned int open;		/* sent but not answered */
	unsigned long responses;
	unsigned long success;
	unsigned long refused;		/* by the IOMMU: not sent */
	unsigned long withheld;		/* not sent, as Enable was 0 in hardware */
};

/*
 * Whether the kernel answers a group only once where it has no handler, and never answers
 * a VF with Response Failure. Linux 7.3 does neither: see iopf_test.c.
 */
bool requester_kernel_is_mended(void);

/* Start from 0, whatever responses came before */
int requester_init(struct requester *r, const char *bdf);

/* Send @count groups of @pages pages each; returns how many were, or -errno */
int requester_send(struct requester *r, uint64_t address, unsigned int group,
		   unsigned int count, unsigned int pages);
/* Send one group of one page; returns whether it was sent */
bool requester_ask(struct requester *r, uint64_t address, unsigned int group);

/* Count the responses that have arrived meanwhile; returns how many, or -errno */
int requester_hear(struct requester *r);

/* Whether a group is answered within @ms, as often as it was sent, and with @code */
bool requester_gets(struct requester *r, unsigned int group, unsigned int code, long ms);
/* Whether no response arrives for that long */
bool requester_hears_nothing(struct requester *r, long ms);
/* Whether each group is answered within @ms, and none twice */
bool requester_is_even(struct requester *r, long ms);

#endif
