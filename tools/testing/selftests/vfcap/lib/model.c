// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include <linux/pci_regs.h>

#include "model.h"

/* Of the PASID Capability register, PCIe r6.0, sec 7.8.9.2 */
#define PASID_WIDTH	0x1f00

/* The VM's IOMMU has PASIDs of this many bits. */
#define IOMMU_WIDTH	20

#define ENABLE		1	/* in both Control registers */
#define PRI_FAILURES	(PCI_PRI_STATUS_RF | PCI_PRI_STATUS_UPRGI)

const unsigned int model_size[MODEL_CAPS] = {
	[MODEL_PASID]	= PCI_EXT_CAP_PASID_SIZEOF,
	[MODEL_PRI]	= PCI_EXT_CAP_PRI_SIZEOF,
};

const uint16_t model_ecap[MODEL_CAPS] = {
	[MODEL_PASID]	= PCI_EXT_CAP_ID_PASID,
	[MODEL_PRI]	= PCI_EXT_CAP_ID_PRI,
};

/* PCIe r6.0, sec 7.8.9 and 10.5.2: all Control bits are 0, and PRI has stopped */
static void reset_cap(struct model *m, enum model_id id)
{
	struct model_cap *c = &m->caps[id];

	c->control = 0;
	c->allocation = 0;
	c->status &= PCI_PRI_STATUS_PASID;
	if (id == MODEL_PRI)
		c->status |= PCI_PRI_STATUS_STOPPED;
}

void model_show(struct model *m, enum model_id id, uint16_t pos, uint16_t pf_cap,
		uint16_t pf_ctrl, uint32_t capacity)
{
	struct model_cap *c = &m->caps[id];
	unsigned int width = (pf_cap & PASID_WIDTH) >> 8;

	memset(c, 0, sizeof(*c));
	c->pos = pos;
	c->header = model_ecap[id] | 1 << 16;
	if (id == MODEL_PASID) {
		/* VFs lack a feature that is not enabled in the PF. */
		c->capability = pf_cap & pf_ctrl &
				(PCI_PASID_CAP_EXEC | PCI_PASID_CAP_PRIV);
		if (width > IOMMU_WIDTH)
			width = IOMMU_WIDTH;
		c->capability |= width << 8;
	} else {
		c->capacity = capacity;
	}
	reset_cap(m, id);
}

/* Dwords, laid out as in the specification's figures */
static uint32_t dword(const struct model *m, enum model_id id, unsigned int at)
{
	const struct model_cap *c = &m->caps[id];

	switch (at) {
	case 0:
		return c->header;
	case 4:
		return id == MODEL_PASID ? c->capability | c->control << 16 :
					   c->control | c->status << 16;
	case PCI_PRI_MAX_REQ:
		return c->capacity;
	default:
		return c->allocation;
	}
}

static bool find(const struct model *m, unsigned int pos, enum model_id *id)
{
	for (*id = 0; *id < MODEL_CAPS; ++*id)
		if (m->caps[*id].pos && pos >= m->caps[*id].pos &&
		    pos < m->caps[*id].pos + model_size[*id])
			return true;
	return false;
}

static bool in_anchor(const struct model *m, unsigned int pos)
{
	return m->anchored && pos / 4 == PCI_CFG_SPACE_SIZE / 4;
}

bool model_is_virtual(const struct model *m, unsigned int pos)
{
	enum model_id id;

	return in_anchor(m, pos) || find(m, pos, &id);
}

uint8_t model_byte(const struct model *m, unsigned int pos)
{
	enum model_id id;
	uint32_t value;

	if (find(m, pos, &id))
		value = dword(m, id, (pos - m->caps[id].pos) & ~3);
	else
		value = m->anchor;
	return value >> pos % 4 * 8;
}

/* Take those bits of a register that a write covers; returns whether there are any */
static bool take(uint32_t *value, unsigned int at, unsigned int size, int start,
		 const uint8_t *bytes, size_t count)
{
	bool any = false;
	unsigned int i;
	int from;

	for (i = 0; i < size; i++) {
		from = (int)(at + i) - start;
		if (from < 0 || from >= (int)count)
			continue;
		*value &= ~(0xffU << i * 8);
		*value |= (uint32_t)bytes[from] << i * 8;
		any = true;
	}
	return any;
}

static void write_pasid(struct model *m, int start, const uint8_t *bytes,
			size_t count)
{
	struct model_cap *c = &m->caps[MODEL_PASID];
	uint32_t control = c->control;

	take(&control, PCI_PASID_CTRL, 2, start, bytes, count);
	if (m->lost)
		control &= ~ENABLE;
	/* What is not supported is hardwired to 0. The bits are the same in both registers. */
	c->control = control & (ENABLE | (c->capability & (PCI_PASID_CAP_EXEC |
							   PCI_PASID_CAP_PRIV)));
}

/*
 * Reset (bit 1) reads as 0, and clears pending requests, which are not modelled here.
 * Stopped follows Enable at once, since no request is in flight.
 */
static void write_pri(struct model *m, int start, const uint8_t *bytes,
		      size_t count)
{
	struct model_cap *c = &m->caps[MODEL_PRI];
	uint32_t control = c->control, status = 0;

	take(&status, PCI_PRI_STATUS, 2, start, bytes, count);
	c->status &= ~(status & PRI_FAILURES);
	take(&c->allocation, PCI_PRI_ALLOC_REQ, 4, start, bytes, count);

	take(&control, PCI_PRI_CTRL, 2, start, bytes, count);
	control &= ENABLE;
	if (m->lost)
		control = 0;
	if (control && !c->control)
		c->status &= ~(PRI_FAILURES | PCI_PRI_STATUS_STOPPED);
	if (!control)
		c->status |= PCI_PRI_STATUS_STOPPED;
	c->control = control;
}

void model_write(struct model *m, unsigned int pos, const uint8_t *bytes,
		 size_t size)
{
	static void (* const write[])(struct model *m, int start,
				      const uint8_t *bytes, size_t count) = {
		[MODEL_PASID] = write_pasid, [MODEL_PRI] = write_pri,
	};
	enum model_id id;

	for (id = 0; id < MODEL_CAPS; id++)
		if (m->caps[id].pos && pos < m->caps[id].pos + model_size[id] &&
		    pos + size > m->caps[id].pos)
			write[id](m, (int)pos - m->caps[id].pos, bytes, size);
}

void model_reset(struct model *m)
{
	enum model_id id;

	m->lost = false;
	for (id = 0; id < MODEL_CAPS; id++)
		reset_cap(m, id);
}

void model_lose(struct model *m)
{
	enum model_id id;

	/* What is lost already is not lost a second time, whatever was written since. */
	if (m->lost)
		return;
	m->lost = true;
	for (id = 0; id < MODEL_CAPS; id++)
		m->caps[id].control = 0;
	m->caps[MODEL_PRI].status |= PCI_PRI_STATUS_STOPPED;
}

/* Returns false, and changes nothing, if that would enable a capability that is lost. */
bool model_restore(struct model *m, const struct model *then)
{
	enum model_id id;

	for (id = 0; id < MODEL_CAPS; id++)
		if (m->lost && then->caps[id].control & ENABLE)
			return false;
	for (id = 0; id < MODEL_CAPS; id++)
		m->caps[id] = then->caps[id];
	return true;
}

bool model_is_enabled(const struct model *m, enum model_id id)
{
	return m->caps[id].pos && m->caps[id].control & ENABLE;
}
