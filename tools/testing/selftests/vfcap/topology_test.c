// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing here is identified by its bus number. Two PFs, each below a port of its own,
 * are removed while a VF is open, and come back with other bus numbers, even with those
 * of the other one. Then every VF must refer to its own PF, and nothing of the previous
 * state must be left.
 *
 * The numbers are written to the ports. With pci=assign-busses the kernel chooses them,
 * in the order in which it finds the ports.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/monitor.h"
#include "lib/sample.h"
#include "lib/vfio.h"
#include "lib/whole.h"

#define VFS		2
#define PF_CTRL		(PF_PASID + PCI_PASID_CTRL)
#define COVER		"/sys/kernel/debug/vfcap-fixture/cover"
/* Above all bus numbers that the machine has */
#define ELSEWHERE	0x20

struct pf {
	char port[16];		/* the bridge above it, which stays where it is */
	unsigned int first;	/* the original number of the bus between */
	unsigned int bus;	/* the present one */
	char bdf[16];
};

static void set_bus(struct pf *pf, unsigned int bus)
{
	pf->bus = bus;
	snprintf(pf->bdf, sizeof(pf->bdf), "0000:%02x:00.0", bus & 0xff);
}

/* From now on, the library's functions refer to this PF. */
static void choose_pf(const struct pf *pf)
{
	setenv("VFCAP_PF", pf->bdf, 1);
}

/* A VF of this PF; the result is valid until the next call. */
static const char *vf_of(const struct pf *pf, unsigned int index)
{
	choose_pf(pf);
	return sample_vf(index);
}

static bool is_root_port(const char *bdf)
{
	return host_config_read(bdf, PCI_VENDOR_ID, 4) == 0x000c1b36;
}

/* The next port, in the order of device numbers */
static void find_other_port(const char *port, char other[16])
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;

	*other = 0;
	while (dir && (entry = readdir(dir)))
		if (*entry->d_name != '.' && is_root_port(entry->d_name) &&
		    strcmp(entry->d_name, port) > 0 &&
		    (!*other || strcmp(entry->d_name, other) < 0))
			snprintf(other, 16, "%.15s", entry->d_name);
	if (dir)
		closedir(dir);
}

static unsigned int read_bus(const struct pf *pf)
{
	return host_config_read(pf->port, PCI_SECONDARY_BUS, 1);
}

static void init_pf(struct pf *pf)
{
	pf->first = read_bus(pf);
	set_bus(pf, pf->first);
}

static bool kernel_chooses(void)
{
	char line[1024] = {};
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, line, sizeof(line) - 1);

	close(fd);
	return len > 0 && strstr(line, "pci=assign-busses");
}

static int remove_ports(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	int ret = 0;

	while (dir && !ret && (entry = readdir(dir)))
		if (*entry->d_name != '.' && is_root_port(entry->d_name))
			ret = host_writef("1", "devices/%s/remove", entry->d_name);
	if (dir)
		closedir(dir);
	return ret;
}

/*
 * A kernel that chooses numbers does not know which are used by ports that stay, so
 * remove all ports.
 */
static int find_again(void)
{
	int ret = kernel_chooses() ? remove_ports() : 0;

	return ret ?: host_write("rescan", "1");
}

/* Let the PFs' ports be found last. */
static int find_others_first(void)
{
	return host_layout("port 0 ffffffff\n") ?: find_again() ?:
	       host_layout("port 0 0 0\n") ?: host_write("rescan", "1");
}

/* The machine has one PF, and a free port next to it: plug in another PF. */
static int add_second_pf(struct pf *pf)
{
	int ret;

	if (host_exists("devices/%s", pf->bdf))
		return 0;
	ret = host_write(COVER, pf->port);
	if (ret && ret != -EEXIST)
		return ret;
	/* When it is found again, the port is as the fixture shows it. */
	ret = host_writef("1", "devices/%s/remove", pf->port);
	if (!ret)
		monitor_command("device_add igb,bus=port2,id=pf2");
	return ret ?: find_again();
}

/* Works even if it has VFs, whose users are asked to release them. */
static int take_away(struct pf *pf, unsigned int bus)
{
	int ret = 0;

	if (bus != pf->bus) {
		/* There must be nothing behind the bridge when its numbers change. */
		ret = host_writef("1", "devices/%s/remove", pf->bdf);
		if (!ret && !kernel_chooses())
			ret = host_config_write(pf->port, PCI_SECONDARY_BUS, 2,
						bus | bus << 8);
	}
	return ret ?: host_writef("1", "devices/%s/remove", pf->port);
}

