// SPDX-License-Identifier: GPL-2.0
/*
 * Write combining: alias regions over pages of a BAR, what the kernel's own list of
 * memory types has for them, and that nothing is left after they are removed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/vfio_vfcap.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/vfio.h"
#include "lib/vmd.h"

#define PAGE	4096UL
#define LINE	"cannot be write combining"
#define MAX	16

struct request {
	struct vfio_device_feature feature;
	struct vfcap_feature_write_combine wc;
	uint64_t surplus[2];
};

static int feature(struct vfio *v, void *arg)
{
	return ioctl(v->fd, VFIO_DEVICE_FEATURE, arg) ? -errno : 0;
}

static struct request request(uint32_t op)
{
	return (struct request) {
		.feature = {
			.argsz = offsetof(struct request, surplus),
			.flags = op | VFCAP_FEATURE_WRITE_COMBINE,
		},
	};
}

/* Returns the alias' index, or -errno */
static int create(struct vfio *v, unsigned int bar, uint64_t offset,
		  uint64_t size)
{
	struct request r = request(VFIO_DEVICE_FEATURE_GET);
	int ret;

	r.wc.region_index = bar;
	r.wc.offset = offset;
	r.wc.size = size;
	ret = feature(v, &r);
	return ret ?: (int)r.wc.alias_index;
}

static int destroy(struct vfio *v, int index)
{
	struct request r = request(VFIO_DEVICE_FEATURE_SET);

	r.wc.alias_index = index;
	return feature(v, &r);
}

static uint64_t region_offset(unsigned int index)
{
	return (uint64_t)index << 40;
}

/* Where an alias can be mapped; a default if it does not exist */
static uint64_t alias_offset(struct vfio *v, unsigned int index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	return ioctl(v->fd, VFIO_DEVICE_GET_REGION_INFO, &info) ?
	       region_offset(index) : info.offset;
}

/* Like mmap(), but returns -errno instead of MAP_FAILED */
static void *map(struct vfio *v, unsigned int index, uint64_t offset,
		 uint64_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd,
			alias_offset(v, index) + offset);

	return at == MAP_FAILED ? (void *)(long)-errno : at;
}

/* Unmap what a failed test has left, since the device could not be unbound otherwise. */
static void unmap_all(void)
{
	unsigned long from, to;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "vfio") &&
		    sscanf(line, "%lx-%lx", &from, &to) == 2)
			munmap((void *)from, to - from);
	if (f)
		fclose(f);
}

static int map_err(void *at)
{
	return (long)at < 0 ? (long)at : 0;
}

static uint32_t load(void *at)
{
	return __atomic_load_n((uint32_t *)at, __ATOMIC_RELAXED);
}

static void store(void *at, uint32_t value)
{
	__atomic_store_n((uint32_t *)at, value, __ATOMIC_RELAXED);
}

/* An access that may raise SIGBUS; each thread has its own place to return to. */
static __thread sigjmp_buf back;

static void on_sigbus(int sig)
{
	siglongjmp(back, 1);
}

static bool can_access(void *at)
{
	if (sigsetjmp(back, 1))
		return false;
	load(at);
	return true;
}

/* Whether a page was in the page tables already: the access took no fault */
static bool was_present(void *at)
{
	struct rusage before, after;

	if (getrusage(RUSAGE_THREAD, &before) || !can_access(at) ||
	    getrusage(RUSAGE_THREAD, &after))
		return false;
	return before.ru_minflt == after.ru_minflt;
}

/* The memory type that the CPU uses for a page */
static const char *mapped_type(void *at)
{
	static char name[32];
	int fd = open("/sys/kernel/debug/vfcap-memtype", O_RDONLY);
	ssize_t len = pread(fd, name, sizeof(name) - 1, (uintptr_t)at);

	close(fd);
	name[len < 0 ? 0 : len] = 0;
	return name;
}

static void catch_sigbus(void)
{
	signal(SIGBUS, on_sigbus);
}

static uint64_t bar_start(const char *bdf, unsigned int bar, uint64_t *size)
{
	unsigned long long first = 0, last = 0;
	char path[128], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", bdf);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!bar--) {
			if (sscanf(line, "%llx %llx", &first, &last) != 2)
				printf("# no range in %s\n", path);
			break;
		}
	if (f)
		fclose(f);
	*size = last + 1 - first;
	return first;
}

static void runs(const char *page, unsigned long pages, char *to, size_t size)
{
	char *end = to + size - 16;
	unsigned long i, run;

	*to = 0;
	for (i = 0; i < pages && to < end; i += run) {
		for (run = 1; i + run < pages && page[i + run] == page[i];)
			run++;
		to += sprintf(to, "%c%lu", page[i], run);
	}
}

/*
 * The memory type of each page of a range, according to the list that the x86 kernel
 * keeps: "-" uncached-minus, "w" write-combining, "." none, "!" anything else. Runs of a
 * type are abbreviated, as in ".1w2.13".
 */
#ifdef __x86_64__
#define HAS_LIST	true
#else
#define HAS_LIST	false
#endif

static const char *types(uint64_t start, uint64_t size)
{
	static char out[1024];
	unsigned long pages = size / PAGE, i;
	char *page = malloc(pages);
	unsigned long long from, end;
	char line[128], name[32];
	FILE *f;

	memset(page, '.', pages);
	f = fopen("/sys/kernel/debug/x86/pat_memtype_list", "r");
	while (f && fgets(line, sizeof(line), f)) {
		char type;

		if (sscanf(line, "PAT: [mem %llx-%llx] %31s", &from, &end,
			   name) != 3)
			continue;
		type = !strcmp(name, "write-combining") ? 'w' :
		       !strcmp(name, "uncached-minus") ? '-' : '!';
		for (i = 0; i < pages; i++) {
			uint64_t at = start + i * PAGE;

			if (at + PAGE <= from || at >= end)
				continue;
			page[i] = page[i] == '.' || page[i] == type ? type : '!';
		}
	}
	if (f)
		fclose(f);
	runs(page, pages, out, sizeof(out));
	free(page);
	return out;
}

/* A range whose pages have no type, except those that @text gives, starting with page @from */
static const char *only(uint64_t size, unsigned long from, const char *text)
{
	static char out[1024];
	unsigned long pages = size / PAGE, i;
	char *page = malloc(pages);

	memset(page, '.', pages);
	for (i = 0; text[i] && from + i < pages; i++)
		page[from + i] = text[i];
	runs(page, pages, out, sizeof(out));
	free(page);
	return out;
}

FIXTURE(wc) {
	struct vfio v;
	const char *bdf;
	uint64_t start, size;	/* of the BAR */
	uint64_t pages;
};

