/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Losses of the PF's PASID and PRI: the scene in which they happen, the ways to lose the
 * capability, and a VF's VMM that is notified. All functions that return int return 0 or
 * -errno unless they say otherwise.
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

/* What the documentation promises: for a loss with an event, and for one without */
#define EVENT_MS	100
#define GUARD_MS	1000

/* Time enough for the guard to look once more */
#define GUARD_LOOKS_US	350000

/* The PF's driver, and whether the VFs have ATS enabled */
struct scene {
	const char *driver;
	bool ats;
};

/* Works from whatever the previous test left. */
int scene_set(const struct scene *scene);
/* With igb and without ATS: for a test that needs no more, and at the end */
int scene_set_plain(void);
/* What this machine lacks for it, or NULL */
const char *scene_lacks(void);

/* A VF's VMM, which has set both eventfds and polls the state of PASID */
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
/* Does nothing if it is not open */
void vmm_close(struct vmm *s);
/* PASID Control */
int vmm_set_ctrl(struct vmm *s, uint16_t value);
uint16_t vmm_get_ctrl(struct vmm *s);
/* Like state_read() and state_changed() */
const char *vmm_state(struct vmm *s);
bool vmm_state_changed(struct vmm *s, int timeout);
/* Enable PASID, with a page table attached to PASID 5 */
int vmm_enable(struct vmm *s);
int vmm_log_count(struct vmm *s, const char *text);

int eventfd_new(void);
/* How often it was signalled since the last call */
unsigned int eventfd_take(int fd);

/*
 * Takes the capability away, in a thread of its own, since that can take longer than
 * noticing the loss does.
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
/* How long it took until a VMM was notified of the loss through @efd; -1 if it was not */
long taking_ms(struct taking *t, int efd);

/* Clear PASID's Enable, or Execute Permission, in the PF, as setpci does; set all of them */
int lose_enable(void);
int lose_exec(void);
int give_all(void);
/* Make the PF stop answering, as if it had been pulled out */
int lose_pf(void);
/* Reset the PF */
int lose_by_reset(void);
/*
 * Leave a VF in the state in which a reset of the PF leaves it, once the kernel has
 * restored the PF
 */
int lose_vf_ats(void);
/* Have the sample driver report it */
int lose_by_sample(void);

#endif
