// SPDX-License-Identifier: GPL-2.0
/*
 * How a VMM gives its guest PRI: the program that the section on page requests of
 * Documentation/userspace-api/vfcap-vfio.rst explains
 *
 * It opens a function, declares that it answers page requests, and attaches a page table
 * with a fault queue to a PASID. Then it enables PASID and PRI in the guest's place, and
 * answers the function's requests for pages: 16 pages, none of which is mapped at first,
 * are the memory of the guest's process. For one page after them, it answers like a guest's
 * IOMMU driver that responds with Response Failure. After that, the guest enables PRI again
 * when a line arrives on standard input. The program ends with its standard input.
 *
 * Usage: vmm_pri CDEV, as in "vmm_pri /dev/vfio/devices/vfio0". It needs the headers of
 * Linux 6.15 or later. vmm.c has what is not about page requests, with more explanation.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/vfio_vfcap.h>

#define PASID		5
#define ADDRESS		0x10000000ULL
#define PAGE		4096
#define PAGES		16

struct vf {
	int device;		/* its cdev */
	int iommufd;
	uint32_t id;		/* what iommufd calls the device */
	uint16_t pasid, pri;	/* offsets of their capabilities */
	int queue;		/* page requests come from, and answers go to */
	struct iommu_hwpt_pgfault *requests;
	size_t room;		/* for this many of them */
	uint32_t ioas;		/* the address space of the guest's process */
	char *memory;		/* which has this */
};

static int feature(struct vf *vf, uint32_t op, uint32_t index, void *data, size_t size)
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
	ret = ioctl(vf->device, VFIO_DEVICE_FEATURE, &arg);
	memcpy(data, arg.header.data, size);
	return ret;
}

/* --- declare --- */
/* Before anything else, and only if all that is below is there */
static int declare(struct vf *vf)
{
	struct vfcap_feature_choose choice = {
		.cap = VFCAP_CAP_PRI,
		.flags = VFCAP_CHOOSE_ANSWERS,
	};

	return feature(vf, VFIO_DEVICE_FEATURE_SET, VFCAP_FEATURE_CHOOSE, &choice,
		       sizeof(choice));
}

/* --- query --- */
static int query(struct vf *vf, uint32_t cap, struct vfcap_feature_query *q)
{
	*q = (struct vfcap_feature_query){ .cap = cap };
	if (feature(vf, VFIO_DEVICE_FEATURE_GET, VFCAP_FEATURE_QUERY, q, sizeof(*q)))
		return -1;
	if (q->magic == VFCAP_MAGIC)
		return 0;
	errno = ENOTTY;
	return -1;
}

/* --- page tables --- */
static int alloc_ioas(struct vf *vf, uint32_t *ioas)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(vf->iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return -1;
	*ioas = alloc.out_ioas_id;
	return 0;
}

/* @queue: the ID of a fault queue, or 0 */
static int alloc_page_table(struct vf *vf, uint32_t ioas, uint32_t queue,
			    uint32_t *page_table)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.flags = IOMMU_HWPT_ALLOC_PASID |
			 (queue ? IOMMU_HWPT_FAULT_ID_VALID : 0),
		.dev_id = vf->id,
		.pt_id = ioas,
		.fault_id = queue,
	};

	if (ioctl(vf->iommufd, IOMMU_HWPT_ALLOC, &alloc))
		return -1;
	*page_table = alloc.out_hwpt_id;
	return 0;
}

/* @pasid: 0 stands for the function itself */
static int attach(struct vf *vf, uint32_t pasid, uint32_t page_table)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = sizeof(arg),
		.flags = pasid ? VFIO_DEVICE_ATTACH_PASID : 0,
		.pt_id = page_table,
		.pasid = pasid,
	};

	return ioctl(vf->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg);
}

/* --- fault queue --- */
/*
 * What the function asks for with the PASID comes out of vf->queue: as the vIOMMU of a
 * VMM does when the guest sets up a PASID with page requests.
 */
static int set_up_pasid(struct vf *vf)
{
	struct iommu_fault_alloc alloc = { .size = sizeof(alloc) };
	uint32_t page_table;

	if (ioctl(vf->iommufd, IOMMU_FAULT_QUEUE_ALLOC, &alloc))
		return -1;
	vf->queue = alloc.out_fault_fd;
	if (alloc_ioas(vf, &vf->ioas) ||
	    alloc_page_table(vf, vf->ioas, alloc.out_fault_id, &page_table))
		return -1;
	return attach(vf, PASID, page_table);
}

