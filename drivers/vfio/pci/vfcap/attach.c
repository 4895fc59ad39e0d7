// SPDX-License-Identifier: GPL-2.0-only
/*
 * PASIDs that the device's user attaches with VFIO_DEVICE_ATTACH_PASID, while the device
 * shows the PASID capability
 *
 * A function must not send requests with a PASID while its PASID Enable is 0 (PCIe r6.0,
 * sec 6.20), and the PF's Enable is 1 for all its VFs. To make the guest's Enable mean
 * what it says, the IOMMU knows no PASID of the device while that is 0, except for the
 * moment of an attach by the device's user: the attach is tried, undone and remembered,
 * and takes effect when the guest sets Enable.
 *
 * While the device sleeps the IOMMU knows none of them either, whatever Enable says (see
 * reset.c). An attach is then not tried, only remembered.
 *
 * A page table (HWPT) is remembered by its ID. Nothing that iommufd exports pins one, so
 * its user may destroy it meanwhile. The attach then fails when Enable is set, unless
 * another page table of the same user has been given the ID by then: that one is
 * recognised by its domain, and detached again. An IOAS is never remembered, since
 * iommufd does not attach one to a PASID.
 */
#include <linux/bitfield.h>
#include <linux/idr.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/vfio.h>
#include <linux/xarray.h>

#include "base.h"
#include "caps.h"
#include "emul.h"

#if VFCAP_PASID_ATTACH

MODULE_IMPORT_NS("IOMMUFD_INTERNAL");

/*
 * How many PASIDs a user may have attached. The limit is there because a guest's write
 * that clears Enable detaches them all. Their memory is charged to the user.
 */
#define VFCAP_MAX_PASIDS	4096

/*
 * Bits of a domain's bitmap of page sizes, for sizes that no mapping can reach: the IOMMU
 * core and iommufd never pick them. Callers that ask iommufd for page sizes the way VFIO
 * containers do (VFIO_IOMMU_GET_INFO) do see them.
 */
#define VFCAP_MARK	GENMASK_ULL(62, 57)

/**
 * struct vfcap_domain - identifies the domain of a page table
 * @address: the address of its domain, which may since have been freed and reused
 *	for another one
 * @mark: the mark left in the domain for that reason
 */
struct vfcap_domain {
	const struct iommu_domain *address;
	u64 mark;
};

/**
 * struct vfcap_attachment - what the user attached to a PASID
 *
 * VFIO keeps track of whether it is attached in the IOMMU now: see vfcap_is_attached().
 *
 * @pt_id: the page table, as the user named it
 * @domain: its domain when the attach was tried, or nothing if the device slept
 * @failed: Attaching it failed after Enable was set, and is not tried again until Enable
 *	is set again, or the device has slept.
 * @reported: the failure was logged
 */
struct vfcap_attachment {
	u32 pt_id;
	struct vfcap_domain domain;
	bool failed;
	bool reported;
};

/*
 * The first attachment from *@pasid on, of the @left that are to come. Behind the last one
 * xa_for_each() would look at all slots that are left of its node.
 */
static struct vfcap_attachment *vfcap_next(struct vfcap_device *vd, unsigned long *pasid,
					   unsigned int left)
{
	return left ? xa_find(&vd->pasids, pasid, ULONG_MAX, XA_PRESENT) : NULL;
}

static bool vfcap_is_attached(struct vfcap_device *vd, u32 pasid)
{
	return ida_exists(&vd->core.vdev.pasids, pasid);
}

static bool vfcap_pasid_is_shown(struct vfcap_device *vd)
{
	return vd->shown & BIT(PCI_VFCAP_PASID);
}

static struct vfcap_attachment *vfcap_attachment_new(struct vfcap_device *vd,
						     u32 pasid)
{
	struct vfcap_attachment *a;

	if (vd->nr_pasids >= VFCAP_MAX_PASIDS)
		return ERR_PTR(-ENOSPC);

	a = kzalloc_obj(*a, GFP_KERNEL_ACCOUNT);
	if (!a || xa_err(xa_store(&vd->pasids, pasid, a, GFP_KERNEL_ACCOUNT))) {
		kfree(a);
		return ERR_PTR(-ENOMEM);
	}
	vd->nr_pasids++;
	return a;
}

