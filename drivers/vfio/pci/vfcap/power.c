// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power states of a VF, and what they mean for its PASIDs
 *
 * An IOMMU that detaches a PASID has a function with ATS invalidate its cache of
 * translations, and waits for the answer. Outside of D0 a function gives none. So PASIDs
 * are attached in the IOMMU only while the VF is in D0 and its user has not let it go to
 * low power: they are detached before it leaves D0, and attached again after it came
 * back.
 *
 * There are two ways out of D0. A guest writes PMCSR, which core carries out at once. Or
 * the user lets it go to low power: from then on runtime PM suspends it at any time, and
 * resumes it for each access, and core keeps that to itself.
 */
#include <linux/cleanup.h>
#include <linux/pci.h>

#include "base.h"

/**
 * vfcap_is_awake - whether the VF is in D0
 * @vf: the VF
 *
 * Context: Process context, under the dev_set lock. If the user has let it go to low power
 * then it may leave D0 right after, unless the caller is an ioctl or a write of the user,
 * around which it is kept awake.
 * Return: true if so.
 */
bool vfcap_is_awake(struct vfcap_device *vf)
{
	return READ_ONCE(vf->core.pdev->current_state) == PCI_D0;
}

/**
 * vfcap_is_let_go - whether its user has let the VF go to low power
 * @vf: the VF
 *
 * Context: Process context, without memory_lock.
 * Return: true if so.
 */
bool vfcap_is_let_go(struct vfcap_device *vf)
{
	guard(rwsem_read)(&vf->core.memory_lock);

	return vf->core.pm_runtime_engaged;
}

/**
 * vfcap_stays_awake - whether the VF is in D0, and leaves it only under the dev_set lock
 * @vf: the VF
 *
 * Context: Process context, under the dev_set lock, without memory_lock.
 * Return: true if so: what is attached to it may stay attached.
 */
bool vfcap_stays_awake(struct vfcap_device *vf)
{
	return vfcap_is_awake(vf) && !vfcap_is_let_go(vf);
}

/**
 * vfcap_in_d3 - whether the VF is in a state that it leaves by a reset
 * @vf: the VF
 *
 * Context: Any context.
 * Return: true if so, unless it has No_Soft_Reset.
 */
bool vfcap_in_d3(struct vfcap_device *vf)
{
	pci_power_t state = READ_ONCE(vf->core.pdev->current_state);

	return state == PCI_D3hot || state == PCI_D3cold;
}

/**
 * vfcap_soft_reset - whether a return from D3hot to D0 resets the VF
 * @vf: the VF
 *
 * Context: Process context, while it is not suspended.
 * Return: true if so.
 */
bool vfcap_soft_reset(struct vfcap_device *vf)
{
	struct pci_dev *pdev = vf->core.pdev;
	u16 pmcsr;

	if (!pdev->pm_cap)
		return false;
	pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &pmcsr);
	return PCI_POSSIBLE_ERROR(pmcsr) ||
	       !(pmcsr & PCI_PM_CTRL_NO_SOFT_RESET);
}
