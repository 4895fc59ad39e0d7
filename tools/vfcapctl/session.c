// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: the VFIO file of a device
 *
 * A device that nobody uses is opened as a VMM opens it: through its cdev and
 * iommufd, or through its group if the kernel has no cdev. That resets it. A
 * device in use cannot be opened a second time, but the file of its user can be
 * shared (pidfd_getfd): reads of config space and queries then tell what its
 * guest sees, and change nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vfcapctl.h"

/* Since Linux 6.6; headers may be older than the kernel. */
#ifndef VFIO_DEVICE_BIND_IOMMUFD
struct vfio_device_bind_iommufd {
	__u32 argsz;
	__u32 flags;
	__s32 iommufd;
	__u32 out_devid;
};

#define VFIO_DEVICE_BIND_IOMMUFD	_IO(VFIO_TYPE, VFIO_BASE + 18)
#endif

#define REFUSE(s, status, ...)						\
	(snprintf((s)->why, sizeof((s)->why), __VA_ARGS__), (status))

static void session_init(struct session *s)
{
	*s = (struct session){ .fd = -1, .parent = -1, .container = -1 };
}

void session_close(struct session *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->parent >= 0)
		close(s->parent);
	if (s->container >= 0)
		close(s->container);
	s->fd = -1;
	s->parent = -1;
	s->container = -1;
}

/* During a change by the PF's driver, a VF that would show the capability cannot be opened. */
static bool is_changing(const struct device *d)
{
	char state[32];
	int cap;

	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++)
		if (*d->pf && !sysfs_read(state, sizeof(state),
					  DEVICES "/%s/vfcap/%s_state", d->pf,
					  caps[cap].key) &&
		    !strcmp(state, "changing"))
			return true;
	return false;
}

static enum status refuse_errno(struct session *s, const struct device *d,
				const char *what, int err)
{
	char others[NAMES_SIZE];

	device_group_others(d, others, sizeof(others));
	switch (err) {
	case EBUSY:
		if (is_changing(d))
			return REFUSE(s, STATUS_BUSY,
				      "%s: the driver of its PF %s is changing what it would show; try again later",
				      d->bdf, d->pf);
		if (*others)
			break;
		return REFUSE(s, STATUS_BUSY,
			      "%s: in use: %s is busy; a process that cannot be seen from here has it open",
			      d->bdf, what);
	case EACCES:
	case EPERM:
		if (geteuid())
			return REFUSE(s, STATUS_PERMISSION,
				      "%s: cannot open %s: %s; this requires root",
				      d->bdf, what, strerror(err));
		if (*others)
			break;
		return REFUSE(s, STATUS_PERMISSION,
			      "%s: cannot open %s: %s; if user space has the PF, this requires a VF token, which vfcapctl does not have; a platform without isolated interrupts requires allow_unsafe_interrupts",
			      d->bdf, what, strerror(err));
	default:
		return REFUSE(s, STATUS_FAILED, "%s: cannot open %s: %s",
			      d->bdf, what, strerror(err));
	}
	return REFUSE(s, STATUS_UNSUPPORTED,
		      "%s: cannot open %s: %s; its IOMMU group %s has other devices, which drivers of the host use: %s; use a slot behind a port with ACS, or give all of them to VFIO",
		      d->bdf, what, strerror(err), d->group, others);
}

