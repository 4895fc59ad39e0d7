/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What vfcap-vfio-pci offers a VMM beyond vfio-pci, through VFIO_DEVICE_FEATURE
 *
 * VFIO reserves no range of feature indices for drivers. Before anything else, a
 * VMM uses VFCAP_FEATURE_QUERY and its magic number to make sure that the device's
 * driver is vfcap-vfio-pci.
 *
 * Rules for all features, unless a structure says otherwise:
 *
 * - VFIO_DEVICE_FEATURE_PROBE tells whether an index exists and supports GET or SET.
 * - A structure may grow at its end, so the kernel may have another version of it than
 *   this header. argsz may be larger than the kernel's: the bytes that the kernel does
 *   not know must be zero, and the structure must fit in a page, else errno is E2BIG; the
 *   kernel writes nothing to these bytes. argsz may be smaller, but not smaller than in
 *   the first version: what is missing counts as zero, and is not written. An argsz
 *   smaller than that, an unknown flag, or a reserved field that is not zero gives
 *   EINVAL; memory that cannot be accessed gives EFAULT.
 * - A call that is killed while it waits for another one gives EINTR.
 * - A call that fails changes nothing, except as its description of errors says.
 */
#ifndef _UAPI_LINUX_VFIO_VFCAP_H
#define _UAPI_LINUX_VFIO_VFCAP_H

#include <linux/types.h>
#include <linux/vfio.h>

/* "vfcap\0\0\1" as a big-endian number */
#define VFCAP_MAGIC	0x7666636170000001ULL

/**
 * enum vfcap_cap_index - the capabilities that vfcap-vfio-pci may show
 * @VFCAP_CAP_PASID: PASID Extended Capability of a VF, or of a whole function
 * @VFCAP_CAP_PRI: Page Request Extended Capability of a VF, or of a whole function
 * @VFCAP_CAP_SHDW: vendor-specific capability "SHDW" of a VMD endpoint
 * @VFCAP_CAP_COUNT: how many there are in this version of the header
 */
enum vfcap_cap_index {
	VFCAP_CAP_PASID,
	VFCAP_CAP_PRI,
	VFCAP_CAP_SHDW,
	VFCAP_CAP_COUNT
};

/**
 * enum vfcap_step - what decided where a capability lies
 * @VFCAP_STEP_NONE: nothing, it is not shown
 * @VFCAP_STEP_USER: VFCAP_FEATURE_CHOOSE
 * @VFCAP_STEP_PF_DRIVER: the PF's driver
 * @VFCAP_STEP_QUIRK: the module parameter quirks, by vendor and device
 * @VFCAP_STEP_PF_OFFSET: it lies where the PF has its own
 * @VFCAP_STEP_GAP: a gap that reads as zero
 * @VFCAP_STEP_HARDWARE: it lies where the function, which is not a VF, has its own
 *
 * They are asked in this order, except for the last, which comes first.
 */
enum vfcap_step {
	VFCAP_STEP_NONE,
	VFCAP_STEP_USER,
	VFCAP_STEP_PF_DRIVER,
	VFCAP_STEP_QUIRK,
	VFCAP_STEP_PF_OFFSET,
	VFCAP_STEP_GAP,
	VFCAP_STEP_HARDWARE
};

