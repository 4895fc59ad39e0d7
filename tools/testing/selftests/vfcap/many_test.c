// SPDX-License-Identifier: GPL-2.0
/*
 * 1,024 VFs lose PASID at once. It is first taken away from all of them, without anything
 * that waits for every one. Only then is it reported, for the PF in one log line, and for
 * each VF with a uevent.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define VFS		1024
#define CTRL		PCI_PASID_CTRL
/* Counted from the guard's look */
#define LOSS_MS		1000
/* Until the guard looks */
#define LOOK_MS		1000
/* How long a guest's write may take meanwhile, on a busy machine */
#define WRITE_MS	500
#define TELL_MS		60000

struct vf {
	char bdf[16];
	struct vfio v;
	unsigned int ctrl;	/* offset of PASID Control */
};

/* A guest that keeps setting and clearing its Enable */
struct writer {
	struct vf *vf;
	bool stop;
	long longest_ms;
	pthread_t thread;
};

FIXTURE(many) {
	char pf[16];
	char lab_pf[16];
	struct vf *vfs;
	int iommufd, uevents;
	struct writer writer;
};

static int listen_uevents(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);
	int size = 16 << 20;

	if (fd < 0 || bind(fd, (void *)&addr, sizeof(addr)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		return -errno;
	return fd;
}

/* How many losses of PASID were reported since the last call */
static unsigned int count_uevents(int fd)
{
	unsigned int count = 0;
	char msg[4096];
	ssize_t len;

	while ((len = recv(fd, msg, sizeof(msg), 0)) > 0)
		count += memmem(msg, len, "VFCAP_STATE=lost", 16) &&
			 memmem(msg, len, "VFCAP_CAPABILITY=PASID", 22) &&
			 memmem(msg, len, "VFCAP_CAUSE=it was disabled", 27);
	return count;
}

static void *writer_thread(void *data)
{
	struct writer *w = data;
	uint16_t value = PCI_PASID_CTRL_ENABLE;
	long start, took;

	while (!__atomic_load_n(&w->stop, __ATOMIC_SEQ_CST)) {
		value ^= PCI_PASID_CTRL_ENABLE;
		start = now_ms();
		vfio_set(&w->vf->v, w->vf->ctrl, 2, value);
		took = now_ms() - start;
		if (took > w->longest_ms)
			w->longest_ms = took;
		usleep(5000);
	}
	return NULL;
}

static bool prepare_vf(struct vf *vf, unsigned int i, int iommufd)
{
	host_vf_name(i, vf->bdf);
	if (host_bind(vf->bdf, OURS) ||
	    vfio_open_shared(&vf->v, vf->bdf, iommufd))
		return false;
	vf->ctrl = vfio_find_ecap(&vf->v, PCI_EXT_CAP_ID_PASID) + CTRL;
	return vf->ctrl > CTRL &&
	       !vfio_set(&vf->v, vf->ctrl, 2, PCI_PASID_CTRL_ENABLE) &&
	       vfio_get(&vf->v, vf->ctrl, 2) == PCI_PASID_CTRL_ENABLE;
}

static int set_vfs(const char *pf, unsigned int nr)
{
	char value[16];

	snprintf(value, sizeof(value), "%u", nr);
	return host_writef("0", "devices/%s/sriov_drivers_autoprobe", pf) ?:
	       host_writef(value, "devices/%s/sriov_numvfs", pf);
}

FIXTURE_SETUP(many)
{
	const struct rlimit files = { 4 * VFS, 4 * VFS };
	unsigned int i, bad = 0;
	long start = now_ms();
	int ret;

	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	if (access("/dev/iommu", F_OK))
		SKIP(return, "needs a kernel with iommufd");
	snprintf(self->lab_pf, sizeof(self->lab_pf), "%s", host_pf());
	self->vfs = calloc(VFS, sizeof(*self->vfs));
	ASSERT_NE(NULL, self->vfs);
	for (i = 0; i < VFS; i++)
		vfio_init(&self->vfs[i].v);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, host_make_mock(self->pf));
	ret = host_load("samples/vfcap/vfcap-sample-pf.ko", "");
	ASSERT_TRUE(!ret || ret == -EEXIST);
	setenv("VFCAP_PF", self->pf, 1);
	ASSERT_EQ(0, host_rebind(self->pf, SAMPLE));
	/* VFs of one group have no page tables for PASIDs. */
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, set_vfs(self->pf, VFS));
	for (i = 0; i < VFS; i++)
		bad += !prepare_vf(&self->vfs[i], i, self->iommufd);
	ASSERT_EQ(0, bad);
	TH_LOG("%u VFs show PASID after %ld ms", VFS, now_ms() - start);
	self->uevents = listen_uevents();
	ASSERT_LE(0, self->uevents);
}

