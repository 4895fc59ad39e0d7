/* SPDX-License-Identifier: GPL-2.0 */
/* A file system of one file, whose data never come */
#ifndef VFCAP_TEST_FUSE_H
#define VFCAP_TEST_FUSE_H

#include <sys/types.h>

#define FUSE_FILE_SIZE	(256 * 4096UL)

/**
 * struct fuse - the file, and the process that has it
 * @fd: the file, to be mapped; -1 if there is none
 * @server: answers what is asked of the file, but no read
 */
struct fuse {
	int fd;
	pid_t server;
};

int fuse_open(struct fuse *f);
void fuse_close(struct fuse *f);

#endif
