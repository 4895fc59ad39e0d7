// SPDX-License-Identifier: GPL-2.0
/*
 * How vfcapctl looks at a device, tested with its own functions: how it handles the files
 * of other processes, which may be closed, changed or useless by the time it gets them,
 * and config spaces whose lists lead anywhere
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>

/* First, since the other headers define only what is not defined yet */
#include "vfcapctl.h"

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/vfio.h"

#define SHDW_SIGNATURE	0x53484457

/* A config space after which nothing can be read */
FIXTURE(config) {
	uint8_t *config;
	long page;
};

FIXTURE_SETUP(config)
{
	self->page = sysconf(_SC_PAGESIZE);
	self->config = mmap(NULL, 2 * self->page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->config);
	ASSERT_EQ(0, mprotect(self->config + self->page, self->page, PROT_NONE));
	self->config += self->page - CONFIG_SIZE;
}

FIXTURE_TEARDOWN(config)
{
	munmap(self->config + CONFIG_SIZE - self->page, 2 * self->page);
}

static void put(uint8_t *config, unsigned int pos, uint32_t value)
{
	for (; pos < CONFIG_SIZE && value; pos++, value >>= 8)
		config[pos] = value;
}

static void put_ecap(uint8_t *config, unsigned int pos, unsigned int id,
		     unsigned int next)
{
	put(config, pos, id | 1 << 16 | next << 20);
}

