/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that this driver builds for. In the newest
 * of them each line here is what the code would say in place.
 */
#ifndef VFCAP_COMPAT_H
#define VFCAP_COMPAT_H

#include <linux/iommu.h>
#include <linux/version.h>
#include <linux/vfio_pci_core.h>

/* Whether user space can attach page tables to PASIDs (VFIO_DEVICE_ATTACH_PASID). */
#define VFCAP_PASID_ATTACH						\
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0) &&		\
	 IS_ENABLED(CONFIG_IOMMUFD) && IS_ENABLED(CONFIG_VFIO_DEVICE_CDEV))

/* The vfio_device_ops that came one by one. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
#define VFCAP_OPS_PASID							\
	.pasid_attach_ioas	= vfio_iommufd_physical_pasid_attach_ioas, \
	.pasid_detach_ioas	= vfio_iommufd_physical_pasid_detach_ioas,
#else
#define VFCAP_OPS_PASID
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define VFCAP_OPS_TOKEN							\
	.match_token_uuid	= vfio_pci_core_match_token_uuid,
#else
#define VFCAP_OPS_TOKEN
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define VFCAP_OPS_REGION_INFO						\
	.get_region_info_caps	= vfio_pci_ioctl_get_region_info,
static const struct vfio_pci_device_ops vfcap_pci_ops = {
	.get_dmabuf_phys	= vfio_pci_core_get_dmabuf_phys,
};

static inline void vfcap_set_pci_ops(struct vfio_pci_core_device *core)
{
	core->pci_ops = &vfcap_pci_ops;
}
#else
#define VFCAP_OPS_REGION_INFO
static inline void vfcap_set_pci_ops(struct vfio_pci_core_device *core)
{
}
#endif

/*
 * A parameter of vfio-pci that core keeps per device from 7.2 on. Before, it is
 * one value for all drivers, and not ours to change; VFs have no INTx anyway.
 */
static inline void vfcap_set_nointxmask(struct vfio_pci_core_device *core,
					bool nointxmask)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
	core->nointxmask = nointxmask;
#endif
}

/* What the last argument of iommu_ops.hw_info() points to */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define VFCAP_HW_INFO_TYPE	enum iommu_hw_info_type
#else
#define VFCAP_HW_INFO_TYPE	u32
#endif

#endif /* VFCAP_COMPAT_H */
