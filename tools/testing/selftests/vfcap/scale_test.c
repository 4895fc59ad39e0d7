// SPDX-License-Identifier: GPL-2.0
/*
 * As many VFs as a PF can have: 127 of QEMU's nvme, each in an IOMMU group of its own,
 * and 1,024 of the fixture's mock PF. All of them are bound, opened, shown PASID, lose
 * it, are closed and unbound. The cost of one more VF, in time and memory, must not
 * depend on how many there are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/monitor.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define MAX_VFS		1024
#define COUNTS		4
#define USERS_SHOWN	300	/* the PF's sysfs lists at least this many */
/* A step is measured by the median over this many of the last VFs. */
#define SAMPLES		10

/*
 * How much longer the last VFs may take than the tenth one; how much more memory each of
 * all VFs may take than each of some; and a constant slack for both
 */
#define TIME_FACTOR	4
#define TIME_SLACK_US	2000
/* A host that is busy with other things can make any step longer for a while. */
#define TRIES		3
#define MEMORY_FACTOR	2
#define MEMORY_SLACK_KB	16
/* Time until a loss is noticed and has taken effect in all VFs */
#define LOSS_MS		2000

struct vf {
	char bdf[16];
	struct vfio v;
	unsigned int ctrl;	/* offset of PASID Control */
};

/* One PF and its VFs */
struct many {
	char pf[16];
	unsigned int pasid;	/* where the PF has the capability */
	int iommufd;		/* with which all VFs are opened, or -1 */
	struct vf vfs[MAX_VFS];
};

static bool bind_vf(struct many *m, struct vf *vf)
{
	return !host_bind(vf->bdf, OURS);
}

static bool open_vf(struct many *m, struct vf *vf)
{
	return !vfio_open_shared(&vf->v, vf->bdf, m->iommufd);
}

/* The first access decides what is shown. */
static bool show_vf(struct many *m, struct vf *vf)
{
	vf->ctrl = vfio_find_ecap(&vf->v, PCI_EXT_CAP_ID_PASID) + PCI_PASID_CTRL;
	return vf->ctrl > PCI_PASID_CTRL &&
	       !strcmp(sample_state(vf->bdf, "pasid_state"), "shown");
}

static bool enable_vf(struct many *m, struct vf *vf)
{
	return !vfio_set(&vf->v, vf->ctrl, 2, PCI_PASID_CTRL_ENABLE) &&
	       vfio_get(&vf->v, vf->ctrl, 2) == PCI_PASID_CTRL_ENABLE;
}

static bool disable_vf(struct many *m, struct vf *vf)
{
	return !vfio_set(&vf->v, vf->ctrl, 2, 0) &&
	       !vfio_get(&vf->v, vf->ctrl, 2) && enable_vf(m, vf);
}

static bool lost_vf(struct many *m, struct vf *vf)
{
	return !vfio_get(&vf->v, vf->ctrl, 2) &&
	       !strcmp(sample_state(vf->bdf, "pasid_state"), "lost");
}

static bool close_vf(struct many *m, struct vf *vf)
{
	vfio_close(&vf->v);
	return !strcmp(sample_state(vf->bdf, "pasid_state"), "hidden");
}

static bool unbind_vf(struct many *m, struct vf *vf)
{
	return !host_unbind(vf->bdf);
}

enum { BIND, OPEN, SHOW, ENABLE, DISABLE, LOST, CLOSE, UNBIND, STEPS };

static const struct {
	const char *name;
	bool (*step)(struct many *m, struct vf *vf);
} steps[STEPS] = {
	[BIND]		= { "bind", bind_vf },
	[OPEN]		= { "open", open_vf },
	[SHOW]		= { "show", show_vf },
	[ENABLE]	= { "enable", enable_vf },
	[DISABLE]	= { "disable", disable_vf },
	[LOST]		= { "lost", lost_vf },
	[CLOSE]		= { "close", close_vf },
	[UNBIND]	= { "unbind", unbind_vf },
};

struct cost {
	unsigned int vfs;
	long us[STEPS];		/* for one of the last VFs */
	long create_ms;		/* for all */
	long lose_ms;
	long bound_kb;		/* memory for all */
	long open_kb;
};

static long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int compare(const void *a, const void *b)
{
	return *(const long *)a < *(const long *)b ? -1 : 1;
}

static long median(long *values, unsigned int nr)
{
	qsort(values, nr, sizeof(*values), compare);
	return values[nr / 2];
}

static void all_do(struct __test_metadata *_metadata, struct many *m,
		   unsigned int step, struct cost *cost)
{
	long took[SAMPLES], start;
	unsigned int i, failed = 0;

	for (i = 0; i < cost->vfs; i++) {
		start = now_us();
		failed += !steps[step].step(m, &m->vfs[i]);
		took[i % SAMPLES] = now_us() - start;
	}
	EXPECT_EQ(0, failed) {
		TH_LOG("%s: %u of %u VFs failed", steps[step].name, failed,
		       cost->vfs);
	}
	cost->us[step] = median(took, i < SAMPLES ? i : SAMPLES);
}

