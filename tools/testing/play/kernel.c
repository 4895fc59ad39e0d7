// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel that is played: LD_PRELOADed, it has the program $VFCAP_PLAY do what the
 * kernel does when a file of sysfs is written, before the write returns.
 *
 * The program is given the path and the value; its exit status is the error.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* 0 or -errno */
static int play(const char *path, const char *value)
{
	const char *program = getenv("VFCAP_PLAY");
	int status;
	pid_t pid;

	if (!program)
		return 0;
	pid = fork();
	if (!pid) {
		unsetenv("LD_PRELOAD");
		execl(program, program, path, value, NULL);
		_exit(EIO);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -EIO;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

ssize_t write(int fd, const void *buf, size_t size)
{
	static ssize_t (*real)(int fd, const void *buf, size_t size);
	char link[64], path[PATH_MAX], value[256];
	ssize_t len;
	int err;

	if (!real)
		real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 5 || strncmp(path, "/sys/", 5) || size >= sizeof(value))
		return real(fd, buf, size);
	path[len] = 0;
	memcpy(value, buf, size);
	value[size] = 0;
	err = play(path, value);
	if (err) {
		errno = -err;
		return -1;
	}
	return size;
}
