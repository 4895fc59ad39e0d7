// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: accesses that the kernel may hold up are made by another process
 *
 * Some files of a device cannot be read while the kernel is working on it: its
 * config space while it is reset, others while its driver is bound or unbound, which
 * lasts until a VM lets go of it. A process that waits there cannot be killed. So a child
 * does it, and is abandoned if it does not answer. It runs the same program: a job
 * is the address of a function.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vfcapctl.h"

#define JOB_SIZE	4096
#define RESULT_SIZE	8192

/* After this many children that did not answer, nothing more is tried. */
#define MAX_LOST	3

struct job {
	aside_fn *run;
	size_t size;		/* of the result */
	char arg[JOB_SIZE];
};

struct result {
	ssize_t ret;
	char data[RESULT_SIZE];
};

static int connection = -1;
static pid_t child;
static unsigned int lost;
static bool is_child;

/* A child that hangs must not keep anything open that a shell waits for. */
static void drop_files(int keep)
{
	static int null;

	null = open("/dev/null", O_RDWR);
	if (null < 0)
		_exit(STATUS_FAILED);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (keep > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, keep - 1, 0);
	close_range(keep + 1, ~0U, 0);
}

static void __attribute__((noreturn)) work(int fd)
{
	static struct result result;
	static struct job job;

	is_child = true;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	drop_files(fd);
	while (recv(fd, &job, sizeof(job), 0) > 0) {
		memset(result.data, 0, job.size);
		result.ret = job.run(job.arg, result.data, job.size);
		if (send(fd, &result, offsetof(struct result, data) + job.size,
			 MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

/* A child that has answered waits only for another job, and exits without one. */
static void end(void)
{
	if (connection < 0)
		return;
	close(connection);
	waitpid(child, NULL, 0);
}

static int start(void)
{
	static bool is_ended;
	int pair[2];

	if (!is_ended)
		atexit(end);
	is_ended = true;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	child = fork();
	if (!child)
		work(pair[1]);
	close(pair[1]);
	connection = pair[0];
	return child < 0 ? -errno : 0;
}

/* The child ends when it can. Waiting for that would mean waiting for the kernel. */
static void abandon(void)
{
	kill(child, SIGKILL);
	close(connection);
	connection = -1;
}

ssize_t aside(aside_fn *run, const void *arg, size_t arg_size, void *out,
	      size_t size, unsigned int ms)
{
	static struct result result;
	static struct job job;
	struct pollfd poll_fd;
	int ret;

	if (arg_size > JOB_SIZE || size > RESULT_SIZE)
		return -EINVAL;
	if (is_child)
		return -EDEADLK;
	if (lost >= MAX_LOST)
		return -ETIMEDOUT;
	if (connection < 0) {
		ret = start();
		if (ret)
			return ret;
	}
	job.run = run;
	job.size = size;
	memcpy(job.arg, arg, arg_size);
	if (send(connection, &job, offsetof(struct job, arg) + arg_size,
		 MSG_NOSIGNAL) < 0)
		return -errno;

	poll_fd = (struct pollfd){ .fd = connection, .events = POLLIN };
	do
		ret = poll(&poll_fd, 1, ms);
	while (ret < 0 && errno == EINTR);
	if (!ret) {
		lost++;
		abandon();
		return -ETIMEDOUT;
	}
	if (recv(connection, &result, sizeof(result), 0) <= 0) {
		abandon();
		return -EIO;
	}
	if (size)
		memcpy(out, result.data, size);
	return result.ret;
}

struct write {
	char path[256];
	char value[NAME_SIZE];
};

static ssize_t write_text(const void *arg, void *out, size_t size)
{
	const struct write *w = arg;

	(void)out;
	(void)size;
	return sysfs_write(w->value, "%s", w->path);
}

int sysfs_write_within(unsigned int ms, const char *value, const char *fmt, ...)
{
	struct write w = {};
	va_list args;

	va_start(args, fmt);
	vsnprintf(w.path, sizeof(w.path), fmt, args);
	va_end(args);
	snprintf(w.value, sizeof(w.value), "%s", value);
	return aside(write_text, &w, sizeof(w), NULL, 0, ms);
}