/**
 * enum vfcap_reason - why a capability is not shown
 * @VFCAP_REASON_NONE: it is shown
 * @VFCAP_REASON_NOT_APPLICABLE: such a device never shows it
 * @VFCAP_REASON_PARAMETER: switched off by its module parameter
 * @VFCAP_REASON_USER: its VMM hid it (VFCAP_CHOOSE_HIDE)
 * @VFCAP_REASON_PF_GONE: its PF does not answer
 * @VFCAP_REASON_PF_LACKS: its PF has no such capability
 * @VFCAP_REASON_PF_DISABLED: it is not enabled in its PF
 * @VFCAP_REASON_PF_DRIVER: the driver of its PF says so
 * @VFCAP_REASON_PF_LOST: its PF has lost it meanwhile (it has no driver, sleeps, or is
 *	no longer as it was when another VF, or this one, was to be shown it)
 * @VFCAP_REASON_NOT_HELD: it was not wanted, or not provided, when the VF was opened
 * @VFCAP_REASON_NO_CDEV: it was opened through its VFIO group
 * @VFCAP_REASON_NO_IOMMU: its IOMMU cannot back PASIDs of a guest
 * @VFCAP_REASON_GROUP_SHARED: it shares its IOMMU group with other devices
 * @VFCAP_REASON_PF_USER_SPACE: its PF is itself given to user space
 * @VFCAP_REASON_NO_ANSWERER: the driver of its PF does not declare that it answers its
 *	VFs' page requests, and this kernel cannot deliver them to its VMM
 * @VFCAP_REASON_NO_ATS: the kernel has not enabled ATS in it
 * @VFCAP_REASON_NO_SHARE: its PF was allotted fewer page requests than it has VFs
 * @VFCAP_REASON_NO_ROOM: its config space has no room for it that reads as zero
 * @VFCAP_REASON_STRICT: nobody says where it may lie, and parameter placement=strict
 * @VFCAP_REASON_OWN: it has one itself
 * @VFCAP_REASON_QEMU: there is room only behind its last capability, where QEMU would
 *	refuse to start
 * @VFCAP_REASON_BARS: its BARs 2 and 4 are not both memory BARs with an address
 * @VFCAP_REASON_QUIRK: parameter quirks says so (of such devices)
 * @VFCAP_REASON_NO_PASIDS: its IOMMU has no PASIDs for it
 * @VFCAP_REASON_NOIOMMU_MODE: it was opened in VFIO's no-IOMMU mode
 * @VFCAP_REASON_CORE: vfio-pci-core keeps its config space in an unknown way
 * @VFCAP_REASON_NOT_ENABLED: the kernel has not enabled it in the function (which is not a VF)
 * @VFCAP_REASON_HAS_VFS: it is a PF that has VFs, which share it
 * @VFCAP_REASON_NOT_GATED: nothing enforces PASID Enable there, and parameter pasid=gated
 * @VFCAP_REASON_NO_VMM: its VMM has not declared that it answers page requests
 *	(VFCAP_CHOOSE_ANSWERS)
 */
enum vfcap_reason {
	VFCAP_REASON_NONE,
	VFCAP_REASON_NOT_APPLICABLE,
	VFCAP_REASON_PARAMETER,
	VFCAP_REASON_USER,
	VFCAP_REASON_PF_GONE,
	VFCAP_REASON_PF_LACKS,
	VFCAP_REASON_PF_DISABLED,
	VFCAP_REASON_PF_DRIVER,
	VFCAP_REASON_PF_LOST,
	VFCAP_REASON_NOT_HELD,
	VFCAP_REASON_NO_CDEV,
	VFCAP_REASON_NO_IOMMU,
	VFCAP_REASON_GROUP_SHARED,
	VFCAP_REASON_PF_USER_SPACE,
	VFCAP_REASON_NO_ANSWERER,
	VFCAP_REASON_NO_ATS,
	VFCAP_REASON_NO_SHARE,
	VFCAP_REASON_NO_ROOM,
	VFCAP_REASON_STRICT,
	VFCAP_REASON_OWN,
	VFCAP_REASON_QEMU,
	VFCAP_REASON_BARS,
	VFCAP_REASON_QUIRK,
	VFCAP_REASON_NO_PASIDS,
	VFCAP_REASON_NOIOMMU_MODE,
	VFCAP_REASON_CORE,
	VFCAP_REASON_NOT_ENABLED,
	VFCAP_REASON_HAS_VFS,
	VFCAP_REASON_NOT_GATED,
	VFCAP_REASON_NO_VMM
};

#define VFCAP_FEATURE_QUERY		0xff00

#define VFCAP_QUERY_EXTENDED		(1U << 0)
#define VFCAP_QUERY_ENABLED		(1U << 1)
#define VFCAP_QUERY_LOST		(1U << 2)
#define VFCAP_QUERY_RETURNED		(1U << 3)
#define VFCAP_QUERY_COMMITTED		(1U << 4)
#define VFCAP_QUERY_NOT_GATED		(1U << 5)
#define VFCAP_QUERY_DELIVERABLE		(1U << 6)

#define VFCAP_CAUSE_SIZE		128

