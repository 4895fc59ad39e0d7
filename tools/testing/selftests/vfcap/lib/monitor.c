// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "monitor.h"

#define PORTS	"/sys/class/virtio-ports"
#define NAME	"monitor\n"
#define PROMPT	"(qemu) "

/* A virtio port is found by its name. */
static bool is_monitor(const char *entry)
{
	char path[320], name[sizeof(NAME)] = {};
	FILE *f;

	snprintf(path, sizeof(path), PORTS "/%s/name", entry);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		*name = 0;
	fclose(f);
	return !strcmp(name, NAME);
}

static int monitor_open(void)
{
	DIR *dir = opendir(PORTS);
	struct dirent *entry;
	char path[320] = "";

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (is_monitor(entry->d_name))
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
	closedir(dir);
	return *path ? open(path, O_RDWR | O_CLOEXEC) : -ENODEV;
}

bool monitor_is_there(void)
{
	int fd = monitor_open();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Read what it prints until its prompt, or until it is silent for @ms */
static int monitor_read(int fd, char *out, size_t size, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t ret;

	while (len < size - 1 && poll(&p, 1, ms) == 1) {
		ret = read(fd, out + len, size - 1 - len);
		if (ret <= 0)
			break;
		len += ret;
		out[len] = 0;
		if (strstr(out, "\n" PROMPT))
			return 0;
	}
	return -ETIMEDOUT;
}

int monitor_command(const char *format, ...)
{
	char line[512], out[16384] = "";
	int fd = monitor_open(), ret = 0;
	size_t len;
	va_list ap;

	if (fd < 0)
		return -ENODEV;
	va_start(ap, format);
	vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	strcat(line, "\n");
	len = strlen(line);

	/* Its greeting, and the remains of earlier commands */
	monitor_read(fd, out, sizeof(out), 200);
	if (write(fd, line, len) != (ssize_t)len)
		ret = -EIO;
	if (!ret)
		ret = monitor_read(fd, out, sizeof(out), 10000);
	close(fd);
	if (!ret && strstr(out, "Error:")) {
		printf("# QEMU: %.*s: %s\n", (int)len - 1, line,
		       strstr(out, "Error:"));
		ret = -EIO;
	}
	return ret;
}
