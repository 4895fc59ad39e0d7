// SPDX-License-Identifier: GPL-2.0
/*
 * How a VMM uses what vfcap-vfio-pci offers beyond vfio-pci: the program that
 * Documentation/userspace-api/vfcap-vfio.rst explains step by step
 *
 * It opens a VF through its cdev, prints what the guest would be shown, hides PRI,
 * attaches a page table to a PASID, and enables PASID in the guest's place. It saves the
 * virtual registers, opens the VF again, and restores them. It maps a page of BAR 0 with
 * write combining. Then it reports losses, and resets the VF when that would end one, until
 * its standard input ends.
 *
 * Usage: vmm CDEV, as in "vmm /dev/vfio/devices/vfio0". It needs the headers of Linux
 * 6.15 or later.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/vfio_vfcap.h>

/* --- open --- */
struct vf {
	int device;		/* its cdev */
	int iommufd;
	uint32_t id;		/* what iommufd calls the device */
};

static int alloc_ioas(struct vf *vf, uint32_t *ioas)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(vf->iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return -1;
	*ioas = alloc.out_ioas_id;
	return 0;
}

/* A page table of an address space, of the kind that PASIDs take */
static int alloc_page_table(struct vf *vf, uint32_t ioas, uint32_t *page_table)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.flags = IOMMU_HWPT_ALLOC_PASID,
		.dev_id = vf->id,
		.pt_id = ioas,
	};

	if (ioctl(vf->iommufd, IOMMU_HWPT_ALLOC, &alloc))
		return -1;
	*page_table = alloc.out_hwpt_id;
	return 0;
}

/*
 * DMA without a PASID uses this page table. It is of the kind that can be attached to
 * PASIDs: otherwise none could be attached next to it.
 */
static int attach(struct vf *vf, uint32_t page_table)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = sizeof(arg),
		.pt_id = page_table,
	};

	return ioctl(vf->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg);
}

static int open_vf(struct vf *vf, const char *cdev)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	uint32_t ioas, page_table;

	vf->device = open(cdev, O_RDWR | O_CLOEXEC);
	vf->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	bind.iommufd = vf->iommufd;
	if (vf->device < 0 || vf->iommufd < 0 ||
	    ioctl(vf->device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return -1;
	vf->id = bind.out_devid;

	/* A VMM maps its guest's memory in this address space. */
	if (alloc_ioas(vf, &ioas))
		return -1;
	if (!alloc_page_table(vf, ioas, &page_table))
		return attach(vf, page_table);
	/* An IOMMU, or a kernel, without PASIDs: do without. */
	return errno == EOPNOTSUPP ? attach(vf, ioas) : -1;
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
static int query(struct vf *vf, uint32_t cap, struct vfcap_feature_query *q)
{
	*q = (struct vfcap_feature_query){ .cap = cap };
	if (feature(vf->device, VFIO_DEVICE_FEATURE_GET, VFCAP_FEATURE_QUERY, q,
		    sizeof(*q)))
		return -1;
	if (q->magic == VFCAP_MAGIC)
		return 0;
	errno = ENOTTY;
	return -1;
}

/* --- choose --- */
static int hide(struct vf *vf, uint32_t cap)
{
	struct vfcap_feature_choose choice = {
		.cap = cap,
		.flags = VFCAP_CHOOSE_HIDE,
	};

	return feature(vf->device, VFIO_DEVICE_FEATURE_SET, VFCAP_FEATURE_CHOOSE,
		       &choice, sizeof(choice));
}

static int place(struct vf *vf, uint32_t cap, uint16_t offset)
{
	struct vfcap_feature_choose choice = {
		.cap = cap,
		.flags = VFCAP_CHOOSE_OFFSET,
		.offset = offset,
	};

	return feature(vf->device, VFIO_DEVICE_FEATURE_SET, VFCAP_FEATURE_CHOOSE,
		       &choice, sizeof(choice));
}

/* --- pasid --- */
/* Memory that a process of the guest has given its device, at an address of its own */
static int map(struct vf *vf, uint32_t ioas, void *memory, size_t size, uint64_t address)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory,
		.length = size,
		.iova = address,
	};

	return ioctl(vf->iommufd, IOMMU_IOAS_MAP, &map);
}

