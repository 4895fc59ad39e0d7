// SPDX-License-Identifier: GPL-2.0
/*
 * The end of the lab's demo: a small VMM in place of QEMU, and a VF that does DMA
 *
 * It gives PASID 5 of the VF a word of memory. Then the guest sets and clears PASID
 * Enable, the PF loses PASID, and the VF is reset. Each time, the VF writes to that word,
 * with PASID 5, and the outcome is printed in plain words. The exit status is 0 if the
 * word changed whenever PASID Enable was 1, and only then.
 *
 * QEMU's models of VFs do not send PASIDs, so the agent in the VM's QEMU does it for
 * them.
 *
 * Usage: vmm_dma BDF
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "lib/dma.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define PASID	5
#define ADDRESS	0x100000
#define PAGE	4096

/* A loss without an event is noticed within a second; a busy machine adds to that. */
#define LOSS_MS	3000

struct vmm {
	const char *vf;
	struct vfio v;
	unsigned int ctrl;		/* PASID Control, as the guest finds it */
	uint32_t *memory;		/* of PASID 5, at ADDRESS */
};

/* It changes without the compiler's knowledge. */
static uint32_t word(struct vmm *vmm)
{
	return __atomic_load_n(vmm->memory, __ATOMIC_ACQUIRE);
}

static int fail(const char *what, int ret)
{
	printf("vmm: FAILED: %s: %s\n", what, strerror(-ret));
	return 1;
}

static int guest_sets_enable(struct vmm *vmm)
{
	return vfio_set(&vmm->v, vmm->ctrl, 2, PCI_PASID_CTRL_ENABLE);
}

static int guest_clears_enable(struct vmm *vmm)
{
	return vfio_set(&vmm->v, vmm->ctrl, 2, 0);
}

static int guest_resets(struct vmm *vmm)
{
	unsigned int devctl = vfio_find_cap(&vmm->v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;

	return vfio_set(&vmm->v, devctl, 2, vfio_get(&vmm->v, devctl, 2) |
					    PCI_EXP_DEVCTL_BCR_FLR);
}

static int pf_loses_pasid(struct vmm *vmm)
{
	long begin = now_ms();
	uint32_t value;
	int ret;

	ret = host_config_write(host_pf(), PF_PASID + PCI_PASID_CTRL, 2, 0);
	if (ret)
		return ret;
	if (!WAIT_FOR(dma_read(vmm->vf, PASID, ADDRESS, &value) == -EFAULT, LOSS_MS))
		return -ETIMEDOUT;
	printf("vmm:   noticed after %ld ms\n", now_ms() - begin);
	return 0;
}

/* Nothing can be enabled before the VF is reset. */
static int pf_has_pasid_again(struct vmm *vmm)
{
	return host_enable_pf() ?: guest_sets_enable(vmm);
}

static int vmm_resets(struct vmm *vmm)
{
	return vfio_reset(&vmm->v);
}

static const struct {
	const char *what;
	int (*act)(struct vmm *vmm);
	bool changes;
} steps[] = {
	{ "the guest has not set PASID Enable", NULL },
	{ "the guest sets PASID Enable", guest_sets_enable, true },
	{ "the guest clears PASID Enable", guest_clears_enable },
	{ "the guest sets it again", guest_sets_enable, true },
	{ "the PF loses PASID, and nobody tells the guest", pf_loses_pasid },
	{ "the PF has it again, and the guest sets PASID Enable", pf_has_pasid_again },
	{ "the guest's device is reset, as after each loss", vmm_resets },
	{ "the guest sets PASID Enable", guest_sets_enable, true },
	{ "the guest resets its device (FLR)", guest_resets },
};

static int open_vf(struct vmm *vmm, void *rest)
{
	uint32_t hwpt;
	int ret;

	ret = vfio_open_cdev(&vmm->v, vmm->vf);
	/* The VF without a PASID, and with PASID 5, have memory of their own each. */
	if (!ret)
		ret = iommufd_space(&vmm->v, rest, PAGE, ADDRESS, &hwpt);
	if (!ret)
		ret = iommufd_attach(&vmm->v, hwpt, 0);
	if (!ret)
		ret = iommufd_space(&vmm->v, vmm->memory, PAGE, ADDRESS, &hwpt);
	if (!ret)
		ret = iommufd_attach(&vmm->v, hwpt, PASID);
	if (ret)
		return ret;
	vmm->ctrl = vfio_find_ecap(&vmm->v, PCI_EXT_CAP_ID_PASID) + PCI_PASID_CTRL;
	return vmm->ctrl == PCI_PASID_CTRL ? -ENOENT : 0;
}

/* Whether the VF's write had the expected effect */
static bool try_write(struct vmm *vmm, uint32_t value, bool changes)
{
	uint32_t before = word(vmm);
	int ret = dma_write(vmm->vf, PASID, ADDRESS, value);
	uint32_t after = word(vmm);

	printf("vmm:   the VF writes %08x with PASID %d: %s, the word %s %08x\n", value,
	       PASID, ret == -EFAULT ? "the IOMMU refuses" : ret ? strerror(-ret) : "done",
	       after == before ? "stays" : "is now", after);
	return ret == (changes ? 0 : -EFAULT) && after == (changes ? value : before);
}

int main(int argc, char **argv)
{
	struct vmm vmm = {};
	unsigned int i;
	char *memory;
	int ret;

	if (argc != 2) {
		fprintf(stderr, "Usage: vmm_dma BDF\n");
		return 2;
	}
	setbuf(stdout, NULL);
	vmm.vf = argv[1];
	memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return fail("memory", -errno);
	vmm.memory = (uint32_t *)(memory + PAGE);
	ret = dma_open();
	if (ret)
		return fail("the agent in the VM's QEMU", ret);
	ret = open_vf(&vmm, memory);
	if (ret)
		return fail(vmm.vf, ret);
	/* The kernel logs what the IOMMU refuses. */
	host_log_expect("DMAR: .*[fF]ault");

	printf("vmm: PASID %d of the VF has a word of the VM's memory, which is %08x\n",
	       PASID, word(&vmm));
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		printf("vmm: %s\n", steps[i].what);
		ret = steps[i].act ? steps[i].act(&vmm) : 0;
		if (ret)
			return fail(steps[i].what, ret);
		if (!try_write(&vmm, 0x1111 * (i + 1), steps[i].changes)) {
			printf("vmm: FAILED: the word should %s\n",
			       steps[i].changes ? "have changed" : "stay");
			return 1;
		}
	}
	printf("vmm: the word changed while PASID Enable was 1, and stayed while it was 0\n");
	vfio_close(&vmm.v);
	return 0;
}
