// SPDX-License-Identifier: GPL-2.0-only
/*
 * pci-vfcap: PCI capabilities that VFs share with their PF
 */
#include <linux/module.h>
#include <linux/pci.h>

#include "pci-vfcap.h"

static const struct vfcap_pf_ops vfcap_pf_callbacks = {
	.ktype	= &vfcap_pf_ktype,
	.guard	= vfcap_guard,
};

static int __init pci_vfcap_init(void)
{
	int ret;

	vfcap_pf_ops = &vfcap_pf_callbacks;
	vfcap_wq = alloc_workqueue("pci-vfcap", WQ_UNBOUND | WQ_FREEZABLE, 0);
	if (!vfcap_wq)
		return -ENOMEM;

	ret = -ENOMEM;
	vfcap_tell_wq = alloc_ordered_workqueue("pci-vfcap-tell", WQ_FREEZABLE);
	if (!vfcap_tell_wq)
		goto err_wq;

	ret = bus_register_notifier(&pci_bus_type, &vfcap_guard_nb);
	if (ret)
		goto err_tell_wq;
	return 0;

err_tell_wq:
	destroy_workqueue(vfcap_tell_wq);
err_wq:
	destroy_workqueue(vfcap_wq);
	return ret;
}
module_init(pci_vfcap_init);

static void __exit pci_vfcap_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &vfcap_guard_nb);
	destroy_workqueue(vfcap_tell_wq);
	destroy_workqueue(vfcap_wq);

	/* Users pin the module: a record that is left was never put. */
	WARN_ON(!vfcap_no_records());
}
module_exit(pci_vfcap_exit);

MODULE_DESCRIPTION("PCI capabilities that VFs share with their PF");
MODULE_AUTHOR("The vfcap authors");
MODULE_LICENSE("GPL");
#ifdef VFCAP_VERSION
MODULE_VERSION(VFCAP_VERSION);
#endif
