/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DMA of an emulated function, with or without a PASID, through the agent in the VM's
 * QEMU (tools/testing/lab/agent.c): what lands is what the IOMMU lets through.
 */
#ifndef VFCAP_TEST_DMA_H
#define VFCAP_TEST_DMA_H

#include <stdint.h>

/* No PASID: the function itself */
#define DMA_RID		0xffffffffU

/* Returns 0, or -errno: ENODEV: there is no agent. One process has it at a time. */
int dma_open(void);
void dma_close(void);

/*
 * Write 32 bits, or read them. Return 0, -EFAULT if the IOMMU refused, or another
 * -errno, with a message, if the agent could not do it.
 */
int dma_write(const char *function, uint32_t pasid, uint64_t address, uint32_t value);
int dma_read(const char *function, uint32_t pasid, uint64_t address, uint32_t *value);

#endif
