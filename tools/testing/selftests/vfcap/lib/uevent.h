/* SPDX-License-Identifier: GPL-2.0 */
/* Uevents that tell of losses, as udev gets them */
#ifndef VFCAP_TEST_UEVENT_H
#define VFCAP_TEST_UEVENT_H

struct uevent {
	char bdf[16];
	char capability[16];
	char cause[160];
};

struct listener {
	int fd;
	unsigned int count;
	struct uevent uevents[32];
};

/* 0 or -errno */
int listen_open(struct listener *l);
/* How many uevents told of the loss of a capability of a VF so far */
int listen_count(struct listener *l, const char *bdf, const char *capability);
/* What the last one of these gave as the cause */
const char *listen_cause(struct listener *l);

#endif
