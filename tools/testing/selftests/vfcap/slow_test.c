// SPDX-License-Identifier: GPL-2.0
/*
 * A user that never provides a page of its own memory for which the kernel waits in a
 * call of this user: others can still use the device or at least be killed, and what the
 * PF loses is taken away from the VF.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/userfaultfd.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/feature.h"
#include "lib/fuse.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define PAGE	4096UL
#define PASID	5
#define BAR	0
/* Indices that an alias may have */
#define ALIAS_FIRST	0x100
#define ALIAS_LAST	0x10f

/* Where the kernel waits for a page that a process, or a FUSE server, must provide */
#define IN_USERFAULT	"handle_userfault"
#define IN_FUSE		"filemap_fault"

#define GET	VFIO_DEVICE_FEATURE_GET
#define SET	VFIO_DEVICE_FEATURE_SET

FIXTURE(slow) {
	struct vfio v;
	uint32_t ioas, hwpt;
	unsigned int ctrl, devctl, pmcsr;
	int lost;
	struct fuse fuse;
};

FIXTURE_SETUP(slow)
{
	struct vfio *v = &self->v;

	vfio_init(v);
	self->lost = -1;
	self->fuse.fd = -1;
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	if (!vfio_has_cdev(host_vf()))
		SKIP(return, "this kernel has no VFIO cdev");
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, vfio_open_cdev(v, host_vf()));
	ASSERT_EQ(0, iommufd_ioas(v, &self->ioas));
	ASSERT_EQ(0, iommufd_hwpt(v, self->ioas, true, &self->hwpt));
	ASSERT_EQ(0, iommufd_attach(v, self->hwpt, 0));
	ASSERT_EQ(0, iommufd_attach(v, self->hwpt, PASID));
	self->ctrl = PF_PASID + PCI_PASID_CTRL;
	self->devctl = vfio_find_cap(v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;
	self->pmcsr = vfio_find_cap(v, PCI_CAP_ID_PM) + PCI_PM_CTRL;
	self->lost = eventfd(0, EFD_NONBLOCK);
	ASSERT_EQ(0, vfcap_set_lost_eventfd(v, self->lost));
	ASSERT_EQ(0, vfio_set(v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
}

FIXTURE_TEARDOWN(slow)
{
	fuse_close(&self->fuse);
	vfio_close(&self->v);
	close(self->lost);
	EXPECT_EQ(0, host_layout_default());
}

static bool userfault(uint8_t *page, bool written)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)page, .len = PAGE },
		.mode = written ? UFFDIO_REGISTER_MODE_WP :
				  UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_writeprotect protect = {
		.range = reg.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	return !ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &reg) &&
	       (!written || !ioctl(fd, UFFDIO_WRITEPROTECT, &protect));
}

/*
 * Two pages, the second of which is never provided: either it does not exist yet, or it
 * cannot be written. Returns the second page; child processes do not inherit it.
 */
static uint8_t *slow_page(const struct fuse *fuse, bool written, const void *data,
			  size_t size)
{
	uint8_t *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	page[0] = 0;
	page += PAGE;
	if (written)
		memcpy(page, data, size);
	if (fuse->fd < 0 ? !userfault(page, written) :
	    mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		 fuse->fd, 0) != page)
		_exit(1);
	return page;
}

/* A call of a user, with @data as the argument, or @size bytes of the VF's file */
struct call {
	const char *name;
	enum { CONFIG_READ, CONFIG_WRITE, BAR_READ, BAR_WRITE, FEATURE, IOCTL } kind;
	unsigned long index;	/* the feature with its flags, or the ioctl */
	size_t offset;		/* of the fixture field with its config offset */
	bool written;		/* the missing page is where the answer is written */
	bool by_core;		/* core does this while holding the device's lock */
	size_t size;
	union {
		struct vfcap_feature_query query;
		struct vfcap_feature_write_combine wc;
		struct vfio_device_attach_iommufd_pt attach;
		struct vfio_region_info region;
	} data;
};

#define FIELD(name)	offsetof(struct _test_data_slow, name)
#define IN(struct, f)	.name = #f, .kind = FEATURE, .index = f, .size = sizeof(struct)

