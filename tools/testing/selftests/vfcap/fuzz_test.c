// SPDX-License-Identifier: GPL-2.0
/*
 * Random hardware, and random sequences of what a guest and its VMM may do to a VF:
 * everything that is read, and everything that reaches the hardware, is compared
 * with a model (lib/model.c) and with a twin bound to vfio-pci. A sequence that goes
 * wrong is made as short as possible, and printed.
 *
 * VFCAP_FUZZ_SEED: the first layout's number (default: from the clock; printed). The
 *	sequence follows from it as well: to repeat one, give its number and its
 *	length, which are both printed.
 * VFCAP_FUZZ_LAYOUTS: how many layouts (default 60)
 * VFCAP_FUZZ_OPS: how long a sequence is (default 500)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "lib/fuzz.h"
#include "lib/host.h"
#include "lib/sample.h"
#include "lib/shrink.h"

FIXTURE(fuzz) {
	struct fuzz fuzz;
	struct layout layout;
};

FIXTURE_SETUP(fuzz)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	if (!vfio_has_cdev(host_vf()))
		SKIP(return, "the kernel has no iommufd");
	ASSERT_EQ(0, sample_prepare(SAMPLE, 2, true));
	ASSERT_EQ(0, host_run(NULL, 0, "modprobe vfio-pci"));
	ASSERT_EQ(0, host_rebind(sample_vf(1), THEIRS));
	fuzz_init(&self->fuzz, strdup(sample_vf(0)), strdup(sample_vf(1)));
}

FIXTURE_TEARDOWN(fuzz)
{
	fuzz_close(&self->fuzz);
	EXPECT_EQ(0, host_layout("vf clear"));
	EXPECT_EQ(0, sample_give_back());
}

struct again {
	struct fuzz *fuzz;
	const struct layout *layout;
};

static int run_again(void *priv, const void *ops, unsigned int nr)
{
	struct again *again = priv;

	return fuzz_run(again->fuzz, again->layout, ops, nr);
}

static void report(struct fuzz *f, const struct layout *l, unsigned long seed,
		   struct fuzz_op *ops, unsigned int nr)
{
	struct again again = { f, l };
	char text[256];
	unsigned int i;

	printf("# VFCAP_FUZZ_SEED=%lu VFCAP_FUZZ_OPS=%u: %s\n", seed, nr, f->wrong);
	nr = shrink(ops, sizeof(*ops), nr, run_again, &again);
	printf("# The shortest that goes wrong, %u of %lu: %s\n", nr, seed,
	       *f->wrong ? f->wrong : "nothing, when it was done again");
	for (i = 0; i < nr; i++) {
		fuzz_print_op(&ops[i], text, sizeof(text));
		printf("#   %s\n", text);
	}
	for (i = 0; i < l->nr_caps; i++)
		printf("#   hardware: %04x at %03x..%03x\n", l->caps[i].id,
		       l->caps[i].pos, l->caps[i].end - 1);
	fuzz_print_list(&f->v, "ours");
	fuzz_print_list(&f->twin, "the twin's");
	printf("#   PF: PASID capability %04x, control %x; places %d, %d\n",
	       l->pf_pasid_cap, l->pf_pasid_ctrl, l->place[0], l->place[1]);
}

/* Operations depend on what is shown where, so each is made just before it is done. */
static bool one_layout(struct fuzz *f, struct layout *l, unsigned long seed,
		       unsigned int nr)
{
	struct fuzz_op *ops = calloc(nr + 1, sizeof(*ops));
	uint64_t random = seed * 0xd1342543de82ef95ULL | 1;
	unsigned int done;
	bool good;

	layout_make(l, seed);
	good = fuzz_begin(f, l);
	for (done = 0; good && done < nr; done++) {
		fuzz_make_op(f, &ops[done], &random);
		good = fuzz_do(f, &ops[done]);
	}
	if (good)
		good = fuzz_end(f);
	if (!good)
		report(f, l, seed, ops, done);
	free(ops);
	return good;
}

TEST_F_TIMEOUT(fuzz, model, 100000)
{
	unsigned long seed = host_setting("VFCAP_FUZZ_SEED", time(NULL));
	unsigned long layouts = host_setting("VFCAP_FUZZ_LAYOUTS", 60);
	unsigned long ops = host_setting("VFCAP_FUZZ_OPS", 500);
	unsigned long i;

	TH_LOG("VFCAP_FUZZ_SEED=%lu, %lu layouts", seed, layouts);
	for (i = 0; i < layouts; i++) {
		ASSERT_TRUE(one_layout(&self->fuzz, &self->layout, seed + i,
				       ops));
		if ((i + 1) % 10 == 0)
			printf("# %lu layouts, %lu accesses\n", i + 1,
			       self->fuzz.accesses);
	}
	TH_LOG("%lu layouts, %lu accesses, no difference", layouts,
	       self->fuzz.accesses);
	EXPECT_LT(layouts * ops / 2, self->fuzz.accesses);
}

TEST_HARNESS_MAIN
