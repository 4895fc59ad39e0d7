// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "host.h"
#include "layout.h"

#define START		PCI_CFG_SPACE_SIZE
#define END		PCI_CFG_SPACE_EXP_SIZE

#define INTEL		0x8086
#define OTHERS		0x1af4
/*
 * The kernel found ATS here when it found the VFs, and enabled it. Once ATS is no longer
 * enabled, the driver concludes that the VF was reset.
 */
#define VF_ATS		0x160
#define VF_ATS_REG	0x80000020	/* Enable, page aligned */

#define DVSEC_SIOV	5
#define SIOV_CAP	0x14
#define SIOV_CAP_IMS	1

/*
 * Capabilities that hardware may have. With a length of 0, the header says how long it
 * is; with OPEN, the length is unknown, and the capability extends to the next one. AER
 * and Power Budgeting are left out: vfio-pci-core takes two adjacent ones for one, and
 * then looks for the second one's permissions beyond the end of its table.
 */
#define OPEN		0xffff

#define ATS		3

static const struct kind {
	uint16_t id;
	uint16_t length;
	bool hidden;
	bool siov;
} kinds[] = {
	{ PCI_EXT_CAP_ID_DSN,		12,	false,	false },
	{ PCI_EXT_CAP_ID_ARI,		8,	false,	false },
	{ PCI_EXT_CAP_ID_LTR,		8,	false,	false },
	[ATS] = { PCI_EXT_CAP_ID_ATS,	8,	false,	false },
	{ PCI_EXT_CAP_ID_PASID,		8,	true,	false },
	{ PCI_EXT_CAP_ID_VNDR,		0,	false,	false },
	{ PCI_EXT_CAP_ID_VNDR,		0,	false,	false },
	{ PCI_EXT_CAP_ID_DVSEC,		0,	false,	false },
	{ PCI_EXT_CAP_ID_DVSEC,		0,	false,	true },
	{ PCI_EXT_CAP_ID_SECPCI,	OPEN,	true,	false },
	{ 0x01ff,			OPEN,	true,	false },
};

struct maker {
	struct layout *l;
	uint64_t random;
	uint32_t value[END / 4], writable[END / 4];
	uint16_t length[LAYOUT_CAPS];
};

uint32_t layout_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 16;
}

static uint32_t below(struct maker *m, uint32_t limit)
{
	return layout_random(&m->random) % limit;
}

static bool chance(struct maker *m, uint32_t percent)
{
	return below(m, 100) < percent;
}

/* Some layouts are spread over the whole space, some are packed. */
static void choose_caps(struct maker *m)
{
	unsigned int wanted = below(m, LAYOUT_CAPS);
	unsigned int spread = 1 + below(m, 2) * below(m, END / 16);
	struct layout *l = m->l;
	unsigned int pos = START;

	if (chance(m, 5))
		return;
	do {
		const struct kind *kind = &kinds[below(m, ARRAY_SIZE(kinds))];
		unsigned int i = l->nr_caps;
		unsigned int length = kind->length;

		if (!length)
			length = 12 + 4 * below(m, chance(m, 10) ? 200 : 12);
		if (length == OPEN)
			length = 8;
		if (pos < VF_ATS + PCI_EXT_CAP_ATS_SIZEOF &&
		    pos + length > VF_ATS) {
			kind = &kinds[ATS];
			length = kind->length;
			/* The first capability of the list stays at its start. */
			if (l->nr_caps)
				pos = VF_ATS;
		}
		if (pos + length > END)
			break;
		l->caps[i].pos = pos;
		l->caps[i].end = kind->length == OPEN ? 0 : pos + length;
		l->caps[i].id = kind->id;
		l->caps[i].hidden = kind->hidden;
		m->length[i] = length;
		if (kind->siov && !l->ims && length > SIOV_CAP)
			l->ims = pos + SIOV_CAP;
		l->nr_caps++;
		pos += length + 4 * below(m, spread);
	} while (l->nr_caps <= wanted && l->nr_caps < LAYOUT_CAPS);
}

static void fill_caps(struct maker *m)
{
	struct layout *l = m->l;
	unsigned int i, pos;

	for (i = 0; i < l->nr_caps; i++) {
		unsigned int start = l->caps[i].pos;
		bool siov = l->ims && start == l->ims - SIOV_CAP;

		for (pos = start + 4; pos < start + m->length[i]; pos += 4) {
			m->value[pos / 4] = below(m, ~0U);
			if (chance(m, 30))
				m->writable[pos / 4] = below(m, ~0U);
		}
		/* The header says how long the capability is, and which vendor's. */
		if (l->caps[i].id == PCI_EXT_CAP_ID_VNDR ||
		    l->caps[i].id == PCI_EXT_CAP_ID_DVSEC) {
			m->value[start / 4 + 1] = m->length[i] << 20 |
				(siov ? INTEL : OTHERS);
			m->value[start / 4 + 2] = DVSEC_SIOV;
			m->writable[start / 4 + 1] = 0;
			m->writable[start / 4 + 2] = 0;
		}
		if (siov)
			m->value[l->ims / 4] |= SIOV_CAP_IMS;
		if (i && l->caps[i].id == l->caps[i - 1].id &&
		    start == l->caps[i - 1].pos + m->length[i - 1])
			l->side_by_side = true;
		if (!l->caps[i].end)
			l->caps[i].end = i + 1 < l->nr_caps ?
					 l->caps[i + 1].pos : END;
	}
}

