/* SPDX-License-Identifier: GPL-2.0 */
/*
 * iommufd page tables for a VF that was opened through its cdev, and the IOMMU's own view
 * of its PASIDs. Functions that return int return 0 or -errno.
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
/*
 * Page requests to user space: a queue, whose file is returned, or -errno; and a page
 * table that reports to it
 */
int iommufd_fault_queue(struct vfio *v, uint32_t *id);
int iommufd_fault_hwpt(struct vfio *v, uint32_t ioas, uint32_t fault, uint32_t *id);
int iommufd_map(struct vfio *v, uint32_t ioas, void *memory, size_t size,
		uint64_t address);
/*
 * A page table that can be attached to PASIDs, of an address space of its own with this
 * memory
 */
int iommufd_space(struct vfio *v, void *memory, size_t size, uint64_t address,
		  uint32_t *id);
int iommufd_destroy(struct vfio *v, uint32_t id);

/* PASID 0 is the device itself. The first function also returns the ID of what was attached. */
int iommufd_attach_id(struct vfio *v, uint32_t *pt_id, uint32_t pasid);
int iommufd_attach(struct vfio *v, uint32_t pt_id, uint32_t pasid);
int iommufd_detach(struct vfio *v, uint32_t pasid);

/* Does the IOMMU know the PASID? As seen in the Intel IOMMU driver's debugfs. */
bool iommu_has_pasid(const char *bdf, uint32_t pasid);
/* How many of the VF's PASIDs the IOMMU knows */
int iommu_count_pasids(const char *bdf);

/* The IOMMU's PASID-related commands to a function with ATS */
struct iommu_commands {
	unsigned int all;
	unsigned int asleep;	/* while the function was not in D0 */
	unsigned int master;	/* while it was a bus master */
};

/* Start counting from 0; read the counts; stop counting */
int iommu_watch(const char *bdf);
struct iommu_commands iommu_commands(const char *bdf);
int iommu_watch_end(void);

#endif
