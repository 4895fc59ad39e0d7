/* SPDX-License-Identifier: GPL-2.0 */
/* Uevents that tell of losses and of their ends, as udev gets them */
#ifndef VFCAP_TEST_UEVENT_H
#define VFCAP_TEST_UEVENT_H

struct uevent {
	char bdf[16];
	char state[16];
	char capability[16];
	char cause[160];
};

struct listener {
	int fd;
	unsigned int count;
	struct uevent uevents[64];
};

/* 0 or -errno */
int listen_open(struct listener *l);
/* How many uevents told so far that a capability of a VF is in a state, such as "lost" */
int listen_count(struct listener *l, const char *state, const char *bdf,
		 const char *capability);
/* What the last one of a loss gave as the cause */
const char *listen_cause(struct listener *l);

#endif
