/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VMM that answers the page requests of a function: a fault queue of iommufd, a page
 * table that has it attached to a PASID, and its guest's PRI and PASID registers. All
 * functions that return int return 0 or -errno unless they say otherwise.
 */
#ifndef VFCAP_TEST_PAGER_H
#define VFCAP_TEST_PAGER_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/iommufd.h>

#include "requester.h"
#include "vfio.h"

/* Where the PASID's address space has nothing, so far */
#define PAGER_ADDRESS	0x10000000ULL
#define PAGER_PAGE	4096

struct pager {
	const char *bdf;
	struct vfio v;
	int queue;
	uint32_t queue_id;
	uint32_t ioas;		/* of the PASID */
	uint32_t hwpt;
	unsigned int pasid;	/* Control, as the guest finds it, or 0 */
	unsigned int pri;
	unsigned int capacity;
};

/* As closed: may be closed, or opened */
void pager_init(struct pager *p);

/*
 * Open it and attach a page table to the function, where DMA without a PASID fails. It
 * declares that it answers, or not.
 */
int pager_open_plain(struct pager *p, const char *bdf, bool answers);
/* Make the queue, and attach a page table that has it to REQUESTER_PASID */
int pager_attach(struct pager *p);
/* All of that, the guest having enabled PASID and not PRI */
int pager_open(struct pager *p, const char *bdf);
void pager_close(struct pager *p);

/* The guest's registers */
int pager_set_pasid(struct pager *p, bool on);
/* With all of its capacity; with any allocation */
int pager_set_pri(struct pager *p, bool on);
int pager_enable_pri(struct pager *p, uint32_t allocation);
uint16_t pager_pri_ctrl(struct pager *p);
uint16_t pager_pri_status(struct pager *p);
bool pager_is_stopped(struct pager *p);

/* Messages that came within a time: how many, or -errno. What fits is read. */
int pager_read(struct pager *p, struct iommu_hwpt_pgfault *messages, int max, long ms);
/* One group of one page, which is the next */
int pager_take(struct pager *p, unsigned int group, uint32_t *cookie, long ms);
int pager_answer(struct pager *p, uint32_t cookie, uint32_t code);
/* Give it a page there */
int pager_map(struct pager *p, void *memory, uint64_t address);

/*
 * Whether this kernel delivers the page requests of what host_vf() names to its user:
 * those of whole functions each does that has iommufd
 */
bool pager_kernel_delivers(void);

/* Once, before the first test: the scene will be given back as it is now. */
void pager_begin(void);
/* The scene that all this takes, from whatever was before */
int pager_prepare(void);

#endif
