/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random hardware for the fixture: VFs with any list of extended capabilities, and
 * with live registers between them, and what the PF has of PASID. What is taken is
 * known here from how it was made, and needs not be found in it.
 */
#ifndef VFCAP_TEST_LAYOUT_H
#define VFCAP_TEST_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#define LAYOUT_CAPS	16

/* What a PF driver says of a place: nothing, no, or an offset */
#define LAYOUT_ANYWHERE	0
#define LAYOUT_NOWHERE	(-1)

struct layout {
	char lines[48 * 1024];	/* for host_layout() */
	unsigned int nr_caps;
	struct {
		uint16_t pos, end;
		uint16_t id;
		bool hidden;		/* vfio-pci-core shows it to nobody */
	} caps[LAYOUT_CAPS];	/* by offset */
	bool side_by_side;	/* two of one ID, which core takes for one */
	uint16_t ims;		/* byte whose bit 0 is hidden from guests, or 0 */
	uint16_t pf_pasid_cap, pf_pasid_ctrl;
	int place[2];		/* of the PF's driver, by enum model_id */
};

/* The same for the same seed */
void layout_make(struct layout *l, uint64_t seed);

/* Is a range of bytes free of all capabilities? */
bool layout_is_unused(const struct layout *l, unsigned int pos,
		      unsigned int size);

/* Random numbers that are the same everywhere: xorshift64 */
uint32_t layout_random(uint64_t *state);

#endif
