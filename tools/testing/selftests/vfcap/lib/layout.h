/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random hardware for the fixture: VFs with any list of extended capabilities and with
 * working registers between them, and any PASID registers in the PF. The test knows which
 * ranges are occupied from how the layout was made, and does not have to parse it.
 */
#ifndef VFCAP_TEST_LAYOUT_H
#define VFCAP_TEST_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#define LAYOUT_CAPS	16

/* What a PF driver answers when asked for a place: nothing, no, or an offset */
#define LAYOUT_ANYWHERE	0
#define LAYOUT_NOWHERE	(-1)

struct layout {
	char lines[48 * 1024];	/* for host_layout() */
	unsigned int nr_caps;
	struct {
		uint16_t pos, end;
		uint16_t id;
		bool hidden;		/* vfio-pci-core never shows it */
	} caps[LAYOUT_CAPS];	/* by offset */
	bool side_by_side;	/* two with the same ID that core takes for one */
	uint16_t ims;		/* offset of the byte whose bit 0 is hidden from guests, or 0 */
	uint16_t pf_pasid_cap, pf_pasid_ctrl;
	int place[2];		/* requested by the PF's driver, by enum model_id */
};

/* The same seed always gives the same layout. */
void layout_make(struct layout *l, uint64_t seed);

/* Is a range of bytes free of all capabilities? */
bool layout_is_unused(const struct layout *l, unsigned int pos,
		      unsigned int size);

/* Random numbers, the same on every machine: xorshift64 */
uint32_t layout_random(uint64_t *state);

#endif
