/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that vfcap builds for. For the newest of them, each
 * wrapper here is what the code would otherwise say directly. The part on VFIO is only
 * for files that have included <linux/vfio_pci_core.h> before.
 *
 * Distributions and stable series backport features of newer kernels, so version numbers
 * tell nothing: VFCAP_LACKS_* says what the compiler did not find in the headers of this
 * kernel, see scripts/headers/. In a kernel's tree nothing is lacking.
 */
#ifndef LINUX_VFCAP_COMPAT_H
#define LINUX_VFCAP_COMPAT_H

#include <linux/iommu.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#ifdef VFCAP_LACKS
#include <vfcap-lacks.h>
#endif

#ifndef kzalloc_obj
#define kzalloc_obj(obj, gfp)	kzalloc(sizeof(obj), gfp)
#endif

#ifndef CONFIG_PM
/* The only function of runtime PM without a stub. Nothing is ever suspended. */
static inline u64 pm_runtime_suspended_time(struct device *dev)
{
	return 0;
}
#endif

/*
 * Whether page requests of a VF can be delivered to its user, with a stand-in for the
 * interface that it shares with its PF: iopf_shared_claim(). No released kernel has that
 * function, so a kernel's tree is taken to lack it. The patches that are proposed to add
 * it are in tools/testing/lab/kernels/iopf.
 */
#if (defined(VFCAP_LACKS) || defined(VFCAP_LOOKS)) && !defined(VFCAP_LACKS_IOPF_SHARED)
static inline bool vfcap_delivers_page_requests(struct device *dev)
{
	return device_iommu_capable(dev, IOMMU_CAP_PAGE_REQUESTS);
}
#else
static inline bool vfcap_delivers_page_requests(struct device *dev)
{
	return false;
}

static inline int iopf_shared_claim(struct device *dev, unsigned long timeout)
{
	return -ENODEV;
}

static inline void iopf_shared_release(struct device *dev) { }
static inline void iopf_shared_open(struct device *dev) { }
static inline void iopf_shared_close(struct device *dev) { }
static inline void iopf_shared_abort(struct device *dev) { }

static inline int iopf_shared_drain(struct device *dev, unsigned long timeout)
{
	return 0;
}
#endif

#ifdef VFIO_PCI_CORE_H

/* Whether user space can attach page tables to PASIDs (VFIO_DEVICE_ATTACH_PASID). */
#ifndef VFCAP_LACKS_PASID_ATTACH
#define VFCAP_PASID_ATTACH						\
	(IS_ENABLED(CONFIG_IOMMUFD) && IS_ENABLED(CONFIG_VFIO_DEVICE_CDEV))
#else
#define VFCAP_PASID_ATTACH	0
#endif

/* Whether the device was opened with an iommufd instead of a container */
static inline bool vfcap_has_iommufd(struct vfio_device *vdev)
{
#if IS_ENABLED(CONFIG_IOMMUFD)
	return vdev->iommufd_device;
#else
	return false;
#endif
}

/* Members of struct vfio_device_ops that not all kernels have */
#if VFCAP_PASID_ATTACH
/* Exported, but declared only in the kernel tree's "../../../iommu/iommu-priv.h" */
struct iommu_attach_handle *iommu_attach_handle_get(struct iommu_group *group,
						    ioasid_t pasid,
						    unsigned int type);

#define VFCAP_OPS_PASID							\
	.unbind_iommufd		= vfcap_unbind_iommufd,			\
	.pasid_attach_ioas	= vfcap_pasid_attach_ioas,		\
	.pasid_detach_ioas	= vfcap_pasid_detach_ioas,
#else
#define VFCAP_OPS_PASID							\
	.unbind_iommufd		= vfio_iommufd_physical_unbind,
#endif

#ifndef VFCAP_LACKS_TOKEN_UUID
#define VFCAP_OPS_TOKEN							\
	.match_token_uuid	= vfio_pci_core_match_token_uuid,
#else
#define VFCAP_OPS_TOKEN
#endif

/*
 * In older kernels region info is an ioctl like others: a driver that adds to what core
 * reports of a BAR must report all of it. The same goes for the driver's own regions,
 * which begin at index @own.
 */
typedef int (*vfcap_region_info_fn)(struct vfio_device *vdev,
				    struct vfio_region_info *info,
				    struct vfio_info_cap *caps);

#ifndef VFCAP_LACKS_REGION_INFO_CAPS
#define VFCAP_OPS_REGION_INFO						\
	.get_region_info_caps	= vfcap_region_info,
static inline long vfcap_core_ioctl(struct vfio_device *vdev, unsigned int cmd,
				    unsigned long arg,
				    vfcap_region_info_fn fill, u32 own)
{
	return vfio_pci_core_ioctl(vdev, cmd, arg);
}
#else
#define VFCAP_OPS_REGION_INFO