static void vfcap_attachment_free(struct vfcap_device *vd, u32 pasid)
{
	struct vfcap_attachment *a = xa_erase(&vd->pasids, pasid);

	if (!a)
		return;
	kfree(a);
	vd->nr_pasids--;
}

/* Whether the IOMMU may know the device's PASIDs */
static bool vfcap_pasid_may_stay(struct vfcap_device *vd)
{
	return (vfcap_emul_ctrl(vd, PCI_VFCAP_PASID) &
		vd->table[PCI_VFCAP_PASID]->enable) && vfcap_stays_awake(vd);
}

/*
 * The domain that a PASID has in the IOMMU. A new domain often gets the address of the
 * one that was freed last, hence the mark: a new one has none.
 */
static struct vfcap_domain vfcap_pasid_domain(struct vfcap_device *vd, u32 pasid)
{
	static atomic_t marks;
	struct iommu_group *group = iommu_group_get(&vd->core.pdev->dev);
	struct iommu_attach_handle *handle;
	struct iommu_domain *domain;
	unsigned long sizes, mark;

	handle = iommu_attach_handle_get(group, pasid, 0);
	iommu_group_put(group);
	if (IS_ERR(handle))
		return (struct vfcap_domain) {};
	domain = handle->domain;
	/* Another device that has the same domain may leave its mark at the same time. */
	sizes = READ_ONCE(domain->pgsize_bitmap) & ~VFCAP_MARK;
	mark = 1 + (u32)atomic_inc_return(&marks) % (u32)FIELD_MAX(VFCAP_MARK);
	cmpxchg(&domain->pgsize_bitmap, sizes,
		sizes | FIELD_PREP(VFCAP_MARK, mark));
	return (struct vfcap_domain) {
		.address = domain,
		.mark = READ_ONCE(domain->pgsize_bitmap) & VFCAP_MARK,
	};
}

/* Attach what is remembered; -ESTALE if its ID now belongs to another page table */
static int vfcap_attach_again(struct vfcap_device *vd, u32 pasid,
			      struct vfcap_attachment *a)
{
	struct vfcap_domain domain;
	u32 pt_id = a->pt_id;
	int ret;

	ret = vfio_iommufd_physical_pasid_attach_ioas(&vd->core.vdev, pasid,
						      &pt_id);
	if (ret)
		return ret;
	domain = vfcap_pasid_domain(vd, pasid);
	if (!a->domain.address)
		a->domain = domain;
	if (domain.address == a->domain.address && domain.mark == a->domain.mark)
		return 0;
	vfio_iommufd_physical_pasid_detach_ioas(&vd->core.vdev, pasid);
	return -ESTALE;
}

/**
 * vfcap_attach - VFIO_DEVICE_ATTACH_IOMMUFD_PT with a PASID
 * @vd: the device, which has committed what it shows
 * @pasid: the PASID
 * @pt_id: the page table to attach, and the one that was attached
 *
 * Context: Process context, under the dev_set lock.
 * Return: as vfio_iommufd_physical_pasid_attach_ioas(), -ENOSPC if there are too many, or
 * -EBUSY if the PASID is attached although the device sleeps, see vfcap_pasid_block().
 */
int vfcap_attach(struct vfcap_device *vd, u32 pasid, u32 *pt_id)
{
	struct vfio_device *vdev = &vd->core.vdev;
	struct vfcap_attachment *a;
	u32 wanted = *pt_id;
	bool new, awake;
	int ret;

	/* VFIO treats PASID 0 as an attach without a PASID. */
	if (!vfcap_pasid_is_shown(vd) || pasid == IOMMU_NO_PASID)
		return vfio_iommufd_physical_pasid_attach_ioas(vdev, pasid,
							       pt_id);

	awake = vfcap_is_awake(vd);
	if (!awake && vfcap_is_attached(vd, pasid))
		return -EBUSY;

	a = xa_load(&vd->pasids, pasid);
	new = !a;
	if (new)
		a = vfcap_attachment_new(vd, pasid);
	if (IS_ERR(a))
		return PTR_ERR(a);

	/* If one is attached, this replaces it. */
	ret = awake ? vfio_iommufd_physical_pasid_attach_ioas(vdev, pasid,
							      pt_id) : 0;
	if (ret) {
		if (new)
			vfcap_attachment_free(vd, pasid);
		return ret;
	}

	a->pt_id = wanted;
	a->domain = awake ? vfcap_pasid_domain(vd, pasid) :
			    (struct vfcap_domain) {};
	a->failed = false;
	a->reported = false;
	if (awake && !vfcap_pasid_may_stay(vd)) {
		vfio_iommufd_physical_pasid_detach_ioas(vdev, pasid);
		*pt_id = wanted;
	}
	return 0;
}

