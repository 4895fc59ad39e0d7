// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "vfio.h"

void *vfio_nowhere(void)
{
	return NULL;
}

void vfio_init(struct vfio *v)
{
	*v = (struct vfio){ .fd = -1, .parent = -1, .container = -1 };
}

/* Path of the cdev, "" where there is none */
static void vfio_cdev_path(char *out, size_t size, const char *bdf)
{
	struct dirent *entry;
	char path[256];
	DIR *dir;

	*out = 0;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (strstr(entry->d_name, "vfio"))
			snprintf(out, size, "/dev/vfio/devices/%s",
				 entry->d_name);
	closedir(dir);
	if (access(out, F_OK))
		*out = 0;
}

bool vfio_has_cdev(const char *bdf)
{
	char path[512];

	vfio_cdev_path(path, sizeof(path), bdf);
	return *path;
}

static int vfio_find_config(struct vfio *v)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};

	if (ioctl(v->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	v->config = info.offset;
	v->config_size = info.size;
	return 0;
}

static int vfio_fail(struct vfio *v)
{
	int err = -errno;

	vfio_close(v);
	return err;
}

static int open_cdev(struct vfio *v, const char *bdf, const uint8_t *uuid,
		     int iommufd)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	char path[512];

	vfio_init(v);
	vfio_cdev_path(path, sizeof(path), bdf);
	v->parent = iommufd < 0 ? open("/dev/iommu", O_RDWR | O_CLOEXEC) :
				  dup(iommufd);
	v->fd = open(path, O_RDWR | O_CLOEXEC);
	if (v->parent < 0 || v->fd < 0)
		return vfio_fail(v);

	bind.iommufd = v->parent;
	if (uuid) {
		bind.flags = VFIO_DEVICE_BIND_FLAG_TOKEN;
		bind.token_uuid_ptr = (uintptr_t)uuid;
	}
	if (ioctl(v->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return vfio_fail(v);
	v->devid = bind.out_devid;

	errno = -vfio_find_config(v);
	return errno ? vfio_fail(v) : 0;
}

int vfio_open_cdev(struct vfio *v, const char *bdf)
{
	return open_cdev(v, bdf, NULL, -1);
}

int vfio_open_shared(struct vfio *v, const char *bdf, int iommufd)
{
	return open_cdev(v, bdf, NULL, iommufd);
}

int vfio_set_token(struct vfio *v, const uint8_t *uuid)
{
	struct {
		struct vfio_device_feature feature;
		uint8_t uuid[16];
	} arg = {
		.feature = {
			.argsz = sizeof(arg),
			.flags = VFIO_DEVICE_FEATURE_SET |
				 VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
		},
	};

	memcpy(arg.uuid, uuid, sizeof(arg.uuid));
	return ioctl(v->fd, VFIO_DEVICE_FEATURE, &arg) ? -errno : 0;
}

/* A device's name, as its group takes it, with the VF token if there is one */
static void name_with_token(char *out, size_t size, const char *bdf,
			    const uint8_t *uuid)
{
	size_t len = snprintf(out, size, "%s", bdf);
	int i;

	if (uuid)
		len += snprintf(out + len, size - len, " vf_token=");
	for (i = 0; uuid && i < 16; i++)
		len += snprintf(out + len, size - len, "%s%02x",
				i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
				uuid[i]);
}

static int open_group(struct vfio *v, const char *bdf, const uint8_t *uuid)
{
	char link[512], path[256];
	bool noiommu;
	ssize_t len;

	vfio_init(v);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return vfio_fail(v);
	link[len] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);
	noiommu = access(path, F_OK);
	if (noiommu)
		snprintf(path, sizeof(path), "/dev/vfio/noiommu-%s",
			 strrchr(link, '/') + 1);

	v->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	v->parent = open(path, O_RDWR | O_CLOEXEC);
	if (v->container < 0 || v->parent < 0)
		return vfio_fail(v);
	if (ioctl(v->parent, VFIO_GROUP_SET_CONTAINER, &v->container) ||
	    ioctl(v->container, VFIO_SET_IOMMU,
		  noiommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU))
		return vfio_fail(v);

	name_with_token(path, sizeof(path), bdf, uuid);
	v->fd = ioctl(v->parent, VFIO_GROUP_GET_DEVICE_FD, path);
	if (v->fd < 0)
		return vfio_fail(v);

	errno = -vfio_find_config(v);
	return errno ? vfio_fail(v) : 0;
}

int vfio_open_group(struct vfio *v, const char *bdf)
{
	return open_group(v, bdf, NULL);
}

int vfio_open_token(struct vfio *v, const char *bdf, const uint8_t *uuid)
{
	return vfio_has_cdev(bdf) ? open_cdev(v, bdf, uuid, -1) :
				    open_group(v, bdf, uuid);
}

int vfio_open(struct vfio *v, const char *bdf)
{
	return vfio_open_token(v, bdf, NULL);
}

void vfio_close(struct vfio *v)
{
	if (v->fd >= 0)
		close(v->fd);
	if (v->parent >= 0)
		close(v->parent);
	if (v->container >= 0)
		close(v->container);
	vfio_init(v);
}

ssize_t vfio_read(struct vfio *v, unsigned int pos, void *buf, size_t size)
{
	ssize_t ret = pread(v->fd, buf, size, v->config + pos);

	return ret < 0 ? -errno : ret;
}

ssize_t vfio_write(struct vfio *v, unsigned int pos, const void *buf,
		   size_t size)
{
	ssize_t ret = pwrite(v->fd, buf, size, v->config + pos);

	return ret < 0 ? -errno : ret;
}

uint32_t vfio_get(struct vfio *v, unsigned int pos, unsigned int size)
{
	uint32_t value = 0;
	ssize_t ret = vfio_read(v, pos, &value, size);

	if (ret != (ssize_t)size) {
		printf("# config read of %u bytes at %#x: %zd\n", size, pos, ret);
		return ~0U;
	}
	return value;
}

int vfio_set(struct vfio *v, unsigned int pos, unsigned int size,
	     uint32_t value)
{
	ssize_t ret = vfio_write(v, pos, &value, size);

	return ret == (ssize_t)size ? 0 : ret < 0 ? ret : -EIO;
}

unsigned int vfio_find_ecap(struct vfio *v, uint16_t id)
{
	unsigned int pos = 0x100, loops = 960;

	while (pos >= 0x100 && loops--) {
		uint32_t header = vfio_get(v, pos, 4);

		if ((header & 0xffff) == id)
			return pos;
		pos = header >> 20 & 0xffc;
	}
	return 0;
}

unsigned int vfio_find_cap(struct vfio *v, uint8_t id)
{
	unsigned int pos = vfio_get(v, PCI_CAPABILITY_LIST, 1), loops = 48;

	while (pos >= 0x40 && loops--) {
		if (vfio_get(v, pos, 1) == id)
			return pos;
		pos = vfio_get(v, pos + 1, 1);
	}
	return 0;
}

struct vfio_region_info *vfio_region(struct vfio *v, unsigned int index,
				     void *buf, size_t size)
{
	struct vfio_region_info *info = buf;

	memset(buf, 0, size);
	info->argsz = size;
	info->index = index;
	if (ioctl(v->fd, VFIO_DEVICE_GET_REGION_INFO, info) ||
	    info->argsz > size)
		return NULL;
	return info;
}

void *vfio_region_cap(struct vfio_region_info *info, uint16_t id)
{
	uint32_t offset;

	if (!(info->flags & VFIO_REGION_INFO_FLAG_CAPS))
		return NULL;
	for (offset = info->cap_offset; offset;) {
		struct vfio_info_cap_header *header = (void *)info + offset;

		if (header->id == id)
			return header;
		offset = header->next;
	}
	return NULL;
}

int vfio_feature_told(struct vfio *v, uint32_t flags, void *data, size_t size,
		      size_t told)
{
	struct vfio_device_feature *feature = calloc(1, sizeof(*feature) + size);
	int ret;

	if (!feature)
		return -ENOMEM;
	feature->argsz = sizeof(*feature) + told;
	feature->flags = flags;
	memcpy(feature->data, data, size);
	ret = ioctl(v->fd, VFIO_DEVICE_FEATURE, feature) < 0 ? -errno : 0;
	if (!ret)
		memcpy(data, feature->data, size);
	free(feature);
	return ret;
}

int vfio_feature(struct vfio *v, uint32_t flags, void *data, size_t size)
{
	return vfio_feature_told(v, flags, data, size, size);
}

int vfio_reset(struct vfio *v)
{
	return ioctl(v->fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

int vfio_set_low_power(struct vfio *v, bool low)
{
	uint32_t index = low ? VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY :
			       VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;

	return vfio_feature(v, VFIO_DEVICE_FEATURE_SET | index, NULL, 0);
}

int vfio_set_irq(struct vfio *v, uint32_t index, int efd)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(int)] = {};
	struct vfio_irq_set *set = (void *)buf;

	set->argsz = sizeof(buf);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->count = 1;
	memcpy(set->data, &efd, sizeof(efd));
	return ioctl(v->fd, VFIO_DEVICE_SET_IRQS, set) ? -errno : 0;
}
