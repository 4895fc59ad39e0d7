// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: which processes have a device open through VFIO
 *
 * An open cdev or group is known by its device number, wherever its node lies.
 * A device that was opened through its group is an anonymous file; since Linux
 * 6.18 its fdinfo names the device.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <json-c/json.h>

#include "vfcapctl.h"

const char * const via_names[] = {
	[VIA_NONE]	= "",
	[VIA_CDEV]	= "cdev",
	[VIA_GROUP]	= "group",
};

struct search {
	const struct device *d;
	dev_t cdev;
	dev_t group;
	struct holder *out;
	size_t n;
};

/* A device number from a file "MAJOR:MINOR", 0 where there is none */
static dev_t read_dev(const char *path)
{
	unsigned int major, minor;
	char text[32];

	if (sysfs_read(text, sizeof(text), "%s", path) ||
	    sscanf(text, "%u:%u", &major, &minor) != 2)
		return 0;
	return makedev(major, minor);
}

/* Is it an anonymous file of the device itself? */
static bool is_device_file(const struct device *d, pid_t pid, int fd)
{
	char path[NAME_SIZE], wanted[BDF_SIZE + 2], line[PATH_MAX];
	bool found = false;
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	f = fopen(path, "re");
	if (!f)
		return false;

	len = snprintf(wanted, sizeof(wanted), "/%s\n", d->bdf);
	while (!found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "vfio-device-syspath:", 20) &&
			strlen(line) > len &&
			!strcmp(line + strlen(line) - len, wanted);
	fclose(f);
	return found;
}

static void read_command(pid_t pid, char *out)
{
	char *c;

	if (sysfs_read(out, NAME_SIZE, "/proc/%d/comm", pid))
		strcpy(out, "?");
	/* It names itself: no escape sequences, and nothing that is no UTF-8. */
	for (c = out; *c; c++)
		if (!isascii(*c) || !isprint(*c))
			*c = '?';
}

static enum via file_via(const struct search *s, const char *path)
{
	struct stat st;

	if (stat(path, &st) || !S_ISCHR(st.st_mode))
		return VIA_NONE;
	if (s->cdev && st.st_rdev == s->cdev)
		return VIA_CDEV;
	if (s->group && st.st_rdev == s->group)
		return VIA_GROUP;
	return VIA_NONE;
}

/* What a process has open of the device: VIA_NONE in @h for nothing */
static void look_at_process(const struct search *s, struct holder *h)
{
	char path[NAME_SIZE];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", h->pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		int fd = atoi(entry->d_name);
		enum via via;

		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", h->pid, fd);
		via = file_via(s, path);
		if (via != VIA_NONE)
			h->via = via;
		if (via == VIA_CDEV ||
		    (via == VIA_NONE && h->fd < 0 &&
		     is_device_file(s->d, h->pid, fd)))
			h->fd = fd;
	}
	closedir(dir);
	if (h->fd >= 0 && h->via == VIA_NONE)
		h->via = VIA_GROUP;
}

static int process(const char *name, void *data)
{
	struct holder h = { .pid = atoi(name), .fd = -1 };
	struct search *s = data;

	if (!isdigit(*name) || h.pid == getpid())
		return 0;
	look_at_process(s, &h);
	if (h.via == VIA_NONE)
		return 0;

	read_command(h.pid, h.command);
	s->out[s->n++] = h;
	return s->n == MAX_HOLDERS;
}

size_t holders_find(const struct device *d, struct holder *out)
{
	struct search s = { .d = d, .out = out };
	char path[PATH_MAX];

	if (!*d->vfio)
		return 0;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/%s/dev",
		 d->bdf, d->vfio);
	s.cdev = read_dev(path);
	snprintf(path, sizeof(path), "/sys/class/vfio/%s/dev", d->group);
	s.group = read_dev(path);
	sysfs_each(process, &s, "/proc");
	return s.n;
}

void holder_describe(const struct holder *h, char *out, size_t size)
{
	snprintf(out, size, "%s (pid %d)", h->command, h->pid);
}

struct json_object *holders_json(const struct holder *h, size_t n)
{
	struct json_object *array = json_object_new_array();
	size_t i;

	for (i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		json_set_number(o, "pid", h[i].pid);
		json_set_text(o, "command", h[i].command);
		json_set_text(o, "through", via_names[h[i].via]);
		json_object_array_add(array, o);
	}
	return array;
}

/* The driver knows of users that this process may not see. */
static bool is_open(const struct device *d)
{
	char state[32];
	int cap;

	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++)
		if (d->kind != KIND_PF &&
		    !sysfs_read(state, sizeof(state),
				"/sys/bus/pci/devices/%s/vfcap/%s_state",
				d->bdf, caps[cap].key) &&
		    strcmp(state, "hidden"))
			return true;
	return false;
}

void device_used_by(const struct device *d, char *out, size_t size)
{
	struct holder h[MAX_HOLDERS];
	char who[2 * NAME_SIZE];

	*out = 0;
	if (holders_find(d, h)) {
		holder_describe(&h[0], who, sizeof(who));
		snprintf(out, size, "%s has %s open", who,
			 h[0].via == VIA_CDEV ? "it" : "its VFIO group");
	} else if (is_open(d)) {
		snprintf(out, size, "a process that cannot be seen from here has it open");
	}
}