static void set_pf_ctrl(struct __test_metadata *_metadata, struct many *m,
			uint16_t value)
{
	EXPECT_EQ(0, host_config_write(m->pf, m->pasid + PCI_PASID_CTRL, 2,
				       value));
}

/* The PF loses PASID, and so do all VFs. */
static void all_lose(struct __test_metadata *_metadata, struct many *m,
		     struct cost *cost)
{
	uint16_t ctrl = host_config_read(m->pf, m->pasid + PCI_PASID_CTRL, 2);
	long start = now_ms();
	unsigned int i;

	set_pf_ctrl(_metadata, m, 0);
	for (i = 0; i < cost->vfs; i++)
		if (!WAIT_FOR(lost_vf(m, &m->vfs[i]), 10 * LOSS_MS))
			break;
	cost->lose_ms = now_ms() - start;
	EXPECT_EQ(cost->vfs, i);
	all_do(_metadata, m, LOST, cost);
	set_pf_ctrl(_metadata, m, ctrl);
}

/* One line for each VF that is open, as many as fit into a page */
static void expect_users(struct __test_metadata *_metadata, struct many *m,
			 unsigned int nr)
{
	const char *line = sample_state(m->pf, "pasid_users");
	unsigned int i;

	for (i = 0; i < nr && *line; i++) {
		size_t len = strcspn(line, "\n");

		EXPECT_EQ(strlen(m->vfs[i].bdf), len);
		EXPECT_EQ(0, strncmp(m->vfs[i].bdf, line, len));
		line += len + !!line[len];
	}
	EXPECT_STREQ("", line);
	EXPECT_LE(nr < USERS_SHOWN ? nr : USERS_SHOWN, i);
}

static int set_vfs(struct many *m, unsigned int nr)
{
	char value[16];

	snprintf(value, sizeof(value), "%u", nr);
	return host_writef(value, "devices/%s/sriov_numvfs", m->pf);
}

static void run(struct __test_metadata *_metadata, struct many *m,
		struct cost *cost)
{
	long start = now_ms(), before;
	unsigned int i;

	ASSERT_EQ(0, host_writef("0", "devices/%s/sriov_drivers_autoprobe",
				 m->pf));
	ASSERT_EQ(0, set_vfs(m, cost->vfs));
	cost->create_ms = now_ms() - start;
	for (i = 0; i < cost->vfs; i++) {
		host_vf_name(i, m->vfs[i].bdf);
		vfio_init(&m->vfs[i].v);
	}

	before = host_kernel_kb();
	all_do(_metadata, m, BIND, cost);
	cost->bound_kb = host_kernel_kb() - before;
	before = host_kernel_kb();
	all_do(_metadata, m, OPEN, cost);
	all_do(_metadata, m, SHOW, cost);
	cost->open_kb = host_kernel_kb() - before;
	EXPECT_STREQ("locked", sample_state(m->pf, "pasid_state"));
	expect_users(_metadata, m, cost->vfs);
	all_do(_metadata, m, ENABLE, cost);
	all_do(_metadata, m, DISABLE, cost);
	all_lose(_metadata, m, cost);
	all_do(_metadata, m, CLOSE, cost);
	EXPECT_STREQ("unlocked", sample_state(m->pf, "pasid_state"));
	EXPECT_STREQ("", sample_state(m->pf, "pasid_users"));
	all_do(_metadata, m, UNBIND, cost);
	EXPECT_EQ(0, set_vfs(m, 0));
}

static void print_cost(struct __test_metadata *_metadata, const struct cost *c)
{
	char line[512];
	int len = 0;
	unsigned int i;

	for (i = 0; i < STEPS; i++)
		len += snprintf(line + len, sizeof(line) - len, " %s %ld",
				steps[i].name, c->us[i]);
	TH_LOG("%4u VFs: us for one:%s", c->vfs, line);
	TH_LOG("%4u VFs: created in %ld ms, lost in %ld ms", c->vfs,
	       c->create_ms, c->lose_ms);
	TH_LOG("%4u VFs: KiB for one: bound %ld, open %ld more", c->vfs,
	       c->bound_kb / c->vfs, c->open_kb / c->vfs);
}

FIXTURE(scale) {
	struct many *many;
	char pf[16];		/* the original one */
};

FIXTURE_VARIANT(scale) {
	unsigned int vfs[COUNTS];	/* the numbers of VFs that are tried */
	unsigned int pasid;
	bool one_group;
	int (*make)(char pf[16]);
	int (*unmake)(const char *pf);
};

/* Next to the PF that the sample driver has, and like it, except for the offset of SR-IOV */
#define NVME_QUEUES	"max_ioqpairs=256,msix_qsize=129,sriov_vq_flexible=254,sriov_vi_flexible=127"
#define COVER		"/sys/kernel/debug/vfcap-fixture/cover"
/* Without FLR, since each reset would take 100 ms */
#define NVME_LAYOUT	"pf 120 1b000000 fff00000\nvf 84 0 10000000\n"

static int find_nvme(char pf[16])
{
	return host_run(pf, 16, "lspci -D -d 1b36:0010 | cut -d ' ' -f 1 | tr -d '\\n'");
}