static const struct call calls[] = {
	{ .name = "config read", .kind = CONFIG_READ, .offset = FIELD(ctrl), .size = 4 },
	{ .name = "PASID Control", .kind = CONFIG_WRITE, .offset = FIELD(ctrl), .size = 2 },
	{ .name = "Device Control", .kind = CONFIG_WRITE, .offset = FIELD(devctl), .size = 2 },
	{ .name = "PMCSR", .kind = CONFIG_WRITE, .offset = FIELD(pmcsr), .size = 2 },
	{ .name = "BAR read", .kind = BAR_READ, .size = 4 },
	{ .name = "BAR write", .kind = BAR_WRITE, .size = 4 },
	{ IN(struct vfcap_feature_query, GET | VFCAP_FEATURE_QUERY) },
	{ IN(struct vfcap_feature_choose, SET | VFCAP_FEATURE_CHOOSE) },
	{ IN(struct vfcap_feature_state, GET | VFCAP_FEATURE_STATE) },
	{ IN(struct vfcap_feature_state, SET | VFCAP_FEATURE_STATE) },
	{ IN(struct vfcap_feature_lost_eventfd, SET | VFCAP_FEATURE_LOST_EVENTFD) },
	{ IN(struct vfcap_feature_lost_eventfd, SET | VFCAP_FEATURE_RETURN_EVENTFD) },
	{ IN(struct vfcap_feature_write_combine, GET | VFCAP_FEATURE_WRITE_COMBINE) },
	{ IN(struct vfcap_feature_write_combine, SET | VFCAP_FEATURE_WRITE_COMBINE) },
	{ IN(struct vfio_device_low_power_entry_with_wakeup,
	     SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP) },
	{ .name = "VFIO_DEVICE_IOEVENTFD", .kind = IOCTL, .index = VFIO_DEVICE_IOEVENTFD },
	{ .name = "VFIO_DEVICE_GET_REGION_INFO", .kind = IOCTL,
	  .index = VFIO_DEVICE_GET_REGION_INFO },
	{ .name = "VFIO_DEVICE_ATTACH_IOMMUFD_PT", .kind = IOCTL,
	  .index = VFIO_DEVICE_ATTACH_IOMMUFD_PT },
	{ .name = "answer of QUERY", .kind = FEATURE, .index = GET | VFCAP_FEATURE_QUERY,
	  .written = true, .size = sizeof(struct vfcap_feature_query) },
	{ .name = "answer of STATE", .kind = FEATURE, .index = GET | VFCAP_FEATURE_STATE,
	  .written = true, .size = sizeof(struct vfcap_feature_state) },
	{ .name = "answer of WRITE_COMBINE", .kind = FEATURE,
	  .index = GET | VFCAP_FEATURE_WRITE_COMBINE, .written = true,
	  .size = sizeof(struct vfcap_feature_write_combine),
	  .data.wc = { .region_index = BAR, .size = PAGE } },
	{ .name = "answer of GET_REGION_INFO", .kind = IOCTL,
	  .index = VFIO_DEVICE_GET_REGION_INFO, .written = true,
	  .data.region = { .argsz = sizeof(struct vfio_region_info), .index = BAR } },
	{ .name = "answer of ATTACH_IOMMUFD_PT", .kind = IOCTL,
	  .index = VFIO_DEVICE_ATTACH_IOMMUFD_PT, .written = true, .by_core = true,
	  .data.attach = { .argsz = sizeof(struct vfio_device_attach_iommufd_pt),
			   .flags = VFIO_DEVICE_ATTACH_PASID, .pasid = PASID } },
};

