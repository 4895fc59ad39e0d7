// SPDX-License-Identifier: GPL-2.0
/*
 * Accesses to config space and to a BAR
 */
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "bench.h"

/* A register that has nothing behind it: the hardware is read and written. */
#define POS_HARDWARE	0xf00
/* The first BAR, which core keeps in memory; what is written comes back. */
#define POS_CORE	PCI_BASE_ADDRESS_0
/* QEMU's igb has its STATUS here. */
#define BAR_STATUS	8

static long read_config(struct side *side, unsigned int pos)
{
	unsigned long begin;
	uint32_t value;

	begin = ticks();
	if (vfio_read(&side->v, pos, &value, sizeof(value)) != sizeof(value))
		return -1;
	return ticks() - begin;
}

static long write_config(struct side *side, unsigned int pos)
{
	unsigned long begin;
	uint32_t value = 0;

	begin = ticks();
	if (vfio_write(&side->v, pos, &value, sizeof(value)) != sizeof(value))
		return -1;
	return ticks() - begin;
}

static long nothing(struct side *side)
{
	unsigned long begin = ticks();

	return ticks() - begin;
}

static long read_hardware(struct side *side)
{
	return read_config(side, POS_HARDWARE);
}

static long read_core(struct side *side)
{
	return read_config(side, POS_CORE);
}

static long read_inside(struct side *side)
{
	return read_config(side, side->pasid ? side->pasid + PCI_PASID_CAP :
						POS_CORE);
}

static long write_hardware(struct side *side)
{
	return write_config(side, POS_HARDWARE);
}

static long write_core(struct side *side)
{
	return write_config(side, POS_CORE);
}

static long bar_read(struct side *side)
{
	unsigned long begin;
	uint32_t value;

	begin = ticks();
	if (pread(side->v.fd, &value, sizeof(value), BAR_STATUS) !=
	    sizeof(value))
		return -1;
	return ticks() - begin;
}

static long bar_write(struct side *side)
{
	unsigned long begin;
	uint32_t value = 0;

	begin = ticks();
	if (pwrite(side->v.fd, &value, sizeof(value), BAR_STATUS) !=
	    sizeof(value))
		return -1;
	return ticks() - begin;
}

static long bar_mmap(struct side *side)
{
	unsigned long begin = ticks();
	uint32_t value;

	asm volatile("movl (%1), %0" : "=r" (value) : "r" (side->bar + BAR_STATUS));
	return ticks() - begin;
}

const struct measure access_measures[] = {
	{ "nothing", nothing },
	{ "read-hardware", read_hardware },
	{ "read-core", read_core },
	{ "read-inside", read_inside },
	{ "write-hardware", write_hardware },
	{ "write-core", write_core },
	{ "bar-mmap", bar_mmap },
	{ "bar-read", bar_read },
	{ "bar-write", bar_write },
	{ }
};
