// SPDX-License-Identifier: GPL-2.0
/*
 * How the kernel itself answers a VF's page requests, without any driver of ours: two
 * bugs of Linux that the patches in tools/testing/lab/kernels/iopf fix. The kernel's
 * symbols tell whether it has the patches, and it must behave accordingly:
 *
 * - A group of requests that nobody handles: either each request is answered, or the
 *   group is.
 * - A group whose handler fails: the answer is either Response Failure, which stops the
 *   Page Request Interface that a VF shares with its PF and all other VFs, or Invalid
 *   Request.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/dma.h"
#include "lib/host.h"
#include "lib/requester.h"
#include "lib/sample.h"

#define PASID		6
#define ADDRESS		0x20000000
#define PAGE		4096

#define ANSWER_MS	10000
#define SILENCE_MS	500

/* Unless PRG Response PASID Required is set, VT-d leaves PRI off in a PF with PASID. */
#define PRI_WITH_PASID	"pf 1c4 81000000 ffffffff 00000001\n"

/* The PF is found again, so that the IOMMU driver enables what it shows. */
static int prepare(void)
{
	return sample_prepare(IGB, 2, true) ?: host_layout(PRI_WITH_PASID) ?: host_rescan();
}

static int give_back(void)
{
	return host_layout_default() ?: host_rescan() ?: sample_give_back();
}

static int load(bool fails)
{
	char params[64];

	snprintf(params, sizeof(params), "function=%s pasid=%u fails=%d", host_vf2(), PASID,
		 fails);
	return host_load("tools/testing/fixture/vfcap-iopf.ko", params);
}

/* A group of this many pages; the last request ends it */
static int request(unsigned int group, unsigned int pages)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < pages; i++)
		ret = dma_request_page(host_vf2(), PASID, ADDRESS + i * PAGE, group,
				       DMA_READ | DMA_WRITE |
				       (i == pages - 1 ? DMA_LAST : 0));
	return ret;
}

/* How many responses arrive, all of which must have this code and group */
static int responses(unsigned int group, unsigned int code)
{
	struct dma_response r;
	int n;

	for (n = 0; !dma_response(host_vf2(), PASID, &r, n ? SILENCE_MS : ANSWER_MS); n++) {
		if (r.group == group && r.code == code)
			continue;
		ksft_print_msg("group %x is answered with %x, not group %x with %x\n",
			       r.group, r.code, group, code);
		return -EIO;
	}
	return n;
}

FIXTURE(iopf) {
	bool mended;
};

FIXTURE_SETUP(iopf)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	if (host_has_functions())
		SKIP(return, NO_PF);
	ASSERT_EQ(0, prepare());
	ASSERT_EQ(0, dma_open());
	host_log_expect("DMAR: .*[fF]ault");
	self->mended = requester_kernel_is_mended();
	TH_LOG("this kernel %s the patches", self->mended ? "has" : "does not have");
}

FIXTURE_TEARDOWN(iopf)
{
	host_unload("vfcap_iopf");
	dma_close();
}

TEST_F(iopf, group_without_handler)
{
	unsigned int pages;

	ASSERT_EQ(0, load(false));
	for (pages = 1; pages <= 4; pages++) {
		ASSERT_EQ(0, request(0x10 + pages, pages));
		EXPECT_EQ(self->mended ? 1 : pages,
			  responses(0x10 + pages, DMA_INVALID));
	}
}

TEST_F(iopf, handler_that_fails)
{
	unsigned int code = self->mended ? DMA_INVALID : DMA_FAILURE;
	unsigned int pages;

	ASSERT_EQ(0, load(true));
	for (pages = 1; pages <= 4; pages++) {
		ASSERT_EQ(0, request(0x20 + pages, pages));
		EXPECT_EQ(1, responses(0x20 + pages, code));
	}
}

int main(int argc, char **argv)
{
	if (host_is_ready() && !host_has_functions())
		host_at_end(give_back);
	return test_harness_run(argc, argv);
}