static void do_call(struct _test_data_slow *self, const struct call *c)
{
	struct call copy = *c;
	struct vfio_device_feature *feature;
	struct vfio *v = &self->v;
	uint64_t config = v->config;
	uint8_t *page;

	if (c->offset)
		config += *(unsigned int *)((char *)self + c->offset);
	if (c->index == VFIO_DEVICE_ATTACH_IOMMUFD_PT)
		copy.data.attach.pt_id = self->hwpt;
	page = slow_page(&self->fuse, c->written, &copy.data, sizeof(copy.data));
	switch (c->kind) {
	case CONFIG_READ:
		pread(v->fd, page, c->size, config);
		break;
	case CONFIG_WRITE:
		pwrite(v->fd, page, c->size, config);
		break;
	case BAR_READ:
		pread(v->fd, page, c->size, (off_t)BAR << 40);
		break;
	case BAR_WRITE:
		pwrite(v->fd, page, c->size, (off_t)BAR << 40);
		break;
	case FEATURE:
		feature = (void *)(page - sizeof(*feature));
		feature->argsz = sizeof(*feature) + c->size;
		feature->flags = c->index;
		ioctl(v->fd, VFIO_DEVICE_FEATURE, feature);
		break;
	case IOCTL:
		ioctl(v->fd, c->index, page);
		break;
	}
}

/* Calls by others */
static void query(struct _test_data_slow *self)
{
	struct vfcap_feature_query q;

	vfcap_query(&self->v, VFCAP_CAP_PASID, &q);
}

static void state(struct _test_data_slow *self)
{
	struct vfcap_feature_state state;

	if (!vfcap_get_state(&self->v, &state))
		vfcap_set_state(&self->v, &state);
}

static void choose(struct _test_data_slow *self)
{
	vfcap_choose(&self->v, VFCAP_CAP_PASID, 0, 0);
}

static void reset(struct _test_data_slow *self)
{
	vfio_reset(&self->v);
}

static void low_power(struct _test_data_slow *self)
{
	vfio_set_low_power(&self->v, true);
	vfio_set_low_power(&self->v, false);
}

static void read_config(struct _test_data_slow *self)
{
	vfio_get(&self->v, self->ctrl, 2);
}

static void write_ctrl(struct _test_data_slow *self)
{
	vfio_set(&self->v, self->ctrl, 2, 0);
}

static void write_devctl(struct _test_data_slow *self)
{
	vfio_set(&self->v, self->devctl, 2, PCI_EXP_DEVCTL_BCR_FLR);
}

static void read_bar(struct _test_data_slow *self)
{
	uint32_t value;

	pread(self->v.fd, &value, sizeof(value), (off_t)BAR << 40);
}

static void alias(struct _test_data_slow *self)
{
	struct vfcap_feature_write_combine wc = {
		.region_index = BAR, .offset = PAGE, .size = PAGE,
	};

	if (!vfio_feature(&self->v, GET | VFCAP_FEATURE_WRITE_COMBINE, &wc, sizeof(wc)))
		vfio_feature(&self->v, SET | VFCAP_FEATURE_WRITE_COMBINE, &wc,
			     sizeof(wc));
}

static void region_info(struct _test_data_slow *self)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = BAR };

	ioctl(self->v.fd, VFIO_DEVICE_GET_REGION_INFO, &info);
}

static const struct {
	const char *name;
	void (*act)(struct _test_data_slow *self);
} others[] = {
	{ "QUERY", query },
	{ "STATE", state },
	{ "CHOOSE", choose },
	{ "config read", read_config },
	{ "PASID Control", write_ctrl },
	{ "FLR", write_devctl },
	{ "RESET", reset },
	{ "LOW_POWER", low_power },
	{ "BAR read", read_bar },
	{ "WRITE_COMBINE", alias },
	{ "REGION_INFO", region_info },
};

static bool ended(pid_t pid, long ms)
{
	return WAIT_FOR(waitpid(pid, NULL, WNOHANG) == pid, ms);
}

static bool end(pid_t pid)
{
	kill(pid, SIGKILL);
	return ended(pid, 2000);
}

static pid_t start_call(struct _test_data_slow *self, const struct call *c)
{
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do_call(self, c);
	_exit(0);
}

static void expect_others(struct __test_metadata *_metadata,
			  struct _test_data_slow *self, const struct call *c)
{
	unsigned int i;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		pid = fork();
		if (!pid) {
			others[i].act(self);
			_exit(0);
		}
		EXPECT_TRUE(ended(pid, 100) || end(pid)) {
			TH_LOG("%s is stuck behind %s", others[i].name, c->name);
			/* It would stay so forever. */
			return;
		}
	}
}