static int bring_vfs(const struct pf *pf)
{
	unsigned int i;
	int ret = 0;

	choose_pf(pf);
	if (!*sample_vf(0))
		ret = host_recreate_vfs();
	for (i = 0; !ret && i < VFS; i++)
		if (strcmp(host_driver(sample_vf(i)), OURS))
			ret = host_bind(sample_vf(i), OURS);
	return ret;
}

FIXTURE(topology) {
	struct pf pf[2];
	struct vfio v[2];
};

FIXTURE_VARIANT(topology) {
	/*
	 * The PFs' new numbers. 1, 2: the original number of the first, second PF; or
	 * another number
	 */
	unsigned int bus[2];
};

FIXTURE_VARIANT_ADD(topology, removed) { .bus = { 1, 2 } };

FIXTURE_VARIANT_ADD(topology, replaced) { .bus = { ELSEWHERE, 1 } };

FIXTURE_VARIANT_ADD(topology, swapped) { .bus = { 2, 1 } };

static unsigned int number(struct pf pf[2], unsigned int bus)
{
	return bus == 1 ? pf[0].first : bus == 2 ? pf[1].first : bus;
}

FIXTURE_SETUP(topology)
{
	unsigned int i;

	vfio_init(&self->v[0]);
	vfio_init(&self->v[1]);
	if (!host_is_ready() || !monitor_is_there())
		SKIP(return, "needs the lab's VM, and its QEMU's monitor");
	host_expect_pf_unbind();
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_param("pasid", "auto"));

	/* The other port may not be visible. */
	ASSERT_EQ(0, find_again());
	snprintf(self->pf[0].port, sizeof(self->pf[0].port), "%s", host_port());
	find_other_port(self->pf[0].port, self->pf[1].port);
	ASSERT_NE(0, *self->pf[1].port);
	for (i = 0; i < 2; i++)
		init_pf(&self->pf[i]);
	ASSERT_EQ(0, add_second_pf(&self->pf[1]));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, bring_vfs(&self->pf[i]));
		ASSERT_EQ(NULL, whole_vfs(VFS));
	}
}

/* The second PF stays plugged in, but is not visible until someone rescans. */
FIXTURE_TEARDOWN(topology)
{
	unsigned int i;

	host_expect_pf_unbind();
	for (i = 0; i < 2; i++)
		vfio_close(&self->v[i]);
	for (i = 0; i < 2; i++) {
		choose_pf(&self->pf[i]);
		host_writef("0", "devices/%s/sriov_numvfs", host_pf());
		EXPECT_EQ(0, take_away(&self->pf[i], self->pf[i].first));
		set_bus(&self->pf[i], self->pf[i].first);
	}
	/* A leaked record or reference is noticed here. */
	EXPECT_EQ(0, host_unload("vfcap_vfio_pci"));
	EXPECT_EQ(0, host_unload("pci_vfcap"));
	EXPECT_EQ(0, host_load("drivers/pci/vfcap/pci-vfcap.ko", ""));
	EXPECT_EQ(0, host_reload_ours(""));

	EXPECT_EQ(0, find_again());
	if (!kernel_chooses())
		EXPECT_EQ(0, host_writef("1", "devices/%s/remove", self->pf[1].port));
	choose_pf(&self->pf[0]);
	EXPECT_EQ(0, sample_give_back());
}

/* Both are removed and found again; meanwhile a user must release its VF. */
static int move_both(struct pf pf[2], const unsigned int bus[2])
{
	return take_away(&pf[0], number(pf, bus[0])) ?:
	       take_away(&pf[1], number(pf, bus[1])) ?:
	       (kernel_chooses() && bus[0] != 1 ? find_others_first() : find_again());
}

