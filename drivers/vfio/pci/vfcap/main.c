// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcap-vfio-pci: a vfio-pci variant driver for SR-IOV virtual functions, for Intel VMD
 * endpoints, and for whole functions with a PASID capability
 *
 * It offers what vfio-pci offers for them, except the regions of Intel graphics, and adds
 * capabilities to their virtual config space. A VF gets those that PCIe makes it share
 * with its PF but forbids it to implement. A VMD endpoint gets what its driver must know
 * about the host. Any other function, PF or not, gets the PASID and PRI capabilities that
 * it has but vfio-pci hides.
 */
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-vfcap.h>
#include <linux/pm_runtime.h>
#include <linux/vfio.h>

#include "access.h"
#include "bar.h"
#include "base.h"
#include "caps.h"
#include "chain.h"
#include "effects.h"

static bool nointxmask;
module_param(nointxmask, bool, 0444);
MODULE_PARM_DESC(nointxmask, "As vfio-pci's: disable support for PCI 2.3 style INTx masking");

static bool disable_idle_d3;
module_param(disable_idle_d3, bool, 0444);
MODULE_PARM_DESC(disable_idle_d3, "As vfio-pci's: do not use the PCI D3 low power state for idle, unused devices");

static bool disable_denylist;
module_param(disable_denylist, bool, 0444);
MODULE_PARM_DESC(disable_denylist, "As vfio-pci's: allow binding to devices with known errata that untrusted users may exploit");

static bool enable_sriov;
module_param(enable_sriov, bool, 0644);
MODULE_PARM_DESC(enable_sriov, "As vfio-pci's: let SR-IOV be enabled in a PF that is bound to this driver");

/* The devices that vfio-pci refuses */
static const struct pci_device_id vfcap_denylist[] = {
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C3XXX) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C3XXX_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C62X) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C62X_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_DH895XCC) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_DH895XCC_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_DSA_SPR0) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_IAX_SPR0) },
	{ }
};

/*
 * Find which capabilities a function may come to show, BIT(index) each. Returns false if
 * it is not of a kind that this driver takes. A function that is not a VF shows its own
 * capabilities.
 */
static bool vfcap_find_caps(struct pci_dev *pdev, unsigned long *caps)
{
	unsigned long vmd = vfcap_vmd_find(pdev);
	unsigned int id;

	*caps = 0;
	if (vmd) {
		if (!(vmd & VFCAP_VMD_NATIVE))
			*caps |= BIT(VFCAP_SHDW);
		return true;
	}
	for (id = 0; id < PCI_VFCAP_COUNT; id++)
		if (pdev->is_virtfn ||
		    pci_find_ext_capability(pdev, vfcap_caps[id]->id))
			*caps |= BIT(id);
	return *caps & BIT(PCI_VFCAP_PASID);
}

static int vfcap_init_device(struct vfio_device *vdev)
{
	struct vfcap_device *vd = to_vfcap(vdev);

	mutex_init(&vd->lock);
	xa_init_flags(&vd->pasids, XA_FLAGS_ACCOUNT);
	INIT_WORK(&vd->sync_work, vfcap_sync_work);
	vd->table = vfcap_caps;
	ratelimit_default_init(&vd->log_limit);
	vfcap_set_nointxmask(&vd->core, nointxmask);
	vfcap_set_pci_ops(&vd->core);
	vfcap_wc_init(vd);

	return vfio_pci_core_init_dev(vdev);
}

/*
 * With disable_idle_d3 an unused VF is kept awake by a reference of our own. Core does
 * the same for vfio-pci, but before 7.2 with one value for all drivers.
 */
static void vfcap_keep_awake(struct pci_dev *pdev)
{
	if (disable_idle_d3)
		pm_runtime_get_noresume(&pdev->dev);
}

static void vfcap_let_sleep(struct pci_dev *pdev)
{
	if (disable_idle_d3)
		pm_runtime_put_noidle(&pdev->dev);
}

static int vfcap_open_device(struct vfio_device *vdev)
{
	struct vfcap_device *vd = to_vfcap(vdev);
	struct vfio_pci_core_device *core = &vd->core;
	unsigned long wanted = 0;
	unsigned int id;
	int ret;

	/* A loss that the last session did not get to does not concern this one. */
	scoped_guard(mutex, &vd->lock)
		vd->lost = 0;
	/* Without a reset in between, a user can open the device many times a second. */
	vd->quiet = !__ratelimit(&vd->log_limit);

	ret = vfcap_pasid_open(vd);
	if (ret)
		return ret;
	for (id = 0; vd->handle && id < PCI_VFCAP_COUNT; id++)
		if (vfcap_mode_wants(vd, vd->table[id]))
			wanted |= BIT(id);
	ret = pci_vfcap_vf_open(vd->handle, wanted);
	if (ret)
		return ret;

	ret = vfio_pci_core_enable(core);
	if (ret) {
		pci_vfcap_vf_close(vd->handle);
		return ret;
	}

	vfcap_map_open(vd);
	vfcap_ext_hide(vd);
	vfcap_shadow_open(vd);
	vfcap_ims_open(vd);
	/* Core now holds a reference of its own, which the user may have it drop. */
	vfcap_let_sleep(core->pdev);
	vfio_pci_core_finish_enable(core);
	return 0;
}