static int attach_pasid(struct vf *vf, uint32_t pasid, uint32_t page_table)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = page_table,
		.pasid = pasid,
	};

	return ioctl(vf->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg);
}

static int detach_pasid(struct vf *vf, uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_DETACH_PASID,
		.pasid = pasid,
	};

	return ioctl(vf->device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg);
}

/* --- enable --- */
/* A guest's write of config space goes to the kernel as it is. */
static int guest_writes(struct vf *vf, uint16_t offset, const void *data, size_t size)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};

	if (ioctl(vf->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -1;
	return pwrite(vf->device, data, size, info.offset + offset) == size ? 0 : -1;
}

/* --- state --- */
static int save(struct vf *vf, struct vfcap_feature_state *state)
{
	memset(state, 0, sizeof(*state));
	return feature(vf->device, VFIO_DEVICE_FEATURE_GET, VFCAP_FEATURE_STATE, state,
		       sizeof(*state));
}

/* What was shown there is shown here, at the same place; what was not is hidden. */
static int show_as_there(struct vf *vf, const struct vfcap_feature_state *state)
{
	struct vfcap_feature_query q;
	uint16_t offset;
	uint32_t cap;

	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++) {
		offset = state->caps[cap].offset;
		if (query(vf, cap, &q))
			return -1;
		if (q.offset != offset &&
		    (offset ? place(vf, cap, offset) : hide(vf, cap)))
			return -1;
	}
	return 0;
}

/* After PASIDs were attached as they were there */
static int restore(struct vf *vf, struct vfcap_feature_state state)
{
	return feature(vf->device, VFIO_DEVICE_FEATURE_SET, VFCAP_FEATURE_STATE, &state,
		       sizeof(state));
}

/* --- loss --- */
/* @index: VFCAP_FEATURE_LOST_EVENTFD, or VFCAP_FEATURE_RETURN_EVENTFD for its return */
static int watch(struct vf *vf, uint32_t index)
{
	struct vfcap_feature_lost_eventfd event = { .fd = eventfd(0, EFD_CLOEXEC) };

	if (feature(vf->device, VFIO_DEVICE_FEATURE_SET, index, &event, sizeof(event)))
		return -1;
	return event.fd;
}

/* Either eventfd was signalled. What it was about is in what QUERY says now. */
static int on_event(struct vf *vf, int event)
{
	struct vfcap_feature_query q;
	uint64_t count;

	if (read(event, &count, sizeof(count)) != sizeof(count) ||
	    query(vf, VFCAP_CAP_PASID, &q))
		return -1;
	if (!(q.flags & VFCAP_QUERY_LOST)) {
		puts("PASID can be enabled again");
	} else if (!(q.flags & VFCAP_QUERY_RETURNED)) {
		printf("PASID is lost: %s\n", q.cause);
	} else {
		/* Once the guest no longer uses the device as it was: this ends the loss. */
		puts("the PF has PASID back");
		return ioctl(vf->device, VFIO_DEVICE_RESET);
	}
	return 0;
}

/* --- write combining --- */
static void *map_write_combining(struct vf *vf, uint32_t bar, uint64_t offset,
				 size_t size)
{
	struct vfcap_feature_write_combine alias = {
		.region_index = bar,
		.offset = offset,
		.size = size,
	};
	struct vfio_region_info info = { .argsz = sizeof(info) };

	if (feature(vf->device, VFIO_DEVICE_FEATURE_GET, VFCAP_FEATURE_WRITE_COMBINE,
		    &alias, sizeof(alias)))
		return MAP_FAILED;
	info.index = alias.alias_index;
	if (ioctl(vf->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return MAP_FAILED;
	return mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, vf->device,
		    info.offset);
}

/* --- main --- */
#define PASID		5
#define ADDRESS		0x100000

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void say_what_is_shown(struct vf *vf)
{
	static const char * const names[] = {
		[VFCAP_CAP_PASID] = "PASID",
		[VFCAP_CAP_PRI] = "PRI",
		[VFCAP_CAP_SHDW] = "SHDW",
	};
	struct vfcap_feature_query q;
	uint32_t cap;

	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++) {
		if (query(vf, cap, &q))
			fail("query");
		if (q.offset)
			printf("%s: at %#x, step %u\n", names[cap], q.offset, q.step);
		else
			printf("%s: not shown, reason %u\n", names[cap], q.reason);
	}
}

