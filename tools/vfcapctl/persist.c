// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: what is bound at each boot
 *
 * A systemd unit does that, vfcap@ADDRESS.service, with the settings in
 * /etc/vfcap/ADDRESS.conf. It is enabled by the links that "systemctl enable" creates:
 * one for the boot, and one for a device that appears later.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfcapctl.h"

#define UNIT		"vfcap@.service"
#define SETTINGS	"/etc/vfcap"
#define ENABLED		"/etc/systemd/system"

/* The units that want it, as in the unit's [Install] section, with its address */
static const char * const wanted_by[] = {
	"multi-user.target",
	"sys-subsystem-pci-devices-%s.device",
};

/* Where administrators and packages install units, in this order */
static const char * const folders[] = {
	"/etc/systemd/system", "/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system", "/lib/systemd/system",
};

static enum status find_unit(const struct device *d, char *path)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(path, NAME_SIZE, "%s/" UNIT, folders[i]);
		if (!access(path, F_OK))
			return STATUS_OK;
	}
	return fail(STATUS_UNSUPPORTED,
		    "%s: the systemd unit " UNIT " that would bind it at each boot is not installed",
		    d->bdf);
}

static void make_paths(char *folder, char *link, const char *wants, const char *bdf)
{
	char unit[NAME_SIZE + BDF_SIZE];

	/* Only one of them contains an address. */
	strcpy(unit, wants);
	if (strchr(wants, '%'))
		snprintf(unit, sizeof(unit), "%.*s%s%s", (int)strcspn(wants, "%"),
			 wants, bdf, strchr(wants, '%') + 2);
	snprintf(folder, PATH_MAX, ENABLED "/%s.wants", unit);
	snprintf(link, PATH_MAX, ENABLED "/%s.wants/vfcap@%s.service", unit, bdf);
}

static enum status refuse(const char *path)
{
	return fail(status_of_errno(errno), "cannot write %s: %s", path,
		    strerror(errno));
}

enum status persist_check(const struct device *d)
{
	char unit[NAME_SIZE];
	enum status status = find_unit(d, unit);

	if (status == STATUS_OK && access("/etc", W_OK))
		return refuse(SETTINGS);
	return status;
}

static enum status write_settings(const char *bdf, const char *driver,
				  unsigned int num_vfs)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), SETTINGS "/%s.conf", bdf);
	if (mkdir(SETTINGS, 0755) && errno != EEXIST)
		return refuse(SETTINGS);
	f = fopen(path, "we");
	if (!f)
		return refuse(path);
	fprintf(f, "# Written by \"vfcapctl bind --persist\", read by vfcap@%s.service\n"
		"NUM_VFS=%u\nDRIVER=%s\n", bdf, num_vfs, driver);
	/* Write errors may only show up at the close. */
	if (ferror(f) | fclose(f))
		return refuse(path);
	return STATUS_OK;
}

enum status persist_enable(const struct device *d, const char *driver,
			   unsigned int num_vfs)
{
	char folder[PATH_MAX], link[PATH_MAX];
	char unit[NAME_SIZE];
	enum status status;
	size_t i;

	status = find_unit(d, unit);
	if (status == STATUS_OK)
		status = write_settings(d->bdf, driver, num_vfs);
	for (i = 0; status == STATUS_OK && i < ARRAY_SIZE(wanted_by); i++) {
		make_paths(folder, link, wanted_by[i], d->bdf);
		if (mkdir(folder, 0755) && errno != EEXIST)
			status = refuse(folder);
		else if (symlink(unit, link) && errno != EEXIST)
			status = refuse(link);
	}
	return status;
}

static enum status remove_file(const char *path)
{
	return unlink(path) && errno != ENOENT ? refuse(path) : STATUS_OK;
}

enum status persist_disable(const char *bdf)
{
	char folder[PATH_MAX], path[PATH_MAX];
	enum status status = STATUS_OK;
	size_t i;

	for (i = 0; status == STATUS_OK && i < ARRAY_SIZE(wanted_by); i++) {
		make_paths(folder, path, wanted_by[i], bdf);
		status = remove_file(path);
		/* This fails, as it should, if other links are in it. */
		rmdir(folder);
	}
	if (status != STATUS_OK)
		return status;
	snprintf(path, sizeof(path), SETTINGS "/%s.conf", bdf);
	return remove_file(path);
}

bool persist_is_enabled(const char *bdf)
{
	char folder[PATH_MAX], link[PATH_MAX];
	struct stat st;

	make_paths(folder, link, wanted_by[0], bdf);
	return !lstat(link, &st);
}