static inline int vfio_pci_ioctl_get_region_info(struct vfio_device *vdev,
						 struct vfio_region_info *info,
						 struct vfio_info_cap *caps)
{
	struct vfio_pci_core_device *core =
		container_of(vdev, struct vfio_pci_core_device, vdev);
	struct vfio_info_cap_header msix = {
		.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
		.version = 1,
	};

	info->offset = VFIO_PCI_INDEX_TO_OFFSET(info->index);
	info->size = pci_resource_len(core->pdev, info->index);
	info->flags = 0;
	if (!info->size)
		return 0;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (!core->bar_mmap_supported[info->index])
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (info->index != core->msix_bar)
		return 0;
	return vfio_info_add_capability(caps, &msix, sizeof(msix));
}

static inline long vfcap_ioctl_bar_info(struct vfio_device *vdev,
					struct vfio_region_info *info,
					void __user *arg,
					vfcap_region_info_fn fill)
{
	struct vfio_info_cap caps = {};
	long ret;

	info->cap_offset = 0;
	ret = fill(vdev, info, &caps);
	if (!ret && caps.size) {
		info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
		if (info->argsz >= sizeof(*info) + caps.size) {
			info->cap_offset = sizeof(*info);
			vfio_info_cap_shift(&caps, sizeof(*info));
			if (copy_to_user(arg + sizeof(*info), caps.buf,
					 caps.size))
				ret = -EFAULT;
		} else {
			info->argsz = sizeof(*info) + caps.size;
		}
	}
	kfree(caps.buf);
	if (!ret && copy_to_user(arg, info,
				 offsetofend(struct vfio_region_info, offset)))
		ret = -EFAULT;
	return ret;
}

static inline long vfcap_core_ioctl(struct vfio_device *vdev, unsigned int cmd,
				    unsigned long arg,
				    vfcap_region_info_fn fill, u32 own)
{
	unsigned long minsz = offsetofend(struct vfio_region_info, offset);
	void __user *uarg = (void __user *)arg;
	struct vfio_region_info info;

	if (cmd != VFIO_DEVICE_GET_REGION_INFO)
		return vfio_pci_core_ioctl(vdev, cmd, arg);
	if (copy_from_user(&info, uarg, minsz))
		return -EFAULT;
	if (info.argsz < minsz ||
	    (info.index > VFIO_PCI_BAR5_REGION_INDEX && info.index < own))
		return vfio_pci_core_ioctl(vdev, cmd, arg);
	return vfcap_ioctl_bar_info(vdev, &info, uarg, fill);
}
#endif

/* Core maps BARs when the device is opened, in older kernels when a BAR is first used. */
static inline int vfcap_core_map_bar(struct vfio_pci_core_device *core, int bar)
{
#ifndef VFCAP_LACKS_IOMAP
	return PTR_ERR_OR_ZERO((__force void *)vfio_pci_core_get_iomap(core, bar));
#else
	return vfio_pci_core_setup_barmap(core, bar);
#endif
}

/* Accesses to a BAR are as wide as possible, which older kernels need not be told. */
static inline ssize_t vfcap_core_do_io_rw(struct vfio_pci_core_device *core,
					  void __iomem *io, char __user *buf,
					  loff_t offset, size_t count,
					  size_t x_start, size_t x_end,
					  bool write)
{
#ifndef VFCAP_LACKS_IO_WIDTH
	return vfio_pci_core_do_io_rw(core, true, io, buf, offset, count,
				      x_start, x_end, write,
				      VFIO_PCI_IO_WIDTH_8);
#else
	return vfio_pci_core_do_io_rw(core, true, io, buf, offset, count,
				      x_start, x_end, write);
#endif
}

/* Whether core exports BARs as dma-bufs, if the driver lets it */
#ifndef VFCAP_LACKS_DMABUF
#define VFCAP_DMABUF	1

int vfcap_get_dmabuf_phys(struct vfio_pci_core_device *core,
			  struct p2pdma_provider **provider, unsigned int region,
			  struct phys_vec *phys_vec,
			  struct vfio_region_dma_range *ranges,
			  size_t nr_ranges);

static const struct vfio_pci_device_ops vfcap_pci_ops = {
	.get_dmabuf_phys	= vfcap_get_dmabuf_phys,
};

static inline void vfcap_set_pci_ops(struct vfio_pci_core_device *core)
{
	core->pci_ops = &vfcap_pci_ops;
}
#else
#define VFCAP_DMABUF	0

static inline void vfcap_set_pci_ops(struct vfio_pci_core_device *core)
{
}
#endif

/*
 * A parameter of vfio-pci that core keeps per device. In older kernels it is one value
 * for all drivers, which is not ours to change.
 */
static inline void vfcap_set_nointxmask(struct vfio_pci_core_device *core,
					bool nointxmask)
{
#ifndef VFCAP_LACKS_NOINTXMASK
	core->nointxmask = nointxmask;
#endif
}

#endif /* VFIO_PCI_CORE_H */

#endif /* LINUX_VFCAP_COMPAT_H */
