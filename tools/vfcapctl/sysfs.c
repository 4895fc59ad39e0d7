// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: files of sysfs
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vfcapctl.h"

#define MAKE_PATH(path, fmt) do {			\
	va_list _args;					\
							\
	va_start(_args, fmt);				\
	vsnprintf(path, sizeof(path), fmt, _args);	\
	va_end(_args);					\
} while (0)

int sysfs_read(char *out, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	ssize_t len;
	int fd, err;

	MAKE_PATH(path, fmt);
	*out = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, out, size - 1);
	err = errno;
	close(fd);
	if (len < 0)
		return -err;

	while (len && out[len - 1] == '\n')
		len--;
	out[len] = 0;
	return 0;
}

unsigned long sysfs_number(const char *fmt, ...)
{
	char path[PATH_MAX], text[32];

	MAKE_PATH(path, fmt);
	sysfs_read(text, sizeof(text), "%s", path);
	return strtoul(text, NULL, 0);
}

int sysfs_write(const char *value, const char *fmt, ...)
{
	char path[PATH_MAX];
	int fd, ret = 0;

	MAKE_PATH(path, fmt);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int sysfs_link(char *out, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *name;
	ssize_t len;

	MAKE_PATH(path, fmt);
	*out = 0;
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;

	target[len] = 0;
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if (strlen(name) >= size)
		return -ENAMETOOLONG;
	strcpy(out, name);
	return 0;
}

bool sysfs_exists(const char *fmt, ...)
{
	char path[PATH_MAX];

	MAKE_PATH(path, fmt);
	return !access(path, F_OK);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int sysfs_each(int (*entry)(const char *name, void *data), void *data,
	       const char *fmt, ...)
{
	struct dirent **entries;
	char path[PATH_MAX];
	int i, n, ret = 0;

	MAKE_PATH(path, fmt);
	n = scandir(path, &entries, is_visible, alphasort);
	if (n < 0)
		return -errno;
	for (i = 0; i < n; i++) {
		if (!ret)
			ret = entry(entries[i]->d_name, data);
		free(entries[i]);
	}
	free(entries);
	return ret;
}

static int copy_name(const char *name, void *data)
{
	snprintf(data, NAME_SIZE, "%s", name);
	return 1;
}

void sysfs_first(char *out, const char *folder)
{
	*out = 0;
	sysfs_each(copy_name, out, "%s", folder);
}
