// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "host.h"
#include "iommufd.h"

int iommufd_ioas(struct vfio *v, uint32_t *id)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(v->parent, IOMMU_IOAS_ALLOC, &alloc))
		return -errno;
	*id = alloc.out_ioas_id;
	return 0;
}

static int alloc_hwpt(struct vfio *v, uint32_t ioas, uint32_t flags, uint32_t fault,
		      uint32_t *id)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.flags = flags,
		.dev_id = v->devid,
		.pt_id = ioas,
		.fault_id = fault,
	};

	if (ioctl(v->parent, IOMMU_HWPT_ALLOC, &alloc))
		return -errno;
	*id = alloc.out_hwpt_id;
	return 0;
}

int iommufd_hwpt(struct vfio *v, uint32_t ioas, bool pasid, uint32_t *id)
{
	return alloc_hwpt(v, ioas, pasid ? IOMMU_HWPT_ALLOC_PASID : 0, 0, id);
}

int iommufd_fault_queue(struct vfio *v, uint32_t *id)
{
	struct iommu_fault_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(v->parent, IOMMU_FAULT_QUEUE_ALLOC, &alloc))
		return -errno;
	*id = alloc.out_fault_id;
	return alloc.out_fault_fd;
}

int iommufd_fault_hwpt(struct vfio *v, uint32_t ioas, uint32_t fault, uint32_t *id)
{
	return alloc_hwpt(v, ioas, IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_FAULT_ID_VALID,
			  fault, id);
}

int iommufd_map(struct vfio *v, uint32_t ioas, void *memory, size_t size,
		uint64_t address)
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

	return ioctl(v->parent, IOMMU_IOAS_MAP, &map) ? -errno : 0;
}

int iommufd_space(struct vfio *v, void *memory, size_t size, uint64_t address,
		  uint32_t *id)
{
	uint32_t ioas = 0;
	int ret;

	ret = iommufd_ioas(v, &ioas);
	if (!ret)
		ret = iommufd_map(v, ioas, memory, size, address);
	return ret ?: iommufd_hwpt(v, ioas, true, id);
}

int iommufd_destroy(struct vfio *v, uint32_t id)
{
	struct iommu_destroy destroy = { .size = sizeof(destroy), .id = id };

	return ioctl(v->parent, IOMMU_DESTROY, &destroy) ? -errno : 0;
}

int iommufd_attach_id(struct vfio *v, uint32_t *pt_id, uint32_t pasid)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = sizeof(arg),
		.flags = pasid ? VFIO_DEVICE_ATTACH_PASID : 0,
		.pt_id = *pt_id,
		.pasid = pasid,
	};

	if (ioctl(v->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg))
		return -errno;
	*pt_id = arg.pt_id;
	return 0;
}

int iommufd_attach(struct vfio *v, uint32_t pt_id, uint32_t pasid)
{
	return iommufd_attach_id(v, &pt_id, pasid);
}

int iommufd_detach(struct vfio *v, uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt arg = {
		.argsz = sizeof(arg),
		.flags = pasid ? VFIO_DEVICE_DETACH_PASID : 0,
		.pasid = pasid,
	};

	return ioctl(v->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg) ? -errno : 0;
}

/* There is a directory for each attached PASID, and one for the RID. */
#define INTEL_DEBUGFS "/sys/kernel/debug/iommu/intel/"

bool iommu_has_pasid(const char *bdf, uint32_t pasid)
{
	return host_exists(INTEL_DEBUGFS "%s/%x", bdf, pasid);
}

int iommu_count_pasids(const char *bdf)
{
	struct dirent *entry;
	char path[256];
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), INTEL_DEBUGFS "%s", bdf);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && isxdigit(entry->d_name[0]))
			count++;
	closedir(dir);
	return count;
}

/* See vfcap-iommu-watch.c */
#define WATCH_FUNCTIONS "/sys/kernel/debug/vfcap-iommu-watch/functions"

int iommu_watch(const char *bdf)
{
	int ret = 0;

	if (!host_exists(WATCH_FUNCTIONS))
		ret = host_load("tools/testing/fixture/vfcap-iommu-watch.ko", "");
	return ret ?: host_write(WATCH_FUNCTIONS, bdf);
}

struct iommu_commands iommu_commands(const char *bdf)
{
	const char *line = strstr(host_read(WATCH_FUNCTIONS), bdf);
	/* If the function is not watched, the result breaks every rule. */
	struct iommu_commands c = { ~0U, ~0U, ~0U };

	if (line)
		sscanf(line, "%*s %u %u %u", &c.all, &c.asleep, &c.master);
	return c;
}

int iommu_watch_end(void)
{
	return host_unload("vfcap_iommu_watch");
}