/* A BAR without an MSI-X table: one with registers, and one with memory */
FIXTURE_VARIANT(wc) {
	const char *vmd;
	unsigned int bar;
};

FIXTURE_VARIANT_ADD(wc, vf) {
	.bar = 0,
};

FIXTURE_VARIANT_ADD(wc, membar1) {
	.vmd = "9a0b", .bar = VMD_MEMBAR1,
};

FIXTURE_SETUP(wc)
{
	vfio_init(&self->v);
	if (!host_is_ready() || (variant->vmd && !vmd_is_ready()))
		SKIP(return, "needs the lab's VM, and x86 for a VMD");
	catch_sigbus();
	if (variant->vmd) {
		ASSERT_EQ(0, vmd_make(variant->vmd));
		ASSERT_EQ(0, vmd_unmap());
		self->bdf = vmd_bdf();
	} else {
		ASSERT_EQ(0, host_layout_default());
		self->bdf = host_vf();
	}
	if (strcmp(host_driver(self->bdf), OURS))
		ASSERT_EQ(0, host_rebind(self->bdf, OURS));
	self->start = bar_start(self->bdf, variant->bar, &self->size);
	self->pages = self->size / PAGE;
	ASSERT_LE(4, self->pages);
	host_log_clear();
	ASSERT_EQ(0, vfio_open(&self->v, self->bdf));
	ASSERT_EQ(0, vfio_set(&self->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
}

/* Whatever a test did, nothing of it must be left in the kernel's list. */
FIXTURE_TEARDOWN(wc)
{
	char expected[32];

	unmap_all();
	vfio_close(&self->v);
	snprintf(expected, sizeof(expected), ".%lu", (long)self->pages);
	if (HAS_LIST)
		EXPECT_STREQ(expected, types(self->start, self->size));
	if (variant->vmd)
		EXPECT_EQ(0, vmd_make("none"));
}

static ssize_t bar_read(struct vfio *v, unsigned int bar, uint64_t at, void *buf,
			size_t size)
{
	ssize_t ret = pread(v->fd, buf, size, region_offset(bar) + at);

	return ret < 0 ? -errno : ret;
}

static ssize_t bar_write(struct vfio *v, unsigned int bar, uint64_t at,
			 const void *buf, size_t size)
{
	ssize_t ret = pwrite(v->fd, buf, size, region_offset(bar) + at);

	return ret < 0 ? -errno : ret;
}

#define TYPES() types(self->start, self->size)

/* The types of an alias and of the pages next to it, starting with page @from */
#define EXPECT_TYPES(from, text) do {					\
	if (HAS_LIST)							\
		EXPECT_STREQ(only(self->size, from, text), TYPES());	\
} while (0)

/* As when core alone has mapped the BAR; 6.12 maps it at its first use. */
#define EXPECT_CORES() do {						\
	uint32_t _value;						\
	char _all[32];							\
									\
	EXPECT_EQ(4, bar_read(&self->v, variant->bar, 0, &_value, 4));	\
	snprintf(_all, sizeof(_all), "-%lu", (long)self->pages);	\
	if (HAS_LIST)							\
		EXPECT_STREQ(_all, TYPES());				\
} while (0)

TEST_F(wc, types)
{
	uint32_t value;
	void *at, *rest;
	int index;

	index = create(&self->v, variant->bar, PAGE, 2 * PAGE);
	ASSERT_LE(0x100, index);
	EXPECT_TYPES(0, "-ww-");
	at = map(&self->v, index, 0, 2 * PAGE);
	ASSERT_EQ(0, map_err(at));
	EXPECT_TRUE(can_access(at));
	EXPECT_TRUE(can_access(at + PAGE));
	rest = map(&self->v, variant->bar, 0, PAGE);
	ASSERT_EQ(0, map_err(rest));
	EXPECT_TRUE(can_access(rest));
	EXPECT_EQ(4, bar_read(&self->v, variant->bar, PAGE, &value, 4));
	EXPECT_TYPES(0, "-ww-");
	EXPECT_EQ(0, munmap(at, 2 * PAGE));
	EXPECT_TYPES(0, "-ww-");
	EXPECT_EQ(0, destroy(&self->v, index));
	EXPECT_CORES();
	EXPECT_TRUE(can_access(rest));
	EXPECT_EQ(0, munmap(rest, PAGE));
	EXPECT_EQ(0, host_log_count(self->bdf, LINE));
}

/* What counts in the end, on any architecture: the page tables' entries */
TEST_F(wc, mapped_types)
{
	void *at, *rest;
	int index;

	ASSERT_EQ(0, host_load("tools/testing/fixture/vfcap-memtype.ko", ""));
	index = create(&self->v, variant->bar, PAGE, 2 * PAGE);
	EXPECT_EQ(0x100, index);
	at = map(&self->v, index, 0, 2 * PAGE);
	rest = map(&self->v, variant->bar, 0, PAGE);
	EXPECT_EQ(0, map_err(at));
	EXPECT_EQ(0, map_err(rest));
	EXPECT_STREQ("none", mapped_type(at + PAGE));
	EXPECT_TRUE(can_access(at));
	EXPECT_TRUE(can_access(at + PAGE));
	EXPECT_TRUE(can_access(rest));
	EXPECT_STREQ("write-combining", mapped_type(at));
	EXPECT_STREQ("write-combining", mapped_type(at + PAGE));
	EXPECT_STREQ("uncached", mapped_type(rest));
	EXPECT_EQ(0, munmap(rest, PAGE));

	/* After removal the pages belong to the BAR, and are mapped as core does it. */
	EXPECT_EQ(0, destroy(&self->v, index));
	EXPECT_STREQ("none", mapped_type(at));
	rest = map(&self->v, variant->bar, 0, self->size);
	EXPECT_EQ(0, map_err(rest));
	EXPECT_TRUE(can_access(rest));
	EXPECT_TRUE(can_access(rest + PAGE));
	EXPECT_STREQ("uncached", mapped_type(rest));
	EXPECT_STREQ("uncached", mapped_type(rest + PAGE));
	EXPECT_EQ(0, host_unload("vfcap_memtype"));
}

TEST_F(wc, whole_bar_and_edges)
{
	char all[32];
	int index;

	index = create(&self->v, variant->bar, 0, self->size);
	ASSERT_LE(0x100, index);
	snprintf(all, sizeof(all), "w%lu", (long)self->pages);
	if (HAS_LIST)
		EXPECT_STREQ(all, TYPES());
	EXPECT_EQ(0, destroy(&self->v, index));
	EXPECT_CORES();
	index = create(&self->v, variant->bar, 0, PAGE);
	ASSERT_LE(0x100, index);
	EXPECT_TYPES(0, "w-");
	EXPECT_EQ(0, destroy(&self->v, index));
	index = create(&self->v, variant->bar, self->size - PAGE, PAGE);
	ASSERT_LE(0x100, index);
	EXPECT_TYPES(self->pages - 2, "-w");
	EXPECT_EQ(0, destroy(&self->v, index));
	EXPECT_CORES();
}

