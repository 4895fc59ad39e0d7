/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI capabilities that VFs share with their PF
 *
 * PCIe r6.0, sec 9.3.7, lets a VF use its PF's PASID (sec 7.8.9) and Page
 * Request (sec 10.5.2, PRI) Extended Capability and forbids it to implement its
 * own. What a VF may do with them therefore depends on registers of another
 * function. Here the two sides meet: a PF's driver, which may take part but need
 * not, and the driver of a VF, which hands the VF to user space.
 *
 * Context: all functions may sleep, and none may be called from an interrupt
 * handler. A callback runs in process context with locks held: those of this
 * module, of the VF's driver, and, where the PF's driver adds or removes VFs, of
 * the driver core for the PF. It must not wait for a VF to be closed or unbound. It
 * must not take the PF's device lock, or a lock that its driver holds around
 * pci_vfcap_register(), pci_vfcap_unregister() or pci_disable_sriov(). It may call
 * pci_vfcap_change_begin(), pci_vfcap_change_end(), pci_vfcap_lost() and
 * pci_vfcap_pri_failed().
 *
 * VFs also work if their PF's driver does none of this: their capabilities then
 * follow the PF's registers. While a VF that may show one is open, a runtime PM
 * reference keeps its PF awake. An open VF is marked as assigned, so that
 * pci_vfs_assigned() counts it. PF drivers use that to refuse the removal of VFs in
 * use, as pci_sriov_configure_simple() does.
 */
#ifndef LINUX_PCI_VFCAP_H
#define LINUX_PCI_VFCAP_H

#include <linux/bits.h>
#include <linux/types.h>

struct pci_dev;
struct pci_vfcap_vf;

/**
 * enum pci_vfcap_id - the capabilities that VFs share with their PF
 * @PCI_VFCAP_PASID: PASID Extended Capability, PCIe r6.0, sec 9.3.7
 * @PCI_VFCAP_PRI: Page Request Extended Capability, sec 9.3.7
 * @PCI_VFCAP_COUNT: how many there are
 */
enum pci_vfcap_id {
	PCI_VFCAP_PASID,
	PCI_VFCAP_PRI,
	PCI_VFCAP_COUNT
};

/* Maximum size of the text that says why a capability was lost, including its NUL */
#define PCI_VFCAP_CAUSE_SIZE	128

/**
 * struct pci_vfcap_ops - what a PF's driver does for its VFs
 * @place: Where a capability may lie in the config space of @vf. Return an offset
 *	in bytes, 0 for no opinion, or a negative value to never show it. An
 *	offset must be a multiple of 4 in extended config space, and may cover
 *	registers that are part of no capability, since the driver knows what they
 *	are. An offset that does not fit is logged, and counts as no opinion.
 * @first_user: The first VF that may show the capability is being opened: enable
 *	here what it needs in the PF. Any return value other than 0 hides the
 *	capability from that VF, and the next VF's open calls this again. For VFs
 *	that are open at registration, pci_vfcap_register() calls it; a failure is
 *	then logged and hides nothing. The capability counts as shown already, so
 *	pci_vfcap_change_begin() fails here.
 * @last_user: The last of these VFs was closed. Only called after a @first_user
 *	that returned 0, and not by pci_vfcap_unregister(): a driver that
 *	unregisters undoes by itself what @first_user did.
 * @control: Take over the control bits. Called for each guest write to the dword at
 *	offset 4 of @vf's capability, with the value that the dword has now and
 *	the one that it would have afterwards, both including its other half
 *	(PASID Capability, Page Request Status). Return the value that it shall
 *	have; bits that a guest cannot write are taken from @new. The bits have
 *	their usual effect: PASIDs are attached while PASID Enable is 1, and the
 *	pri_* callbacks are called, if there are any. Where the capability cannot
 *	be enabled now, Enable is 0 in @new, and stays 0. Also called with the
 *	control bits of both values 0 when the VF was reset or closed, has lost
 *	the capability, or had its Page Request Interface reset; the return value
 *	is ignored then.
 * @pri_enable: Let @vf send page requests, at most @allocation outstanding
 *	(PCIe r6.0, sec 10.5.2.5). Not called again before @pri_disable. Requests
 *	that a @pri_drain waited for in vain may still be outstanding. Return 0, or
 *	-errno: the guest's Enable reads 1 nevertheless, but nothing is requested
 *	until the guest clears it and sets it again.
 * @pri_disable: Keep @vf from sending new page requests. Must not wait for those
 *	in flight.
 * @pri_drain: Wait until all page requests of @vf are answered, for at most
 *	@timeout jiffies. Return 0, or -ETIMEDOUT: the VF then loses its
 *	capabilities until it is reset, as it also does when this takes longer
 *	than @timeout. Called after @pri_disable, from a worker, without locks of
 *	the VF's driver.
 * @pri_reset: Forget all page requests of @vf and its credits. Called after
 *	@pri_disable, and possibly while @pri_drain runs, which then has nothing
 *	left to wait for.
 *
 * All are optional, but a driver has all of the pri_* callbacks or none: by having
 * them it declares that it answers its VFs' page requests itself.
 *
 * The pri_* callbacks do not run concurrently for the same VF, except that
 * @pri_reset may be called while @pri_drain runs. A driver that registers while VFs
 * are open may be called to disable, drain or reset one that it never enabled.
 */
