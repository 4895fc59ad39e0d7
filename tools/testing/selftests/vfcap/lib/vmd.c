// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "vmd.h"

#define MOCK "/sys/kernel/debug/vfcap-mock-vmd/"

bool vmd_is_ready(void)
{
	return host_exists(MOCK "device");
}

int vmd_make(const char *what)
{
	const char *bdf = vmd_bdf();

	/* If it stayed bound, its driver would wait for us when the mock is removed. */
	if (*bdf)
		host_unbind(bdf);
	return host_write(MOCK "device", what);
}

const char *vmd_bdf(void)
{
	static char bdf[32];
	FILE *f = fopen(MOCK "device", "r");

	*bdf = 0;
	if (f && fgets(bdf, sizeof(bdf), f))
		bdf[strcspn(bdf, "\n")] = 0;
	if (f)
		fclose(f);
	return bdf;
}

int vmd_config(const char *format, ...)
{
	char lines[16384];
	va_list ap;

	va_start(ap, format);
	vsnprintf(lines, sizeof(lines), format, ap);
	va_end(ap);
	return host_write(MOCK "config", lines);
}

int vmd_move(void)
{
	return host_write(MOCK "move", "1");
}

int vmd_unmap(void)
{
	return host_write(MOCK "mapped", "0");
}

static int vmd_resource(unsigned int bar, uint64_t *start, uint64_t *end)
{
	unsigned long long first = 0, last = 0;
	char path[128], line[128];
	int ret = -ENOENT;
	FILE *f;

	*start = 0;
	*end = 0;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource",
		 vmd_bdf());
	f = fopen(path, "r");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (bar--)
			continue;
		if (sscanf(line, "%llx %llx", &first, &last) == 2 && last) {
			*start = first;
			*end = last + 1;
			ret = 0;
		}
		break;
	}
	fclose(f);
	return ret;
}

uint64_t vmd_bar(unsigned int bar)
{
	uint64_t start, end;

	vmd_resource(bar, &start, &end);
	return start;
}

uint64_t vmd_bar_size(unsigned int bar)
{
	uint64_t start, end;

	vmd_resource(bar, &start, &end);
	return end - start;
}

/* The file begins at the reserved memory, whose address the parameter gives. */
static off_t vmd_memory_offset(unsigned int bar, uint64_t offset)
{
	unsigned long long memory = 0;
	FILE *f = fopen("/sys/module/vfcap_mock_vmd/parameters/memory", "r");

	if (!f || fscanf(f, "%lli", (long long *)&memory) != 1)
		memory = 0;
	if (f)
		fclose(f);
	return memory ? (off_t)(vmd_bar(bar) - memory + offset) : -1;
}

int vmd_memory_read(unsigned int bar, uint64_t offset, void *buf, size_t size)
{
	off_t at = vmd_memory_offset(bar, offset);
	int fd = open(MOCK "memory", O_RDONLY);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (at < 0 || pread(fd, buf, size, at) != (ssize_t)size)
		ret = -EIO;
	close(fd);
	return ret;
}

int vmd_memory_write(unsigned int bar, uint64_t offset, const void *buf,
		     size_t size)
{
	off_t at = vmd_memory_offset(bar, offset);
	int fd = open(MOCK "memory", O_WRONLY);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (at < 0 || pwrite(fd, buf, size, at) != (ssize_t)size)
		ret = -EIO;
	close(fd);
	return ret;
}

int vmd_writes_clear(void)
{
	return host_write(MOCK "writes", "clear");
}

int vmd_writes(unsigned int from, unsigned int to, struct vmd_write *writes,
	       int max)
{
	FILE *f = fopen(MOCK "writes", "r");
	char line[128];
	int count = 0;

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		struct vmd_write w;

		if (sscanf(line, "%*s %x %u %x", &w.offset, &w.size,
			   &w.value) != 3 ||
		    w.offset >= to || w.offset + w.size <= from)
			continue;
		if (count < max)
			writes[count] = w;
		count++;
	}
	fclose(f);
	return count;
}
