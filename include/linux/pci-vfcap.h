/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI capabilities that VFs share with their PF
 *
 * PCIe r6.0, sec 9.3.7, lets a VF use its PF's PASID (sec 7.8.9) and Page
 * Request (sec 7.8.10, PRI) Extended Capability and forbids it to implement its
 * own. What a VF may do with them therefore depends on registers of another
 * function. This is where those who hand out a VF ask about its PF.
 */
#ifndef LINUX_PCI_VFCAP_H
#define LINUX_PCI_VFCAP_H

#include <linux/types.h>

struct pci_dev;
struct pci_vfcap;

struct pci_vfcap *pci_vfcap_get(struct pci_dev *vf);
void pci_vfcap_put(struct pci_vfcap *vfcap);
struct pci_dev *pci_vfcap_pf(const struct pci_vfcap *vfcap);
int pci_vfcap_read(struct pci_vfcap *vfcap, u16 id, u32 *regs, size_t nr_regs);

#endif /* LINUX_PCI_VFCAP_H */
