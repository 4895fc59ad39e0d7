/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A reference model of what is virtual in a VF's config space: the PASID and PRI
 * capabilities, written from the PCIe specification and not from the driver. Everything
 * else is the hardware's, or vfio-pci-core's.
 */
#ifndef VFCAP_TEST_MODEL_H
#define VFCAP_TEST_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum model_id { MODEL_PASID, MODEL_PRI, MODEL_CAPS };

/* The registers after the header, as fields of the specification's tables */
struct model_cap {
	uint16_t pos;		/* 0: not shown */
	uint32_t header;
	uint16_t capability;	/* PASID: read-only */
	uint32_t capacity;	/* PRI: read-only */
	uint32_t allocation;	/* PRI */
	uint16_t control;
	uint16_t status;	/* PRI */
};

struct model {
	struct model_cap caps[MODEL_CAPS];
	bool lost;		/* nothing can be enabled */
	bool anchored;		/* the list's first header is an empty one */
	uint32_t anchor;	/* that header */
};

extern const unsigned int model_size[MODEL_CAPS];
extern const uint16_t model_ecap[MODEL_CAPS];

/* Show a capability of a PF with these registers, in its reset state */
void model_show(struct model *m, enum model_id id, uint16_t pos, uint16_t pf_cap,
		uint16_t pf_ctrl, uint32_t capacity);

/* Is a byte of config space virtual, and what does it read? */
bool model_is_virtual(const struct model *m, unsigned int pos);
uint8_t model_byte(const struct model *m, unsigned int pos);

/* One write; bytes that are not virtual are ignored */
void model_write(struct model *m, unsigned int pos, const uint8_t *bytes,
		 size_t size);

/* The VF was reset; lost what it shares; gets back the state it had at another time */
void model_reset(struct model *m);
void model_lose(struct model *m);
bool model_restore(struct model *m, const struct model *then);

bool model_is_enabled(const struct model *m, enum model_id id);

#endif