static void move_while_open(struct __test_metadata *_metadata, struct pf pf[2],
			    const unsigned int bus[2], struct vfio *v)
{
	struct pollfd asked = { .events = POLLIN };
	char bdf[16];
	int status;
	pid_t child;

	snprintf(bdf, sizeof(bdf), "%s", vf_of(&pf[0], 0));
	ASSERT_EQ(0, vfio_open(v, bdf));
	ASSERT_EQ(PF_PASID, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	ASSERT_EQ(0, vfio_set(v, PF_CTRL, 2, PCI_PASID_CTRL_ENABLE));
	asked.fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_EQ(0, vfio_set_irq(v, VFIO_PCI_REQ_IRQ_INDEX, asked.fd));

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		vfio_close(v);
		_exit(move_both(pf, bus) ? 1 : 0);
	}
	EXPECT_EQ(1, poll(&asked, 1, 30000));
	EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
	EXPECT_EQ(PF_PASID, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	/*
	 * If the PF is removed first, PASID is lost. If the bridge is removed, VFs go
	 * before their PF does.
	 */
	if (number(pf, bus[0]) != pf[0].bus) {
		EXPECT_TRUE(WAIT_FOR(!strcmp("lost", sample_state(bdf, "pasid_state")),
				     1000));
		EXPECT_EQ(0, vfio_get(v, PF_CTRL, 2));
	} else {
		EXPECT_STREQ("shown", sample_state(bdf, "pasid_state"));
	}
	vfio_close(v);
	close(asked.fd);
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

/* The open VF must be listed as a user of its own PF, and of no other. */
static void expect_user(struct __test_metadata *_metadata, const struct pf *pf,
			const char *vf)
{
	EXPECT_STREQ(vf, sample_state(pf->bdf, "pasid_users"));
	EXPECT_STREQ(*vf ? "locked" : "unlocked",
		     sample_state(pf->bdf, "pasid_state"));
}

TEST_F_TIMEOUT(topology, each_vf_has_its_pf, 240)
{
	char old[2][16], vf[2][16];
	struct pf *pf = self->pf;
	unsigned int i;

	for (i = 0; i < 2; i++)
		snprintf(old[i], sizeof(old[i]), "%s", vf_of(&pf[i], 0));
	move_while_open(_metadata, pf, variant->bus, &self->v[0]);
	for (i = 0; i < 2; i++)
		EXPECT_FALSE(host_exists("devices/%s", old[i]));
	/* If the kernel chooses, the first PF gets the second one's number, or its own. */
	if (kernel_chooses()) {
		EXPECT_EQ(pf[variant->bus[0] != 1].first, read_bus(&pf[0]));
	} else {
		EXPECT_EQ(number(pf, variant->bus[0]), read_bus(&pf[0]));
		EXPECT_EQ(number(pf, variant->bus[1]), read_bus(&pf[1]));
	}
	for (i = 0; i < 2; i++)
		set_bus(&pf[i], read_bus(&pf[i]));

	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(host_exists("devices/%s", pf[i].bdf));
		EXPECT_STREQ("", sample_state(pf[i].bdf, "pasid_users"));
		EXPECT_FALSE(host_exists("devices/%s/vfcap", pf[i].bdf));
		ASSERT_EQ(0, bring_vfs(&pf[i]));
		EXPECT_EQ(NULL, whole_vfs(VFS));
		snprintf(vf[i], sizeof(vf[i]), "%s", vf_of(&pf[i], 0));
		EXPECT_EQ(pf[i].bus, strtoul(vf[i] + 5, NULL, 16));
	}

	/* Open them one after the other, so that both are open in the end. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, vfio_open(&self->v[i], vf[i]));
		EXPECT_EQ(PF_PASID, vfio_find_ecap(&self->v[i],
						   PCI_EXT_CAP_ID_PASID));
		expect_user(_metadata, &pf[i], vf[i]);
		expect_user(_metadata, &pf[!i], i ? vf[0] : "");
	}

	/* What a PF loses is lost by its own VFs, and only by these. */
	EXPECT_EQ(0, host_config_write(pf[0].bdf, PF_CTRL, 2, 0));
	EXPECT_TRUE(WAIT_FOR(!strcmp("lost", sample_state(vf[0], "pasid_state")),
			     1000));
	EXPECT_STREQ("shown", sample_state(vf[1], "pasid_state"));
	EXPECT_EQ(0, host_config_write(pf[0].bdf, PF_CTRL, 2, 7));
	EXPECT_EQ(0, vfio_reset(&self->v[0]));
	EXPECT_STREQ("shown", sample_state(vf[0], "pasid_state"));
	vfio_close(&self->v[0]);
	vfio_close(&self->v[1]);
}

TEST_HARNESS_MAIN
