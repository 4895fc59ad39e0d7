// SPDX-License-Identifier: GPL-2.0-only
/*
 * What vfcap uses from VFIO and the IOMMU layer, the way it uses it
 *
 * None of this is ever run. "look" makes the compiler try it. If what follows a "#line"
 * does not compile, the error is reported under the name given there.
 */
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>
#include <uapi/linux/iommufd.h>
#include <linux/vfcap-compat.h>

#define ESSENTIAL static __maybe_unused

#line 1 "vfio_alloc_device()"
ESSENTIAL struct vfio_device *(*alloc_device)(size_t, struct device *,
					      const struct vfio_device_ops *) =
	_vfio_alloc_device;
#line 1 "vfio_pci_core_register_device()"
ESSENTIAL int (*register_device)(struct vfio_pci_core_device *) =
	vfio_pci_core_register_device;
#line 1 "vfio_pci_core_unregister_device()"
ESSENTIAL void (*unregister_device)(struct vfio_pci_core_device *) =
	vfio_pci_core_unregister_device;
#line 1 "vfio_pci_core_sriov_configure()"
ESSENTIAL int (*sriov_configure)(struct vfio_pci_core_device *, int) =
	vfio_pci_core_sriov_configure;
#line 1 "vfio_pci_core_init_dev()"
ESSENTIAL int (*init_dev)(struct vfio_device *) = vfio_pci_core_init_dev;
#line 1 "vfio_pci_core_release_dev()"
ESSENTIAL void (*release_dev)(struct vfio_device *) = vfio_pci_core_release_dev;
#line 1 "vfio_pci_core_enable()"
ESSENTIAL int (*enable)(struct vfio_pci_core_device *) = vfio_pci_core_enable;
#line 1 "vfio_pci_core_finish_enable()"
ESSENTIAL void (*finish_enable)(struct vfio_pci_core_device *) =
	vfio_pci_core_finish_enable;
#line 1 "vfio_pci_core_close_device()"
ESSENTIAL void (*close_device)(struct vfio_device *) = vfio_pci_core_close_device;
#line 1 "vfio_pci_core_read()"
ESSENTIAL ssize_t (*core_read)(struct vfio_device *, char __user *, size_t,
			       loff_t *) = vfio_pci_core_read;
#line 1 "vfio_pci_core_write()"
ESSENTIAL ssize_t (*core_write)(struct vfio_device *, const char __user *, size_t,
				loff_t *) = vfio_pci_core_write;
#line 1 "vfio_pci_core_ioctl()"
ESSENTIAL long (*core_ioctl)(struct vfio_device *, unsigned int, unsigned long) =
	vfio_pci_core_ioctl;
#line 1 "vfio_pci_core_ioctl_feature()"
ESSENTIAL int (*core_feature)(struct vfio_device *, u32, void __user *, size_t) =
	vfio_pci_core_ioctl_feature;
#line 1 "vfio_pci_core_mmap()"
ESSENTIAL int (*core_mmap)(struct vfio_device *, struct vm_area_struct *) =
	vfio_pci_core_mmap;
#line 1 "vfio_pci_core_request()"
ESSENTIAL void (*core_request)(struct vfio_device *, unsigned int) =
	vfio_pci_core_request;
#line 1 "vfio_pci_core_match()"
ESSENTIAL int (*core_match)(struct vfio_device *, char *) = vfio_pci_core_match;
#line 1 "vfio_pci_core_aer_err_detected()"
ESSENTIAL pci_ers_result_t (*err_detected)(struct pci_dev *, pci_channel_state_t) =
	vfio_pci_core_aer_err_detected;

#line 1 "vfio_pci_core_do_io_rw()"
ESSENTIAL ssize_t do_io_rw(struct vfio_pci_core_device *core, void __iomem *io)
{
	return vfcap_core_do_io_rw(core, io, NULL, 0, 0, 0, 0, false);
}

#line 1 "vfio_pci_core_get_iomap() or vfio_pci_core_setup_barmap()"
ESSENTIAL int map_bar(struct vfio_pci_core_device *core)
{
	return vfcap_core_map_bar(core, 0);
}

#line 1 "vfio_pci_ioctl_get_region_info()"
ESSENTIAL int (*region_info)(struct vfio_device *, struct vfio_region_info *,
			     struct vfio_info_cap *) =
	vfio_pci_ioctl_get_region_info;