/**
 * struct vfcap_feature_query - data of VFCAP_FEATURE_QUERY
 * @magic: out: VFCAP_MAGIC
 * @cap: in: which capability, enum vfcap_cap_index
 * @nr_caps: out: how many capabilities the driver knows: @cap is less than this
 * @flags: out: VFCAP_QUERY_EXTENDED: it is in the list of extended capabilities;
 *	VFCAP_QUERY_ENABLED: the guest has set its Enable;
 *	VFCAP_QUERY_LOST: it is shown, but cannot be enabled until the PF has it
 *	back and the device is reset after that;
 *	VFCAP_QUERY_RETURNED: it is lost, and the PF has it back: a reset of the
 *	device ends the loss;
 *	VFCAP_QUERY_COMMITTED: what is shown is settled, for all capabilities, until the
 *	device is closed;
 *	VFCAP_QUERY_NOT_GATED: it is PASID and is shown, but its Enable is register state
 *	only: the guest's own PASID table decides which PASIDs work (SMMUv3, AMD);
 *	VFCAP_QUERY_DELIVERABLE: it is PRI, and the kernel can deliver the page requests
 *	of this function to its VMM, through an iommufd fault queue
 * @id: out: its capability ID
 * @offset: out: its offset in config space in bytes, 0 if it is not shown
 * @size: out: its length in bytes
 * @step: out: what decided where it lies, enum vfcap_step
 * @reason: out: why it is not shown, enum vfcap_reason
 * @reserved: must be zero
 * @cause: out: why it was lost, as a NUL-terminated string with the text of the kernel's
 *	log; empty unless VFCAP_QUERY_LOST is set
 * @nr_pasids: out: for VFCAP_CAP_PASID, if it is shown: how many PASIDs the VMM has
 *	attached a page table to, whether or not the guest has set Enable
 * @written: out: 1 if its Enable has been written since the device was opened, with
 *	whatever value, by the guest or with VFCAP_FEATURE_STATE; else 0. If the VMM has
 *	PASIDs attached and its guest never writes Enable, the guest may be shown another
 *	PASID capability: one of the VMM's own.
 *
 * VFIO_DEVICE_FEATURE_GET tells whether and where the guest is shown a capability, or
 * why it is not. What is shown is committed by the first access to config space after
 * the open, the first attach of a PASID, or the first VFCAP_FEATURE_STATE, and stands
 * until the device is closed. Before the commit, GET tells what would be shown if it
 * were committed now.
 *
 * What a field marked "out" holds on entry does not matter.
 *
 * Return: 0, or -1 with errno EINVAL: no such @cap; EIO: the device cannot be
 * woken.
 */
struct vfcap_feature_query {
	__u64 magic;
	__u32 cap;
	__u32 nr_caps;
	__u32 flags;
	__u16 id;
	__u16 offset;
	__u16 size;
	__u16 step;
	__u32 reason;
	__u32 reserved[2];
	__u8 cause[VFCAP_CAUSE_SIZE];
	__u32 nr_pasids;
	__u32 written;
};

#define VFCAP_FEATURE_CHOOSE		0xff01

#define VFCAP_CHOOSE_OFFSET		(1U << 0)
#define VFCAP_CHOOSE_HIDE		(1U << 1)
#define VFCAP_CHOOSE_FORCE		(1U << 2)
#define VFCAP_CHOOSE_ANSWERS		(1U << 3)

/**
 * struct vfcap_feature_choose - data of VFCAP_FEATURE_CHOOSE
 * @cap: which capability, enum vfcap_cap_index
 * @flags: VFCAP_CHOOSE_OFFSET: place it at @offset; with VFCAP_CHOOSE_FORCE even if
 *	bytes there do not read as zero, which hides what the device has there;
 *	VFCAP_CHOOSE_HIDE: do not show it; VFCAP_CHOOSE_ANSWERS: for VFCAP_CAP_PRI
 *	only, with or without the first two: the VMM answers the page requests that
 *	iommufd delivers to it; 0: as if nothing had been chosen
 * @offset: in config space in bytes; 0 without VFCAP_CHOOSE_OFFSET
 * @reserved: must be zero
 *
 * VFIO_DEVICE_FEATURE_SET chooses whether and where a capability is shown, until the
 * device is closed. A VMM chooses before anything commits what is shown, see
 * VFCAP_FEATURE_QUERY. If the administrator or the conditions of mode auto forbid the
 * capability, it is not shown. That is not an error: VFCAP_FEATURE_QUERY tells the reason.
 *
 * With VFCAP_CHOOSE_ANSWERS the VMM promises to attach page tables with a fault queue
 * (IOMMU_HWPT_FAULT_ID_VALID), to read each page request group from it, and to answer it.
 * Without that promise, PRI is not shown where a VMM has to answer. For a VF, the kernel
 * accepts such page tables from this call on, if VFCAP_QUERY_DELIVERABLE is set. A request
 * reaches the queue only while the guest has PRI enabled. If a VF's VMM does not answer
 * within the time set by the parameter pri_answer_ms of pci-vfcap, the kernel answers with
 * Invalid Request. In a whole function, its own Enable gates requests, and there is no
 * such time limit.
 *
 * Return: 0, or -1 with errno
 *
 * EINVAL: there is no such @cap, or such a device never shows it; flags contradict each
 * other; @offset is not a multiple of 4, is outside the part of config space that has the
 * capability's list, overlaps another capability or the place where another one would be
 * shown or was chosen to lie, or, without VFCAP_CHOOSE_FORCE, covers bytes that do not
 * read as zero. For a function that is neither a VF nor a VMD: @offset is not where the
 * function has its own. For SHDW: it would reach into E8h to FFh, which QEMU uses, or
 * cover a register of the VMD (40h, 44h, 70h). EBUSY: what is shown was committed already,
 * or a page table with a fault queue is attached already. EIO: the device cannot be woken.
 */