/* Remove in another order than that of creation; the pages in between are merged again. */
TEST_F(wc, several)
{
	int a, b, c;

	a = create(&self->v, variant->bar, 0, PAGE);
	b = create(&self->v, variant->bar, PAGE, PAGE);
	c = create(&self->v, variant->bar, 3 * PAGE, PAGE);
	EXPECT_EQ(0x100, a);
	EXPECT_EQ(0x101, b);
	EXPECT_EQ(0x102, c);
	EXPECT_EQ(-EEXIST, create(&self->v, variant->bar, 0, PAGE));
	EXPECT_EQ(-EEXIST, create(&self->v, variant->bar, PAGE, 2 * PAGE));
	EXPECT_EQ(-EEXIST, create(&self->v, variant->bar, 2 * PAGE, 2 * PAGE));
	EXPECT_EQ(-EEXIST, create(&self->v, variant->bar, 0, 4 * PAGE));
	EXPECT_TYPES(0, "ww-w-");
	EXPECT_EQ(0, destroy(&self->v, b));
	EXPECT_TYPES(0, "w--w-");
	EXPECT_EQ(-ENOENT, destroy(&self->v, b));
	EXPECT_EQ(0x101, create(&self->v, variant->bar, PAGE, 2 * PAGE));
	EXPECT_EQ(0, destroy(&self->v, a));
	EXPECT_EQ(0, destroy(&self->v, c));
	EXPECT_TYPES(0, "-ww-");
	EXPECT_EQ(0, destroy(&self->v, b));
	EXPECT_CORES();
}

TEST_F(wc, region_info)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	uint32_t value = 0;
	int index;

	index = create(&self->v, variant->bar, PAGE, 2 * PAGE);
	ASSERT_LE(0x100, index);
	info.index = index;
	ASSERT_EQ(0, ioctl(self->v.fd, VFIO_DEVICE_GET_REGION_INFO, &info));
	EXPECT_EQ(VFIO_REGION_INFO_FLAG_MMAP, info.flags);
	EXPECT_EQ(2 * PAGE, info.size);
	EXPECT_EQ(region_offset(10 + variant->bar) + PAGE, info.offset);
	EXPECT_EQ(0, info.cap_offset);
	EXPECT_EQ(sizeof(info), info.argsz);
	EXPECT_EQ(-EINVAL, bar_read(&self->v, index, 0, &value, 4));
	EXPECT_EQ(-EINVAL, bar_write(&self->v, index, 0, &value, 4));

	/* The BAR is reported as before. */
	info.index = variant->bar;
	ASSERT_EQ(0, ioctl(self->v.fd, VFIO_DEVICE_GET_REGION_INFO, &info));
	EXPECT_EQ(self->size, info.size);
	EXPECT_EQ(VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_READ |
		  VFIO_REGION_INFO_FLAG_WRITE, info.flags);

	EXPECT_EQ(0, destroy(&self->v, index));
	for (index = 0x100; index < 0x120; index++) {
		info.index = index;
		EXPECT_EQ(-1, ioctl(self->v.fd, VFIO_DEVICE_GET_REGION_INFO,
				    &info));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-EINVAL, map_err(map(&self->v, index, 0, PAGE)));
	}
}

TEST_F(wc, mapping)
{
	static const struct { uint64_t offset, size; int error; } maps[] = {
		{ 0, 2 * PAGE },
		{ 0, PAGE },
		{ PAGE, PAGE },
		{ 0, 3 * PAGE, -EINVAL },
		{ PAGE, 2 * PAGE, -EINVAL },
		{ 2 * PAGE, PAGE, -EINVAL },
		{ 1ULL << 39, PAGE, -EINVAL },
	};
	unsigned int i;
	void *at;
	int index;

	index = create(&self->v, variant->bar, PAGE, 2 * PAGE);
	ASSERT_LE(0x100, index);
	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		at = map(&self->v, index, maps[i].offset, maps[i].size);
		EXPECT_EQ(maps[i].error, map_err(at));
		if (!map_err(at)) {
			EXPECT_TRUE(can_access(at));
			munmap(at, maps[i].size);
		}
	}
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE,
				   self->v.fd, alias_offset(&self->v, index)));
	EXPECT_EQ(EINVAL, errno);
}

/* A page can be mapped either through its alias or through its BAR. */
TEST_F(wc, ordinary_mappings)
{
	void *at, *rest;
	int index, status;
	pid_t child;

	/* Whether or not it was accessed */
	at = map(&self->v, variant->bar, 0, 2 * PAGE);
	ASSERT_EQ(0, map_err(at));
	EXPECT_EQ(-EBUSY, create(&self->v, variant->bar, PAGE, PAGE));
	EXPECT_TRUE(can_access(at));
	EXPECT_TRUE(can_access(at + PAGE));
	EXPECT_EQ(-EBUSY, create(&self->v, variant->bar, PAGE, PAGE));
	EXPECT_EQ(-EBUSY, create(&self->v, variant->bar, 0, self->size));

	/* Only what is mapped matters, and only for as long as it is mapped. */
	index = create(&self->v, variant->bar, 2 * PAGE, PAGE);
	EXPECT_EQ(0x100, index);
	EXPECT_TRUE(can_access(at + PAGE));
	EXPECT_EQ(0, munmap(at + PAGE, PAGE));
	EXPECT_EQ(0x101, create(&self->v, variant->bar, PAGE, PAGE));
	EXPECT_TRUE(can_access(at));
	EXPECT_EQ(0, destroy(&self->v, 0x101));

	/* A mapping in another process counts as well. */
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	munmap(at, PAGE);
	EXPECT_EQ(-EBUSY, create(&self->v, variant->bar, 0, PAGE));
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	EXPECT_EQ(0x101, create(&self->v, variant->bar, 0, PAGE));
	EXPECT_EQ(0, destroy(&self->v, 0x101));

	/* And the other way round */
	EXPECT_EQ(-EBUSY, map_err(map(&self->v, variant->bar, 2 * PAGE, PAGE)));
	EXPECT_EQ(-EBUSY, map_err(map(&self->v, variant->bar, 0, self->size)));
	rest = map(&self->v, variant->bar, 3 * PAGE, PAGE);
	ASSERT_EQ(0, map_err(rest));
	EXPECT_TRUE(can_access(rest));
	EXPECT_EQ(0, destroy(&self->v, index));
	EXPECT_TRUE(can_access(rest));
	at = map(&self->v, variant->bar, 0, self->size);
	ASSERT_EQ(0, map_err(at));
	EXPECT_TRUE(can_access(at + 2 * PAGE));
	munmap(rest, PAGE);
	munmap(at, self->size);
}

