// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: which processes have devices open through VFIO
 *
 * All open files of all processes are looked at once, however many devices there
 * are. Nothing is done that a file system might have to answer, since its server may be
 * gone. The link in /proc says what a file is, and only files that are named like a VFIO
 * node, in whatever directory, are looked at by device number.
 * A device that was opened through its group, or whose node is gone, is recognised by
 * its fdinfo (since Linux 6.18).
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

/* A file that somebody has open: of a device, or of a group */
struct file {
	struct holder holder;
	char bdf[BDF_SIZE];	/* "" for a group */
	char group[NAME_SIZE];
};

static struct {
	struct file *files;
	size_t n;
	size_t size;
	bool loaded;
} all;

static void add_file(const struct file *f)
{
	if (all.n == all.size) {
		all.size = all.size * 2 + 64;
		all.files = must(reallocarray(all.files, all.size,
					      sizeof(*all.files)));
	}
	all.files[all.n++] = *f;
}

static void copy_last(char *out, size_t size, const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	if (strlen(name) < size)
		strcpy(out, name);
}

/* "vfio-device-syspath: /sys/devices/pci0000:00/.../0000:01:10.0" */
static void read_syspath(int dir, struct file *f)
{
	char path[NAME_SIZE], text[2 * PATH_MAX], *line;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "../fdinfo/%d", f->holder.fd);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = 0;
	line = strstr(text, "vfio-device-syspath:");
	if (!line)
		return;
	line[strcspn(line, "\n")] = 0;
	copy_last(f->bdf, sizeof(f->bdf), line);
}

/* What sysfs has for the node: ".../0000:01:10.0/vfio-dev/vfio0", ".../vfio/12" */
static void read_node(dev_t dev, struct file *f)
{
	char path[NAME_SIZE], target[PATH_MAX], *folder;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", major(dev),
		 minor(dev));
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return;
	target[len] = 0;
	folder = strstr(target, "/vfio-dev/");
	if (folder) {
		*folder = 0;
		f->holder.via = VIA_CDEV;
		copy_last(f->bdf, sizeof(f->bdf), target);
	} else if (strstr(target, "/virtual/vfio/")) {
		f->holder.via = VIA_GROUP;
		copy_last(f->group, sizeof(f->group), target);
	}
}

/* "vfio0" or "12", with or without "noiommu-" in front, also of a node that is gone */
static bool is_node_name(const char *link)
{
	static const char * const prefixes[] = { "noiommu-", "vfio" };
	const char *name = strrchr(link, '/') + 1;
	size_t len = strcspn(name, " "), skip, i;

	for (i = 0; i < ARRAY_SIZE(prefixes); i++) {
		skip = strlen(prefixes[i]);
		if (strncmp(name, prefixes[i], skip))
			continue;
		name += skip;
		len -= skip;
	}
	return len && strspn(name, "0123456789") == len;
}

static bool look_at_file(int dir, const char *name, struct file *f)
{
	char link[PATH_MAX];
	struct statx st;
	ssize_t len;

	len = readlinkat(dir, name, link, sizeof(link) - 1);
	if (len <= 0)
		return false;
	link[len] = 0;
	if (*link != '/') {
		if (!strstr(link, "[vfio-device]"))
			return false;
		f->holder.via = VIA_GROUP;
		read_syspath(dir, f);
		return *f->bdf;
	}
	if (!is_node_name(link) ||
	    statx(dir, name, AT_STATX_DONT_SYNC, STATX_TYPE, &st) ||
	    !S_ISCHR(st.stx_mode))
		return false;
	read_node(makedev(st.stx_rdev_major, st.stx_rdev_minor), f);
	if (f->holder.via == VIA_NONE) {
		f->holder.via = VIA_CDEV;
		read_syspath(dir, f);
	}
	return *f->bdf || *f->group;
}

bool holder_is_device(int fd, const struct device *d)
{
	struct file f = { .holder.fd = fd };
	char name[NAME_SIZE];
	struct statx st;
	int dir = -1;

	if (!statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) &&
	    S_ISCHR(st.stx_mode))
		read_node(makedev(st.stx_rdev_major, st.stx_rdev_minor), &f);
	if (f.holder.via == VIA_NONE)
		dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0) {
		snprintf(name, sizeof(name), "%d", fd);
		look_at_file(dir, name, &f);
		close(dir);
	}
	return !strcmp(f.bdf, d->bdf);
}

static void read_command(pid_t pid, char *out)
{
	char *c;

	if (sysfs_read(out, NAME_SIZE, "/proc/%d/comm", pid))
		strcpy(out, "?");
	/* A process chooses its name: let no escape sequences or invalid UTF-8 through. */
	for (c = out; *c; c++)
		if (!isascii(*c) || !isprint(*c))
			*c = '?';
}

