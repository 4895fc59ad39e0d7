/* SPDX-License-Identifier: GPL-2.0 */
/* A file system of one file whose data never arrives */
#ifndef VFCAP_TEST_FUSE_H
#define VFCAP_TEST_FUSE_H

#include <sys/types.h>

#define FUSE_FILE_SIZE	(256 * 4096UL)

/**
 * struct fuse - the file, and the process that serves it
 * @fd: the file, to be mapped; -1 if there is none
 * @server: answers every request for the file except reads
 */
struct fuse {
	int fd;
	pid_t server;
};

int fuse_open(struct fuse *f);
void fuse_close(struct fuse *f);

#endif