/* The list begins with the first capability, and has the others in any order. */
static void link_caps(struct maker *m)
{
	unsigned int order[LAYOUT_CAPS], i, other, kept;
	struct layout *l = m->l;
	bool shuffle = chance(m, 20);

	for (i = 0; i < l->nr_caps; i++)
		order[i] = i;
	for (i = l->nr_caps; shuffle && i-- > 2;) {
		other = 1 + below(m, i);
		kept = order[i];
		order[i] = order[other];
		order[other] = kept;
	}
	for (i = 0; i < l->nr_caps; i++) {
		uint32_t next = i + 1 < l->nr_caps ?
				l->caps[order[i + 1]].pos : 0;

		m->value[l->caps[order[i]].pos / 4] =
			l->caps[order[i]].id | 1 << 16 | next << 20;
	}
	if (!l->nr_caps && chance(m, 50))
		m->value[START / 4] = ~0U;
}

/* Registers outside all capabilities: none, some, or nearly everywhere */
static void fill_gaps(struct maker *m)
{
	static const unsigned int percent[] = { 0, 0, 3, 40, 97 };
	unsigned int live = percent[below(m, ARRAY_SIZE(percent))];
	unsigned int pos;

	for (pos = START + 4; pos < END; pos += 4) {
		if (!layout_is_unused(m->l, pos, 4) || !chance(m, live))
			continue;
		m->value[pos / 4] = below(m, ~0U);
		if (chance(m, 50))
			m->writable[pos / 4] = below(m, ~0U);
	}
}

static void choose_pf(struct maker *m)
{
	struct layout *l = m->l;
	unsigned int i;

	l->pf_pasid_cap = (1 + below(m, 20)) << 8 |
			  below(m, 4) << 1;
	l->pf_pasid_ctrl = PCI_PASID_CTRL_ENABLE | below(m, 4) << 1;
	for (i = 0; i < ARRAY_SIZE(l->place); i++) {
		if (chance(m, 5))
			l->place[i] = LAYOUT_NOWHERE;
		else if (chance(m, 20))
			l->place[i] = START + 4 * below(m, (END - START) / 4);
	}
}

static void __printf(3, 4) add(struct layout *l, size_t *len, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	*len += vsnprintf(l->lines + *len, sizeof(l->lines) - *len, format, ap);
	va_end(ap);
}

/*
 * The kernel restores the AER and ATS capabilities that it found with the VFs, with the
 * values that it happened to read there.
 */
static const uint16_t restored[] = { 0x108, 0x10c, 0x114, 0x118, 0x164 };

static void write_lines(struct maker *m)
{
	struct layout *l = m->l;
	unsigned int pos, i;
	size_t len = 0;

	for (i = 0; i < ARRAY_SIZE(restored); i++)
		m->writable[restored[i] / 4] = 0;
	m->value[VF_ATS / 4 + 1] = VF_ATS_REG;

	add(l, &len, "vf blank %x %x\n", START, END);
	for (pos = START; pos < END; pos += 4)
		if (m->value[pos / 4] || m->writable[pos / 4])
			add(l, &len, "vf %x %x ffffffff %x\n", pos,
			    m->value[pos / 4], m->writable[pos / 4]);
	add(l, &len, "pf %x %x ffffffff 70000\n", PF_PASID + PCI_PASID_CAP,
	    l->pf_pasid_cap | l->pf_pasid_ctrl << 16);
}

void layout_make(struct layout *l, uint64_t seed)
{
	struct maker m = { .l = l, .random = seed * 0x9e3779b97f4a7c15ULL | 1 };

	memset(l, 0, sizeof(*l));
	below(&m, 2);
	choose_caps(&m);
	fill_caps(&m);
	link_caps(&m);
	fill_gaps(&m);
	choose_pf(&m);
	write_lines(&m);
}

bool layout_is_unused(const struct layout *l, unsigned int pos,
		      unsigned int size)
{
	unsigned int i;

	for (i = 0; i < l->nr_caps; i++)
		if (pos < l->caps[i].end && pos + size > l->caps[i].pos)
			return false;
	return true;
}