/* Options are separated by a comma; two commas stand for one in a value. */
static const char *next_option(const char *text)
{
	while ((text = strchr(text, ',')) && text[1] == ',')
		text += 2;
	return text ? text + 1 : NULL;
}

/*
 * The value of -name: "web1", or "guest=web1" among other options. A name that does not
 * fit ends with dots.
 */
static void take_vm_name(const char *text, char *out, size_t size)
{
	static const char key[] = "guest=", dots[] = "...";
	const char *guest = text;
	size_t len = 0;

	while (guest && strncmp(guest, key, strlen(key)))
		guest = next_option(guest);
	if (guest)
		text = guest + strlen(key);
	for (; *text && len < size; len++) {
		if (*text == ',' && *++text != ',')
			break;
		out[len] = isascii(*text) && isprint(*text) ? *text : '?';
		text++;
	}
	if (len < size)
		out[len] = 0;
	else
		memcpy(out + size - sizeof(dots), dots, sizeof(dots));
}

/* Arguments are read from the process's memory, which a server of its own may back. */
static ssize_t read_vm_name(const void *arg, void *out, size_t size)
{
	char path[NAME_SIZE], *text = NULL;
	bool is_name = false;
	size_t room = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", *(const pid_t *)arg);
	f = fopen(path, "re");
	while (f && getdelim(&text, &room, 0, f) > 0) {
		if (is_name) {
			take_vm_name(text, out, size);
			break;
		}
		is_name = !strcmp(text, "-name") || !strcmp(text, "--name");
	}
	free(text);
	if (f)
		fclose(f);
	return 0;
}

/* The name of the last VM is kept, since a VM may have many devices. */
static struct {
	pid_t pid;
	char name[NAME_SIZE];
	bool hidden;
} vm;

void holders_hide_names(void)
{
	vm.hidden = true;
}

/* QEMU's name for its guest, as set by libvirt and others; "" if none, or in a child */
static const char *vm_name(const struct holder *h)
{
	if (vm.hidden)
		return "";
	if (vm.pid == h->pid)
		return vm.name;
	vm.pid = h->pid;
	*vm.name = 0;
	/* After one that did not answer, ask for no other names. */
	vm.hidden = aside(read_vm_name, &h->pid, sizeof(h->pid), vm.name,
			  sizeof(vm.name), ASIDE_MS) == -ETIMEDOUT;
	return vm.name;
}

static void look_at_process(int proc, const char *name)
{
	char command[NAME_SIZE] = "", path[NAME_SIZE];
	struct dirent *entry;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%.16s/fd", name);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	dir = fdopendir(fd);
	while (dir && (entry = readdir(dir))) {
		struct file f = {
			.holder.pid = atoi(name),
			.holder.fd = atoi(entry->d_name),
		};

		if (!isdigit(*entry->d_name) ||
		    !look_at_file(fd, entry->d_name, &f))
			continue;
		if (!*command)
			read_command(f.holder.pid, command);
		strcpy(f.holder.command, command);
		add_file(&f);
	}
	if (dir)
		closedir(dir);
	else
		close(fd);
}

/* Groups sort first, and then the files of each device together. */
static int compare(const void *a, const void *b)
{
	const struct file *f = a, *g = b;
	int order = strcmp(f->bdf, g->bdf) ?: f->holder.pid - g->holder.pid;

	return order ?: f->holder.fd - g->holder.fd;
}

static void load(void)
{
	struct dirent *entry;
	DIR *dir;

	if (all.loaded)
		return;
	all.loaded = true;
	dir = opendir("/proc");
	while (dir && (entry = readdir(dir)))
		if (isdigit(*entry->d_name) && atoi(entry->d_name) != getpid())
			look_at_process(dirfd(dir), entry->d_name);
	if (dir)
		closedir(dir);
	if (all.n)
		qsort(all.files, all.n, sizeof(*all.files), compare);
}

void holders_forget(void)
{
	all.loaded = false;
	all.n = 0;
	vm.pid = 0;
}

