// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sample PF driver that is built outside of the kernel's tree, and loads with and
 * without pci-vfcap
 *
 * It does the least that a PF's driver can do for its VFs: it reports resets. For
 * everything else see vfcap-sample-pf, whose calls work here too.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-vfcap-optional.h>

/* It is asked nothing. */
static const struct pci_vfcap_ops external_pf_vfcap_ops = { };

static int external_pf_probe(struct pci_dev *pf, const struct pci_device_id *id)
{
	int ret;

	ret = pcim_enable_device(pf);
	if (ret)
		return ret;
	pci_set_master(pf);
	return devm_pci_vfcap_register(pf, &external_pf_vfcap_ops);
}

static void external_pf_remove(struct pci_dev *pf)
{
	pci_disable_sriov(pf);
}

static void external_pf_reset_prepare(struct pci_dev *pf)
{
	pci_vfcap_lost(pf, "its PF is being reset by user space or the kernel");
}

static void external_pf_reset_done(struct pci_dev *pf)
{
	pci_vfcap_lost(pf, "its PF was reset by user space or the kernel");
}

static const struct pci_error_handlers external_pf_err_handlers = {
	.reset_prepare	= external_pf_reset_prepare,
	.reset_done	= external_pf_reset_done,
};

/* Empty: the driver fits any PF, so it takes only those that driver_override gives it. */
static const struct pci_device_id external_pf_ids[] = {
	{ }
};

static struct pci_driver external_pf_driver = {
	.name			= "vfcap-external-pf",
	.id_table		= external_pf_ids,
	.probe			= external_pf_probe,
	.remove			= external_pf_remove,
	.sriov_configure	= pci_sriov_configure_simple,
	.err_handler		= &external_pf_err_handlers,
};

module_pci_driver(external_pf_driver);

MODULE_SOFTDEP("pre: pci-vfcap");
MODULE_DESCRIPTION("vfcap sample: a PF driver that loads with and without pci-vfcap");
MODULE_AUTHOR("The vfcap authors");
MODULE_LICENSE("GPL");
