// SPDX-License-Identifier: GPL-2.0
/*
 * "lost" is reported only when it is true. A user that holds VFIO's lock of its VF, by
 * means of a page to which it blocks writes, delays the end of a loss. Until then the
 * state is "losing".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/userfaultfd.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define VFS		2
#define PASID		5
#define OTHER		6
#define PASID_CTRL	(PF_PASID + PCI_PASID_CTRL)
#define GUARD_MS	1000
#define A_WHILE_US	500000

/* VFIO writes the ID of what was attached back to user space while it holds the lock. */
struct stall {
	struct vfio_device_attach_iommufd_pt *arg;	/* has a page of its own */
	int uffd;
	int device;
	pid_t tid;
	int ret;
	pthread_t thread;
};

static int protect(struct stall *s, bool protect)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)s->arg, .len = getpagesize() },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(s->uffd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

static void *attach_thread(void *data)
{
	struct stall *s = data;

	__atomic_store_n(&s->tid, gettid(), __ATOMIC_SEQ_CST);
	s->ret = ioctl(s->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, s->arg) ?
		 -errno : 0;
	return NULL;
}

/* Attach a page table to a PASID, and keep VFIO's lock held until stall_end() */
static int stall_begin(struct stall *s, struct vfio *v, uint32_t hwpt)
{
	struct uffdio_api api = {
		.api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};
	struct uffdio_register reg = {
		.range.len = getpagesize(), .mode = UFFDIO_REGISTER_MODE_WP,
	};
	int ret;

	*s = (struct stall){ .device = v->fd };
	s->arg = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->arg == MAP_FAILED)
		return -errno;
	*s->arg = (struct vfio_device_attach_iommufd_pt){
		.argsz = sizeof(*s->arg), .flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = hwpt, .pasid = OTHER,
	};
	reg.range.start = (uintptr_t)s->arg;
	s->uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (s->uffd < 0 || ioctl(s->uffd, UFFDIO_API, &api) ||
	    ioctl(s->uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	ret = protect(s, true);
	if (!ret)
		ret = -pthread_create(&s->thread, NULL, attach_thread, s);
	if (ret)
		return ret;
	return WAIT_FOR(__atomic_load_n(&s->tid, __ATOMIC_SEQ_CST) &&
			host_waits_in(s->tid, "handle_userfault"), 3000) ?
	       0 : -ETIMEDOUT;
}

static int stall_end(struct stall *s)
{
	int ret = protect(s, false);

	if (ret)
		return ret;
	pthread_join(s->thread, NULL);
	close(s->uffd);
	munmap(s->arg, getpagesize());
	return s->ret;
}

FIXTURE(losing) {
	struct vfio v;
	struct stall stall;
	struct pollfd lost, state;
	uint32_t hwpt;
};

FIXTURE_SETUP(losing)
{
	char path[128];
	uint32_t ioas;

	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	if (access("/dev/iommu", F_OK))
		SKIP(return, "needs a kernel with iommufd");
	ASSERT_EQ(0, sample_prepare(SAMPLE, VFS, false));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_vf()));
	ASSERT_EQ(0, iommufd_ioas(&self->v, &ioas));
	ASSERT_EQ(0, iommufd_hwpt(&self->v, ioas, true, &self->hwpt));
	ASSERT_EQ(0, iommufd_attach(&self->v, self->hwpt, 0));
	ASSERT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	ASSERT_EQ(0, vfio_set(&self->v, PASID_CTRL, 2, 7));
	ASSERT_EQ(0, iommufd_attach(&self->v, self->hwpt, PASID));

	self->lost = (struct pollfd){
		.fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN,
	};
	ASSERT_EQ(0, vfcap_set_lost_eventfd(&self->v, self->lost.fd));
	snprintf(path, sizeof(path),
		 "/sys/bus/pci/devices/%s/vfcap/pasid_state", host_vf());
	self->state = (struct pollfd){
		.fd = open(path, O_RDONLY | O_CLOEXEC), .events = POLLPRI,
	};
	ASSERT_LE(0, self->state.fd);
	/* Only changes since the last read are reported. */
	ASSERT_LT(0, pread(self->state.fd, path, sizeof(path), 0));
	ASSERT_EQ(0, stall_begin(&self->stall, &self->v, self->hwpt));
}

