/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that vfcap builds for. In the newest of them
 * each line here is what the code would say in place. What concerns VFIO is for
 * who included <linux/vfio_pci_core.h> before.
 */
#ifndef LINUX_VFCAP_COMPAT_H
#define LINUX_VFCAP_COMPAT_H

#include <linux/iommu.h>
#include <linux/slab.h>
#include <linux/version.h>

#ifndef kzalloc_obj
#define kzalloc_obj(obj, gfp)	kzalloc(sizeof(obj), gfp)
#endif

#ifdef VFIO_PCI_CORE_H

/* Whether user space can attach page tables to PASIDs (VFIO_DEVICE_ATTACH_PASID). */
#define VFCAP_PASID_ATTACH						\
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0) &&		\
	 IS_ENABLED(CONFIG_IOMMUFD) && IS_ENABLED(CONFIG_VFIO_DEVICE_CDEV))

/* Whether the device was opened with an iommufd, in place of a container */
static inline bool vfcap_has_iommufd(struct vfio_device *vdev)
{
#if IS_ENABLED(CONFIG_IOMMUFD)
	return vdev->iommufd_device;
#else
	return false;
#endif
}

/* The vfio_device_ops that came one by one. */
#if VFCAP_PASID_ATTACH
#define VFCAP_OPS_PASID							\
	.pasid_attach_ioas	= vfcap_pasid_attach_ioas,		\
	.pasid_detach_ioas	= vfcap_pasid_detach_ioas,
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

#endif /* VFIO_PCI_CORE_H */

#endif /* LINUX_VFCAP_COMPAT_H */
