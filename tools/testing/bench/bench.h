/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Twin VFs, of which one is bound to vfio-pci, and what the same work costs in each.
 * Where the VM's clock counts instructions, so do ticks.
 */
#ifndef VFCAP_BENCH_H
#define VFCAP_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <x86intrin.h>

#include "lib/host.h"
#include "lib/vfio.h"

/* One of two VFs */
struct side {
	const char *who;	/* in what is printed */
	const char *driver;
	char bdf[16];
	struct vfio v;
	uint32_t hwpt;		/* attached to it, and made for PASIDs */
	unsigned int pasid;	/* where it shows PASID, 0 if it does not */
	void *bar;
};

/* How long one thing takes, in ticks, or -1 */
struct measure {
	const char *name;
	long (*run)(struct side *side);
};

static inline unsigned long ticks(void)
{
	unsigned long now;

	_mm_lfence();
	now = __rdtsc();
	_mm_lfence();
	return now;
}

/* side.c: what the others stand on. A line "sample NAME WHO SET TICKS..." */
void print_samples(const char *name, const char *who, const char *set,
		   const long *samples, unsigned int nr);
/* Say so, and end */
__printf(1, 2) void fail(const char *format, ...);
/* End unless @ret is 0, which says what failed */
void must(int ret, const char *what, const char *bdf);
void side_open(struct side *side);
void side_close(struct side *side);

/* access.c: on VFs that are open */
extern const struct measure access_measures[];

/* session.c: on VFs that are not, or not bound, or have PASIDs attached */
extern const struct measure pasid_measures[];
/* @suffix: of the names of what is measured */
void bind_rounds(struct side *sides, const char *set, unsigned int rounds,
		 const char *suffix);
/* @other: another VF of theirs, bound to this driver, and unbound for a while */
void bind_and_open(struct side *sides, const char *other, const char *set,
		   unsigned int rounds);

/* many.c: on hundreds of VFs */
void many_vfs(unsigned int rounds);

#endif