TEST_F(wc, removal)
{
	void *at, *ordinary;
	int index;

	index = create(&self->v, variant->bar, PAGE, PAGE);
	ASSERT_EQ(0x100, index);
	at = map(&self->v, index, 0, PAGE);
	ASSERT_EQ(0, map_err(at));
	EXPECT_TRUE(can_access(at));
	EXPECT_EQ(0, destroy(&self->v, index));
	EXPECT_FALSE(can_access(at));
	EXPECT_CORES();
	EXPECT_EQ(-EINVAL, map_err(map(&self->v, index, 0, PAGE)));
	EXPECT_EQ(-ENOENT, destroy(&self->v, index));

	/* The pages belong to the BAR again, in spite of the mapping that is left. */
	ordinary = map(&self->v, variant->bar, 0, self->size);
	ASSERT_EQ(0, map_err(ordinary));
	EXPECT_TRUE(can_access(ordinary + PAGE));
	EXPECT_FALSE(can_access(at));
	munmap(ordinary, self->size);
	EXPECT_EQ(-EBUSY, create(&self->v, variant->bar, PAGE, PAGE));
	munmap(at, PAGE);
	EXPECT_EQ(index, create(&self->v, variant->bar, PAGE, PAGE));
	/* This one is left for the close. */
}

TEST_F(wc, close)
{
	uint32_t value;
	void *at;

	ASSERT_EQ(0x100, create(&self->v, variant->bar, PAGE, PAGE));
	ASSERT_EQ(0x101, create(&self->v, variant->bar, 3 * PAGE, PAGE));
	vfio_close(&self->v);
	EXPECT_TYPES(0, "");
	ASSERT_EQ(0, vfio_open(&self->v, self->bdf));
	ASSERT_EQ(0, vfio_set(&self->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
	EXPECT_EQ(-ENOENT, destroy(&self->v, 0x100));
	EXPECT_EQ(4, bar_read(&self->v, variant->bar, PAGE, &value, 4));
	at = map(&self->v, variant->bar, 0, self->size);
	ASSERT_EQ(0, map_err(at));
	EXPECT_TRUE(can_access(at + PAGE));
	munmap(at, self->size);
	EXPECT_CORES();

	/* A mapping keeps the device open. */
	ASSERT_EQ(0x100, create(&self->v, variant->bar, PAGE, PAGE));
	at = map(&self->v, 0x100, 0, PAGE);
	ASSERT_EQ(0, map_err(at));
	vfio_close(&self->v);
	EXPECT_TRUE(can_access(at));
	EXPECT_TYPES(0, "-w-");
	munmap(at, PAGE);
}

TEST_F(wc, reset)
{
	uint32_t value;
	void *at;

	ASSERT_EQ(0x100, create(&self->v, variant->bar, PAGE, PAGE));
	at = map(&self->v, 0x100, 0, PAGE);
	ASSERT_EQ(0, map_err(at));
	EXPECT_TRUE(can_access(at));
	EXPECT_TRUE(was_present(at));
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_FALSE(was_present(at));
	EXPECT_TRUE(can_access(at));
	EXPECT_TYPES(0, "-w-");

	/* VFs have no Memory Space Enable of their own. */
	if (variant->vmd) {
		ASSERT_EQ(0, vfio_set(&self->v, PCI_COMMAND, 2, 0));
		EXPECT_FALSE(can_access(at));
		EXPECT_EQ(-EIO, bar_read(&self->v, variant->bar, PAGE, &value, 4));
		EXPECT_EQ(-EIO, bar_read(&self->v, variant->bar, 0, &value, 4));
		ASSERT_EQ(0, vfio_set(&self->v, PCI_COMMAND, 2,
				      PCI_COMMAND_MEMORY));
		EXPECT_TRUE(can_access(at));
		ASSERT_EQ(0, vfio_set(&self->v, VMD_PM + PCI_PM_CTRL, 2, 3));
		EXPECT_FALSE(can_access(at));
		ASSERT_EQ(0, vfio_set(&self->v, VMD_PM + PCI_PM_CTRL, 2, 0));
		EXPECT_TRUE(can_access(at));
	}
	munmap(at, PAGE);
}

/* Receive Descriptor Base Address Low of the VF, from which a written value can be read back */
#define VF_RDBAL	0x2800

TEST_F(wc, writes_arrive)
{
	uint64_t reg = variant->vmd ? 2 * PAGE + 0x40 : VF_RDBAL;
	uint32_t value;
	void *at;
	int index;

	index = create(&self->v, variant->bar, reg & ~(PAGE - 1), PAGE);
	ASSERT_EQ(0x100, index);
	at = map(&self->v, index, 0, PAGE);
	ASSERT_EQ(0, map_err(at));
	store(at + reg % PAGE, 0x1234500);
	__sync_synchronize();
	EXPECT_EQ(4, bar_read(&self->v, variant->bar, reg, &value, 4));
	EXPECT_EQ(0x1234500, value);
	value = 0xabcde00;
	EXPECT_EQ(4, bar_write(&self->v, variant->bar, reg, &value, 4));
	EXPECT_EQ(0xabcde00, load(at + reg % PAGE));
	if (variant->vmd) {
		EXPECT_EQ(0, vmd_memory_read(variant->bar, reg, &value, 4));
		EXPECT_EQ(0xabcde00, value);
	}
	munmap(at, PAGE);
}

/* read() and write() of a BAR in pieces, compared with the memory behind it */
TEST_F(wc, read_and_write)
{
	static uint8_t model[6 * PAGE], seen[6 * PAGE], buf[40];
	uint64_t edge, at, i;
	unsigned int size;
	int aliases;

	/* A VF's registers do not behave like memory. */
	if (!variant->vmd)
		return;
	for (i = 0; i < sizeof(model); i++)
		model[i] = i * 7 + (i >> 8);
	ASSERT_EQ(0, vmd_memory_write(variant->bar, 0, model, sizeof(model)));
	for (aliases = 0; aliases < 2; aliases++)
		ASSERT_EQ(0x100 + aliases,
			  create(&self->v, variant->bar, (1 + 2 * aliases) * PAGE,
				 PAGE));

	ASSERT_EQ((ssize_t)sizeof(seen),
		  bar_read(&self->v, variant->bar, 0, seen, sizeof(seen)));
	EXPECT_EQ(0, memcmp(seen, model, sizeof(seen)));
	for (edge = PAGE; edge <= 4 * PAGE; edge += PAGE)
		for (at = edge - 16; at < edge + 8; at++)
			for (size = 1; size <= sizeof(buf); size += 3) {
				for (i = 0; i < size; i++)
					buf[i] = at + size + i * 5;
				memcpy(model + at, buf, size);
				ASSERT_EQ((ssize_t)size,
					  bar_write(&self->v, variant->bar, at,
						    buf, size));
				ASSERT_EQ((ssize_t)size,
					  bar_read(&self->v, variant->bar, at,
						   seen, size));
				ASSERT_EQ(0, memcmp(seen, buf, size));
			}
	ASSERT_EQ(0, vmd_memory_read(variant->bar, 0, seen, sizeof(seen)));
	EXPECT_EQ(0, memcmp(seen, model, sizeof(seen)));

	/* The ends of the BAR, and invalid pointers */
	EXPECT_EQ(8, bar_read(&self->v, variant->bar, self->size - 8, buf, 40));
	EXPECT_EQ(-EINVAL, bar_read(&self->v, variant->bar, self->size, buf, 4));
	EXPECT_EQ(-EINVAL, bar_write(&self->v, variant->bar, self->size, buf, 4));
	EXPECT_EQ(0, bar_read(&self->v, variant->bar, PAGE, buf, 0));
	EXPECT_EQ(-EFAULT, bar_read(&self->v, variant->bar, PAGE, vfio_nowhere(), 4));
	EXPECT_EQ(-EFAULT, bar_write(&self->v, variant->bar, PAGE - 4, vfio_nowhere(), 8));
}

static int set_ioeventfd(struct vfio *v, unsigned int bar, uint64_t at, int fd)
{
	struct vfio_device_ioeventfd arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = region_offset(bar) + at,
		.data = 0x77,
		.fd = fd,
	};

	return ioctl(v->fd, VFIO_DEVICE_IOEVENTFD, &arg) ? -errno : 0;
}

TEST_F(wc, ioeventfd)
{
	uint64_t one = 1;
	uint32_t seen = 0;
	int fd, index, i;

	fd = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_ioeventfd(&self->v, variant->bar, VF_RDBAL, fd));
	EXPECT_EQ(-EBUSY, create(&self->v, variant->bar, PAGE, PAGE));
	ASSERT_EQ(0, set_ioeventfd(&self->v, variant->bar, VF_RDBAL, -1));

	index = create(&self->v, variant->bar, PAGE, PAGE);
	ASSERT_EQ(0x100, index);
	EXPECT_EQ(-EBUSY, set_ioeventfd(&self->v, variant->bar, VF_RDBAL, fd));
	EXPECT_EQ(-EBUSY, set_ioeventfd(&self->v, variant->bar, VF_RDBAL, -1));
	EXPECT_EQ(0, destroy(&self->v, index));

	ASSERT_EQ(0, set_ioeventfd(&self->v, variant->bar, VF_RDBAL, fd));
	if (variant->vmd) {
		ASSERT_EQ(8, write(fd, &one, 8));
		for (i = 0; i < 1000 && seen != 0x77; i++) {
			usleep(1000);
			ASSERT_EQ(0, vmd_memory_read(variant->bar, VF_RDBAL,
						     &seen, 4));
		}
		EXPECT_EQ(0x77, seen);
	}
	ASSERT_EQ(0, set_ioeventfd(&self->v, variant->bar, VF_RDBAL, -1));
	close(fd);
}

