// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: capabilities in a copy of config space, found as a guest finds them
 *
 * The contents come from a device, or from whatever emulates it: a list may lead
 * anywhere, so only what lies entirely within the copy is read.
 */
#include <linux/pci_regs.h>

#include "vfcapctl.h"

#define SHDW_SIGNATURE	0x53484457	/* behind the capability's header */

/* At least the header of each capability and the dword behind it are read. */
#define MIN_SIZE	8

static uint32_t get(const uint8_t *config, unsigned int pos, unsigned int size)
{
	uint32_t value = 0;

	while (size--)
		value = value << 8 | config[pos + size];
	return value;
}

unsigned int config_find_ecap(const uint8_t *config, uint16_t id)
{
	unsigned int pos = PCI_CFG_SPACE_SIZE, loops = CONFIG_SIZE / MIN_SIZE;

	while (pos >= PCI_CFG_SPACE_SIZE && pos <= CONFIG_SIZE - MIN_SIZE && loops--) {
		uint32_t header = get(config, pos, 4);

		if (PCI_EXT_CAP_ID(header) == id)
			return pos;
		pos = PCI_EXT_CAP_NEXT(header);
	}
	return 0;
}

/* @signature: the dword behind its header, or 0 for any */
static unsigned int find_cap(const uint8_t *config, uint8_t id, uint32_t signature)
{
	unsigned int pos = config[PCI_CAPABILITY_LIST] & ~3, loops = 48;

	while (pos >= PCI_STD_HEADER_SIZEOF && pos <= PCI_CFG_SPACE_SIZE - MIN_SIZE &&
	       loops--) {
		if (config[pos] == id &&
		    (!signature || get(config, pos + 4, 4) == signature))
			return pos;
		pos = config[pos + PCI_CAP_LIST_NEXT] & ~3;
	}
	return 0;
}

unsigned int config_find_cap(const uint8_t *config, uint8_t id)
{
	return find_cap(config, id, 0);
}

unsigned int config_find_shdw(const uint8_t *config)
{
	return find_cap(config, PCI_CAP_ID_VNDR, SHDW_SIGNATURE);
}
