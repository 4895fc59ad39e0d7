/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VF as a VMM opens it: through its cdev and iommufd, or through its group
 * and the legacy container. Functions that return int return 0 or -errno.
 */
#ifndef VFCAP_TEST_VFIO_H
#define VFCAP_TEST_VFIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct vfio_region_info;

struct vfio {
	int fd;			/* the device */
	int parent;		/* iommufd, or the group */
	int container;		/* with a group */
	uint32_t devid;		/* iommufd's ID of the device */
	uint64_t config;	/* offset of the config region */
	uint64_t config_size;
};

/* NULL, in a way that the compiler cannot know */
void *vfio_nowhere(void);

/* Set it to closed: after that it may be closed or opened */
void vfio_init(struct vfio *v);
bool vfio_has_cdev(const char *bdf);
int vfio_open_cdev(struct vfio *v, const char *bdf);
/* With an iommufd that others have open as well, which devices of one group need */
int vfio_open_shared(struct vfio *v, const char *bdf, int iommufd);
int vfio_open_group(struct vfio *v, const char *bdf);
/* Through the cdev where the kernel has one, else through the group */
int vfio_open(struct vfio *v, const char *bdf);
/* With a VF token, a UUID of 16 bytes; set the token as the PF's user */
int vfio_open_token(struct vfio *v, const char *bdf, const uint8_t *uuid);
int vfio_set_token(struct vfio *v, const uint8_t *uuid);
void vfio_close(struct vfio *v);

/* Raw access to the config region: bytes done or -errno */
ssize_t vfio_read(struct vfio *v, unsigned int pos, void *buf, size_t size);
ssize_t vfio_write(struct vfio *v, unsigned int pos, const void *buf,
		   size_t size);

/* Read or write a register; reads as all-ones, with a message, when the access fails */
uint32_t vfio_get(struct vfio *v, unsigned int pos, unsigned int size);
int vfio_set(struct vfio *v, unsigned int pos, unsigned int size,
	     uint32_t value);

/* Offset of a capability, found by walking the list like a guest, or 0 */
unsigned int vfio_find_ecap(struct vfio *v, uint16_t id);
unsigned int vfio_find_cap(struct vfio *v, uint8_t id);

/* The info about a region, with its capabilities in @buf; one of these, or NULL */
struct vfio_region_info *vfio_region(struct vfio *v, unsigned int index,
				     void *buf, size_t size);
void *vfio_region_cap(struct vfio_region_info *info, uint16_t id);

/*
 * VFIO_DEVICE_FEATURE with an index and flags, and an argument of @size bytes, which the
 * ioctl is told to be @told bytes
 */
int vfio_feature_told(struct vfio *v, uint32_t flags, void *data, size_t size,
		      size_t told);
int vfio_feature(struct vfio *v, uint32_t flags, void *data, size_t size);

int vfio_reset(struct vfio *v);
/* Let the device enter low power, or make it return */
int vfio_set_low_power(struct vfio *v, bool low);
/* Make the first interrupt of an index signal an eventfd */
int vfio_set_irq(struct vfio *v, uint32_t index, int efd);

#endif