/* Invalid ranges, and regions that are not BARs */
TEST_F(wc, ranges)
{
	struct { uint64_t offset, size; } ranges[] = {
		{ 0, 0 }, { PAGE, 0 },
		{ 1, PAGE }, { PAGE / 2, PAGE }, { 0, PAGE / 2 },
		{ 0, PAGE + 1 }, { PAGE, 2 * PAGE - 8 },
		{ 0, self->size + PAGE }, { self->size, PAGE },
		{ self->size - PAGE, 2 * PAGE }, { PAGE, self->size },
		{ PAGE, -PAGE }, { -PAGE, PAGE }, { -PAGE, 2 * PAGE },
		{ 0, -PAGE }, { 1ULL << 40, PAGE }, { 0, 1ULL << 40 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		uint64_t offset = ranges[i].offset, size = ranges[i].size;

		EXPECT_EQ(-EINVAL, create(&self->v, variant->bar, offset, size)) {
			TH_LOG("%#llx bytes at %#llx", (long long)size,
			       (long long)offset);
		}
	}
	/* The upper half of a BAR, a BAR that does not exist, the ROM, config space */
	for (i = 0; i < 16; i++)
		if (i != 0 && i != 2 && i != 3 && i != 4)
			EXPECT_EQ(-EINVAL, create(&self->v, i, 0, PAGE));
	EXPECT_EQ(-EINVAL, create(&self->v, 0x100, 0, PAGE));
	EXPECT_EQ(-EINVAL, create(&self->v, ~0U, 0, PAGE));
	EXPECT_EQ(0, host_log_count(self->bdf, LINE));
	EXPECT_CORES();
}

/* Bad arguments: nothing changes, and the documented error is returned. */
TEST_F(wc, arguments)
{
	static const struct {
		uint32_t argsz, flags;
		struct vfcap_feature_write_combine wc;
		uint64_t surplus[2];
		int error;
	} calls[] = {
#define WHOLE	offsetof(struct request, surplus)
#define GET	VFIO_DEVICE_FEATURE_GET
#define SET	VFIO_DEVICE_FEATURE_SET
#define PROBE	VFIO_DEVICE_FEATURE_PROBE
		{ 0, GET, .error = -EINVAL },
		{ 8, GET, .error = -EINVAL },
		{ WHOLE - 1, GET, .error = -EINVAL },
		{ WHOLE - 1, SET, .error = -EINVAL },
		{ WHOLE, 0, .error = -EINVAL },
		{ WHOLE, GET | SET, .error = -EINVAL },
		{ WHOLE, GET | 1U << 30, .error = -EINVAL },
		{ WHOLE, GET, { .flags = 1 }, .error = -EINVAL },
		{ WHOLE, GET, { .flags = 1U << 31 }, .error = -EINVAL },
		{ WHOLE, GET, { .reserved = 1 }, .error = -EINVAL },
		{ WHOLE, SET, { .flags = 1 }, .error = -EINVAL },
		{ WHOLE, SET, { .reserved = 1 }, .error = -EINVAL },
		{ WHOLE + 8, GET, .surplus = { 1 }, .error = -E2BIG },
		{ WHOLE + 1, GET, .surplus = { 1 }, .error = -E2BIG },
		{ WHOLE + 16, GET, .surplus = { 0, 1ULL << 63 },
		  .error = -E2BIG },
		{ WHOLE + 16, SET, .surplus = { 0, 1 }, .error = -E2BIG },
		{ WHOLE, SET, { .alias_index = 0 }, .error = -ENOENT },
		{ WHOLE, SET, { .alias_index = 0xff }, .error = -ENOENT },
		{ WHOLE, SET, { .alias_index = 0x100 }, .error = -ENOENT },
		{ WHOLE, SET, { .alias_index = ~0U }, .error = -ENOENT },
		{ WHOLE, PROBE },
		{ 8, PROBE | GET },
		{ 8, PROBE | SET },
		{ 8, PROBE | GET | SET },
	};
	struct request r;
	unsigned int i;
	char *page;
	int ret;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		memset(&r, 0, sizeof(r));
		r.feature.argsz = calls[i].argsz;
		r.feature.flags = calls[i].flags | VFCAP_FEATURE_WRITE_COMBINE;
		r.wc = calls[i].wc;
		memcpy(r.surplus, calls[i].surplus, sizeof(r.surplus));
		/* Everything else in the argument is valid. */
		if (!r.wc.alias_index) {
			r.wc.region_index = variant->bar;
			r.wc.size = PAGE;
		}
		EXPECT_EQ(calls[i].error, feature(&self->v, &r)) {
			TH_LOG("call %u", i);
		}
	}
	EXPECT_CORES();

	/* Surplus bytes that are zero are fine. */
	r = request(GET);
	r.feature.argsz += 16;
	r.wc.region_index = variant->bar;
	r.wc.size = PAGE;
	r.wc.alias_index = 12345;
	EXPECT_EQ(0, feature(&self->v, &r));
	EXPECT_EQ(0x100, r.wc.alias_index);
	r.feature.flags = SET | VFCAP_FEATURE_WRITE_COMBINE;
	EXPECT_EQ(0, feature(&self->v, &r));

	/* Memory that ends after the header; memory that cannot be written */
	EXPECT_EQ(-EFAULT, feature(&self->v, NULL));
	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	r.feature.flags = GET | VFCAP_FEATURE_WRITE_COMBINE;
	munmap(page + PAGE, PAGE);
	memcpy(page + PAGE - sizeof(r.feature), &r, sizeof(r.feature));
	EXPECT_EQ(-EFAULT, feature(&self->v, page + PAGE - sizeof(r.feature)));
	memcpy(page + PAGE - WHOLE, &r, WHOLE);
	EXPECT_EQ(-EFAULT, feature(&self->v, page + PAGE - WHOLE));
	memcpy(page, &r, sizeof(r));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, feature(&self->v, page));
	munmap(page, PAGE);
	EXPECT_CORES();

	ret = create(&self->v, variant->bar, 0, PAGE);
	EXPECT_EQ(0x100, ret);
}

