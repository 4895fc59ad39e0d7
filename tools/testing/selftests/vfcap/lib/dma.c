// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dma.h"
#include "host.h"
#include "sample.h"

#define PORTS		"/sys/class/virtio-ports"
#define TIMEOUT_MS	30000

static int agent = -1;

int dma_open(void)
{
	struct dirent *entry;
	char path[300];
	DIR *dir;

	dma_close();
	dir = opendir(PORTS);
	if (!dir)
		return -ENODEV;
	while (agent < 0 && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), PORTS "/%s/name", entry->d_name);
		if (strcmp(host_read(path), "agent"))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		agent = open(path, O_RDWR | O_CLOEXEC);
		if (agent < 0)
			break;
	}
	closedir(dir);
	return agent < 0 ? -ENODEV : 0;
}

void dma_close(void)
{
	if (agent >= 0)
		close(agent);
	agent = -1;
}

static bool get_line(char *line, size_t size)
{
	struct pollfd p = { .fd = agent, .events = POLLIN };
	size_t len = 0;

	while (len < size - 1 && poll(&p, 1, TIMEOUT_MS) == 1 &&
	       read(agent, line + len, 1) == 1) {
		if (line[len] == '\n') {
			line[len] = 0;
			return true;
		}
		len++;
	}
	return false;
}

/*
 * Returns 0 with the agent's text after "ok", -EFAULT if the request was refused, or
 * -EAGAIN if there is nothing yet. An answer to an earlier client that did not wait for
 * it has another tag.
 */
static int ask_text(char *text, size_t size, const char *verb, const char *function,
		    const char *format, va_list ap)
{
	unsigned int domain, bus, device, fn;
	static unsigned int count;
	char line[640], tag[32];
	const char *answer;
	size_t len;

	if (sscanf(function, "%x:%x:%x.%x", &domain, &bus, &device, &fn) != 4)
		return -EINVAL;
	snprintf(tag, sizeof(tag), "%d-%u ", getpid(), ++count);
	len = snprintf(line, sizeof(line), "%s%s %x %x ", tag, verb, bus,
		       device << 3 | fn);
	len += vsnprintf(line + len, sizeof(line) - len, format, ap);
	if (write(agent, line, len) != len)
		return -EIO;
	do {
		if (!get_line(line, sizeof(line))) {
			ksft_print_msg("the agent does not answer\n");
			return -ETIMEDOUT;
		}
	} while (strncmp(line, tag, strlen(tag)));

	answer = line + strlen(tag);
	if (!strncmp(answer, "ok ", 3)) {
		snprintf(text, size, "%s", answer + 3);
		return 0;
	}
	if (!strcmp(answer, "fault"))
		return -EFAULT;
	if (!strcmp(answer, "none"))
		return -EAGAIN;
	ksft_print_msg("%s of %s: %s\n", verb, function, answer);
	return -EIO;
}

static int __printf(4, 5) ask(const char *verb, const char *function, uint32_t *value,
			      const char *format, ...)
{
	char text[32] = "";
	va_list ap;
	int ret;

	va_start(ap, format);
	ret = ask_text(text, sizeof(text), verb, function, format, ap);
	va_end(ap);
	if (!ret)
		*value = strtoul(text, NULL, 16);
	return ret;
}

static int __printf(5, 6) ask_many(char *text, size_t size, const char *verb,
				   const char *function, const char *format, ...)
{
	va_list ap;
	int ret;

	va_start(ap, format);
	ret = ask_text(text, size, verb, function, format, ap);
	va_end(ap);
	return ret;
}

int dma_write(const char *function, uint32_t pasid, uint64_t address, uint32_t value)
{
	return ask("write", function, &value, "%x %llx %x\n", pasid,
		   (unsigned long long)address, value);
}

int dma_read(const char *function, uint32_t pasid, uint64_t address, uint32_t *value)
{
	*value = 0;
	return ask("read", function, value, "%x %llx\n", pasid,
		   (unsigned long long)address);
}

int dma_request_page(const char *function, uint32_t pasid, uint64_t address,
		     unsigned int group, unsigned int flags)
{
	uint32_t value;

	return ask("request", function, &value, "%x %llx %x %x\n", pasid,
		   (unsigned long long)address, group, flags);
}

static struct dma_response to_response(uint32_t value)
{
	return (struct dma_response){ .code = value >> 12, .group = value & 0x1ff };
}

int dma_response(const char *function, uint32_t pasid, struct dma_response *response,
		 long ms)
{
	long end = now_ms() + ms;
	uint32_t value = 0;
	int ret;

	do
		ret = ask("response", function, &value, "%x\n", pasid);
	while (ret == -EAGAIN && now_ms() < end && !usleep(1000));
	*response = to_response(value);
	return ret;
}

int dma_request_groups(const char *function, uint32_t pasid, uint64_t address,
		       unsigned int group, unsigned int flags, unsigned int count,
		       unsigned int pages)
{
	uint32_t sent = 0;
	int ret;

	ret = ask("groups", function, &sent, "%x %llx %x %x %x %x\n", pasid,
		  (unsigned long long)address, group, flags, count, pages);
	return ret ?: sent;
}

int dma_responses(const char *function, uint32_t pasid,
		  struct dma_response responses[DMA_RESPONSES])
{
	unsigned int count, value;
	char text[600], *at;
	int ret, len, i;

	ret = ask_many(text, sizeof(text), "responses", function, "%x\n", pasid);
	if (ret)
		return ret;
	if (sscanf(text, "%x%n", &count, &len) != 1 || count > DMA_RESPONSES)
		return -EIO;
	at = text + len;
	for (i = 0; i < count; i++) {
		if (sscanf(at, " %x%n", &value, &len) != 1)
			return -EIO;
		responses[i] = to_response(value);
		at += len;
	}
	return count;
}