FIXTURE_TEARDOWN(losing)
{
	vfio_close(&self->v);
	close(self->lost.fd);
	close(self->state.fd);
}

static const char *state(void)
{
	return sample_state(host_vf(), "pasid_state");
}

static bool is_told(struct _test_data_losing *self)
{
	return poll(&self->lost, 1, 0) == 1 || poll(&self->state, 1, 0) == 1;
}

/* The guest's Enable is cleared, but the IOMMU still knows its PASIDs. */
static void expect_losing(struct __test_metadata *_metadata,
			  struct _test_data_losing *self)
{
	EXPECT_TRUE(WAIT_FOR(!strcmp("losing", state()), host_promised(GUARD_MS)));
	EXPECT_EQ(0, vfio_get(&self->v, PASID_CTRL, 2));
	usleep(A_WHILE_US);
	EXPECT_STREQ("losing", state());
	EXPECT_EQ(0, vfio_get(&self->v, PASID_CTRL, 2));
	EXPECT_TRUE(iommu_has_pasid(host_vf(), PASID));
	EXPECT_FALSE(is_told(self));
	/* The administrator does not have to wait for the user. */
	EXPECT_EQ(1, host_log_count(host_vf(), "PASID lost: "));
}

TEST_F(losing, lost_when_it_is)
{
	EXPECT_EQ(0, host_config_write(host_pf(), PASID_CTRL, 2, 0));
	expect_losing(_metadata, self);
	/* For the PF it is true at once. */
	EXPECT_STREQ("lost", sample_state(host_pf(), "pasid_state"));

	EXPECT_EQ(0, stall_end(&self->stall));
	EXPECT_EQ(1, poll(&self->lost, 1, host_promised(GUARD_MS)));
	EXPECT_STREQ("lost", state());
	EXPECT_EQ(0, iommu_count_pasids(host_vf()));
	EXPECT_EQ(0, vfio_get(&self->v, PASID_CTRL, 2));
	EXPECT_EQ(1, poll(&self->state, 1, host_promised(GUARD_MS)));
	EXPECT_EQ(1, host_log_count(host_vf(), "PASID lost: "));

	EXPECT_EQ(0, host_config_write(host_pf(), PASID_CTRL, 2, 7));
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_STREQ("shown", state());
	EXPECT_EQ(0, vfio_set(&self->v, PASID_CTRL, 2, 1));
	EXPECT_EQ(1, vfio_get(&self->v, PASID_CTRL, 2));
	EXPECT_TRUE(iommu_has_pasid(host_vf(), PASID));
	EXPECT_TRUE(iommu_has_pasid(host_vf(), OTHER));
}

/* A write during the loss enables nothing, whenever it is carried out. */
static void *enable_thread(void *data)
{
	vfio_set(data, PASID_CTRL, 2, 7);
	return NULL;
}

TEST_F(losing, enabled_meanwhile)
{
	pthread_t thread;

	EXPECT_EQ(0, sample_set("lost_event", "a test says so"));
	expect_losing(_metadata, self);
	ASSERT_EQ(0, pthread_create(&thread, NULL, enable_thread, &self->v));
	usleep(A_WHILE_US / 5);
	EXPECT_EQ(0, stall_end(&self->stall));
	pthread_join(thread, NULL);
	EXPECT_TRUE(WAIT_FOR(!strcmp("lost", state()), host_promised(GUARD_MS)));
	EXPECT_EQ(0, vfio_get(&self->v, PASID_CTRL, 2) & PCI_PASID_CTRL_ENABLE);
	EXPECT_EQ(0, iommu_count_pasids(host_vf()));
}

int main(int argc, char **argv)
{
	host_at_end(sample_give_back);
	return test_harness_run(argc, argv);
}