TEST_F(wc, limit)
{
	uint64_t i;

	if (self->pages < 2 * MAX + 1)
		return;
	for (i = 0; i < MAX; i++)
		ASSERT_EQ(0x100 + i, create(&self->v, variant->bar,
					    (2 * i + 1) * PAGE, PAGE));
	EXPECT_EQ(-ENOSPC, create(&self->v, variant->bar, 2 * MAX * PAGE, PAGE));
	for (i = 0; i < MAX; i++)
		EXPECT_EQ(0, destroy(&self->v, 0x100 + (i * 5 + 3) % MAX));
	EXPECT_CORES();
	for (i = 0; i < MAX; i++)
		EXPECT_EQ(0x100 + i, create(&self->v, variant->bar, i * PAGE,
					    PAGE));
	EXPECT_TYPES(0, "wwwwwwwwwwwwwwww-");
}

static struct vfio *race_v;
static unsigned int race_bar;
static bool race_over;

static bool race_is_over(void)
{
	return __atomic_load_n(&race_over, __ATOMIC_RELAXED);
}

static void *race_create(void *arg)
{
	unsigned int seed = (long)arg;
	int index;

	while (!race_is_over()) {
		index = create(race_v, race_bar, rand_r(&seed) % 4 * PAGE,
			       (rand_r(&seed) % 3 + 1) * PAGE);
		if (rand_r(&seed) % 2)
			destroy(race_v, index);
		else
			destroy(race_v, 0x100 + rand_r(&seed) % 4);
	}
	return NULL;
}

static void *race_access(void *arg)
{
	unsigned int seed = (long)arg;
	uint64_t value[600];

	while (!race_is_over()) {
		uint64_t at = rand_r(&seed) % 2 * 0x2800;
		ssize_t ret = bar_read(race_v, race_bar, at, value,
				       rand_r(&seed) % sizeof(value) + 1);

		if (ret > 0 && at && ret >= 4)
			bar_write(race_v, race_bar, at, value, 4);
	}
	return NULL;
}

static void *race_map(void *arg)
{
	unsigned int seed = (long)arg, i;

	while (!race_is_over()) {
		unsigned int index = rand_r(&seed) % 2 ? race_bar :
				     0x100 + rand_r(&seed) % 4;
		uint64_t size = (rand_r(&seed) % 4 + 1) * PAGE;
		void *at = map(race_v, index, 0, size);

		if (map_err(at))
			continue;
		for (i = 0; i < 8; i++)
			can_access(at + rand_r(&seed) % (size / PAGE) * PAGE);
		munmap(at, size);
	}
	return NULL;
}

