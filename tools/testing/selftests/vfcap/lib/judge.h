/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DMA of many VFs, which runs while others use them, checked against the results that are
 * possible at that time
 *
 * The user of a VF states the possible results for each of its address spaces: before a
 * change, those that are possible until the change is done, and after it, those that are
 * possible from then on. A transaction lasts from before it is requested until it is
 * answered, and its result must be allowed by one of the statements that were valid at
 * any time during it. So a transaction that overlaps no change has a single right result,
 * and one that does has those from before and after the change and from in between.
 *
 * All of this is in memory that the processes share.
 */
#ifndef VFCAP_TEST_JUDGE_H
#define VFCAP_TEST_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#define JUDGE_VFS	8
/* The VF without a PASID, then PASIDs starting with 1 */
#define JUDGE_SPACES	5
/* The memory of a VF's user; each page can be mapped at JUDGE_ADDRESS */
#define JUDGE_PAGES	3
#define JUDGE_PAGE	4096
#define JUDGE_ADDRESS	0x100000

/* The possible results of a transaction: a set */
#define JUDGE_LANDS(page)	(1U << (page))
#define JUDGE_REFUSED		0x40000000U
/* And whether the result depends on the PF having PASID: what an attach tries out */
#define JUDGE_TRIED		0x80000000U

/* Statements about a VF, of which only the last ones are kept */
#define JUDGE_KEPT	64
struct judge_vf {
	unsigned int count;
	struct judge_statement {
		uint32_t allowed[JUDGE_SPACES];
		unsigned int epoch;	/* in which it was seen to hold */
	} statements[JUDGE_KEPT];
};

struct judge {
	/* First, so that it is page-aligned */
	char memory[JUDGE_VFS][JUDGE_PAGES][JUDGE_PAGE];

	/* The PF's. Odd: it may be without PASID, and its VFs may have lost theirs. */
	unsigned int epoch;
	bool gone;		/* in that epoch, all of them have certainly lost it */
	struct judge_vf vfs[JUDGE_VFS];

	/* The results */
	unsigned int wrong;
	unsigned long landed;
	unsigned long refused;
	unsigned long single;	/* had only one right result */
};

/* Allocated in memory shared with children; MAP_FAILED on error */
struct judge *judge_new(void);
void judge_free(struct judge *j);

/* State the possible results for a VF's address spaces from now on */
void judge_state(struct judge_vf *vf, const uint32_t allowed[JUDGE_SPACES],
		 unsigned int epoch);

/*
 * Make a random one of these VFs do DMA, and check the result. Prints what is wrong.
 * Needs dma_open().
 */
void judge_once(struct judge *j, const char * const *names, unsigned int nr);

#endif