/* As the vIOMMU of a VMM does when the guest sets up a PASID */
static void set_up_pasid(struct vf *vf, void *memory, size_t size)
{
	uint32_t ioas, page_table;

	if (alloc_ioas(vf, &ioas) || map(vf, ioas, memory, size, ADDRESS) ||
	    alloc_page_table(vf, ioas, &page_table) ||
	    attach_pasid(vf, PASID, page_table))
		fail("set_up_pasid");
}

static bool pasid_is_enabled(struct vf *vf)
{
	struct vfcap_feature_query q;

	return !query(vf, VFCAP_CAP_PASID, &q) && q.flags & VFCAP_QUERY_ENABLED;
}

int main(int argc, char **argv)
{
	struct pollfd fds[3] = { { .fd = 0, .events = POLLIN } };
	uint16_t enable = PCI_PASID_CTRL_ENABLE;
	struct vfcap_feature_state state;
	struct vfcap_feature_query q;
	long page = sysconf(_SC_PAGESIZE);
	struct vf vf;
	void *memory;
	int i;

	if (argc != 2) {
		fprintf(stderr, "Usage: vmm CDEV\n");
		return 2;
	}
	memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (memory == MAP_FAILED || open_vf(&vf, argv[1]))
		fail(argv[1]);
	say_what_is_shown(&vf);
	if (hide(&vf, VFCAP_CAP_PRI) || query(&vf, VFCAP_CAP_PASID, &q))
		fail("hide");
	if (!q.offset)
		return 1;

	set_up_pasid(&vf, memory, page);
	if (guest_writes(&vf, q.offset + PCI_PASID_CTRL, &enable, sizeof(enable)))
		fail("guest_writes");
	printf("PASID %u: %s\n", PASID, pasid_is_enabled(&vf) ? "enabled" : "disabled");

	/* The VMM replaces itself. */
	if (save(&vf, &state))
		fail("save");
	close(vf.device);
	close(vf.iommufd);
	if (open_vf(&vf, argv[1]) || show_as_there(&vf, &state))
		fail(argv[1]);
	set_up_pasid(&vf, memory, page);
	if (restore(&vf, state))
		fail("restore");
	printf("restored: %s\n", pasid_is_enabled(&vf) ? "enabled" : "disabled");

	if (map_write_combining(&vf, VFIO_PCI_BAR0_REGION_INDEX, 0, page) == MAP_FAILED)
		printf("write combining: %s\n", strerror(errno));
	else
		printf("write combining: %ld bytes of BAR 0\n", page);

	fds[1] = (struct pollfd){
		.fd = watch(&vf, VFCAP_FEATURE_LOST_EVENTFD), .events = POLLIN
	};
	fds[2] = (struct pollfd){
		.fd = watch(&vf, VFCAP_FEATURE_RETURN_EVENTFD), .events = POLLIN
	};
	if (fds[1].fd < 0 || fds[2].fd < 0)
		fail("watch");
	puts("running");
	for (fflush(stdout); poll(fds, 3, -1) > 0 && !fds[0].revents; fflush(stdout)) {
		for (i = 1; i < 3; i++)
			if (fds[i].revents && on_event(&vf, fds[i].fd))
				fail("on_event");
	}
	return detach_pasid(&vf, PASID) ? 1 : 0;
}
