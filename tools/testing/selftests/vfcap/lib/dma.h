/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DMA of an emulated function, with or without a PASID, and its page requests, through
 * the agent in the VM's QEMU (tools/testing/lab/agent.c). What gets through is decided by
 * the IOMMU.
 */
#ifndef VFCAP_TEST_DMA_H
#define VFCAP_TEST_DMA_H

#include <stdint.h>

/* No PASID: the function itself */
#define DMA_RID		0xffffffffU

/* Returns 0, or -errno; -ENODEV if there is no agent. Only one process has it at a time. */
int dma_open(void);
void dma_close(void);

/*
 * Write or read 32 bits. Return 0, -EFAULT if the IOMMU refused, or another -errno, with
 * a message, if the agent could not do it.
 */
int dma_write(const char *function, uint32_t pasid, uint64_t address, uint32_t value);
int dma_read(const char *function, uint32_t pasid, uint64_t address, uint32_t *value);

/* A page request, which needs a PASID. Returns as above. */
#define DMA_READ	1
#define DMA_WRITE	2
#define DMA_LAST	4	/* of its group */
int dma_request_page(const char *function, uint32_t pasid, uint64_t address,
		     unsigned int group, unsigned int flags);

/* Response codes: PCIe r6.0, sec 10.4.2.1 */
#define DMA_SUCCESS	0
#define DMA_INVALID	1
#define DMA_FAILURE	0xf
struct dma_response {
	unsigned int code;
	unsigned int group;
};

/* The next response to a page request, or -EAGAIN if none comes within @ms */
int dma_response(const char *function, uint32_t pasid, struct dma_response *response,
		 long ms);

/*
 * The same in bulk. Request @count groups of @pages pages each, starting at @address and
 * with group number @group; and read the responses that have arrived so far. Return how
 * many, or -errno.
 */
#define DMA_GROUPS	512	/* group numbers; after the last one comes 0 again */
int dma_request_groups(const char *function, uint32_t pasid, uint64_t address,
		       unsigned int group, unsigned int flags, unsigned int count,
		       unsigned int pages);
#define DMA_RESPONSES	64
int dma_responses(const char *function, uint32_t pasid,
		  struct dma_response responses[DMA_RESPONSES]);

#endif