static enum status open_cdev(struct session *s, const struct device *d)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", d->vfio);
	s->via = VIA_CDEV;
	s->parent = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (s->parent < 0)
		return refuse_errno(s, d, "/dev/iommu", errno);
	s->fd = open(path, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return refuse_errno(s, d, path, errno);
	bind.iommufd = s->parent;
	/* EINVAL: another file of the device is bound. */
	if (ioctl(s->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return refuse_errno(s, d, path, errno == EINVAL ? EBUSY : errno);
	return STATUS_OK;
}

static enum status open_group(struct session *s, const struct device *d)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/dev/vfio/%s", d->group);
	s->via = VIA_GROUP;
	s->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (s->container < 0)
		return refuse_errno(s, d, "/dev/vfio/vfio", errno);
	s->parent = open(path, O_RDWR | O_CLOEXEC);
	if (s->parent < 0)
		return refuse_errno(s, d, path, errno);
	if (ioctl(s->parent, VFIO_GROUP_SET_CONTAINER, &s->container) ||
	    ioctl(s->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return refuse_errno(s, d, path, errno);
	s->fd = ioctl(s->parent, VFIO_GROUP_GET_DEVICE_FD, d->bdf);
	if (s->fd < 0)
		return refuse_errno(s, d, path, errno);
	return STATUS_OK;
}

/*
 * Config accesses wake a device whose guest has put it into low power, and the VMM is
 * notified of that.
 */
static bool is_asleep(const struct device *d)
{
	char status[32];

	return !device_go_to(d->bdf) &&
	       !sysfs_read(status, sizeof(status), "power/runtime_status") &&
	       !strcmp(status, "suspended");
}

/* 0 or -errno; EINVAL for a cdev that its user has not bound to an iommufd */
static int find_config(struct session *s)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};

	if (ioctl(s->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	s->config = info.offset;
	s->config_size = info.size;
	return 0;
}

static enum status share(struct session *s, const struct device *d,
			 const struct holder *h)
{
	char who[2 * NAME_SIZE];
	int process, err;
	bool gone;

	holder_describe(h, who, sizeof(who));
	if (h->fd < 0)
		return REFUSE(s, STATUS_BUSY,
			      "%s: in use: %s has its VFIO group open, and none of its files identifies the device (possible since Linux 6.18)",
			      d->bdf, who);
	if (is_asleep(d))
		return REFUSE(s, STATUS_BUSY,
			      "%s: in use: %s has it in low power, and looking at it would wake it",
			      d->bdf, who);

	process = syscall(SYS_pidfd_open, h->pid, 0);
	if (process >= 0) {
		s->fd = syscall(SYS_pidfd_getfd, process, h->fd, 0);
		close(process);
	}
	gone = s->fd < 0 && (errno == EBADF || errno == ESRCH);
	if (s->fd < 0 && !gone)
		return REFUSE(s, STATUS_BUSY,
			      "%s: in use: %s has it open, and does not allow its file to be shared: %s",
			      d->bdf, who, strerror(errno));
	/* The process may have closed it meanwhile, and opened another file. */
	if (gone || !holder_is_device(s->fd, d))
		return REFUSE(s, STATUS_BUSY,
			      "%s: in use: %s has just closed it", d->bdf, who);
	err = find_config(s);
	if (err)
		return REFUSE(s, STATUS_BUSY,
			      "%s: in use: %s has it open, but not bound to an iommufd yet: %s",
			      d->bdf, who, strerror(-err));
	s->shared = true;
	s->via = h->via;
	return STATUS_OK;
}

/*
 * Some holders have only the group open, or a cdev that they have not bound; some have
 * closed it by now. If no file can be shared, report why the first one cannot.
 */
static enum status share_any(struct session *s, const struct device *d,
			     const struct holder *files, size_t n)
{
	enum status status = STATUS_OK, other;
	struct session try;
	size_t i;

	for (i = 0; i < n; i++) {
		session_init(&try);
		other = share(&try, d, &files[i]);
		if (other == STATUS_OK) {
			*s = try;
			return STATUS_OK;
		}
		session_close(&try);
		if (i)
			continue;
		*s = try;
		status = other;
	}
	return status;
}

static enum status open_own(struct session *s, const struct device *d,
			    bool may_open)
{
	enum status status;
	int err;

	if (!*d->vfio)
		return REFUSE(s, STATUS_UNSUPPORTED,
			      "%s: its driver (%s) is not a VFIO driver; bind it first: vfcapctl bind %s",
			      d->bdf, *d->driver ? d->driver : "none", d->bdf);
	if (device_is_open(d))
		return REFUSE(s, STATUS_BUSY,
			      "%s: in use: a process that cannot be seen from here has it open",
			      d->bdf);
	if (!may_open)
		return REFUSE(s, STATUS_UNKNOWN,
			      "not open, and only an open can tell what a VMM is shown");
	status = d->has_cdev ? open_cdev(s, d) : open_group(s, d);
	if (status != STATUS_OK)
		return status;
	err = find_config(s);
	if (err)
		return REFUSE(s, STATUS_FAILED,
			      "%s: its VFIO file does not describe config space: %s",
			      d->bdf, strerror(-err));
	return STATUS_OK;
}

enum status session_open(struct session *s, const struct device *d,
			 const struct holder *files, size_t n, bool may_open)
{
	enum status status;

	session_init(s);
	status = n ? share_any(s, d, files, n) : open_own(s, d, may_open);
	if (status != STATUS_OK)
		session_close(s);
	return status;
}

ssize_t session_read(struct session *s, unsigned int pos, void *buf, size_t size)
{
	ssize_t done = pread(s->fd, buf, size, s->config + pos);

	return done < 0 ? -errno : done;
}

int session_query(struct session *s, enum vfcap_cap_index cap,
		  struct vfcap_feature_query *query)
{
	struct vfcap_feature_query q = { .cap = cap };
	struct vfio_device_feature *feature;
	/* Of the type that the feature's data must be aligned to */
	__u64 buf[(sizeof(*feature) + sizeof(q)) / sizeof(__u64)];

	feature = (void *)buf;
	feature->argsz = sizeof(buf);
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFCAP_FEATURE_QUERY;
	memcpy(feature->data, &q, sizeof(q));
	if (ioctl(s->fd, VFIO_DEVICE_FEATURE, feature))
		return -errno;

	memcpy(&q, feature->data, sizeof(q));
	if (q.magic != VFCAP_MAGIC)
		return -ENOTTY;
	*query = q;
	return 0;
}