/* --- answer --- */
/* What the guest makes of one request: in a VMM, what its IOMMU driver answers */
enum response { GUEST_SUCCESS, GUEST_INVALID, GUEST_FAILURE };

static enum response guest_handles(struct vf *vf, const struct iommu_hwpt_pgfault *request)
{
	uint64_t page = (request->addr - ADDRESS) / PAGE;
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = vf->ioas,
		.user_va = (uintptr_t)vf->memory + page * PAGE,
		.length = PAGE,
		.iova = request->addr,
	};

	if (page == PAGES)
		return GUEST_FAILURE;
	if (page > PAGES)
		return GUEST_INVALID;
	/* It may be there by now: another request was for it, too. */
	if (ioctl(vf->iommufd, IOMMU_IOAS_MAP, &map) && errno != EEXIST)
		return GUEST_INVALID;
	return GUEST_SUCCESS;
}

/* Once for each group, with the cookie of the group */
static int answer(struct vf *vf, uint32_t cookie, uint32_t code)
{
	struct iommu_hwpt_page_response response = { .cookie = cookie, .code = code };

	if (write(vf->queue, &response, sizeof(response)) == sizeof(response))
		return 0;
	/* The kernel has done so: a reset, a PASID that was detached, a VMM too slow */
	return errno == EINVAL ? 0 : -1;
}

/* Response Failure is never for hardware. The guest finds it in its own registers. */
static int answer_failure(struct vf *vf, uint32_t cookie)
{
	struct vfcap_feature_pri_failed failed = { .flags = VFCAP_PRI_FAILURE };

	if (answer(vf, cookie, IOMMUFD_PAGE_RESP_INVALID))
		return -1;
	return feature(vf, VFIO_DEVICE_FEATURE_SET, VFCAP_FEATURE_PRI_FAILED, &failed,
		       sizeof(failed));
}

/* --- queue --- */
static int finish_group(struct vf *vf, const struct iommu_hwpt_pgfault *last,
			unsigned int pages, enum response response)
{
	static const char * const names[] = {
		[GUEST_SUCCESS] = "Success",
		[GUEST_INVALID] = "Invalid Request",
		[GUEST_FAILURE] = "Response Failure",
	};

	printf("group %u, pages: %u, PASID %u: %s\n", last->grpid, pages, last->pasid,
	       names[response]);
	if (response == GUEST_FAILURE)
		return answer_failure(vf, last->cookie);
	return answer(vf, last->cookie, response == GUEST_SUCCESS ?
		      IOMMUFD_PAGE_RESP_SUCCESS : IOMMUFD_PAGE_RESP_INVALID);
}

/* Make room for the next group, however large it is */
static int grow(struct vf *vf)
{
	size_t room = vf->room ? 2 * vf->room : 16;
	void *requests = reallocarray(vf->requests, room, sizeof(*vf->requests));

	if (!requests)
		return -1;
	vf->requests = requests;
	vf->room = room;
	return 0;
}

/* A read returns whole groups: their requests in order, the last one marked. */
static int serve(struct vf *vf)
{
	ssize_t size = read(vf->queue, vf->requests, vf->room * sizeof(*vf->requests));
	enum response worst = GUEST_SUCCESS, response;
	unsigned int i, pages = 0;

	if (size < 0)
		return errno == EINVAL ? grow(vf) : -1;
	for (i = 0; i < size / sizeof(*vf->requests); i++) {
		response = guest_handles(vf, &vf->requests[i]);
		worst = response > worst ? response : worst;
		pages++;
		if (!(vf->requests[i].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE))
			continue;
		if (finish_group(vf, &vf->requests[i], pages, worst))
			return -1;
		worst = GUEST_SUCCESS;
		pages = 0;
	}
	return 0;
}