TEST_F(config, last_place_of_an_extended_capability)
{
	put_ecap(self->config, 0x100, PCI_EXT_CAP_ID_ATS, 0xff8);
	put_ecap(self->config, 0xff8, PCI_EXT_CAP_ID_PASID, 0);
	EXPECT_EQ(0xff8, config_find_ecap(self->config, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(0x100, config_find_ecap(self->config, PCI_EXT_CAP_ID_ATS));
	EXPECT_EQ(0, config_find_ecap(self->config, PCI_EXT_CAP_ID_PRI));
}

/* The rest of the capability would be beyond the end. */
TEST_F(config, header_in_the_last_dword)
{
	put_ecap(self->config, 0x100, PCI_EXT_CAP_ID_ATS, 0xffc);
	put_ecap(self->config, 0xffc, PCI_EXT_CAP_ID_PASID, 0xffc);
	EXPECT_EQ(0, config_find_ecap(self->config, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(0, config_find_ecap(self->config, PCI_EXT_CAP_ID_PRI));
}

TEST_F(config, extended_list_that_has_no_end)
{
	put_ecap(self->config, 0x100, PCI_EXT_CAP_ID_ATS, 0x200);
	put_ecap(self->config, 0x200, PCI_EXT_CAP_ID_ARI, 0x100);
	EXPECT_EQ(0, config_find_ecap(self->config, PCI_EXT_CAP_ID_PASID));
	put_ecap(self->config, 0x200, PCI_EXT_CAP_ID_ARI, 0x200);
	EXPECT_EQ(0, config_find_ecap(self->config, PCI_EXT_CAP_ID_PASID));
	put_ecap(self->config, 0x200, PCI_EXT_CAP_ID_ARI, 0x40);
	put_ecap(self->config, 0x40, PCI_EXT_CAP_ID_PASID, 0);
	EXPECT_EQ(0, config_find_ecap(self->config, PCI_EXT_CAP_ID_PASID));
}

TEST_F(config, all_ones)
{
	memset(self->config, 0xff, CONFIG_SIZE);
	EXPECT_EQ(0, config_find_ecap(self->config, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(0, config_find_shdw(self->config));
}

TEST_F(config, places_of_shdw)
{
	static const struct {
		unsigned int pos, found;
	} places[] = { { 0x40, 0x40 }, { 0xf8, 0xf8 }, { 0xfc, 0 }, { 0x38, 0 } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		memset(self->config, 0, CONFIG_SIZE);
		self->config[PCI_CAPABILITY_LIST] = places[i].pos;
		put(self->config, places[i].pos, PCI_CAP_ID_VNDR);
		put(self->config, places[i].pos + 4, SHDW_SIGNATURE);
		EXPECT_EQ(places[i].found, config_find_shdw(self->config));
	}
}

TEST_F(config, list_that_has_no_end)
{
	self->config[PCI_CAPABILITY_LIST] = 0x40;
	self->config[0x40] = PCI_CAP_ID_VNDR;
	self->config[0x41] = 0x40;
	EXPECT_EQ(0, config_find_shdw(self->config));
}

/*
 * A VF that this process itself has open: it does not matter whose process a file belongs
 * to.
 */
FIXTURE(files) {
	struct vfio v;
	struct device d;
	struct holder good;
	struct session s;
	int null;
};

FIXTURE_SETUP(files)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	if (!vfio_has_cdev(host_vf()))
		SKIP(return, "takes a cdev, which can be open and of no use");
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_vf()));
	self->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->null);
	device_load(&self->d, host_vf());
	device_load_vfio(&self->d);
	self->good = (struct holder){
		.pid = getpid(), .command = "good", .via = VIA_CDEV,
		.fd = self->v.fd,
	};
	self->s.fd = -1;
	self->s.parent = -1;
	self->s.container = -1;
}

FIXTURE_TEARDOWN(files)
{
	session_close(&self->s);
	close(self->null);
	vfio_close(&self->v);
}

static struct holder holder_of(const struct holder *h, const char *name, int fd)
{
	struct holder other = *h;

	strcpy(other.command, name);
	other.fd = fd;
	return other;
}

TEST_F(files, one_that_will_do)
{
	uint32_t ids = 0;

	ASSERT_EQ(STATUS_OK, session_open(&self->s, &self->d, &self->good, 1, false));
	EXPECT_TRUE(self->s.shared);
	EXPECT_EQ(VIA_CDEV, self->s.via);
	EXPECT_EQ(CONFIG_SIZE, self->s.config_size);
	EXPECT_EQ(4, session_read(&self->s, 0, &ids, sizeof(ids)));
	EXPECT_EQ(vfio_get(&self->v, 0, 4), ids);
}

/* The file descriptor was the device when it was found, but is another file when it is used. */
TEST_F(files, is_another_by_now)
{
	struct holder h = holder_of(&self->good, "other", self->null);

	EXPECT_EQ(STATUS_BUSY, session_open(&self->s, &self->d, &h, 1, true));
	EXPECT_EQ(-1, self->s.fd);
	EXPECT_NE(NULL, strstr(self->s.why, "other (pid"));
	EXPECT_NE(NULL, strstr(self->s.why, "has just closed it"));
}

/* Or it is another device, which must not be asked instead */
TEST_F(files, is_another_device_by_now)
{
	struct device other = self->d;

	strcpy(other.bdf, "ffff:ff:1f.7");
	EXPECT_EQ(STATUS_BUSY, session_open(&self->s, &other, &self->good, 1, true));
	EXPECT_EQ(-1, self->s.fd);
	EXPECT_NE(NULL, strstr(self->s.why, "has just closed it"));
	EXPECT_FALSE(holder_is_device(self->v.fd, &other));
	EXPECT_TRUE(holder_is_device(self->v.fd, &self->d));
}

TEST_F(files, is_gone)
{
	struct holder h = holder_of(&self->good, "closed", 1000);

	EXPECT_EQ(STATUS_BUSY, session_open(&self->s, &self->d, &h, 1, true));
	EXPECT_NE(NULL, strstr(self->s.why, "closed (pid"));
	EXPECT_NE(NULL, strstr(self->s.why, "has just closed it"));
}

static int open_unbound(const struct device *d)
{
	char path[128];

	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", d->vfio);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* A cdev may be open without being bound to an iommufd; then nothing can be read from it. */
TEST_F(files, is_not_bound)
{
	struct holder h = holder_of(&self->good, "unbound", open_unbound(&self->d));

	ASSERT_LE(0, h.fd);
	EXPECT_EQ(STATUS_BUSY, session_open(&self->s, &self->d, &h, 1, true));
	EXPECT_NE(NULL, strstr(self->s.why, "unbound (pid"));
	EXPECT_NE(NULL, strstr(self->s.why, "not bound to an iommufd"));
	close(h.fd);
}

TEST_F(files, the_last_will_do)
{
	struct holder h[] = {
		holder_of(&self->good, "group", -1),
		holder_of(&self->good, "closed", 1000),
		holder_of(&self->good, "other", self->null),
		holder_of(&self->good, "unbound", open_unbound(&self->d)),
		self->good,
	};

	EXPECT_EQ(STATUS_OK, session_open(&self->s, &self->d, h, ARRAY_SIZE(h), false));
	EXPECT_EQ(CONFIG_SIZE, self->s.config_size);
	session_close(&self->s);

	/* If none of several files will do, the message is about the first one. */
	EXPECT_EQ(STATUS_BUSY, session_open(&self->s, &self->d, h, ARRAY_SIZE(h) - 1,
					    false));
	EXPECT_NE(NULL, strstr(self->s.why, "group (pid"));
	close(h[3].fd);
}

/* All files of a process are tried: here the first is not bound, the second is. */
TEST_F(files, second_of_one_process)
{
	struct holder h[4];
	int pipes[2], fd;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		fd = open_unbound(&self->d);
		if (dup2(self->v.fd, 100) == 100 && dup2(fd, self->v.fd) >= 0 &&
		    !close(fd) && write(pipes[1], "o", 1) == 1)
			pause();
		_exit(1);
	}
	close(pipes[1]);
	ASSERT_EQ(1, read(pipes[0], &byte, 1));
	close(pipes[0]);

	ASSERT_EQ(2, holders_files(&self->d, h, ARRAY_SIZE(h)));
	EXPECT_EQ(pid, h[0].pid);
	EXPECT_EQ(self->v.fd, h[0].fd);
	EXPECT_EQ(pid, h[1].pid);
	EXPECT_EQ(100, h[1].fd);
	EXPECT_EQ(1, holders_files(&self->d, h, 1));
	EXPECT_EQ(STATUS_OK, session_open(&self->s, &self->d, h, 2, false));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST_HARNESS_MAIN
