// SPDX-License-Identifier: GPL-2.0
/*
 * Many VFs of one PF, the fixture's mock: what one of them more costs in memory, and
 * what it takes one to lock what it shares with the others, at its first access
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "bench.h"
#include "lib/sample.h"

#define MAX_VFS		1000
#define SAMPLES		20

static struct {
	char pf[16];
	int iommufd;
	unsigned int nr;
	struct side vfs[MAX_VFS];
} many;

static const char * const drivers[][2] = {
	{ "ours", OURS }, { "theirs", THEIRS },
};

static void make_vfs(unsigned int nr)
{
	char value[16];
	unsigned int i;

	must(host_writef("0", "devices/%s/sriov_drivers_autoprobe", many.pf),
	     "autoprobe", many.pf);
	must(host_writef("0", "devices/%s/sriov_numvfs", many.pf), "remove VFs",
	     many.pf);
	snprintf(value, sizeof(value), "%u", nr);
	must(host_writef(value, "devices/%s/sriov_numvfs", many.pf),
	     "create VFs", many.pf);
	many.nr = nr;
	for (i = 0; i < nr; i++) {
		host_vf_name(i, many.vfs[i].bdf);
		vfio_init(&many.vfs[i].v);
	}
}

static void bind_all(const char *driver)
{
	unsigned int i;

	for (i = 0; i < many.nr; i++)
		must(host_bind(many.vfs[i].bdf, driver), driver,
		     many.vfs[i].bdf);
}

static void unbind_all(void)
{
	unsigned int i;

	for (i = 0; i < many.nr; i++)
		must(host_unbind(many.vfs[i].bdf), "unbind", many.vfs[i].bdf);
}

/* Inodes and directory entries come and go with whoever looks at files. */
static bool is_of_files(const char *cache)
{
	return strstr(cache, "inode") || !strcmp(cache, "dentry") ||
	       !strncmp(cache, "kmalloc-rcl-", 12);
}

/*
 * In bytes, once what is freed late is free. Objects are counted, and not pages: of
 * these the allocator keeps some hundred in store.
 */
static long kernel_bytes(void)
{
	char out[256], line[256], cache[64];
	long sum = 0, nr, size;
	FILE *f;

	usleep(500000);
	must(host_run(out, sizeof(out),
		      "for f in /sys/kernel/slab/*/shrink; do echo 1 > $f; done"),
	     "shrink", "slabs");
	f = fopen("/proc/slabinfo", "r");
	must(f ? 0 : -errno, "open", "/proc/slabinfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %ld %*d %ld", cache, &nr, &size) == 3 &&
		    !is_of_files(cache))
			sum += nr * size;
	fclose(f);
	return sum;
}

/* Where PASID is shown the first read has shown it. */
static void open_vf(struct side *vf)
{
	must(vfio_open_shared(&vf->v, vf->bdf, many.iommufd), "open", vf->bdf);
	if (vfio_get(&vf->v, PCI_VENDOR_ID, 4) == ~0U)
		fail("%s: no answer", vf->bdf);
}

static long open_close(struct side *vf)
{
	unsigned long begin = ticks();

	open_vf(vf);
	vfio_close(&vf->v);
	return ticks() - begin;
}

/* It commits what is shown, which is locked then. */
static long first_access(struct side *vf)
{
	unsigned long begin;
	long took;

	must(vfio_open_shared(&vf->v, vf->bdf, many.iommufd), "open", vf->bdf);
	begin = ticks();
	vfio_get(&vf->v, PCI_VENDOR_ID, 4);
	took = ticks() - begin;
	if (strcmp(sample_state(vf->bdf, "pasid_state"), "shown"))
		fail("%s: PASID is not shown", vf->bdf);
	vfio_close(&vf->v);
	return took;
}

static void repeat(struct side *vf, const char *name, const char *who,
		   long (*run)(struct side *vf))
{
	long samples[SAMPLES];
	char set[16];
	unsigned int i;

	/* The sample driver records calls until its record is full. */
	must(sample_calls_clear(), "clear", "calls");
	run(vf);
	for (i = 0; i < SAMPLES; i++) {
		samples[i] = run(vf);
		if (samples[i] < 0)
			fail("%s: %s failed", vf->bdf, name);
	}
	snprintf(set, sizeof(set), "%u", many.nr);
	print_samples(name, who, set, samples, SAMPLES);
}

/* All have their VF open, and then the last one opens and closes it. */
static void lock_with(unsigned int nr)
{
	unsigned int d, i;

	make_vfs(nr);
	for (d = 0; d < ARRAY_SIZE(drivers); d++) {
		const char *who = drivers[d][0];
		struct side *last = &many.vfs[nr - 1];

		fprintf(stderr, "bench: %u VFs with %s\n", nr, drivers[d][1]);
		bind_all(drivers[d][1]);
		for (i = 0; i < nr - 1; i++)
			open_vf(&many.vfs[i]);
		repeat(last, "open-close", who, open_close);
		if (!strcmp(drivers[d][1], OURS))
			repeat(last, "first-access", who, first_access);
		for (i = 0; i < nr - 1; i++)
			vfio_close(&many.vfs[i].v);
		unbind_all();
	}
}

static void measure_memory(unsigned int rounds)
{
	unsigned int round, turn, d;
	long before, took;

	make_vfs(MAX_VFS);
	for (round = 0; round <= rounds; round++)
		for (turn = 0; turn < ARRAY_SIZE(drivers); turn++) {
			d = (round ^ turn) & 1;
			before = kernel_bytes();
			bind_all(drivers[d][1]);
			took = (kernel_bytes() - before) / MAX_VFS;
			/* The first round fills what the kernel keeps. */
			if (round)
				print_samples("memory", drivers[d][0], "1000",
					      &took, 1);
			unbind_all();
		}
}

void many_vfs(unsigned int rounds)
{
	const struct rlimit files = { 4 * MAX_VFS, 4 * MAX_VFS };
	static const unsigned int counts[] = { 1, 10, 100, MAX_VFS };
	unsigned int i;
	int ret;

	must(setrlimit(RLIMIT_NOFILE, &files) ? -errno : 0, "setrlimit", "files");
	must(host_make_mock(many.pf), "load", "mock PF");
	ret = host_load("samples/vfcap/vfcap-sample-pf.ko", "");
	must(ret == -EEXIST ? 0 : ret, "load", SAMPLE);
	must(host_rebind(many.pf, SAMPLE), "bind", many.pf);
	setenv("VFCAP_PF", many.pf, 1);
	/* VFs of one IOMMU group have no PASIDs attached. */
	must(host_param("pasid", "on"), "parameter", "pasid");
	many.iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	must(many.iommufd < 0 ? -errno : 0, "open", "/dev/iommu");

	measure_memory(rounds);
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		lock_with(counts[i]);
}
