// SPDX-License-Identifier: GPL-2.0
/*
 * A process that waits for another user of the device can be killed: it ends while the
 * other one continues, and what it had requested is not done.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/vfio_vfcap.h>

#include "../kselftest_harness.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/sample.h"
#include "lib/vfio.h"
#include "lib/vmd.h"

#define PAGE		4096UL
#define ELSEWHERE	0x400

#define IN_FLR		"msleep"
#define OUR_LOCK	"vfcap_"

FIXTURE(killed) {
	struct vfio v;
	void *buf;		/* as large as the BAR */
	size_t size;
	unsigned int devctl;
};

typedef void (*call_fn)(struct _test_data_killed *self);

FIXTURE_SETUP(killed)
{
	vfio_init(&self->v);
	self->buf = NULL;
	if (!host_is_ready() || !vmd_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	if (!vfio_has_cdev(host_vf()))
		SKIP(return, "this kernel has no VFIO cdev");
	ASSERT_EQ(0, host_layout_default());
	if (strcmp(host_driver(host_vf()), OURS))
		ASSERT_EQ(0, host_rebind(host_vf(), OURS));
}

FIXTURE_TEARDOWN(killed)
{
	vfio_close(&self->v);
	free(self->buf);
	EXPECT_EQ(0, vmd_make("none"));
}

/* A process that makes a call once or forever */
static pid_t start(struct _test_data_killed *self, call_fn call, bool again)
{
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do {
		call(self);
	} while (again);
	_exit(0);
}

/*
 * A process that makes the call once another one sleeps in @where. It is forked
 * beforehand, so that the fork does not delay the call.
 */
static pid_t start_behind(struct _test_data_killed *self, call_fn call, pid_t other,
			  const char *where)
{
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	WAIT_FOR(host_waits_in(other, where), 1000);
	call(self);
	_exit(0);
}

/* How long it took to end, in milliseconds; -1 if it was not the signal that ended it */
static long end(pid_t pid)
{
	long from = now_ms();
	int status;

	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		return -1;
	return now_ms() - from;
}

/*
 * An FLR holds up everyone else who needs the VF's registers, for at least 100 ms. It
 * begins once the others are ready for it.
 */
static void flr(struct _test_data_killed *self)
{
	usleep(100000);
	vfio_set(&self->v, self->devctl, 2, PCI_EXP_DEVCTL_BCR_FLR);
}

static void save(struct _test_data_killed *self)
{
	struct vfcap_feature_state state;

	vfcap_get_state(&self->v, &state);
}

static void enable(struct _test_data_killed *self)
{
	vfio_set(&self->v, PF_PASID + PCI_PASID_CTRL, 2, PCI_PASID_CTRL_ENABLE);
}

/* Whether it ends without waiting for the FLR */
static bool ends_now(pid_t pid)
{
	kill(pid, SIGKILL);
	return WAIT_FOR(waitpid(pid, NULL, WNOHANG) == pid, 500);
}

/*
 * Kill one process that would save the registers, and one that would write to them. The
 * FLR continues for as long as the VF does not answer. On a busy machine it may end
 * before the VF stops answering; then the attempt proves nothing.
 */
static bool kill_both(struct __test_metadata *_metadata,
		      struct _test_data_killed *self)
{
	pid_t holder, saver, writer;
	bool in_time;

	holder = start(self, flr, false);
	saver = start_behind(self, save, holder, IN_FLR);
	writer = start_behind(self, enable, saver, OUR_LOCK);
	if (WAIT_FOR(host_waits_in(holder, IN_FLR), 1000))
		EXPECT_EQ(0, host_layout("vf blank 0 8 ffffffff"));
	in_time = WAIT_FOR(host_waits_in(writer, OUR_LOCK), 2000) &&
		  host_waits_in(saver, OUR_LOCK);

	in_time &= ends_now(writer);
	in_time &= ends_now(saver);
	in_time &= host_waits_in(holder, IN_FLR);
	EXPECT_EQ(0, host_layout_default());
	waitpid(writer, NULL, 0);
	waitpid(saver, NULL, 0);
	EXPECT_EQ(holder, waitpid(holder, NULL, 0));
	return in_time;
}

TEST_F_TIMEOUT(killed, flr, 120)
{
	struct vfio *v = &self->v;
	bool in_time = false;
	unsigned int i;

	ASSERT_EQ(0, vfio_open_cdev(v, host_vf()));
	ASSERT_EQ(PF_PASID, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	self->devctl = vfio_find_cap(v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;

	for (i = 0; i < 20 && !in_time; i++) {
		/* After an attempt that proved nothing, the write may have been done. */
		EXPECT_EQ(0, vfio_reset(v));
		in_time = kill_both(_metadata, self);
	}
	EXPECT_TRUE(in_time);

	EXPECT_EQ(PF_PASID, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(0, vfio_get(v, PF_PASID + PCI_PASID_CTRL, 2));
}

static void read_bar(struct _test_data_killed *self)
{
	pread(self->v.fd, self->buf, self->size, (off_t)VMD_CFGBAR << 40);
}

static int create(struct _test_data_killed *self, uint64_t offset)
{
	struct vfcap_feature_write_combine wc = {
		.region_index = VMD_CFGBAR, .offset = offset, .size = PAGE,
	};
	int ret = vfio_feature(&self->v, VFIO_DEVICE_FEATURE_GET |
			       VFCAP_FEATURE_WRITE_COMBINE, &wc, sizeof(wc));

	return ret ?: (int)wc.alias_index;
}

static void create_second(struct _test_data_killed *self)
{
	create(self, 2 * PAGE);
}

static void set_ioeventfd(struct _test_data_killed *self)
{
	struct vfio_device_ioeventfd arg = {
		.argsz = sizeof(arg), .flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = ((uint64_t)VMD_CFGBAR << 40) + 4,
		.fd = eventfd(0, 0),
	};

	ioctl(self->v.fd, VFIO_DEVICE_IOEVENTFD, &arg);
}

/*
 * Kill one process that would make an alias, and two waiting behind it that would use the
 * BAR. On a busy machine, the read that all of them wait for may end too early; then the
 * attempt proves nothing.
 */
static bool kill_three(struct __test_metadata *_metadata,
		       struct _test_data_killed *self)
{
	pid_t holder, maker, reader, other;
	bool in_time;

	holder = start(self, read_bar, true);
	usleep(100000);
	maker = start(self, create_second, false);
	in_time = WAIT_FOR(host_waits_in(maker, OUR_LOCK), 1000);
	reader = start(self, read_bar, false);
	other = start(self, set_ioeventfd, false);
	in_time &= WAIT_FOR(host_waits_in(reader, OUR_LOCK), 1000);
	in_time &= WAIT_FOR(host_waits_in(other, OUR_LOCK), 1000);
	in_time &= host_waits_in(maker, OUR_LOCK);
	in_time &= end(reader) >= 0;
	in_time &= end(other) >= 0;
	in_time &= host_waits_in(maker, OUR_LOCK);
	in_time &= end(maker) >= 0;
	EXPECT_LE(0, end(holder));
	return in_time;
}

TEST_F_TIMEOUT(killed, bar, 120)
{
	struct vfio *v = &self->v;
	bool in_time = false;
	unsigned int i;
	uint32_t value;

	ASSERT_EQ(0, vmd_make("a77f"));
	ASSERT_EQ(0, vmd_unmap());
	ASSERT_EQ(0, host_rebind(vmd_bdf(), OURS));
	self->size = vmd_bar_size(VMD_CFGBAR);
	self->buf = malloc(self->size);
	ASSERT_NE(NULL, self->buf);
	memset(self->buf, 0, self->size);

	for (i = 0; i < 20 && !in_time; i++) {
		vfio_close(v);
		ASSERT_EQ(0, vfio_open(v, vmd_bdf()));
		ASSERT_EQ(0, vfio_set(v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
		in_time = kill_three(_metadata, self);
	}
	EXPECT_TRUE(in_time);

	EXPECT_EQ(0x100, create(self, 2 * PAGE));
	EXPECT_EQ(4, pread(v->fd, &value, 4, (off_t)VMD_CFGBAR << 40));
}

TEST_HARNESS_MAIN
