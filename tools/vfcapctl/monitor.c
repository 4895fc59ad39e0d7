// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl monitor: what happens to VFs of vfcap-vfio-pci, line by line
 *
 * Losses and their ends wake those who poll a VF's states, and the uevent of a loss has its
 * cause. The kernel does not report opens and closes: for these, everything is looked at
 * once a second.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>
#include <linux/netlink.h>

#include "vfcapctl.h"

#define DRIVER		"/sys/bus/pci/drivers/" OUR_DRIVER
#define LOOK_MS		1000
#define CAUSE_MS	300	/* its uevent comes soon after a loss is seen */

/* VMD endpoints lose nothing. */
#define WATCHED		VFCAP_CAP_SHDW

struct watched {
	char bdf[BDF_SIZE];
	char pf[BDF_SIZE];
	bool is_there;
	bool is_open;
	int fds[WATCHED];		/* of its states, or -1 */
	char states[WATCHED][16];
	char causes[WATCHED][TEXT_SIZE];
};

static struct {
	const struct request *req;
	struct watched *vfs;
	size_t n;
	bool is_first;		/* what is found is not an event */
	bool knows_holders;
	int uevents;
} all = { .is_first = true, .uevents = -1 };

enum event { BOUND, UNBOUND, OPENED, CLOSED, SHOWN, LOST, USABLE };

/* Keys do not change. */
static const struct {
	const char *key;
	const char *text;	/* behind the capability's name, if it is about one */
} events[] = {
	[BOUND]		= { "bound", "bound to " OUR_DRIVER },
	[UNBOUND]	= { "unbound", "no longer bound to " OUR_DRIVER },
	[OPENED]	= { "opened", "opened" },
	[CLOSED]	= { "closed", "closed" },
	[SHOWN]		= { "shown", "shown" },
	[LOST]		= { "lost", "lost" },
	[USABLE]	= { "usable", "can be used again" },
};

static void print_time(char *out, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
}

/* A device may have other holders than before. */
static void look_at_holders(struct device *d, const struct watched *w)
{
	if (!all.knows_holders)
		holders_forget();
	all.knows_holders = true;
	device_load(d, w->bdf);
}

static void print_json_event(const struct watched *w, enum event event, int cap,
			     struct device *d)
{
	struct json_object *o = json_new();
	char time[32], offset[16] = "";

	print_time(time, sizeof(time));
	if (event == SHOWN)
		sysfs_read(offset, sizeof(offset), DEVICES "/%s/vfcap/%s_offset",
			   w->bdf, caps[cap].key);
	json_set_text(o, "time", time);
	json_set_text(o, "event", events[event].key);
	json_set_text(o, "address", w->bdf);
	json_set_text(o, "pf", w->pf);
	json_set_text(o, "capability", cap < 0 ? NULL : caps[cap].key);
	json_set_text(o, "offset", offset);
	json_set_text(o, "cause", event == LOST ? w->causes[cap] : NULL);
	json_object_object_add(o, "users", event == OPENED ? holders_json(d) : NULL);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_SPACED |
					       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static void print_text_event(const struct watched *w, enum event event, int cap,
			     struct device *d)
{
	const struct holder *h;
	char time[32], who[2 * NAME_SIZE] = "";

	print_time(time, sizeof(time));
	if (event == OPENED && holders_find(d, &h))
		holder_describe(h, who, sizeof(who));
	printf("%s %s %s%s%s", time, w->bdf, cap < 0 ? "" : caps[cap].name,
	       cap < 0 ? "" : " ", events[event].text);
	if (*who)
		printf(" by %s", who);
	if (event == LOST && *w->causes[cap])
		printf(": %s", w->causes[cap]);
	putchar('\n');
}

static void tell(const struct watched *w, enum event event, int cap)
{
	struct device d = {};

	if (all.is_first)
		return;
	if (event == OPENED)
		look_at_holders(&d, w);
	if (all.req->json)
		print_json_event(w, event, cap, &d);
	else
		print_text_event(w, event, cap, &d);
	fflush(stdout);
}

static struct watched *find(const char *bdf)
{
	size_t i;

	for (i = 0; i < all.n; i++)
		if (!strcmp(all.vfs[i].bdf, bdf))
			return &all.vfs[i];
	return NULL;
}

/* Take the cause of a loss from a VF's uevent, which is a series of strings. */
static void take_uevent(const char *text, size_t len)
{
	const char *end = text + len, *cause = "", *name = "", *bdf = "";
	struct watched *w;
	int cap;

	for (; text < end; text += strlen(text) + 1) {
		if (!strncmp(text, "PCI_SLOT_NAME=", 14))
			bdf = text + 14;
		else if (!strncmp(text, "VFCAP_CAPABILITY=", 17))
			name = text + 17;
		else if (!strncmp(text, "VFCAP_CAUSE=", 12))
			cause = text + 12;
	}
	w = find(bdf);
	cap = cap_by_name(name);
	if (w && cap >= 0 && cap < WATCHED && *cause)
		snprintf(w->causes[cap], sizeof(w->causes[cap]), "%s", cause);
}

/* Take only the kernel's, whose port is 0: others may send uevents too. */
static void read_uevents(void)
{
	struct sockaddr_nl from;
	socklen_t size = sizeof(from);
	char text[8192];
	ssize_t len;

	while ((len = recvfrom(all.uevents, text, sizeof(text) - 1, 0,
			       (struct sockaddr *)&from, &size)) > 0) {
		text[len] = 0;
		if (size == sizeof(from) && !from.nl_pid)
			take_uevent(text, len);
		size = sizeof(from);
	}
}

static void open_uevents(void)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = 1 };

	all.uevents = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			     NETLINK_KOBJECT_UEVENT);
	/* Without uevents, no causes are reported. */
	if (all.uevents >= 0)
		bind(all.uevents, (struct sockaddr *)&to, sizeof(to));
}