static void vfcap_close_device(struct vfio_device *vdev)
{
	struct vfcap_device *vd = to_vfcap(vdev);

	vfcap_keep_awake(vd->core.pdev);
	vfcap_end_session(vd);
	vfcap_wc_close(vd);
	vfio_pci_core_close_device(vdev);
	pci_vfcap_vf_close(vd->handle);
}

static ssize_t vfcap_read(struct vfio_device *vdev, char __user *buf,
			  size_t count, loff_t *ppos)
{
	struct vfcap_device *vd = to_vfcap(vdev);

	if (VFIO_PCI_OFFSET_TO_INDEX(*ppos) != VFIO_PCI_CONFIG_REGION_INDEX)
		return vfcap_bar_rw(vd, buf, count, ppos, false);
	if (vfcap_reads_plain(vd))
		return vfio_pci_core_read(vdev, buf, count, ppos);
	return vfcap_config_read(vd, buf, count, ppos);
}

static ssize_t vfcap_write(struct vfio_device *vdev, const char __user *buf,
			   size_t count, loff_t *ppos)
{
	struct vfcap_device *vd = to_vfcap(vdev);

	if (VFIO_PCI_OFFSET_TO_INDEX(*ppos) != VFIO_PCI_CONFIG_REGION_INDEX)
		return vfcap_bar_rw(vd, (char __user *)buf, count, ppos, true);
	if (vfcap_writes_plain(vd, *ppos & VFIO_PCI_OFFSET_MASK, count))
		return vfio_pci_core_write(vdev, buf, count, ppos);
	return vfcap_config_write(vd, buf, count, ppos);
}

static long vfcap_ioctl(struct vfio_device *vdev, unsigned int cmd,
			unsigned long arg)
{
	struct vfcap_device *vd = to_vfcap(vdev);

	switch (cmd) {
	case VFIO_DEVICE_RESET:
		return vfcap_ioctl_reset(vd);
	case VFIO_DEVICE_PCI_HOT_RESET:
		return vfcap_ioctl_hot_reset(vd, arg);
	case VFIO_DEVICE_IOEVENTFD:
		return vfcap_ioctl_ioeventfd(vd, arg);
	default:
		return vfcap_core_ioctl(vdev, cmd, arg, vfcap_region_info,
					VFCAP_ALIAS_FIRST);
	}
}

#if VFCAP_PASID_ATTACH
static int vfcap_pasid_attach_ioas(struct vfio_device *vdev, u32 pasid,
				   u32 *pt_id)
{
	struct vfcap_device *vd = to_vfcap(vdev);
	int ret;

	ret = vfcap_commit(vd);
	if (ret)
		return ret;
	vfcap_catch_up(vd);
	return vfcap_attach(vd, pasid, pt_id);
}
#endif

/* AMD's IOMMU driver enables PRI in a function when a page table is attached to it. */
static int vfcap_attach_ioas(struct vfio_device *vdev, u32 *pt_id)
{
	struct vfcap_device *vd = to_vfcap(vdev);
	int ret = vfio_iommufd_physical_attach_ioas(vdev, pt_id);

	if (vd->pri.pos)
		vfcap_sync(vd);
	return ret;
}

static const struct vfio_device_ops vfcap_device_ops = {
	.name			= "vfcap-vfio-pci",
	.init			= vfcap_init_device,
	.release		= vfio_pci_core_release_dev,
	.open_device		= vfcap_open_device,
	.close_device		= vfcap_close_device,
	.ioctl			= vfcap_ioctl,
	.device_feature		= vfcap_ioctl_feature,
	.read			= vfcap_read,
	.write			= vfcap_write,
	.mmap			= vfcap_mmap,
	.request		= vfio_pci_core_request,
	.match			= vfio_pci_core_match,
	.bind_iommufd		= vfio_iommufd_physical_bind,
	.attach_ioas		= vfcap_attach_ioas,
	.detach_ioas		= vfio_iommufd_physical_detach_ioas,
	VFCAP_OPS_REGION_INFO
	VFCAP_OPS_TOKEN
	VFCAP_OPS_PASID
};