struct vfcap_feature_choose {
	__u32 cap;
	__u32 flags;
	__u16 offset;
	__u16 reserved[3];
};

#define VFCAP_FEATURE_STATE		0xff02

#define VFCAP_STATE_VERSION		1
#define VFCAP_STATE_REGS		6

/**
 * struct vfcap_state_cap - virtual registers of one capability
 * @offset: its offset in config space in bytes, 0 if it is not shown
 * @size: its length in bytes, 0 if it is not shown
 * @reserved: must be zero
 * @regs: its dwords, from the capability header on; zero beyond its end
 */
struct vfcap_state_cap {
	__u16 offset;
	__u16 size;
	__u32 reserved;
	__u32 regs[VFCAP_STATE_REGS];
};

/**
 * struct vfcap_feature_state - data of VFCAP_FEATURE_STATE
 * @magic: VFCAP_MAGIC
 * @version: VFCAP_STATE_VERSION
 * @reserved: must be zero
 * @caps: Indexed by enum vfcap_cap_index. Another version may have more of them; each
 *	has at least three.
 *
 * VFIO_DEVICE_FEATURE_GET reads the virtual registers as they are.
 * VFIO_DEVICE_FEATURE_SET restores them as they were when the structure was filled, for
 * this device or for one that shows the same capabilities, with the same read-only
 * registers, at the same offsets. A VMM sets the state while the guest does not run.
 *
 * Either call commits what is shown, if that has not been done before, even if the call
 * then fails.
 *
 * A capability that is missing at the end of @caps, because this header or that of the
 * VMM that saved the state is older than the kernel, was not shown: it is hidden, as with
 * VFCAP_CHOOSE_HIDE, unless what is shown was committed before. A capability that the
 * kernel does not know must not have been shown.
 *
 * An Enable that is set takes effect as if the guest had set it: PASIDs that are
 * attached become known to the IOMMU. What the device itself does, such as page
 * requests that were under way, is not part of the state: Stopped in Page Request Status
 * is reported, but not restored.
 *
 * Return: 0, or -1 with errno EINVAL: @magic or @version is a different one, or a
 * register has a value that it could not have in this device; EBUSY: something that the
 * state has enabled cannot be enabled now, or the guest is shown a capability that is
 * missing in the state; E2BIG: the state has a capability that the kernel does not know;
 * EIO: the device cannot be woken.
 */
struct vfcap_feature_state {
	__u64 magic;
	__u32 version;
	__u32 reserved;
	struct vfcap_state_cap caps[VFCAP_CAP_COUNT];
};

#define VFCAP_FEATURE_LOST_EVENTFD	0xff03

/**
 * struct vfcap_feature_lost_eventfd - data of VFCAP_FEATURE_LOST_EVENTFD
 * @fd: an eventfd, or -1 for none
 * @reserved: must be zero
 *
 * After VFIO_DEVICE_FEATURE_SET, @fd is signalled once each time the VF loses what it
 * shares with its PF. It replaces the eventfd set before. It is signalled when the loss
 * has taken effect: the enable bits in the Control register of what was lost read 0, and
 * if that is PASID, the VF's PASIDs are detached from the IOMMU. Enable stays 0 until the
 * PF has its capability back and the VF is reset after that. VFCAP_FEATURE_QUERY tells
 * which capability was lost, and why.
 *
 * @fd is not signalled if the administrator chose the error interrupt
 * (VFIO_PCI_ERR_IRQ_INDEX) with the module parameter loss_as_error=Y.
 *
 * Return: 0, or -1 with errno EBADF: @fd is not an open file; EINVAL: it is not an
 * eventfd, or is less than -1.
 */
struct vfcap_feature_lost_eventfd {
	__s32 fd;
	__u32 reserved;
};

/*
 * VFCAP_FEATURE_RETURN_EVENTFD - the same structure, for capabilities that return
 *
 * After VFIO_DEVICE_FEATURE_SET, @fd is signalled each time the PF has something back
 * that this VF has lost, so that a reset of the device ends the loss
 * (VFCAP_QUERY_RETURNED), when the PF has lost that again, and when a loss has ended.
 * VFCAP_FEATURE_QUERY tells which of these it was. What happened before this call is not
 * signalled.
 *
 * Return: as for VFCAP_FEATURE_LOST_EVENTFD
 */
