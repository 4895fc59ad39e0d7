/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DMA of many VFs, which runs while others use them, judged by what may come of it at
 * that time
 *
 * Who uses a VF says what each of its address spaces may come to: before a change what it
 * may come to until the change is done, and after it what it comes to from then on. A
 * transaction lasts from before it is asked for until it is answered, and what it came
 * to must be what one of the statements allows that held at any time of it. So one that
 * overlaps no change has a single right result, and one that does has those on both
 * sides of it and in between.
 *
 * All of this is in memory that the processes share.
 */
#ifndef VFCAP_TEST_JUDGE_H
#define VFCAP_TEST_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#define JUDGE_VFS	8
/* The VF without a PASID, then PASIDs from 1 on */
#define JUDGE_SPACES	5
/* The memory that a VF's user has, each a page that is mapped at JUDGE_ADDRESS */
#define JUDGE_PAGES	3
#define JUDGE_PAGE	4096
#define JUDGE_ADDRESS	0x100000

/* What a transaction may come to: a set */
#define JUDGE_LANDS(page)	(1U << (page))
#define JUDGE_REFUSED		0x40000000U
/* And whether the PF has PASID or not: what an attach tries out */
#define JUDGE_TRIED		0x80000000U

/* Statements about a VF, of which the last ones are kept */
#define JUDGE_KEPT	64
struct judge_vf {
	unsigned int count;
	struct judge_statement {
		uint32_t allowed[JUDGE_SPACES];
		unsigned int epoch;	/* in which it was seen to be so */
	} statements[JUDGE_KEPT];
};

struct judge {
	/* First, for it to begin with a page */
	char memory[JUDGE_VFS][JUDGE_PAGES][JUDGE_PAGE];

	/* Of the PF. Odd: it may be without PASID, and its VFs may have lost theirs. */
	unsigned int epoch;
	bool gone;		/* and for certain all of them have, in that epoch */
	struct judge_vf vfs[JUDGE_VFS];

	/* What was found */
	unsigned int wrong;
	unsigned long landed;
	unsigned long refused;
	unsigned long single;	/* had a single right result */
};

/* In memory that is shared with children; MAP_FAILED on error */
struct judge *judge_new(void);
void judge_free(struct judge *j);

/* What a VF's spaces may come to from now on */
void judge_state(struct judge_vf *vf, const uint32_t allowed[JUDGE_SPACES],
		 unsigned int epoch);

/*
 * Have a random one of these VFs do DMA, and judge it. Prints what is wrong. Needs
 * dma_open().
 */
void judge_once(struct judge *j, const char * const *names, unsigned int nr);

#endif
