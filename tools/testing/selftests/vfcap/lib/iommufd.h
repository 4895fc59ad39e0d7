/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page tables of iommufd for a VF that was opened through its cdev, and the
 * IOMMU's own view of its PASIDs. Functions that return int return 0 or -errno.
 */
#ifndef VFCAP_TEST_IOMMUFD_H
#define VFCAP_TEST_IOMMUFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfio.h"

int iommufd_ioas(struct vfio *v, uint32_t *id);
/* With or without IOMMU_HWPT_ALLOC_PASID */
int iommufd_hwpt(struct vfio *v, uint32_t ioas, bool pasid, uint32_t *id);
/* Page requests for the user: the file of a queue, or -errno; a page table that has it */
int iommufd_fault_queue(struct vfio *v, uint32_t *id);
int iommufd_fault_hwpt(struct vfio *v, uint32_t ioas, uint32_t fault, uint32_t *id);
int iommufd_map(struct vfio *v, uint32_t ioas, void *memory, size_t size,
		uint64_t address);
/* A page table that PASIDs take, of an address space of its own with this memory in it */
int iommufd_space(struct vfio *v, void *memory, size_t size, uint64_t address,
		  uint32_t *id);
int iommufd_destroy(struct vfio *v, uint32_t id);

/* PASID 0: the device itself. The first form returns what was attached. */
int iommufd_attach_id(struct vfio *v, uint32_t *pt_id, uint32_t pasid);
int iommufd_attach(struct vfio *v, uint32_t pt_id, uint32_t pasid);
int iommufd_detach(struct vfio *v, uint32_t pasid);

/* Does the IOMMU know the PASID? Seen in the Intel IOMMU driver's debugfs. */
bool iommu_has_pasid(const char *bdf, uint32_t pasid);
/* How many PASIDs of the VF it knows */
int iommu_count_pasids(const char *bdf);

/* The IOMMU's commands to a function with ATS about its PASIDs */
struct iommu_commands {
	unsigned int all;
	unsigned int asleep;	/* while it was not in D0 */
	unsigned int master;	/* while it was bus master */
};

/* Count from 0 on; what was counted; and count none any more */
int iommu_watch(const char *bdf);
struct iommu_commands iommu_commands(const char *bdf);
int iommu_watch_end(void);

#endif
