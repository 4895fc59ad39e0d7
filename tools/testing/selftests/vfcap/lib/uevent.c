// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netlink.h>

#include "uevent.h"

int listen_open(struct listener *l)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };

	l->count = 0;
	l->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       NETLINK_KOBJECT_UEVENT);
	if (l->fd < 0)
		return -errno;
	return bind(l->fd, (void *)&addr, sizeof(addr)) ? -errno : 0;
}

static const char *uevent_value(const char *msg, size_t len, const char *key)
{
	const char *p;

	for (p = msg; p < msg + len; p += strlen(p) + 1)
		if (!strncmp(p, key, strlen(key)))
			return p + strlen(key);
	return "";
}

int listen_count(struct listener *l, const char *state, const char *bdf,
		 const char *capability)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	unsigned int i, count = 0;
	char msg[4096];
	ssize_t len;

	/* The uevent is sent at about the same time as what was checked before. */
	poll(&p, 1, 20);
	while ((len = recv(l->fd, msg, sizeof(msg) - 1, 0)) > 0) {
		struct uevent *u = &l->uevents[l->count];

		msg[len] = 0;
		if (strncmp(msg, "change@", 7) || l->count == 64 ||
		    !*uevent_value(msg, len, "VFCAP_STATE="))
			continue;
		snprintf(u->state, sizeof(u->state), "%s",
			 uevent_value(msg, len, "VFCAP_STATE="));
		snprintf(u->bdf, sizeof(u->bdf), "%s",
			 basename((char *)uevent_value(msg, len, "DEVPATH=")));
		snprintf(u->capability, sizeof(u->capability), "%s",
			 uevent_value(msg, len, "VFCAP_CAPABILITY="));
		snprintf(u->cause, sizeof(u->cause), "%s",
			 uevent_value(msg, len, "VFCAP_CAUSE="));
		l->count++;
	}
	for (i = 0; i < l->count; i++)
		count += !strcmp(l->uevents[i].state, state) &&
			 !strcmp(l->uevents[i].bdf, bdf) &&
			 !strcmp(l->uevents[i].capability, capability);
	return count;
}

const char *listen_cause(struct listener *l)
{
	unsigned int i;

	for (i = l->count; i; i--)
		if (!strcmp(l->uevents[i - 1].state, "lost"))
			return l->uevents[i - 1].cause;
	return "(no uevent)";
}