/* Where the files of a device begin, or would */
static size_t find_first(const char *bdf)
{
	size_t from = 0, to = all.n, middle;

	while (from < to) {
		middle = (from + to) / 2;
		if (strcmp(all.files[middle].bdf, bdf) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* A group's name has a prefix where there is no IOMMU. */
static bool is_group(const char *file, const char *group)
{
	const char *number = strrchr(file, '-');

	return *group && !strcmp(number ? number + 1 : file, group);
}

static struct {
	struct holder *holders;
	size_t n;
	size_t size;
} found;

/* A further file of the same process does not make another holder. */
static void add_holder(const struct file *f)
{
	struct holder *h;
	size_t i;

	for (i = 0; i < found.n; i++)
		if (found.holders[i].pid == f->holder.pid)
			break;
	if (i == found.size) {
		found.size = found.size * 2 + 8;
		found.holders = must(reallocarray(found.holders, found.size,
						  sizeof(*h)));
	}
	h = &found.holders[i];
	if (i == found.n) {
		*h = f->holder;
		h->fd = -1;
		found.n++;
	}
	if (f->holder.via == VIA_CDEV)
		h->via = VIA_CDEV;
	if (*f->bdf && (h->fd < 0 || f->holder.via == VIA_CDEV))
		h->fd = f->holder.fd;
}

size_t holders_find(const struct device *d, const struct holder **out)
{
	size_t i;

	load();
	found.n = 0;
	for (i = 0; i < all.n && !*all.files[i].bdf; i++)
		if (is_group(all.files[i].group, d->group))
			add_holder(&all.files[i]);
	for (i = find_first(d->bdf); i < all.n; i++) {
		if (strcmp(all.files[i].bdf, d->bdf))
			break;
		add_holder(&all.files[i]);
	}
	*out = found.holders;
	return found.n;
}

size_t holders_files(const struct device *d, struct holder *out, size_t max)
{
	size_t n = 0, i;

	load();
	for (i = find_first(d->bdf); i < all.n && n < max; i++) {
		if (strcmp(all.files[i].bdf, d->bdf))
			break;
		out[n++] = all.files[i].holder;
	}
	for (i = 0; i < all.n && !*all.files[i].bdf && n < max; i++)
		if (is_group(all.files[i].group, d->group)) {
			out[n] = all.files[i].holder;
			out[n++].fd = -1;
		}
	return n;
}

void holder_describe(const struct holder *h, char *out, size_t size)
{
	const char *name = vm_name(h);

	snprintf(out, size, "%s (pid %d%s%s)", h->command, h->pid,
		 *name ? ", VM " : "", name);
}

struct json_object *holders_json(const struct device *d)
{
	struct json_object *array = json_object_new_array();
	const struct holder *h;
	size_t n = holders_find(d, &h), i;

	for (i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		json_set_number(o, "pid", h[i].pid);
		json_set_text(o, "command", h[i].command);
		json_set_text(o, "vm", vm_name(&h[i]));
		json_set_text(o, "through", via_names[h[i].via]);
		json_object_array_add(array, o);
	}
	return array;
}

bool device_is_open(const struct device *d)
{
	const struct holder *h;
	char text[32];
	int cap;

	if (!sysfs_read(text, sizeof(text), "/sys/bus/pci/devices/%s/vfcap/open",
			d->bdf))
		return *text == '1';
	/* Less is known with an older driver, or one that is not ours. */
	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++)
		if (d->kind != KIND_PF &&
		    !sysfs_read(text, sizeof(text),
				"/sys/bus/pci/devices/%s/vfcap/%s_state",
				d->bdf, caps[cap].key) &&
		    strcmp(text, "hidden"))
			return true;
	return holders_find(d, &h);
}

static void find_waited_for(const struct device *d, char *out, size_t size)
{
	const struct holder *h;

	if (holders_find(d, &h))
		holder_describe(&h[0], out, size);
	else
		snprintf(out, size, "a process that cannot be seen from here");
}

const struct fate_info fates[] = {
	[FATE_STAYS]		= { NULL, NULL },
	[FATE_PF_UNBINDING]	= {
		"pf-unbinding", "its PF's driver is being unbound and is waiting for",
	},
	[FATE_VFS_REMOVED]	= {
		"vfs-removed",
		"its PF's driver is removing its VFs and is waiting for",
	},
	[FATE_UNBINDING]	= {
		"unbinding", "its driver is being unbound and is waiting for",
	},
};

void device_going(const struct device *d, char *out, size_t size)
{
	char who[2 * NAME_SIZE];

	*out = 0;
	if (d->fate == FATE_STAYS)
		return;
	find_waited_for(d, who, sizeof(who));
	snprintf(out, size, "%s %s", fates[d->fate].text, who);
}

void device_used_by(const struct device *d, char *out, size_t size)
{
	const struct holder *h;
	char who[2 * NAME_SIZE];

	*out = 0;
	if (d->fate != FATE_STAYS) {
		device_going(d, out, size);
	} else if (holders_find(d, &h)) {
		holder_describe(&h[0], who, sizeof(who));
		snprintf(out, size, "%s has %s open", who,
			 h[0].via == VIA_CDEV ? "it" : "its VFIO group");
	} else if (device_is_open(d)) {
		snprintf(out, size, "a process that cannot be seen from here has it open");
	}
}
