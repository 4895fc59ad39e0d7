/* SPDX-License-Identifier: GPL-2.0 */
/* Uevents that report losses and their ends, as udev receives them */
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
/* How many uevents so far reported that a capability of a VF is in a state such as "lost" */
int listen_count(struct listener *l, const char *state, const char *bdf,
		 const char *capability);
/* The cause that the last uevent about a loss gave */
const char *listen_cause(struct listener *l);

#endif
