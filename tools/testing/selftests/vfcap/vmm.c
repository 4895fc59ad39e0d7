// SPDX-License-Identifier: GPL-2.0
/*
 * How a VMM uses what vfcap-vfio-pci offers beyond vfio-pci: the program that
 * Documentation/userspace-api/vfcap-vfio.rst explains step by step
 *
 * It opens a VF through its cdev, says what the guest would be shown, hides PRI, saves
 * and restores the virtual registers, and has a page of BAR 0 mapped write combining.
 * Then it waits for a loss, or the end of its standard input. Usage: vmm CDEV, as
 * in "vmm /dev/vfio/devices/vfio0".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <linux/vfio_vfcap.h>

/* --- open --- */
static int open_device(const char *cdev, int *iommufd)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	int device = open(cdev, O_RDWR | O_CLOEXEC);

	*iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	bind.iommufd = *iommufd;
	if (device < 0 || *iommufd < 0 ||
	    ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind) ||
	    ioctl(*iommufd, IOMMU_IOAS_ALLOC, &ioas))
		return -1;
	attach.pt_id = ioas.out_ioas_id;
	return ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -1 : device;
}

/* --- feature --- */
/* Returns 0, or -1 with errno. @op: VFIO_DEVICE_FEATURE_GET, _SET or _PROBE */
static int feature(int device, uint32_t op, uint32_t index, void *data, size_t size)
{
	union {
		struct vfio_device_feature header;
		char bytes[sizeof(struct vfio_device_feature) + 256];
	} arg = {
		.header.argsz = sizeof(arg.header) + size,
		.header.flags = op | index,
	};
	int ret;

	memcpy(arg.header.data, data, size);
	ret = ioctl(device, VFIO_DEVICE_FEATURE, &arg);
	memcpy(data, arg.header.data, size);
	return ret;
}

/* --- query --- */
/*
 * Another driver may use the same index for something else, or for nothing: only the
 * magic number says that it is ours.
 */
static int query(int device, uint32_t cap, struct vfcap_feature_query *q)
{
	*q = (struct vfcap_feature_query){ .cap = cap };
	if (feature(device, VFIO_DEVICE_FEATURE_GET, VFCAP_FEATURE_QUERY, q, sizeof(*q)))
		return -1;
	if (q->magic == VFCAP_MAGIC)
		return 0;
	errno = ENOTTY;
	return -1;
}

/* --- choose --- */
static int hide(int device, uint32_t cap)
{
	struct vfcap_feature_choose choice = {
		.cap = cap,
		.flags = VFCAP_CHOOSE_HIDE,
	};

	return feature(device, VFIO_DEVICE_FEATURE_SET, VFCAP_FEATURE_CHOOSE, &choice,
		       sizeof(choice));
}

static int place(int device, uint32_t cap, uint16_t offset)
{
	struct vfcap_feature_choose choice = {
		.cap = cap,
		.flags = VFCAP_CHOOSE_OFFSET,
		.offset = offset,
	};

	return feature(device, VFIO_DEVICE_FEATURE_SET, VFCAP_FEATURE_CHOOSE, &choice,
		       sizeof(choice));
}

/* --- state --- */
static int save(int device, struct vfcap_feature_state *state)
{
	memset(state, 0, sizeof(*state));
	return feature(device, VFIO_DEVICE_FEATURE_GET, VFCAP_FEATURE_STATE, state,
		       sizeof(*state));
}

/* What was shown there is shown here, at the same place; what was not is hidden. */
static int restore(int device, struct vfcap_feature_state state)
{
	struct vfcap_feature_query q;
	uint32_t cap;

	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++) {
		if (query(device, cap, &q))
			return -1;
		if (q.offset == state.caps[cap].offset)
			continue;
		if (state.caps[cap].offset ? place(device, cap, state.caps[cap].offset) :
					     hide(device, cap))
			return -1;
	}
	/* Here a VMM attaches its PASIDs as they were. */
	return feature(device, VFIO_DEVICE_FEATURE_SET, VFCAP_FEATURE_STATE, &state,
		       sizeof(state));
}

/* --- loss --- */
static int watch_losses(int device)
{
	struct vfcap_feature_lost_eventfd lost = { .fd = eventfd(0, EFD_CLOEXEC) };

	if (feature(device, VFIO_DEVICE_FEATURE_SET, VFCAP_FEATURE_LOST_EVENTFD, &lost,
		    sizeof(lost)))
		return -1;
	return lost.fd;
}

/* --- write combining --- */
static void *map_write_combining(int device, uint32_t bar, uint64_t offset, size_t size)
{
	struct vfcap_feature_write_combine alias = {
		.region_index = bar,
		.offset = offset,
		.size = size,
	};
	struct vfio_region_info info = { .argsz = sizeof(info) };

	if (feature(device, VFIO_DEVICE_FEATURE_GET, VFCAP_FEATURE_WRITE_COMBINE, &alias,
		    sizeof(alias)))
		return MAP_FAILED;
	info.index = alias.alias_index;
	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return MAP_FAILED;
	return mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device,
		    info.offset);
}

/* --- end --- */
static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void say_what_is_shown(int device)
{
	static const char * const names[] = {
		[VFCAP_CAP_PASID] = "PASID",
		[VFCAP_CAP_PRI] = "PRI",
		[VFCAP_CAP_SHDW] = "SHDW",
	};
	struct vfcap_feature_query q;
	uint32_t cap;

	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++) {
		if (query(device, cap, &q))
			fail("query");
		if (q.offset)
			printf("%s: at %#x, step %u\n", names[cap], q.offset, q.step);
		else
			printf("%s: not shown, reason %u\n", names[cap], q.reason);
	}
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = { { .fd = 0, .events = POLLIN } };
	struct vfcap_feature_state state, restored;
	long page = sysconf(_SC_PAGESIZE);
	int device, iommufd;

	if (argc != 2) {
		fprintf(stderr, "Usage: vmm CDEV\n");
		return 2;
	}
	device = open_device(argv[1], &iommufd);
	if (device < 0)
		fail(argv[1]);
	say_what_is_shown(device);
	if (hide(device, VFCAP_CAP_PRI) || save(device, &state))
		fail("save");

	/* The VMM replaces itself. */
	close(device);
	close(iommufd);
	device = open_device(argv[1], &iommufd);
	if (device < 0 || restore(device, state) || save(device, &restored))
		fail("restore");
	printf("restored: %s\n",
	       memcmp(&state, &restored, sizeof(state)) ? "different" : "the same");

	if (map_write_combining(device, VFIO_PCI_BAR0_REGION_INDEX, 0, page) == MAP_FAILED)
		printf("write combining: %s\n", strerror(errno));
	else
		printf("write combining: %ld bytes of BAR 0\n", page);

	fds[1] = (struct pollfd){ .fd = watch_losses(device), .events = POLLIN };
	if (fds[1].fd < 0)
		fail("watch_losses");
	puts("running");
	fflush(stdout);
	if (poll(fds, 2, -1) > 0 && fds[1].revents)
		puts("lost");
	return 0;
}
