/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * <linux/pci-vfcap.h> for PF drivers that also load where pci-vfcap is not installed
 *
 * A driver that is built outside of the kernel's tree includes this header instead of
 * that one, calls the same functions, and has a line
 *
 *	MODULE_SOFTDEP("pre: pci-vfcap");
 *
 * so that modprobe loads pci-vfcap before it, where that is installed. The functions are
 * looked up when they are called. Without pci-vfcap they do nothing and succeed. From
 * devm_pci_vfcap_register() on, until the PF is unbound, pci-vfcap stays loaded. A PF
 * that was bound before pci-vfcap was loaded is not registered until it is bound again.
 *
 * There is no pci_vfcap_register() here: its caller could not tell whether it had done
 * anything. In a kernel's tree none of this is needed, see the guide for PF drivers.
 */
#ifndef LINUX_PCI_VFCAP_OPTIONAL_H
#define LINUX_PCI_VFCAP_OPTIONAL_H

#include <linux/device.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-vfcap.h>

/* Runs after pci-vfcap's own action, which ended the registration. */
static inline void pci_vfcap_optional_put(void *unused)
{
	symbol_put(devm_pci_vfcap_register);
}

static inline int
pci_vfcap_optional_register(struct pci_dev *pf, const struct pci_vfcap_ops *ops)
{
	typeof(devm_pci_vfcap_register) *fn = symbol_get(devm_pci_vfcap_register);
	int ret;

	if (!fn)
		return 0;
	ret = devm_add_action_or_reset(&pf->dev, pci_vfcap_optional_put, NULL);
	return ret ?: fn(pf, ops);
}

static inline int pci_vfcap_optional_change_begin(struct pci_dev *pf,
						  enum pci_vfcap_id id)
{
	typeof(pci_vfcap_change_begin) *fn = symbol_get(pci_vfcap_change_begin);
	int ret;

	if (!fn)
		return 0;
	ret = fn(pf, id);
	symbol_put(pci_vfcap_change_begin);
	return ret;
}

static inline void pci_vfcap_optional_change_end(struct pci_dev *pf,
						 enum pci_vfcap_id id)
{
	typeof(pci_vfcap_change_end) *fn = symbol_get(pci_vfcap_change_end);

	if (!fn)
		return;
	fn(pf, id);
	symbol_put(pci_vfcap_change_end);
}

static inline void pci_vfcap_optional_lost(struct pci_dev *pf, const char *cause)
{
	typeof(pci_vfcap_lost) *fn = symbol_get(pci_vfcap_lost);

	if (!fn)
		return;
	fn(pf, cause);
	symbol_put(pci_vfcap_lost);
}

static inline void pci_vfcap_optional_pri_failed(struct pci_dev *pf,
						 struct pci_dev *vf, u16 status)
{
	typeof(pci_vfcap_pri_failed) *fn = symbol_get(pci_vfcap_pri_failed);

	if (!fn)
		return;
	fn(pf, vf, status);
	symbol_put(pci_vfcap_pri_failed);
}

#define devm_pci_vfcap_register	pci_vfcap_optional_register
#define pci_vfcap_change_begin	pci_vfcap_optional_change_begin
#define pci_vfcap_change_end	pci_vfcap_optional_change_end
#define pci_vfcap_lost		pci_vfcap_optional_lost
#define pci_vfcap_pri_failed	pci_vfcap_optional_pri_failed

#endif /* LINUX_PCI_VFCAP_OPTIONAL_H */