#line 1 "pci_config_map and vconfig of struct vfio_pci_core_device"
ESSENTIAL u8 *config(struct vfio_pci_core_device *core)
{
	return core->extended_caps ? core->vconfig : core->pci_config_map;
}

#line 1 "barmap of struct vfio_pci_core_device"
ESSENTIAL void __iomem *barmap(struct vfio_pci_core_device *core)
{
	return core->bar_mmap_supported[core->msix_bar] ? core->barmap[0] : NULL;
}

#line 1 "rbar of struct vfio_pci_core_device"
ESSENTIAL u32 rbar(struct vfio_pci_core_device *core)
{
	return core->rbar[0];
}

#line 1 "memory_lock of struct vfio_pci_core_device"
ESSENTIAL struct rw_semaphore *memory_lock(struct vfio_pci_core_device *core)
{
	return &core->memory_lock;
}

#line 1 "ioeventfds_lock of struct vfio_pci_core_device"
ESSENTIAL struct mutex *ioeventfds_lock(struct vfio_pci_core_device *core)
{
	return core->ioeventfds_nr ? &core->ioeventfds_lock : NULL;
}

#line 1 "struct vfio_device_ops"
ESSENTIAL const struct vfio_device_ops ops = {
	.init			= vfio_pci_core_init_dev,
	.release		= vfio_pci_core_release_dev,
	.open_device		= NULL,
	.close_device		= vfio_pci_core_close_device,
	.ioctl			= vfio_pci_core_ioctl,
	.device_feature		= vfio_pci_core_ioctl_feature,
	.read			= vfio_pci_core_read,
	.write			= vfio_pci_core_write,
	.mmap			= vfio_pci_core_mmap,
	.request		= vfio_pci_core_request,
	.match			= vfio_pci_core_match,
	.bind_iommufd		= vfio_iommufd_physical_bind,
	.unbind_iommufd		= vfio_iommufd_physical_unbind,
	.attach_ioas		= vfio_iommufd_physical_attach_ioas,
	.detach_ioas		= vfio_iommufd_physical_detach_ioas,
};

#line 1 "vfio_device_cdev_opened()"
ESSENTIAL bool cdev_opened(struct vfio_device *vdev)
{
	return vfio_device_cdev_opened(vdev);
}

#line 1 "iommufd_device of struct vfio_device"
ESSENTIAL bool has_iommufd(struct vfio_device *vdev)
{
	return vfcap_has_iommufd(vdev);
}

#line 1 "lock of struct vfio_device_set"
ESSENTIAL struct mutex *dev_set_lock(struct vfio_device *vdev)
{
	return &vdev->dev_set->lock;
}

#line 1 "inode of struct vfio_device"
ESSENTIAL struct address_space *mapping(struct vfio_device *vdev)
{
	return vdev->inode->i_mapping;
}

#line 1 "vfio_check_feature()"
ESSENTIAL int check_feature(u32 flags, size_t size)
{
	return vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_GET, size);
}

#line 1 "vfio_info_add_capability()"
ESSENTIAL int (*add_capability)(struct vfio_info_cap *, struct vfio_info_cap_header *,
				size_t) = vfio_info_add_capability;

#if VFCAP_PASID_ATTACH
#line 1 "vfio_iommufd_physical_pasid_attach_ioas()"
ESSENTIAL int (*pasid_attach)(struct vfio_device *, u32, u32 *) =
	vfio_iommufd_physical_pasid_attach_ioas;
#line 1 "vfio_iommufd_physical_pasid_detach_ioas()"
ESSENTIAL void (*pasid_detach)(struct vfio_device *, u32) =
	vfio_iommufd_physical_pasid_detach_ioas;
#line 1 "pasids of struct vfio_device"
ESSENTIAL struct ida *pasids(struct vfio_device *vdev)
{
	return &vdev->pasids;
}
#endif

#line 1 "hw_info() of struct iommu_ops"
ESSENTIAL void *hw_info(struct device *dev, u32 *length)
{
	enum iommu_hw_info_type type = IOMMU_HW_INFO_TYPE_INTEL_VTD;

	return dev->iommu->iommu_dev->ops->hw_info(dev, length, &type);
}

#line 1 "max_pasids of struct dev_iommu"
ESSENTIAL u32 max_pasids(struct device *dev)
{
	return dev->iommu->max_pasids;
}
