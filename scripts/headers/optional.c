// SPDX-License-Identifier: GPL-2.0-only
/*
 * What not all kernels' headers have, and <linux/vfcap-compat.h> makes up for
 *
 * None of this is ever run. "look" makes the compiler try it. If something does not
 * compile, the name in the "#line" before it becomes VFCAP_LACKS_NAME. This must only
 * test whether something exists: if it exists but differs from what vfcap expects, that
 * should break the build, and not be passed over. Macros do not belong here, since an
 * error in a macro is not reported for the line that uses it.
 */
#include <linux/iommu.h>
#include <linux/vfio_pci_core.h>

#line 1 "IOPF_SHARED"
static inline int iopf_shared(struct device *dev)
{
	return device_iommu_capable(dev, IOMMU_CAP_PAGE_REQUESTS) ?
	       iopf_shared_claim(dev, 0) : 0;
}

#line 1 "PASID_ATTACH"
static inline void pasid_attach(struct vfio_device_ops *ops)
{
	ops->pasid_attach_ioas = NULL;
	ops->pasid_detach_ioas = NULL;
}

#line 1 "TOKEN_UUID"
static inline void token_uuid(struct vfio_device_ops *ops)
{
	ops->match_token_uuid = NULL;
}

#line 1 "REGION_INFO_CAPS"
static inline void region_info_caps(struct vfio_device_ops *ops)
{
	ops->get_region_info_caps = NULL;
}

#line 1 "IOMAP"
static inline void iomap(void)
{
	(void)&vfio_pci_core_get_iomap;
}

#line 1 "IO_WIDTH"
static inline ssize_t io_width(struct vfio_pci_core_device *core)
{
	return vfio_pci_core_do_io_rw(core, true, NULL, NULL, 0, 0, 0, 0, false,
				      VFIO_PCI_IO_WIDTH_8);
}

#line 1 "DMABUF"
static inline void dmabuf(struct vfio_pci_core_device *core)
{
	(void)core->pci_ops->get_dmabuf_phys;
}

#line 1 "NOINTXMASK"
static inline void nointxmask(struct vfio_pci_core_device *core)
{
	core->nointxmask = false;
}