#define VFCAP_FEATURE_RETURN_EVENTFD	0xff05

#define VFCAP_FEATURE_PRI_FAILED	0xff06

#define VFCAP_PRI_FAILURE		(1U << 0)
#define VFCAP_PRI_UNEXPECTED		(1U << 1)

/**
 * struct vfcap_feature_pri_failed - data of VFCAP_FEATURE_PRI_FAILED
 * @flags: VFCAP_PRI_FAILURE: Response Failure, after which nothing more is requested until
 *	the guest clears PRI Enable and sets it again; VFCAP_PRI_UNEXPECTED: a response to
 *	a group that was not requested, or was answered already
 * @reserved: must be zero
 *
 * With VFIO_DEVICE_FEATURE_SET the VMM reports that the guest has responded to a page
 * request in one of these ways. Such a response is not handed to iommufd, since one
 * function's failure could end the page requests of others: on a failure, the VMM answers
 * the group with IOMMUFD_PAGE_RESP_INVALID, and then reports the failure here. The guest
 * finds it in Page Request Status: Response Failure, Unexpected Page Request Group Index
 * (PCIe r6.0, sec 10.5.2.3).
 *
 * Return: 0, or -1 with errno EINVAL: no flag is set, or an unknown one; ENODEV: PRI is
 * not shown, or the VMM does not answer its page requests (VFCAP_CHOOSE_ANSWERS); EIO: the
 * device cannot be woken.
 */
struct vfcap_feature_pri_failed {
	__u32 flags;
	__u32 reserved;
};

#define VFCAP_FEATURE_WRITE_COMBINE	0xff04

/**
 * struct vfcap_feature_write_combine - data of VFCAP_FEATURE_WRITE_COMBINE
 * @region_index: GET: the BAR, VFIO_PCI_BAR0_REGION_INDEX and so on
 * @alias_index: GET: out: index of the alias region; SET: the one to remove
 * @offset: GET: offset in the BAR in bytes, a multiple of the page size
 * @size: GET: how many bytes, a multiple of the page size
 * @flags: must be zero
 * @reserved: must be zero
 *
 * VFIO_DEVICE_FEATURE_GET creates an alias region over pages of a BAR. The only way to
 * access it is mmap(), of all or part of it. Writes through such a mapping are combined
 * by the CPU: they may be delayed, merged and reordered. VFIO_DEVICE_GET_REGION_INFO
 * reports the alias's size, its offset for mmap() and the flag
 * VFIO_REGION_INFO_FLAG_MMAP. The offset does not follow from the index, and is below
 * 2^44, which the mmap2() of 32-bit programs reaches. Like all mappings of a BAR, those
 * of an alias give SIGBUS while the device's memory is disabled or the device sleeps.
 *
 * As long as the alias exists, its pages are mapped only through it, not through the
 * BAR's own region: mmap() of that region gives EBUSY if it covers one of them. The rest
 * of the BAR stays as it is. read() and write() of the BAR's region still work, also in
 * these pages, though more slowly. VFIO_DEVICE_IOEVENTFD gives EBUSY while the device has
 * an alias.
 *
 * VFIO_DEVICE_FEATURE_SET removes an alias region. Mappings of it that are left give
 * SIGBUS. Closing the device removes all aliases. @region_index, @offset and @size do
 * not matter.
 *
 * Return: 0, or -1 with errno
 *
 * GET: EINVAL: the region is not a BAR that can be mapped; the range is not made up of
 * whole pages, is not in the BAR, or is empty; its pages cannot be mapped. EEXIST: another
 * alias has some of them. EBUSY: some of them are mapped (mappings left over from a
 * removed alias count, too), or the device has an ioeventfd. ENOSPC: there are 16 aliases.
 * EOPNOTSUPP: they cannot be write combining, for a reason that the kernel's log has:
 * the MSI-X table or its pending bits are in the pages, the platform has no such memory
 * type, or the kernel has the pages mapped otherwise. EINTR: killed while waiting for
 * another access.
 *
 * SET: ENOENT: there is no such alias. EINTR: as above.
 */
struct vfcap_feature_write_combine {
	__u32 region_index;
	__u32 alias_index;
	__u64 offset;
	__u64 size;
	__u32 flags;
	__u32 reserved;
};

#endif /* _UAPI_LINUX_VFIO_VFCAP_H */
