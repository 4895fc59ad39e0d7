// SPDX-License-Identifier: GPL-2.0
/*
 * What vfcap-vfio-pci costs, beside vfio-pci: the same work on twin VFs of one PF, in
 * rounds that take turns, with either VF in either role. As a control both are also
 * bound to vfio-pci. Prints all samples; "report.py" makes sense of them.
 *
 * Usage: bench pairs|many ROUNDS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "bench.h"
#include "lib/iommufd.h"

#define SAMPLES		20	/* of one side in one round */

/*
 * VFs that have neither a reset of their own nor power states: the waits that these
 * take would hide what is done.
 */
#define WITHOUT_WAITS	"vf a4 0 10000000\nvf 70 0 ff00\n"

/* Which driver has which VF */
static const struct {
	const char *set;
	const char *who[2];
	const char *driver[2];
} sets[] = {
	{ "first",	{ "ours", "theirs" },	{ OURS, THEIRS } },
	{ "second",	{ "theirs", "ours" },	{ THEIRS, OURS } },
	{ "control",	{ "a", "b" },		{ THEIRS, THEIRS } },
};

/* Another VF of theirs, for the PF to have one that is bound to this driver */
static char third_vf[16];

static void run_measure(struct side *sides, const struct measure *m,
			const char *set, unsigned int rounds)
{
	long samples[SAMPLES];
	unsigned int round, turn, i;

	for (round = 0; round < rounds; round++)
		for (turn = 0; turn < 2; turn++) {
			struct side *side = &sides[(round ^ turn) & 1];

			m->run(side);	/* what the first time costs is not counted */
			for (i = 0; i < SAMPLES; i++) {
				samples[i] = m->run(side);
				if (samples[i] < 0)
					fail("%s: %s failed", side->bdf, m->name);
			}
			print_samples(m->name, side->who, set, samples, SAMPLES);
		}
}

static void run_all(struct side *sides, const struct measure *m, const char *set,
		    unsigned int rounds)
{
	for (; m->name; m++)
		run_measure(sides, m, set, rounds);
}

static void cast(struct side *sides, unsigned int set)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		sides[i] = (struct side) {
			.who = sets[set].who[i],
			.driver = sets[set].driver[i],
		};
		strcpy(sides[i].bdf, i ? host_vf2() : host_vf());
		vfio_init(&sides[i].v);
	}
}

static void pairs_with_flr(unsigned int rounds)
{
	struct side sides[2];
	unsigned int set;

	fprintf(stderr, "bench: VFs with FLR\n");
	for (set = 0; set < ARRAY_SIZE(sets); set++) {
		cast(sides, set);
		bind_rounds(sides, sets[set].set, rounds, "-with-flr");
	}
}

static void pairs(unsigned int rounds)
{
	struct side sides[2];
	unsigned int set, i;

	for (set = 0; set < ARRAY_SIZE(sets); set++) {
		fprintf(stderr, "bench: %s is bound to %s, %s to %s\n",
			host_vf(), sets[set].driver[0], host_vf2(),
			sets[set].driver[1]);
		cast(sides, set);
		bind_and_open(sides, third_vf, sets[set].set, rounds);
		for (i = 0; i < 2; i++)
			side_open(&sides[i]);
		run_all(sides, access_measures, sets[set].set, rounds);
		run_all(sides, pasid_measures, sets[set].set, rounds);
		for (i = 0; i < 2; i++)
			side_close(&sides[i]);
	}
}

/* Twin VFs without drivers, and a console as with Linux's parameter "quiet" */
static void set_scene(void)
{
	char out[256];

	must(host_write("/proc/sys/kernel/printk", "4"), "printk", "console");
	must(host_run(out, sizeof(out), "modprobe vfio-pci"), "modprobe", THEIRS);
	must(host_unbind(host_vf()), "unbind", host_vf());
	must(host_unbind(host_vf2()), "unbind", host_vf2());
	must(host_writef("0", "devices/%s/sriov_drivers_autoprobe", host_pf()),
	     "autoprobe", host_pf());
}

static void make_vfs(const char *layout)
{
	must(host_layout(layout), "layout", "VFs");
	must(host_writef("0", "devices/%s/sriov_numvfs", host_pf()), "remove",
	     "VFs");
	must(host_writef("3", "devices/%s/sriov_numvfs", host_pf()), "create",
	     "VFs");
	host_vf_name(2, third_vf);
	must(host_bind(third_vf, OURS), "bind", third_vf);
}

static unsigned long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000UL + now.tv_nsec;
}

int main(int argc, char **argv)
{
	unsigned long begin = ticks(), begin_ns = now_ns();
	unsigned int rounds = argc > 2 ? atoi(argv[2]) : 0;
	cpu_set_t cpus;

	if (!rounds || (strcmp(argv[1], "pairs") && strcmp(argv[1], "many"))) {
		fprintf(stderr, "Usage: bench pairs|many ROUNDS\n");
		return 2;
	}
	if (!host_is_ready())
		fail("needs the lab's VM: VFCAP_PF and others");
	/* Interrupts go to the first one. */
	CPU_ZERO(&cpus);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &cpus);
	must(sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0, "affinity",
	     "CPU");
	set_scene();
	if (!strcmp(argv[1], "many")) {
		many_vfs(rounds);
	} else {
		make_vfs("");
		pairs_with_flr(rounds);
		make_vfs(WITHOUT_WAITS);
		pairs(rounds);
	}
	printf("clock %lu %lu\n", ticks() - begin, now_ns() - begin_ns);
	return 0;
}
