# What include/linux/vfcap-compat.h stands for, in the kernel that a submission is for.
/#include <linux\/vfcap-compat.h>/d
# The prototype of iommu_attach_handle_get()
/^#include <linux\/xarray.h>$/{
N
N
s|\n\n#include "base.h"|\n\n#include "../../../iommu/iommu-priv.h"\n#include "base.h"|
}
/^#ifdef VFCAP_VERSION$/,/^#endif$/d
s/#if VFCAP_PASID_ATTACH/#if IS_ENABLED(CONFIG_VFIO_DEVICE_CDEV)/
s/!VFCAP_PASID_ATTACH/!IS_ENABLED(CONFIG_VFIO_DEVICE_CDEV)/
s|#endif /\* VFCAP_PASID_ATTACH \*/|#endif /* CONFIG_VFIO_DEVICE_CDEV */|
s/, if VFCAP_PASID_ATTACH/, if CONFIG_VFIO_DEVICE_CDEV/
s/\bVFCAP_PASID_ATTACH\b/IS_ENABLED(CONFIG_VFIO_DEVICE_CDEV)/
/^	return vfcap_has_iommufd(&vd->core.vdev);/c\
#if IS_ENABLED(CONFIG_IOMMUFD)\
	return vd->core.vdev.iommufd_device;\
#else\
	return false;\
#endif
/^	VFCAP_OPS_REGION_INFO$/c\
	.get_region_info_caps	= vfcap_region_info,
/^	VFCAP_OPS_TOKEN$/c\
	.match_token_uuid	= vfio_pci_core_match_token_uuid,
/^	VFCAP_OPS_PASID$/c\
#if IS_ENABLED(CONFIG_VFIO_DEVICE_CDEV)\
	.unbind_iommufd		= vfcap_unbind_iommufd,\
	.pasid_attach_ioas	= vfcap_pasid_attach_ioas,\
	.pasid_detach_ioas	= vfcap_pasid_detach_ioas,\
#else\
	.unbind_iommufd		= vfio_iommufd_physical_unbind,\
#endif
/^		return vfcap_core_ioctl(vdev, cmd, arg, vfcap_region_info,$/{
N
c\
		return vfio_pci_core_ioctl(vdev, cmd, arg);
}
s/vfcap_delivers_page_requests(&handle->vf->dev)/device_iommu_capable(\&handle->vf->dev,\n				    IOMMU_CAP_PAGE_REQUESTS)/
s/vfcap_set_nointxmask(&vd->core, nointxmask)/vd->core.nointxmask = nointxmask/
s/vfcap_set_pci_ops(&vd->core)/vd->core.pci_ops = \&vfcap_pci_ops/
/^static int vfcap_init_device(struct vfio_device \*vdev)$/i\
static const struct vfio_pci_device_ops vfcap_pci_ops = {\
	.get_dmabuf_phys	= vfcap_get_dmabuf_phys,\
};\

/vfcap_core_do_io_rw(&vd->core, io, buf, offset - start, \*count,$/{
N
c\
	ret = vfio_pci_core_do_io_rw(&vd->core, true, io, buf, offset - start,\
				     *count, x_start, x_end, write,\
				     VFIO_PCI_IO_WIDTH_8);
}
s/vfcap_core_map_bar(&vd->core, bar)/PTR_ERR_OR_ZERO((__force void *)vfio_pci_core_get_iomap(\&vd->core, bar))/
/^#if VFCAP_DMABUF$/,/^#endif$/{
/^#/d
}
# Its prototype was there.
/^\/\* shadow.c/i\
/* shadow.c, for dma-bufs */\
int vfcap_get_dmabuf_phys(struct vfio_pci_core_device *core,\
			  struct p2pdma_provider **provider, unsigned int region,\
			  struct phys_vec *phys_vec,\
			  struct vfio_region_dma_range *ranges,\
			  size_t nr_ranges);\

