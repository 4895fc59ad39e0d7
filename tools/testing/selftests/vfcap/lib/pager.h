/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VMM that answers the page requests of a function: an iommufd fault queue, a page
 * table that uses it and is attached to a PASID, and the guest's PRI and PASID registers.
 * All functions that return int return 0 or -errno unless they say otherwise.
 */
#ifndef VFCAP_TEST_PAGER_H
#define VFCAP_TEST_PAGER_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/iommufd.h>

#include "requester.h"
#include "vfio.h"

/* An address at which the PASID's address space has nothing yet */
#define PAGER_ADDRESS	0x10000000ULL
#define PAGER_PAGE	4096

struct pager {
	const char *bdf;
	struct vfio v;
	int queue;
	uint32_t queue_id;
	uint32_t ioas;		/* of the PASID */
	uint32_t hwpt;
	unsigned int pasid;	/* offset of Control, as the guest finds it, or 0 */
	unsigned int pri;
	unsigned int capacity;
};

/* Set it to closed: after that it may be closed or opened */
void pager_init(struct pager *p);

/*
 * Open it and attach a page table to the function under which DMA without a PASID fails.
 * @answers: whether it declares that it answers page requests
 */
int pager_open_plain(struct pager *p, const char *bdf, bool answers);
/* Attach another page table of that kind instead */
int pager_attach_rid(struct pager *p);
/* Make the queue, and attach a page table that uses it to REQUESTER_PASID */
int pager_attach(struct pager *p);
/* All of the above; the guest has enabled PASID but not PRI */
int pager_open(struct pager *p, const char *bdf);
void pager_close(struct pager *p);

/* The guest's registers */
int pager_set_pasid(struct pager *p, bool on);
/* With all of the capacity; with any allocation */
int pager_set_pri(struct pager *p, bool on);
int pager_enable_pri(struct pager *p, uint32_t allocation);
uint16_t pager_pri_ctrl(struct pager *p);
uint16_t pager_pri_status(struct pager *p);
bool pager_is_stopped(struct pager *p);

/* Messages that arrive within @ms: how many, or -errno. Reads as many as fit. */
int pager_read(struct pager *p, struct iommu_hwpt_pgfault *messages, int max, long ms);
/* The next message, which must be this group, of one page */
int pager_take(struct pager *p, unsigned int group, uint32_t *cookie, long ms);
int pager_answer(struct pager *p, uint32_t cookie, uint32_t code);
/* Map a page at that address */
int pager_map(struct pager *p, void *memory, uint64_t address);

/*
 * Whether this kernel delivers the page requests of what host_vf() names to its user. For
 * whole functions, every kernel with iommufd does.
 */
bool pager_kernel_delivers(void);

/* To be called once, before the first test: the scene will be restored to what it is now. */
void pager_begin(void);
/* Set up the scene that all this needs, whatever was there before */
int pager_prepare(void);

#endif