static void wait_for_cause(const struct watched *w, int cap)
{
	struct pollfd p = { .fd = all.uevents, .events = POLLIN };

	read_uevents();
	if (!*w->causes[cap] && poll(&p, 1, CAUSE_MS) > 0)
		read_uevents();
}

static void close_states(struct watched *w)
{
	int cap;

	for (cap = 0; cap < WATCHED; cap++) {
		if (w->fds[cap] >= 0)
			close(w->fds[cap]);
		w->fds[cap] = -1;
	}
}

/* Reading a state also arms poll() for its next change. */
static void read_state(struct watched *w, int cap, char *out, size_t size)
{
	char path[NAME_SIZE];
	ssize_t len;

	*out = 0;
	if (w->fds[cap] < 0) {
		snprintf(path, sizeof(path), DEVICES "/%s/vfcap/%s_state", w->bdf,
			 caps[cap].key);
		w->fds[cap] = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (w->fds[cap] < 0)
		return;
	len = pread(w->fds[cap], out, size - 1, 0);
	if (len <= 0) {
		close(w->fds[cap]);
		w->fds[cap] = -1;
		return;
	}
	out[len] = 0;
	out[strcspn(out, "\n")] = 0;
}

static void compare_state(struct watched *w, int cap)
{
	char now[sizeof(w->states[cap])], *before = w->states[cap];

	read_state(w, cap, now, sizeof(now));
	if (!strcmp(now, before))
		return;
	if (!strcmp(now, "lost")) {
		wait_for_cause(w, cap);
		tell(w, LOST, cap);
		*w->causes[cap] = 0;
	} else if (!strcmp(now, "shown")) {
		tell(w, !strcmp(before, "lost") || !strcmp(before, "losing") ?
			USABLE : SHOWN, cap);
	}
	strcpy(before, now);
}

static void look(struct watched *w)
{
	bool was_open = w->is_open;
	char text[8];
	int cap;

	w->is_open = !sysfs_read(text, sizeof(text), DEVICES "/%s/vfcap/open",
				 w->bdf) && *text == '1';
	if (w->is_open && !was_open)
		tell(w, OPENED, -1);
	for (cap = 0; cap < WATCHED; cap++)
		compare_state(w, cap);
	if (!w->is_open && was_open)
		tell(w, CLOSED, -1);
}

static int look_at(const char *name, void *data)
{
	struct watched *w = find(name);
	char pf[NAME_SIZE];
	int cap;

	(void)data;
	if (!w) {
		/* sysfs reports these states for VFs only. */
		if (strlen(name) >= BDF_SIZE ||
		    sysfs_link(pf, sizeof(pf), DEVICES "/%s/physfn", name) ||
		    !devices_include(all.req, name, pf))
			return 0;
		all.vfs = must(reallocarray(all.vfs, all.n + 1, sizeof(*w)));
		w = &all.vfs[all.n++];
		*w = (struct watched){};
		strcpy(w->bdf, name);
		snprintf(w->pf, sizeof(w->pf), "%.23s", pf);
		for (cap = 0; cap < WATCHED; cap++)
			w->fds[cap] = -1;
		tell(w, BOUND, -1);
	}
	w->is_there = true;
	look(w);
	return 0;
}

static void look_at_all(void)
{
	size_t i, kept = 0;

	all.knows_holders = false;
	for (i = 0; i < all.n; i++)
		all.vfs[i].is_there = false;
	/* While the module is not loaded, there is no such folder. */
	sysfs_each(look_at, NULL, DRIVER);
	for (i = 0; i < all.n; i++) {
		if (all.vfs[i].is_there) {
			all.vfs[kept++] = all.vfs[i];
			continue;
		}
		tell(&all.vfs[i], UNBOUND, -1);
		close_states(&all.vfs[i]);
	}
	all.n = kept;
	all.is_first = false;
}

/* Wait until something happens, or it is time to look. */
static void wait_for_news(void)
{
	struct pollfd *fds = must(calloc(all.n * WATCHED + 1, sizeof(*fds)));
	size_t n = 0, i;
	int cap;

	fds[n++] = (struct pollfd){ .fd = all.uevents, .events = POLLIN };
	for (i = 0; i < all.n; i++)
		for (cap = 0; cap < WATCHED; cap++)
			fds[n++] = (struct pollfd){ .fd = all.vfs[i].fds[cap],
						    .events = POLLPRI };
	poll(fds, n, LOOK_MS);
	free(fds);
	read_uevents();
}

/* Two files are open for each VF, and there may be a thousand VFs. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

enum status cmd_monitor(const struct request *req)
{
	enum status status = devices_check(req);

	if (status != STATUS_OK)
		return status;
	all.req = req;
	raise_limit();
	open_uevents();
	/* This ends with a signal, or when nobody reads the output any more. */
	while (!ferror(stdout)) {
		look_at_all();
		wait_for_news();
	}
	return STATUS_FAILED;
}
