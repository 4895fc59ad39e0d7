// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcap-vfio-pci: a vfio-pci variant driver for SR-IOV virtual functions
 *
 * Everything that vfio-pci offers for a VF, and in the VF's virtual config
 * space the capabilities that PCIe has it share with its PF but forbids it to
 * show.
 */
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-vfcap.h>
#include <linux/pm_runtime.h>
#include <linux/vfio.h>

#include "vfcap.h"

static bool nointxmask;
module_param(nointxmask, bool, 0444);
MODULE_PARM_DESC(nointxmask, "As vfio-pci's: disable support for PCI 2.3 style INTx masking");

static bool disable_idle_d3;
module_param(disable_idle_d3, bool, 0444);
MODULE_PARM_DESC(disable_idle_d3, "As vfio-pci's: do not use the PCI D3 low power state for idle, unused devices");

static bool disable_denylist;
module_param(disable_denylist, bool, 0444);
MODULE_PARM_DESC(disable_denylist, "As vfio-pci's: allow binding to devices with known errata that untrusted users may exploit");

/* The VFs among those that vfio-pci refuses */
static const struct pci_device_id vfcap_denylist[] = {
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C3XXX_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C62X_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_DH895XCC_VF) },
	{ }
};

static struct vfio_pci_core_device *vfcap_core(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_pci_core_device, vdev);
}

static int vfcap_init_device(struct vfio_device *vdev)
{
	struct vfcap_device *vf = to_vfcap(vfcap_core(vdev));
	int ret;

	mutex_init(&vf->power_lock);
	mutex_init(&vf->lock);
	vfcap_set_nointxmask(&vf->core, nointxmask);
	vfcap_set_pci_ops(&vf->core);

	ret = vfio_pci_core_init_dev(vdev);
	if (ret)
		goto err_destroy;

	vf->pf = pci_vfcap_get(to_pci_dev(vdev->dev));
	if (IS_ERR(vf->pf)) {
		ret = PTR_ERR(vf->pf);
		goto err_release;
	}
	return 0;

err_release:
	vfio_pci_core_release_dev(vdev);
err_destroy:
	mutex_destroy(&vf->lock);
	mutex_destroy(&vf->power_lock);
	return ret;
}

static void vfcap_release_device(struct vfio_device *vdev)
{
	struct vfcap_device *vf = to_vfcap(vfcap_core(vdev));

	pci_vfcap_put(vf->pf);
	vfio_pci_core_release_dev(vdev);
	mutex_destroy(&vf->lock);
	mutex_destroy(&vf->power_lock);
}

/*
 * With disable_idle_d3 an unused VF is kept awake by a reference of our own.
 * Core has the same for vfio-pci, but before 7.2 as one value for all drivers.
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
	struct vfio_pci_core_device *core = vfcap_core(vdev);
	int ret = vfio_pci_core_enable(core);

	if (ret)
		return ret;

	/* Core holds a reference now, which its user may give back. */
	vfcap_let_sleep(core->pdev);
	vfio_pci_core_finish_enable(core);
	return 0;
}

static void vfcap_close_device(struct vfio_device *vdev)
{
	struct vfio_pci_core_device *core = vfcap_core(vdev);

	vfcap_keep_awake(core->pdev);
	vfcap_emul_close(to_vfcap(core));
	vfio_pci_core_close_device(vdev);
}

static bool vfcap_is_config(loff_t pos)
{
	return VFIO_PCI_OFFSET_TO_INDEX(pos) == VFIO_PCI_CONFIG_REGION_INDEX;
}

static ssize_t vfcap_read(struct vfio_device *vdev, char __user *buf,
			  size_t count, loff_t *ppos)
{
	if (vfcap_is_config(*ppos))
		return vfcap_config_read(to_vfcap(vfcap_core(vdev)), buf, count,
					 ppos);
	return vfio_pci_core_read(vdev, buf, count, ppos);
}

static ssize_t vfcap_write(struct vfio_device *vdev, const char __user *buf,
			   size_t count, loff_t *ppos)
{
	if (vfcap_is_config(*ppos))
		return vfcap_config_write(to_vfcap(vfcap_core(vdev)), buf,
					  count, ppos);
	return vfio_pci_core_write(vdev, buf, count, ppos);
}

static const struct vfio_device_ops vfcap_ops = {
	.name			= "vfcap-vfio-pci",
	.init			= vfcap_init_device,
	.release		= vfcap_release_device,
	.open_device		= vfcap_open_device,
	.close_device		= vfcap_close_device,
	.ioctl			= vfcap_ioctl,
	.device_feature		= vfcap_ioctl_feature,
	.read			= vfcap_read,
	.write			= vfcap_write,
	.mmap			= vfio_pci_core_mmap,
	.request		= vfio_pci_core_request,
	.match			= vfio_pci_core_match,
	.bind_iommufd		= vfio_iommufd_physical_bind,
	.unbind_iommufd		= vfio_iommufd_physical_unbind,
	.attach_ioas		= vfio_iommufd_physical_attach_ioas,
	.detach_ioas		= vfio_iommufd_physical_detach_ioas,
	VFCAP_OPS_REGION_INFO
	VFCAP_OPS_TOKEN
	VFCAP_OPS_PASID
};

static int vfcap_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vfcap_device *vf;
	int ret;

	if (!pdev->is_virtfn) {
		pci_err(pdev, "not an SR-IOV virtual function; use vfio-pci for it\n");
		return -ENODEV;
	}
	if (pci_match_id(vfcap_denylist, pdev)) {
		pci_warn(pdev, "%04x:%04x is in vfio-pci's device denylist%s\n",
			 pdev->vendor, pdev->device, disable_denylist ?
			 ", allowed by disable_denylist" : ", not bound");
		if (!disable_denylist)
			return -EINVAL;
	}

	vf = vfio_alloc_device(vfcap_device, core.vdev, &pdev->dev, &vfcap_ops);
	if (IS_ERR(vf))
		return PTR_ERR(vf);

	dev_set_drvdata(&pdev->dev, &vf->core);
	vfcap_keep_awake(pdev);
	ret = vfio_pci_core_register_device(&vf->core);
	if (ret) {
		vfcap_let_sleep(pdev);
		vfio_put_device(&vf->core.vdev);
	}
	return ret;
}

static void vfcap_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	vfio_pci_core_unregister_device(core);
	vfcap_let_sleep(pdev);
	vfio_put_device(&core->vdev);
}

/*
 * No device is claimed by its ID: driver_override names us. A wildcard alias
 * would make tools choose this driver where they would choose vfio-pci.
 */
static struct pci_driver vfcap_driver = {
	.name			= "vfcap-vfio-pci",
	.probe			= vfcap_probe,
	.remove			= vfcap_remove,
	.err_handler		= &vfcap_err_handlers,
	.driver_managed_dma	= true,
};

module_pci_driver(vfcap_driver);

MODULE_DESCRIPTION("vfio-pci variant driver for VFs that show shared capabilities");
MODULE_AUTHOR("The vfcap authors");
MODULE_LICENSE("GPL");