/* The guard notices the loss; it looks at least once a second. */
static void expect_loss(struct __test_metadata *_metadata,
			struct _test_data_slow *self, const struct call *c)
{
	struct pollfd p = { .fd = self->lost, .events = POLLIN };

	EXPECT_EQ(0, host_config_write(host_pf(), self->ctrl, 2, 0));
	EXPECT_EQ(1, poll(&p, 1, 3000)) {
		TH_LOG("no loss behind %s", c->name);
		return;
	}
	EXPECT_FALSE(iommu_has_pasid(host_vf(), PASID));
	EXPECT_EQ(0, vfio_get(&self->v, self->ctrl, 2));
}

/* Undo what others were killed in the middle of, on a machine that is slow itself. */
static void finish_others(struct _test_data_slow *self)
{
	struct vfcap_feature_write_combine wc = { .alias_index = ALIAS_FIRST };

	vfio_set_low_power(&self->v, false);
	for (; wc.alias_index <= ALIAS_LAST; wc.alias_index++)
		vfio_feature(&self->v, SET | VFCAP_FEATURE_WRITE_COMBINE, &wc, sizeof(wc));
}

static void enable(struct __test_metadata *_metadata, struct _test_data_slow *self)
{
	uint64_t count;

	finish_others(self);
	ASSERT_EQ(0, host_enable_pf());
	ASSERT_EQ(0, vfio_reset(&self->v));
	read(self->lost, &count, sizeof(count));
	ASSERT_EQ(0, vfio_set(&self->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
	ASSERT_EQ(0, vfio_set(&self->v, self->ctrl, 2, PCI_PASID_CTRL_ENABLE));
	ASSERT_TRUE(iommu_has_pasid(host_vf(), PASID));
}

static void expect_call(struct __test_metadata *_metadata,
			struct _test_data_slow *self, const struct call *c,
			const char *wait)
{
	pid_t holder;

	enable(_metadata, self);
	holder = start_call(self, c);
	EXPECT_TRUE(WAIT_FOR(host_is_in(holder, wait), 10000)) {
		char stack[32];

		snprintf(stack, sizeof(stack), "/proc/%d/stack", holder);
		TH_LOG("%s does not wait for its page, but in: %s", c->name,
		       host_read(stack));
	}
	/* What VFIO does under its own lock cannot be ended by anyone else. */
	if (!c->by_core)
		expect_loss(_metadata, self, c);
	expect_others(_metadata, self, c);
	EXPECT_TRUE(end(holder))
		TH_LOG("%s cannot be killed", c->name);
}

TEST_F_TIMEOUT(slow, calls, 300)
{
	const struct call *c;

	for (c = calls; c < calls + ARRAY_SIZE(calls); c++)
		expect_call(_metadata, self, c, IN_USERFAULT);
}

/* An answer is written where something was read before, so FUSE never delays that. */
TEST_F_TIMEOUT(slow, calls_with_fuse, 300)
{
	const struct call *c;

	ASSERT_EQ(0, fuse_open(&self->fuse));
	for (c = calls; c < calls + ARRAY_SIZE(calls); c++)
		if (!c->written)
			expect_call(_metadata, self, c, IN_FUSE);
}

/* The bytes written to the device come from the device's own BAR. */
TEST_F(slow, own_bar)
{
	struct vfio *v = &self->v;
	void *bar = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd,
			 (off_t)BAR << 40);

	ASSERT_NE(MAP_FAILED, bar);
	EXPECT_EQ(2, pwrite(v->fd, bar, 2, v->config + self->pmcsr + 2));
	EXPECT_EQ(0, munmap(bar, PAGE));
}

/* A write that begins in a page and ends where there is no page */
TEST_F(slow, no_page)
{
	struct vfio *v = &self->v;
	uint8_t *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, munmap(page + PAGE, PAGE));
	EXPECT_EQ(-1, pwrite(v->fd, page + PAGE - 1, 2, v->config + self->devctl));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pwrite(v->fd, page + PAGE - 2, 4, v->config + self->devctl));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, munmap(page, PAGE));
}

TEST_HARNESS_MAIN