static int make_nvme(char pf[16])
{
	char port[16];
	int ret;

	ret = host_run(port, sizeof(port),
		       "lspci -D -d 1b36:000c | cut -d ' ' -f 1 | tail -n 1 | tr -d '\\n'");
	if (!ret)
		ret = host_layout("vf clear\npf clear\n");
	if (!ret)
		ret = host_layout_default();
	if (!ret)
		ret = host_layout("pf 160 0 0\nvf clear\n" NVME_LAYOUT);
	if (!ret)
		ret = host_write(COVER, port);
	if (ret == -EEXIST)
		ret = 0;
	/* When it is found again, the port is as the fixture shows it. */
	if (!ret)
		ret = host_writef("1", "devices/%s/remove", port);
	if (!ret)
		monitor_command("device_add nvme,id=nvme,bus=port3,serial=1,%s,%s",
				"subsys=subsys,sriov_max_vfs=127", NVME_QUEUES);
	return ret ?: host_write("rescan", "1") ?: find_nvme(pf);
}

/* The device stays plugged in, but is not visible until someone rescans. */
static int unmake_nvme(const char *pf)
{
	int ret = host_writef("1", "devices/%s/remove", pf);

	return host_layout_default() ?: ret;
}

FIXTURE_VARIANT_ADD(scale, nvme) {
	.vfs = { 1, 10, 30, 127 }, .pasid = PF_PASID, .make = make_nvme, .unmake = unmake_nvme,
};

FIXTURE_VARIANT_ADD(scale, mock) {
	.vfs = { 1, 10, 100, 1024 }, .pasid = 0x120, .one_group = true, .make = host_make_mock,
	.unmake = host_unmake_mock,
};

FIXTURE_SETUP(scale)
{
	const struct rlimit files = { 4 * MAX_VFS, 4 * MAX_VFS };
	struct many *m;
	int ret;

	if (!host_is_ready() || !monitor_is_there())
		SKIP(return, "needs the lab's VM, and its QEMU's monitor");
	snprintf(self->pf, sizeof(self->pf), "%s", host_pf());
	m = calloc(1, sizeof(*m));
	ASSERT_NE(NULL, m);
	self->many = m;
	m->pasid = variant->pasid;
	m->iommufd = -1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	if (variant->one_group)
		m->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, sample_give_back());
	ASSERT_EQ(0, variant->make(m->pf));
	ret = host_load("samples/vfcap/vfcap-sample-pf.ko", "");
	ASSERT_TRUE(!ret || ret == -EEXIST);
	setenv("VFCAP_PF", m->pf, 1);
	ASSERT_EQ(0, host_rebind(m->pf, SAMPLE));
	/* This is not about page tables, and VFs of one group have none for PASIDs. */
	ASSERT_EQ(0, host_param("pasid", "on"));
}

FIXTURE_TEARDOWN(scale)
{
	EXPECT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, set_vfs(self->many, 0));
	EXPECT_EQ(0, host_unbind(self->many->pf));
	setenv("VFCAP_PF", self->pf, 1);
	EXPECT_EQ(0, variant->unmake(self->many->pf));
	EXPECT_EQ(0, sample_give_back());
	free(self->many);
}

static bool takes_longer(const struct cost *few, const struct cost *all,
			 unsigned int step)
{
	return all->us[step] > few->us[step] * TIME_FACTOR + TIME_SLACK_US;
}

static bool any_takes_longer(const struct cost *few, const struct cost *all)
{
	unsigned int i;

	for (i = 0; i < STEPS; i++)
		if (takes_longer(few, all, i))
			return true;
	return false;
}

TEST_F_TIMEOUT(scale, cost_is_flat, 1500)
{
	struct cost costs[COUNTS] = {};
	const struct cost *few = &costs[1], *many = &costs[2];
	struct cost *all = &costs[3], again = {};
	unsigned int i, tries;

	for (i = 0; i < COUNTS; i++) {
		costs[i].vfs = variant->vfs[i];
		run(_metadata, self->many, &costs[i]);
		print_cost(_metadata, &costs[i]);
	}
	for (tries = 1; tries < TRIES && any_takes_longer(few, all); tries++) {
		again.vfs = all->vfs;
		run(_metadata, self->many, &again);
		print_cost(_metadata, &again);
		for (i = 0; i < STEPS; i++)
			if (again.us[i] < all->us[i])
				all->us[i] = again.us[i];
	}
	for (i = 0; i < STEPS; i++) {
		EXPECT_FALSE(takes_longer(few, all, i)) {
			TH_LOG("%s takes longer", steps[i].name);
		}
	}
	EXPECT_GE(host_promised(LOSS_MS), all->lose_ms);
	EXPECT_GE(many->bound_kb / many->vfs * MEMORY_FACTOR + MEMORY_SLACK_KB,
		  all->bound_kb / all->vfs);
	EXPECT_GE(many->open_kb / many->vfs * MEMORY_FACTOR + MEMORY_SLACK_KB,
		  all->open_kb / all->vfs);
}

TEST_HARNESS_MAIN