struct pci_vfcap_ops {
	int (*place)(struct pci_dev *pf, struct pci_dev *vf,
		     enum pci_vfcap_id id);
	int (*first_user)(struct pci_dev *pf, enum pci_vfcap_id id);
	void (*last_user)(struct pci_dev *pf, enum pci_vfcap_id id);
	u32 (*control)(struct pci_dev *pf, struct pci_dev *vf,
		       enum pci_vfcap_id id, u32 old, u32 new);
	int (*pri_enable)(struct pci_dev *pf, struct pci_dev *vf,
			  u32 allocation);
	void (*pri_disable)(struct pci_dev *pf, struct pci_dev *vf);
	int (*pri_drain)(struct pci_dev *pf, struct pci_dev *vf,
			 unsigned long timeout);
	void (*pri_reset)(struct pci_dev *pf, struct pci_dev *vf);
};

/* For a PF's driver */
int pci_vfcap_register(struct pci_dev *pf, const struct pci_vfcap_ops *ops);
int devm_pci_vfcap_register(struct pci_dev *pf,
			    const struct pci_vfcap_ops *ops);
void pci_vfcap_unregister(struct pci_dev *pf);
int pci_vfcap_change_begin(struct pci_dev *pf, enum pci_vfcap_id id);
void pci_vfcap_change_end(struct pci_dev *pf, enum pci_vfcap_id id);
void pci_vfcap_lost(struct pci_dev *pf, const char *cause);
void pci_vfcap_pri_failed(struct pci_dev *pf, struct pci_dev *vf, u16 status);

/**
 * struct pci_vfcap_vf_ops - what the driver of a VF is notified of
 * @lost: The PF's capabilities in @mask, BIT(id) each, are gone, or were gone for a
 *	while. Nothing that needs them may be enabled until pci_vfcap_vf_reset()
 *	has found them back. The driver takes from the guest what it has of them,
 *	without waiting here, and calls pci_vfcap_loss_done() when that is done.
 * @returned: The set of lost capabilities that pci_vfcap_vf_reset() would find back
 *	has changed, or a loss has ended: see pci_vfcap_query_loss().
 * @pri_stopped: PRI was disabled, and all page requests of the VF are answered.
 * @pri_failed: The PF's driver reports PCI_PRI_STATUS_RF or _UPRGI.
 *
 * All are called with the PF's lock held: they must not call back.
 */
struct pci_vfcap_vf_ops {
	void (*lost)(void *priv, unsigned long mask);
	void (*returned)(void *priv);
	void (*pri_stopped)(void *priv);
	void (*pri_failed)(void *priv, u16 status);
};

/* For a VF's driver */
struct pci_vfcap_vf *pci_vfcap_vf_register(struct pci_dev *vf,
					   const struct pci_vfcap_vf_ops *ops,
					   void *priv);
void pci_vfcap_vf_unregister(struct pci_vfcap_vf *handle);
int pci_vfcap_vf_open(struct pci_vfcap_vf *handle, unsigned long mask);
void pci_vfcap_vf_close(struct pci_vfcap_vf *handle);
void pci_vfcap_loss_done(struct pci_vfcap_vf *handle, unsigned long mask);
bool pci_vfcap_query_loss(struct pci_vfcap_vf *handle, enum pci_vfcap_id id,
			  char *cause, bool *returned);
const char *pci_vfcap_state(struct pci_vfcap_vf *handle, enum pci_vfcap_id id);
u64 pci_vfcap_vf_losses(struct pci_vfcap_vf *handle);
void pci_vfcap_vf_reset(struct pci_vfcap_vf *handle, u64 losses);
int pci_vfcap_read(struct pci_dev *pf, enum pci_vfcap_id id, u32 *regs,
		   size_t nr_regs);
int pci_vfcap_show(struct pci_vfcap_vf *handle, enum pci_vfcap_id id, u16 pos,
		   const u32 *regs);
void pci_vfcap_hide(struct pci_vfcap_vf *handle, enum pci_vfcap_id id);
bool pci_vfcap_usable(struct pci_vfcap_vf *handle, enum pci_vfcap_id id);
int pci_vfcap_place(struct pci_vfcap_vf *handle, enum pci_vfcap_id id);
u32 pci_vfcap_control(struct pci_vfcap_vf *handle, enum pci_vfcap_id id,
		      u32 old, u32 new);
bool pci_vfcap_pri_answered(struct pci_vfcap_vf *handle);
bool pci_vfcap_pri_deliverable(struct pci_vfcap_vf *handle);
int pci_vfcap_pri_claim(struct pci_vfcap_vf *handle);
void pci_vfcap_pri_release(struct pci_vfcap_vf *handle);
bool pci_vfcap_pri_claimed(struct pci_vfcap_vf *handle);
u32 pci_vfcap_pri_share(struct pci_vfcap_vf *handle);
void pci_vfcap_pri_enable(struct pci_vfcap_vf *handle, u32 allocation);
void pci_vfcap_pri_disable(struct pci_vfcap_vf *handle);
void pci_vfcap_pri_reset(struct pci_vfcap_vf *handle);
void pci_vfcap_pri_flush(struct pci_vfcap_vf *handle);
void pci_vfcap_pri_reset_begin(struct pci_vfcap_vf *handle);
void pci_vfcap_pri_reset_end(struct pci_vfcap_vf *handle);
void pci_vfcap_pri_halt(struct pci_vfcap_vf *handle);

#endif /* LINUX_PCI_VFCAP_H */
