/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What vfcap-vfio-pci offers a VMM beyond vfio-pci, through VFIO_DEVICE_FEATURE
 *
 * VFIO reserves no range of feature indices for drivers: use these only with a
 * device whose driver is vfcap-vfio-pci.
 */
#ifndef _UAPI_LINUX_VFIO_VFCAP_H
#define _UAPI_LINUX_VFIO_VFCAP_H

#include <linux/types.h>
#include <linux/vfio.h>

/**
 * struct vfcap_feature_lost_eventfd - data of VFCAP_FEATURE_LOST_EVENTFD
 * @fd: an eventfd, or -1 for none
 * @reserved: must be zero
 *
 * Upon VFIO_DEVICE_FEATURE_SET: signal @fd once each time that the VF loses what
 * it shares with its PF, in place of the one set before. It is signalled when
 * the loss has taken effect: the VF's PASIDs are detached from the IOMMU, and
 * its PASID and PRI Enable bits read 0. They stay so until the PF has its
 * capability back and then the VF is reset. Which capability was lost is in the
 * VF's sysfs folder (vfcap/pasid/state, vfcap/pri/state).
 *
 * Nothing is signalled here if the administrator chose the error interrupt
 * (VFIO_PCI_ERR_IRQ_INDEX) with the module parameter loss_as_error=Y.
 *
 * Data behind the structure must be zero.
 *
 * Return: 0, or -1 with errno EINVAL: @reserved or what lies behind is not zero;
 * EBADF: @fd is no open file; EINVAL: it is no eventfd.
 */
struct vfcap_feature_lost_eventfd {
	__s32 fd;
	__u32 reserved;
};

#define VFCAP_FEATURE_LOST_EVENTFD	0xff03

#endif /* _UAPI_LINUX_VFIO_VFCAP_H */