/**
 * vfcap_pasid_detach_ioas - VFIO_DEVICE_DETACH_IOMMUFD_PT with a PASID
 * @vdev: the VFIO device
 * @pasid: the PASID
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_pasid_detach_ioas(struct vfio_device *vdev, u32 pasid)
{
	vfcap_attachment_free(to_vfcap(vdev), pasid);
	vfio_iommufd_physical_pasid_detach_ioas(vdev, pasid);
}

/**
 * vfcap_pasid_block - detach all PASIDs in the IOMMU, and remember them
 * @vd: the device
 *
 * While the device sleeps none is attached, unless its user has changed the bytes of a
 * write to PMCSR just before core read them. A function that sleeps sends no requests;
 * such PASIDs are detached when it wakes up.
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_pasid_block(struct vfcap_device *vd)
{
	bool awake = vfcap_is_awake(vd);
	unsigned int left = vd->nr_pasids;
	struct vfcap_attachment *a;
	unsigned long pasid;

	for (pasid = 0; (a = vfcap_next(vd, &pasid, left)); left--, pasid++) {
		/* Does nothing for one that is not attached. */
		if (awake)
			vfio_iommufd_physical_pasid_detach_ioas(&vd->core.vdev,
								pasid);
		a->failed = false;
	}
}

/**
 * vfcap_pasid_sync - attach the device's PASIDs in the IOMMU, or detach them
 * @vd: the device
 * @enabled: PASID Enable
 * @restart: the device was reset; does not matter here
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_pasid_sync(struct vfcap_device *vd, bool enabled, bool restart)
{
	unsigned int left = vd->nr_pasids;
	struct vfcap_attachment *a;
	unsigned long pasid;

	if (!enabled || !vfcap_stays_awake(vd)) {
		vfcap_pasid_block(vd);
		return;
	}

	for (pasid = 0; (a = vfcap_next(vd, &pasid, left)); left--, pasid++) {
		int ret;

		if (a->failed || vfcap_is_attached(vd, pasid))
			continue;
		ret = vfcap_attach_again(vd, pasid, a);
		a->failed = ret;
		if (!ret || a->reported)
			continue;
		a->reported = true;
		dev_warn_ratelimited(&vd->core.pdev->dev, "PASID %lu stays detached: page table %u, attached while PASID Enable was 0, is gone or no longer fits (error %d); its user must attach it again\n",
				     pasid, a->pt_id, ret);
	}
}

/**
 * vfcap_pasid_forget - forget all attachments, which vfcap_unbind_iommufd() detaches
 * @vd: the device
 *
 * Context: Process context, under the dev_set lock, when the device is closed.
 */
void vfcap_pasid_forget(struct vfcap_device *vd)
{
	struct vfcap_attachment *a;
	unsigned long pasid;

	xa_for_each(&vd->pasids, pasid, a)
		kfree(a);
	xa_destroy(&vd->pasids);
	vd->nr_pasids = 0;
}

/**
 * vfcap_unbind_iommufd - detach everything that is attached, after the device was closed
 * @vdev: the VFIO device
 *
 * The device is no longer a bus master, and was reset. Nobody uses it, so it may be
 * suspended at any time, or already is: it is resumed if there are PASIDs to detach.
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_unbind_iommufd(struct vfio_device *vdev)
{
	bool wake = !ida_is_empty(&vdev->pasids);

	/* If the device cannot be resumed, PASIDs are detached all the same. */
	if (wake)
		pm_runtime_get_sync(vdev->dev);
	vfio_iommufd_physical_unbind(vdev);
	pci_vfcap_pri_release(to_vfcap(vdev)->handle);
	if (wake)
		pm_runtime_put(vdev->dev);
}

#endif /* VFCAP_PASID_ATTACH */