/* --- registers --- */
/* A guest's accesses to config space go to the kernel unchanged. */
static int config(struct vf *vf, bool write, uint16_t offset, void *data, size_t size)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	ssize_t ret;

	if (ioctl(vf->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -1;
	ret = write ? pwrite(vf->device, data, size, info.offset + offset) :
		      pread(vf->device, data, size, info.offset + offset);
	return ret == size ? 0 : -1;
}

static int guest_enables_pasid(struct vf *vf)
{
	uint16_t enable = PCI_PASID_CTRL_ENABLE;

	return config(vf, true, vf->pasid + PCI_PASID_CTRL, &enable, sizeof(enable));
}

/* What is in flight is answered meanwhile, by the VMM or after a while by the kernel. */
static int guest_waits_until_stopped(struct vf *vf)
{
	struct pollfd fd = { .fd = vf->queue, .events = POLLIN };
	uint16_t status;

	for (;;) {
		if (config(vf, false, vf->pri + PCI_PRI_STATUS, &status, sizeof(status)))
			return -1;
		if (status & PCI_PRI_STATUS_STOPPED)
			return 0;
		if (poll(&fd, 1, 10) > 0 && serve(vf))
			return -1;
	}
}

/*
 * Like a driver: switch it off, wait until it has stopped, and switch it on with all
 * requests that it may have
 */
static int guest_enables_pri(struct vf *vf)
{
	uint16_t off = 0, on = PCI_PRI_CTRL_ENABLE;
	uint32_t capacity;

	if (config(vf, true, vf->pri + PCI_PRI_CTRL, &off, sizeof(off)) ||
	    guest_waits_until_stopped(vf) ||
	    config(vf, false, vf->pri + PCI_PRI_MAX_REQ, &capacity, sizeof(capacity)) ||
	    config(vf, true, vf->pri + PCI_PRI_ALLOC_REQ, &capacity, sizeof(capacity)) ||
	    config(vf, true, vf->pri + PCI_PRI_CTRL, &on, sizeof(on)))
		return -1;
	printf("PRI: enabled at %#x, page requests at once: %u\n", vf->pri, capacity);
	return 0;
}

/* --- main --- */
static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void open_vf(struct vf *vf, const char *cdev)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	uint32_t ioas, page_table;

	vf->device = open(cdev, O_RDWR | O_CLOEXEC);
	vf->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	bind.iommufd = vf->iommufd;
	if (vf->device < 0 || vf->iommufd < 0 ||
	    ioctl(vf->device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		fail(cdev);
	vf->id = bind.out_devid;
	if (alloc_ioas(vf, &ioas) || alloc_page_table(vf, ioas, 0, &page_table) ||
	    attach(vf, 0, page_table))
		fail("attach");
}

/* Whether the guest is shown both */
static bool is_shown(struct vf *vf)
{
	struct vfcap_feature_query pasid, pri;

	if (query(vf, VFCAP_CAP_PASID, &pasid) || query(vf, VFCAP_CAP_PRI, &pri))
		fail("query");
	if (!pri.offset)
		printf("PRI: not shown, reason %u, %s\n", pri.reason,
		       pri.flags & VFCAP_QUERY_DELIVERABLE ?
		       "though this kernel delivers page requests" :
		       "and this kernel delivers no page requests");
	vf->pasid = pasid.offset;
	vf->pri = pri.offset;
	return pasid.offset && pri.offset;
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = { { .fd = 0, .events = POLLIN } };
	struct vf vf = {};
	char line[16];

	if (argc != 2) {
		fprintf(stderr, "Usage: vmm_pri CDEV\n");
		return 2;
	}
	setlinebuf(stdout);
	open_vf(&vf, argv[1]);
	if (declare(&vf))
		fail("declare");
	if (!is_shown(&vf))
		return 1;

	vf.memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vf.memory == MAP_FAILED || grow(&vf) || set_up_pasid(&vf) ||
	    guest_enables_pasid(&vf) || guest_enables_pri(&vf))
		fail("set_up");
	fds[1] = (struct pollfd){ .fd = vf.queue, .events = POLLIN };
	while (poll(fds, 2, -1) > 0) {
		if (fds[1].revents && serve(&vf))
			fail("serve");
		if (!fds[0].revents)
			continue;
		if (read(0, line, sizeof(line)) <= 0)
			return 0;
		if (guest_enables_pri(&vf))
			fail("guest_enables_pri");
	}
	return 1;
}
