// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "host.h"
#include "requester.h"
#include "sample.h"

bool requester_kernel_is_mended(void)
{
	char out[8];

	return !host_run(out, sizeof(out), "grep -qw iopf_shared_claim /proc/kallsyms");
}

int requester_init(struct requester *r, const char *bdf)
{
	int ret;

	*r = (struct requester){ .bdf = bdf };
	do
		ret = requester_hear(r);
	while (ret > 0);
	*r = (struct requester){ .bdf = bdf };
	return ret;
}

static bool may_send(struct requester *r)
{
	return !host_has_functions() ||
	       host_config_read(r->bdf, PF_PRI + PCI_PRI_CTRL, 2) & PCI_PRI_CTRL_ENABLE;
}

int requester_send(struct requester *r, uint64_t address, unsigned int group,
		   unsigned int count, unsigned int pages)
{
	int sent, i;

	if (!may_send(r)) {
		r->withheld += count;
		return 0;
	}
	sent = dma_request_groups(r->bdf, REQUESTER_PASID, address, group,
				  DMA_READ | DMA_WRITE, count, pages);
	if (sent < 0)
		return sent;
	for (i = 0; i < sent; i++) {
		r->sent[(group + i) % DMA_GROUPS]++;
		r->sent_at[(group + i) % DMA_GROUPS] = now_ms();
	}
	r->open += sent;
	r->refused += count - sent;
	return sent;
}

bool requester_ask(struct requester *r, uint64_t address, unsigned int group)
{
	return requester_send(r, address, group, 1, 1) == 1;
}

int requester_hear(struct requester *r)
{
	struct dma_response responses[DMA_RESPONSES];
	int count, i;

	count = dma_responses(r->bdf, REQUESTER_PASID, responses);
	for (i = 0; i < count; i++) {
		unsigned int group = responses[i].group;

		long ms = now_ms() - r->sent_at[group];

		r->longest = ms > r->longest ? ms : r->longest;
		r->answered[group]++;
		r->code[group] = responses[i].code;
		r->responses++;
		r->success += responses[i].code == DMA_SUCCESS;
		r->open--;
	}
	return count;
}

static bool is_answered(struct requester *r, unsigned int group)
{
	return requester_hear(r) >= 0 && r->answered[group] == r->sent[group];
}

bool requester_gets(struct requester *r, unsigned int group, unsigned int code, long ms)
{
	if (!WAIT_FOR(is_answered(r, group), ms)) {
		printf("# %s: group %x was sent %u times and answered %u times\n", r->bdf,
		       group, r->sent[group], r->answered[group]);
		return false;
	}
	if (r->code[group] != code)
		printf("# %s: group %x was answered %x in place of %x\n", r->bdf, group,
		       r->code[group], code);
	return r->code[group] == code;
}

bool requester_hears_nothing(struct requester *r, long ms)
{
	unsigned long before = r->responses;

	return !WAIT_FOR(requester_hear(r) != 0, ms) && r->responses == before;
}

bool requester_is_even(struct requester *r, long ms)
{
	unsigned int group, uneven = 0;

	WAIT_FOR(requester_hear(r) < 0 || !r->open, ms);
	for (group = 0; group < DMA_GROUPS; group++) {
		if (r->sent[group] == r->answered[group])
			continue;
		if (uneven++ < 8)
			printf("# %s: group %x was sent %u times and answered %u times\n",
			       r->bdf, group, r->sent[group], r->answered[group]);
	}
	return !uneven;
}
