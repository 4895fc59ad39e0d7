// SPDX-License-Identifier: GPL-2.0
/*
 * A FUSE server that never answers a read. An ordinary user can have one even where
 * userfaultfd is not permitted. The root of the file system is the file itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "fuse.h"

union request {
	struct fuse_in_header header;
	char bytes[2 * FUSE_MIN_READ_BUFFER];
};

static void reply(int dev, const struct fuse_in_header *in, int error,
		  const void *data, size_t size)
{
	struct {
		struct fuse_out_header header;
		char data[128];
	} out = {
		.header.len = sizeof(out.header) + size,
		.header.error = error,
		.header.unique = in->unique,
	};

	memcpy(out.data, data, size);
	if (write(dev, &out, out.header.len) < 0)
		_exit(1);
}

static void serve(int dev)
{
	/*
	 * Readahead happens in the background, so a task that waits for such a page can
	 * be killed.
	 */
	static const struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.flags = FUSE_ASYNC_READ,
		.max_readahead = 16 * 4096,
		.max_background = 64,
		.max_write = 4096,
	};
	static const struct fuse_attr_out attr = {
		.attr_valid = 1000,
		.attr.ino = FUSE_ROOT_ID,
		.attr.mode = S_IFREG | 0644,
		.attr.nlink = 1,
		.attr.size = FUSE_FILE_SIZE,
		.attr.blksize = 4096,
	};
	static const struct fuse_open_out open;
	union request in;

	while (read(dev, &in, sizeof(in)) > 0) {
		switch (in.header.opcode) {
		case FUSE_INIT:
			reply(dev, &in.header, 0, &init, sizeof(init));
			break;
		case FUSE_GETATTR:
			reply(dev, &in.header, 0, &attr, sizeof(attr));
			break;
		case FUSE_OPEN:
			reply(dev, &in.header, 0, &open, sizeof(open));
			break;
		case FUSE_READ:
		case FUSE_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			reply(dev, &in.header, -EOPNOTSUPP, NULL, 0);
		}
	}
}

/* Returns 0 or -errno. */
int fuse_open(struct fuse *f)
{
	char path[] = "/tmp/vfcap-fuse-XXXXXX", options[64];
	struct stat st;
	int dev, file, ret = 0;

	*f = (struct fuse){ .fd = -1 };
	file = mkstemp(path);
	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=%o,user_id=0,group_id=0",
		 dev, S_IFREG | 0644);
	if (file < 0 || dev < 0 || mount("fuse", path, "fuse", 0, options)) {
		ret = -errno;
		goto out;
	}
	f->server = fork();
	if (!f->server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(dev);
		_exit(0);
	}
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	/* Until its attributes are fetched, here by fstat(), the root has size 0. */
	if (f->fd < 0 || fstat(f->fd, &st))
		ret = -errno;
	umount2(path, MNT_DETACH);
out:
	if (file >= 0) {
		unlink(path);
		close(file);
	}
	if (dev >= 0)
		close(dev);
	if (ret)
		fuse_close(f);
	return ret;
}

/* When the server ends, so does everything that waits for it. */
void fuse_close(struct fuse *f)
{
	if (f->server > 0) {
		kill(f->server, SIGKILL);
		waitpid(f->server, NULL, 0);
	}
	if (f->fd >= 0)
		close(f->fd);
	*f = (struct fuse){ .fd = -1 };
}