static void *race_other(void *arg)
{
	unsigned int seed = (long)arg;
	int fd = eventfd(0, EFD_NONBLOCK);

	while (!race_is_over()) {
		struct vfio_region_info info = {
			.argsz = sizeof(info),
			.index = 0x100 + rand_r(&seed) % 4,
		};

		ioctl(race_v->fd, VFIO_DEVICE_GET_REGION_INFO, &info);
		if (!set_ioeventfd(race_v, race_bar, VF_RDBAL, fd))
			set_ioeventfd(race_v, race_bar, VF_RDBAL, -1);
		vfio_set(race_v, PCI_COMMAND, 2, 0);
		vfio_set(race_v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		if (!(rand_r(&seed) % 64))
			vfio_reset(race_v);
		if (!(rand_r(&seed) % 64) && !fork())
			_exit(can_access(&info.index));
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	close(fd);
	return NULL;
}

TEST_F_TIMEOUT(wc, race, 120)
{
	static void *(* const what[])(void *) = {
		race_create, race_create, race_access, race_access, race_map,
		race_map, race_other,
	};
	pthread_t thread[ARRAY_SIZE(what)];
	unsigned long i;

	race_v = &self->v;
	race_bar = variant->bar;
	race_over = false;
	for (i = 0; i < ARRAY_SIZE(what); i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, what[i],
					    (void *)(i + 1)));
	sleep(8);
	__atomic_store_n(&race_over, true, __ATOMIC_RELAXED);
	for (i = 0; i < ARRAY_SIZE(what); i++)
		ASSERT_EQ(0, pthread_join(thread[i], NULL));

	for (i = 0x100; i < 0x100 + MAX; i++)
		destroy(&self->v, i);
	ASSERT_EQ(0, vfio_set(&self->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
	EXPECT_CORES();
	EXPECT_EQ(0x100, create(&self->v, variant->bar, PAGE, PAGE));
	EXPECT_TYPES(0, "-w-");
}

/* Refusals, each logged once per session, and tests that need a particular kind of BAR */
FIXTURE(wc_other) {
	struct vfio v;
};

FIXTURE_SETUP(wc_other)
{
	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	catch_sigbus();
	host_log_clear();
}

FIXTURE_TEARDOWN(wc_other)
{
	unmap_all();
	vfio_close(&self->v);
	if (vmd_is_ready())
		EXPECT_EQ(0, vmd_make("none"));
}

static void other_open(struct __test_metadata *_metadata, struct vfio *v,
		       const char *bdf)
{
	if (strcmp(host_driver(bdf), OURS))
		ASSERT_EQ(0, host_rebind(bdf, OURS));
	ASSERT_EQ(0, vfio_open(v, bdf));
	ASSERT_EQ(0, vfio_set(v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
}

/*
 * The VF has the MSI-X table in the first of four pages, and the Pending Bit Array in the
 * third.
 */
TEST_F(wc_other, msix)
{
	uint32_t table, value = 0x5a5a5a5a;
	void *at;
	int i;

	ASSERT_EQ(0, host_layout_default());
	for (i = 1; i < 3; i++) {
		other_open(_metadata, &self->v, host_vf());
		EXPECT_EQ(-EOPNOTSUPP, create(&self->v, 3, 0, PAGE));
		EXPECT_EQ(-EOPNOTSUPP, create(&self->v, 3, 0, 4 * PAGE));
		EXPECT_EQ(-EOPNOTSUPP, create(&self->v, 3, 2 * PAGE, PAGE));
		EXPECT_EQ(-EOPNOTSUPP, create(&self->v, 3, PAGE, 2 * PAGE));
		EXPECT_EQ(-EINVAL, create(&self->v, 3, 1, PAGE));
		EXPECT_EQ(i, host_log_count(host_vf(),
					    "BAR 3 " LINE ": the pages contain the MSI-X table"));
		EXPECT_EQ(i, host_log_count(host_vf(), LINE));

		EXPECT_EQ(0x100, create(&self->v, 3, PAGE, PAGE));
		EXPECT_EQ(0x101, create(&self->v, 3, 3 * PAGE, PAGE));
		at = map(&self->v, 0x100, 0, PAGE);
		ASSERT_EQ(0, map_err(at));
		EXPECT_TRUE(can_access(at));
		munmap(at, PAGE);
		/* The table cannot be accessed through the file, as usual. */
		EXPECT_EQ(4, bar_write(&self->v, 3, 8, &value, 4));
		EXPECT_EQ(4, bar_read(&self->v, 3, 8, &table, 4));
		EXPECT_EQ(~0U, table);
		EXPECT_EQ(4, bar_read(&self->v, 3, PAGE, &table, 4));
		vfio_close(&self->v);
	}
}

/*
 * mmap() as a 32-bit program calls it; returns -errno on failure. This kernel may not
 * support 32-bit programs.
 */
static long map_32bit(int fd, uint64_t offset)
{
#ifdef __x86_64__
	register uint32_t page asm("r12") = offset / PAGE;
	long ret;

	if (offset / PAGE > ~0U)
		return -EOVERFLOW;
	/* The sixth argument goes into the register that the compiler uses for its frame. */
	asm volatile("lea -128(%%rsp), %%rsp\n\t"
		     "push %%rbp\n\t"
		     "mov %%r12d, %%ebp\n\t"
		     "int $0x80\n\t"
		     "pop %%rbp\n\t"
		     "lea 128(%%rsp), %%rsp"
		     : "=a" (ret)
		     : "a" (192), "b" (0), "c" (PAGE), "d" (PROT_READ | PROT_WRITE),
		       "S" (MAP_SHARED), "D" (fd), "r" (page)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret < 0 && (int)ret > -4096 ? (int)ret : (long)(uint32_t)ret;
#else
	return -EOPNOTSUPP;
#endif
}

TEST_F(wc_other, from_32bit)
{
	uint32_t value = 0x12345678, seen = 0;
	uint64_t offset;
	int status;
	pid_t child;
	long at;

	if (!vmd_is_ready())
		SKIP(return, "needs a VMD, which are x86's");
	ASSERT_EQ(0, vmd_make("a77f"));
	ASSERT_EQ(0, vmd_unmap());
	other_open(_metadata, &self->v, vmd_bdf());
	ASSERT_EQ(0x100, create(&self->v, VMD_MEMBAR1, PAGE, PAGE));
	ASSERT_EQ(0x101, create(&self->v, VMD_MEMBAR2, 3 * PAGE, PAGE));
	offset = alias_offset(&self->v, 0x101);
	child = fork();
	if (!child) {
		at = map_32bit(self->v.fd, offset);
		if (at > 0)
			store((void *)at, value);
		_exit(at > 0 ? 0 : -at);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	if (WIFSIGNALED(status))
		SKIP(return, "this kernel runs no 32-bit programs");
	ASSERT_EQ(0, WEXITSTATUS(status));
	ASSERT_EQ(0, vmd_memory_read(VMD_MEMBAR2, 3 * PAGE, &seen, 4));
	EXPECT_EQ(value, seen);
}

/* KiB of page tables, which include the kernel's own since 6.16 */
static long page_tables_kb(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	long kb = -1;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "PageTables: %ld kB", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

/* Whatever is done with aliases, the kernel does not end up with more page tables. */
TEST_F_TIMEOUT(wc_other, memory, 300)
{
	uint64_t start, size, i;
	uint32_t value;
	long before = 0;

	if (!vmd_is_ready())
		SKIP(return, "needs a VMD, which are x86's");
	ASSERT_EQ(0, vmd_make("a77f"));
	ASSERT_EQ(0, vmd_unmap());
	start = bar_start(vmd_bdf(), VMD_CFGBAR, &size);
	ASSERT_NE(0, start);
	other_open(_metadata, &self->v, vmd_bdf());
	for (i = 0; i < 500; i++) {
		if (i == 100)
			before = page_tables_kb();
		ASSERT_EQ(0x100, create(&self->v, VMD_CFGBAR,
					(i + 1) * PAGE % size, PAGE));
		ASSERT_EQ(4, bar_read(&self->v, VMD_CFGBAR, i * 3 * PAGE % size,
				      &value, 4));
		ASSERT_EQ(0, destroy(&self->v, 0x100));
	}
	/* One page each time would be 1,600 KiB; other processes have page tables, too. */
	i = page_tables_kb() - before;
	TH_LOG("%ld KiB", (long)i);
	EXPECT_GE(256, (long)i);
}

/* The mock's own mapping decides the type, and nothing changes. */
TEST_F(wc_other, mapped_by_kernel)
{
	uint8_t model[64], seen[64];
	uint64_t start, size;
	void *at;

	if (!vmd_is_ready())
		SKIP(return, "needs a VMD, which are x86's");
	ASSERT_EQ(0, vmd_make("a77f"));
	start = bar_start(vmd_bdf(), VMD_MEMBAR1, &size);
	memset(model, 0x5a, sizeof(model));
	ASSERT_EQ(0, vmd_memory_write(VMD_MEMBAR1, PAGE - 32, model, 64));
	other_open(_metadata, &self->v, vmd_bdf());
	EXPECT_STREQ("-8192", types(start, size));
	EXPECT_EQ(-EOPNOTSUPP, create(&self->v, VMD_MEMBAR1, PAGE, PAGE));
	EXPECT_EQ(-EOPNOTSUPP, create(&self->v, VMD_MEMBAR1, 0, size));
	EXPECT_EQ(1, host_log_count(vmd_bdf(),
				    "BAR 2 " LINE ": another mapping"));
	EXPECT_STREQ("-8192", types(start, size));
	EXPECT_EQ(64, bar_read(&self->v, VMD_MEMBAR1, PAGE - 32, seen, 64));
	EXPECT_EQ(0, memcmp(seen, model, 64));
	at = map(&self->v, VMD_MEMBAR1, 0, size);
	ASSERT_EQ(0, map_err(at));
	EXPECT_TRUE(can_access(at + PAGE));
	munmap(at, size);
	EXPECT_EQ(-ENOENT, destroy(&self->v, 0x100));

	/* Nothing of the refusal is remembered. */
	ASSERT_EQ(0, vmd_unmap());
	EXPECT_EQ(0x100, create(&self->v, VMD_MEMBAR1, PAGE, PAGE));
	EXPECT_STREQ("-1w1-1.8189", types(start, size));
}

/* All pages of a BAR that is mapped with large pages, in as few mappings as possible */
TEST_F(wc_other, large_pages)
{
	uint64_t start, size, half, i;
	void *low, *high;
	uint32_t value;

	if (!vmd_is_ready())
		SKIP(return, "needs a VMD, which are x86's");
	ASSERT_EQ(0, vmd_make("a77f"));
	ASSERT_EQ(0, vmd_unmap());
	start = bar_start(vmd_bdf(), VMD_CFGBAR, &size);
	half = size / 2;
	ASSERT_EQ(0, start % half);
	other_open(_metadata, &self->v, vmd_bdf());
	ASSERT_EQ(0x100, create(&self->v, VMD_CFGBAR, half, half));
	low = map(&self->v, VMD_CFGBAR, 0, half);
	high = map(&self->v, 0x100, 0, half);
	ASSERT_EQ(0, map_err(low));
	ASSERT_EQ(0, map_err(high));
	for (i = 0; i < half; i += PAGE) {
		store(low + i, i);
		store(high + i, i + half);
	}
	__sync_synchronize();
	for (i = 0; i < size; i += 16 * PAGE) {
		ASSERT_EQ(0, vmd_memory_read(VMD_CFGBAR, i, &value, 4));
		ASSERT_EQ(i, value);
	}
	EXPECT_EQ(0, destroy(&self->v, 0x100));
	for (i = 0; i < half; i += 16 * PAGE) {
		ASSERT_TRUE(can_access(low + i));
		ASSERT_FALSE(can_access(high + i));
	}
	munmap(low, half);
	munmap(high, half);
}

/* Emulated pages, in a BAR without an MSI-X table */
TEST_F(wc_other, trapped)
{
	uint32_t beside = 0x11223344;
	uint64_t reg = 0;
	uint64_t start, size;
	void *at;

	if (!vmd_is_ready())
		SKIP(return, "needs a VMD, which are x86's");
	ASSERT_EQ(0, vmd_make("28c0"));
	ASSERT_EQ(0, vmd_config("84 0\n88 1000\n"));
	ASSERT_EQ(0, vmd_unmap());
	start = bar_start(vmd_bdf(), VMD_MEMBAR2, &size);
	other_open(_metadata, &self->v, vmd_bdf());
	EXPECT_EQ(-EINVAL, create(&self->v, VMD_MEMBAR2, 2 * PAGE, PAGE));
	EXPECT_EQ(-EINVAL, create(&self->v, VMD_MEMBAR2, PAGE, 2 * PAGE));
	EXPECT_EQ(-EINVAL, create(&self->v, VMD_MEMBAR2, 0, size));
	EXPECT_EQ(0x100, create(&self->v, VMD_MEMBAR2, PAGE, PAGE));
	EXPECT_EQ(0x101, create(&self->v, VMD_MEMBAR2, 3 * PAGE, PAGE));
	EXPECT_STREQ("-1w1-1w1-1.251", types(start, size));
	EXPECT_EQ(8, bar_read(&self->v, VMD_MEMBAR2, VMD_SHADOW, &reg, 8));
	EXPECT_EQ(vmd_bar(VMD_MEMBAR1), reg);
	EXPECT_EQ(-EINVAL, map_err(map(&self->v, VMD_MEMBAR2, 2 * PAGE, PAGE)));
	EXPECT_EQ(-EOPNOTSUPP, create(&self->v, VMD_CFGBAR, 0, PAGE));
	at = map(&self->v, 0x101, 0, PAGE);
	ASSERT_EQ(0, map_err(at));
	store(at, beside);
	__sync_synchronize();
	EXPECT_EQ(0, vmd_memory_read(VMD_MEMBAR2, 3 * PAGE, &reg, 4));
	EXPECT_EQ(beside, (uint32_t)reg);
	munmap(at, PAGE);
}

TEST_HARNESS_MAIN