FIXTURE_TEARDOWN(many)
{
	unsigned int i;

	for (i = 0; i < VFS; i++)
		vfio_close(&self->vfs[i].v);
	close(self->iommufd);
	close(self->uevents);
	EXPECT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, set_vfs(self->pf, 0));
	EXPECT_EQ(0, host_unbind(self->pf));
	setenv("VFCAP_PF", self->lab_pf, 1);
	EXPECT_EQ(0, host_unmake_mock(self->pf));
	EXPECT_EQ(0, sample_give_back());
	free(self->vfs);
}

static bool is_lost(struct vf *vf)
{
	return !strcmp(sample_state(vf->bdf, "pasid_state"), "lost");
}

TEST_F_TIMEOUT(many, lose_at_once, 600)
{
	struct writer *w = &self->writer;
	unsigned int i, told = 0, enabled = 0;
	long start, look, took;

	host_log_clear();
	*w = (struct writer){ .vf = &self->vfs[VFS - 1] };
	ASSERT_EQ(0, pthread_create(&w->thread, NULL, writer_thread, w));

	start = now_ms();
	EXPECT_EQ(0, host_config_write(self->pf, MOCK_PASID + CTRL, 2, 0));
	EXPECT_TRUE(WAIT_FOR(!vfio_get(&self->vfs[0].v, self->vfs[0].ctrl, 2),
			     LOOK_MS));
	look = now_ms();
	for (i = 0; i < VFS; i++)
		if (!WAIT_FOR(is_lost(&self->vfs[i]), 10 * LOSS_MS))
			break;
	took = now_ms() - look;
	EXPECT_EQ(VFS, i);
	EXPECT_GE(LOSS_MS, took);
	for (i = 0; i < VFS; i++)
		enabled += !!vfio_get(&self->vfs[i].v, self->vfs[i].ctrl, 2);
	EXPECT_EQ(0, enabled);
	TH_LOG("looked at after %ld ms, lost after %ld more", look - start, took);

	EXPECT_TRUE(WAIT_FOR((told += count_uevents(self->uevents)) >= VFS, TELL_MS));
	TH_LOG("told after %ld ms", now_ms() - look);
	__atomic_store_n(&w->stop, true, __ATOMIC_SEQ_CST);
	pthread_join(w->thread, NULL);
	TH_LOG("a write of another VF took at most %ld ms", w->longest_ms);
	EXPECT_GE(WRITE_MS, w->longest_ms);
	EXPECT_EQ(0, vfio_get(&w->vf->v, w->vf->ctrl, 2));

	/* Each loss is reported once, and the PF's log has one line. */
	usleep(500000);
	told += count_uevents(self->uevents);
	EXPECT_EQ(VFS, told);
	EXPECT_EQ(1, host_log_count(self->pf, "PASID lost by 1024 of its VFs: it was disabled"));
	EXPECT_EQ(0, host_log_count("vfcap-vfio-pci", "PASID lost: "));
}

TEST_HARNESS_MAIN
