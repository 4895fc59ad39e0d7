/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Losses of the PF's PASID and PRI: the scene that they take place in, what takes the
 * capability away, and a VF's VMM that is told. All functions that return int return
 * 0 or -errno unless they say otherwise.
 */
#ifndef VFCAP_TEST_LOSS_H
#define VFCAP_TEST_LOSS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/pci_regs.h>

#include "vfio.h"

#define PASID	5
#define OTHER	0xfffff

#define PF_CTRL	(PF_PASID + PCI_PASID_CTRL)

/* What the documentation promises: for a loss that has an event, and without */
#define EVENT_MS	100
#define GUARD_MS	1000

/* Time for the guard to look once more */
#define GUARD_LOOKS_US	350000

/* The PF's driver, and whether the VFs have ATS enabled */
struct scene {
	const char *driver;
	bool ats;
};

/* From whatever the test before left */
int scene_set(const struct scene *scene);
/* With igb and without ATS, for a test that needs no more, or at the end */
int scene_set_plain(void);
/* What this machine lacks, NULL if nothing */
const char *scene_lacks(void);

/* A VF's VMM, which has set both eventfds, and polls the state of PASID */
struct vmm {
	const char *bdf;
	struct vfio v;
	uint32_t hwpt;
	int lost;
	int error;
	int state;
	unsigned int losses;
	unsigned int ends;
};

int vmm_open(struct vmm *s, const char *bdf);
/* Does nothing where it is not open */
void vmm_close(struct vmm *s);
/* PASID Control */
int vmm_set_ctrl(struct vmm *s, uint16_t value);
uint16_t vmm_get_ctrl(struct vmm *s);
/* As state_read() and state_changed() */
const char *vmm_state(struct vmm *s);
bool vmm_state_changed(struct vmm *s, int timeout);
/* Enable PASID, with a page table attached to PASID 5 */
int vmm_enable(struct vmm *s);
int vmm_log_count(struct vmm *s, const char *text);

int eventfd_new(void);
/* How often it was signalled since it was asked last */
unsigned int eventfd_take(int fd);

/*
 * What takes the capability away, in a thread, since that can take longer than it takes to
 * be noticed.
 */
struct taking {
	int (*take)(void);
	pthread_t thread;
	long start;
	bool done;
	int ret;
};

int taking_start(struct taking *t, int (*take)(void));
bool taking_is_done(struct taking *t);
int taking_end(struct taking *t);
/* Until a VMM is told of a loss by @efd; -1: it is not */
long taking_ms(struct taking *t, int efd);

/* PASID's Enable, or Execute Permission, is cleared in the PF, as by setpci; all are set */
int lose_enable(void);
int lose_exec(void);
int give_all(void);
/* The PF does not answer, as if it had been pulled out. */
int lose_pf(void);
/* The PF is reset. */
int lose_by_reset(void);
/* All that a reset of the PF leaves in a VF, once the kernel has restored the PF */
int lose_vf_ats(void);
/* The sample driver tells. */
int lose_by_sample(void);

#endif
