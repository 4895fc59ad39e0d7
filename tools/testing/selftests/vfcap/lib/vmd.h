/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The mock VMD endpoint (see tools/testing/fixture/vfcap-mock-vmd.c). All
 * functions that return int return 0 or -errno unless they say otherwise.
 */
#ifndef VFCAP_TEST_VMD_H
#define VFCAP_TEST_VMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kselftest.h"

#define VMD_CFGBAR	0
#define VMD_MEMBAR1	2
#define VMD_MEMBAR2	4

/* Where the mock has its capabilities, like the hardware */
#define VMD_MSIX	0x80
#define VMD_EXP		0x90
#define VMD_PM		0xe0

#define VMD_VMLOCK	0x70
#define VMD_SHADOW	0x2000
#define VMD_OOB		0x2010
#define VMD_OOB_END	0x2090

bool vmd_is_ready(void);

/* Make a new mock of "28c0", "28c0 native" or "28c0 wide", or remove it: "none" */
int vmd_make(const char *what);
/* Its PCI address, "" if there is none */
const char *vmd_bdf(void);

/* Lines "OFFSET VALUE [WRITABLE]" for its config space, see the fixture */
int vmd_config(const char *format, ...) __printf(1, 2);
/* Move its MEMBARs to another address while it has no driver */
int vmd_move(void);

/* The host's address and size of a BAR, from sysfs; 0 if there is none */
uint64_t vmd_bar(unsigned int bar);
uint64_t vmd_bar_size(unsigned int bar);

/* Let only drivers map its memory in the kernel, until a new mock is made */
int vmd_unmap(void);

/* The memory of a BAR, bypassing the driver */
int vmd_memory_read(unsigned int bar, uint64_t offset, void *buf, size_t size);
int vmd_memory_write(unsigned int bar, uint64_t offset, const void *buf,
		     size_t size);

/* One config write that reached the mock */
struct vmd_write {
	unsigned int offset;
	unsigned int size;
	uint32_t value;
};

/* Clear the record; get the writes in [from, to), at most @max; returns how many there were */
int vmd_writes_clear(void);
int vmd_writes(unsigned int from, unsigned int to, struct vmd_write *writes,
	       int max);

#endif