static int vfcap_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vfcap_device *vd;
	unsigned long caps;
	int ret;

	if (!vfcap_find_caps(pdev, &caps)) {
		pci_err(pdev, "%s; use vfio-pci for it\n",
			vfcap_vmd_is_unknown(pdev) ?
			"an Intel RAID function whose ID is not that of a known VMD endpoint" :
			"neither an SR-IOV virtual function nor a VMD endpoint, and without a PASID capability");
		return -ENODEV;
	}
	if (pci_match_id(vfcap_denylist, pdev)) {
		pci_warn(pdev, "%04x:%04x is in vfio-pci's device denylist%s\n",
			 pdev->vendor, pdev->device, disable_denylist ?
			 ", allowed by disable_denylist" : ", not bound");
		if (!disable_denylist)
			return -EINVAL;
	}

	vd = vfio_alloc_device(vfcap_device, core.vdev, &pdev->dev, &vfcap_device_ops);
	if (IS_ERR(vd))
		return PTR_ERR(vd);

	dev_set_drvdata(&pdev->dev, &vd->core);
	vd->vmd = vfcap_vmd_find(pdev);
	vd->caps = caps;
	vd->handle = pci_vfcap_vf_register(pdev, &vfcap_vf_ops, vd);
	if (IS_ERR(vd->handle)) {
		ret = PTR_ERR(vd->handle);
		goto err_put;
	}

	vfcap_keep_awake(pdev);
	ret = vfio_pci_core_register_device(&vd->core);
	if (ret)
		goto err_unregister;
	vfcap_power_watch(vd);
	/* Core has refused a PF that has VFs, which would have such a directory already. */
	ret = vfcap_sysfs_add(vd);
	if (ret)
		goto err_core;
	return 0;

err_core:
	vfio_pci_core_unregister_device(&vd->core);
	vfcap_power_unwatch(vd);
err_unregister:
	vfcap_let_sleep(pdev);
	cancel_work_sync(&vd->sync_work);
	pci_vfcap_vf_unregister(vd->handle);
err_put:
	vfio_put_device(&vd->core.vdev);
	return ret;
}

static void vfcap_remove(struct pci_dev *pdev)
{
	struct vfcap_device *vd = vfcap_from_pci(pdev);

	/* Removes the VFs of a PF, and waits for users. */
	vfio_pci_core_unregister_device(&vd->core);
	vfcap_power_unwatch(vd);
	vfcap_sysfs_remove(vd);
	vfcap_let_sleep(pdev);
	/* Nothing is shown any more whose loss could queue it again. */
	cancel_work_sync(&vd->sync_work);
	pci_vfcap_vf_unregister(vd->handle);
	vfio_put_device(&vd->core.vdev);
}

static int vfcap_sriov_configure(struct pci_dev *pdev, int nr_virtfn)
{
	if (!enable_sriov)
		return -ENOENT;
	if (nr_virtfn && READ_ONCE(vfcap_from_pci(pdev)->pri.pos)) {
		pci_notice(pdev, "no VFs can be created now: its guest has PRI, which they would share; close the device first\n");
		return -EBUSY;
	}
	return vfio_pci_core_sriov_configure(&vfcap_from_pci(pdev)->core,
					     nr_virtfn);
}

/*
 * No device is claimed by its ID: driver_override selects this driver. A wildcard alias
 * would make tools choose it where they would otherwise choose vfio-pci.
 */
static struct pci_driver vfcap_driver = {
	.name			= "vfcap-vfio-pci",
	.id_table		= vfcap_vmd_ids,
	.probe			= vfcap_probe,
	.remove			= vfcap_remove,
	.sriov_configure	= vfcap_sriov_configure,
	.err_handler		= &vfcap_err_handlers,
	.driver_managed_dma	= true,
};

static int __init vfcap_init(void)
{
	int ret;

	ret = vfcap_effects_init();
	if (ret)
		return ret;

	vfcap_power_init();
	ret = pci_register_driver(&vfcap_driver);
	if (ret)
		vfcap_effects_exit();
	return ret;
}
module_init(vfcap_init);

static void __exit vfcap_exit(void)
{
	pci_unregister_driver(&vfcap_driver);
	vfcap_effects_exit();
}
module_exit(vfcap_exit);

MODULE_DESCRIPTION("vfio-pci variant driver for VFs and functions with PASID, and for VMD");
MODULE_AUTHOR("The vfcap authors");
MODULE_LICENSE("GPL");
#ifdef VFCAP_VERSION
MODULE_VERSION(VFCAP_VERSION);
#endif
