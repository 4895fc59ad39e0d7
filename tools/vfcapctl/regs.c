// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: the registers of a function, as they are in hardware
 *
 * They are read in another process, since the kernel holds up reads while a function is
 * reset. Only known registers are read, as lspci does, since some devices do not tolerate
 * reads of others; all of them are read only if somebody asked for that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "vfcapctl.h"

/* Not every libc's kernel headers have it. */
#ifndef PCI_EXP_DEVCAP2_EE_PREFIX
#define PCI_EXP_DEVCAP2_EE_PREFIX	0x00200000
#endif

#define ALL_ONES	0xffffffffU

static uint32_t get(int fd, unsigned int pos)
{
	uint8_t raw[4];

	if (pread(fd, raw, sizeof(raw), pos) != sizeof(raw))
		return 0;
	return raw[0] | raw[1] << 8 | raw[2] << 16 | (uint32_t)raw[3] << 24;
}

static unsigned int find_cap(int fd, unsigned int id)
{
	unsigned int pos = get(fd, PCI_CAPABILITY_LIST) & 0xfc, loops = 48;

	while (pos >= PCI_STD_HEADER_SIZEOF && loops--) {
		uint32_t header = get(fd, pos);

		if ((header & 0xff) == id)
			return pos;
		pos = header >> 8 & 0xfc;
	}
	return 0;
}

/* Whether a capability begins in the dword */
static bool has_cap_at(int fd, unsigned int wanted)
{
	unsigned int pos = get(fd, PCI_CAPABILITY_LIST) & 0xfc, loops = 48;

	while (pos >= PCI_STD_HEADER_SIZEOF && pos != wanted && loops--)
		pos = get(fd, pos) >> 8 & 0xfc;
	return pos == wanted;
}

static void read_ecaps(int fd, struct regs *r)
{
	unsigned int pos = PCI_CFG_SPACE_SIZE, loops = CONFIG_SIZE / 8;

	while (pos >= PCI_CFG_SPACE_SIZE && pos <= CONFIG_SIZE - 8 && loops--) {
		uint32_t header = get(fd, pos);

		if (header == ALL_ONES)
			return;
		switch (PCI_EXT_CAP_ID(header)) {
		case PCI_EXT_CAP_ID_PASID:
			r->pasid = (struct ecap){ pos, get(fd, pos + 4) };
			break;
		case PCI_EXT_CAP_ID_PRI:
			r->pri = (struct ecap){ pos, get(fd, pos + 4) };
			break;
		case PCI_EXT_CAP_ID_ACS:
			r->acs = (struct ecap){ pos, get(fd, pos + 4) };
			break;
		}
		pos = PCI_EXT_CAP_NEXT(header);
	}
}

/* 0 or more, or -errno */
static int open_config(const char *bdf)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%s/config", bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static ssize_t read_known(const void *arg, void *out, size_t size)
{
	int fd = open_config(arg);
	struct regs *r = out;
	unsigned int pos;
	uint8_t last;

	(void)size;
	if (fd < 0)
		return fd;

	/* Without the right to read registers, a read ends after the header. */
	if (pread(fd, &last, 1, PCI_STD_HEADER_SIZEOF) != 1) {
		r->state = REGS_DENIED;
	} else if (get(fd, PCI_COMMAND) == ALL_ONES) {
		r->state = REGS_GONE;
	} else {
		r->state = REGS_READ;
		r->bus_master = get(fd, PCI_COMMAND) & PCI_COMMAND_MASTER;
		r->multifunction = get(fd, PCI_CACHE_LINE_SIZE) >> 16 & 0x80;
		r->vmlock = get(fd, VMD_VMLOCK);
		r->vmlock_in_cap = has_cap_at(fd, VMD_VMLOCK);
		pos = find_cap(fd, PCI_CAP_ID_PM);
		r->low_power = pos && get(fd, pos + PCI_PM_CTRL) &
				      PCI_PM_CTRL_STATE_MASK;
		pos = find_cap(fd, PCI_CAP_ID_EXP);
		if (pos) {
			r->pcie = true;
			r->pcie_type = (get(fd, pos) >> 16 &
					PCI_EXP_FLAGS_TYPE) >> 4;
			r->devcap2 = get(fd, pos + PCI_EXP_DEVCAP2);
		}
		read_ecaps(fd, r);
	}
	close(fd);
	return 0;
}

static ssize_t read_all(const void *arg, void *out, size_t size)
{
	int fd = open_config(arg);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = pread(fd, out, size, 0);
	if (len < 0)
		len = -errno;
	close(fd);
	return len;
}

/* Reading registers would wake it. */
static bool is_asleep(const char *bdf)
{
	char power[32];

	return !sysfs_read(power, sizeof(power), DEVICES "/%s/power_state", bdf) &&
	       !strcmp(power, "D3cold");
}

ssize_t regs_copy(uint8_t *config, const char *bdf)
{
	return is_asleep(bdf) ? -EHOSTDOWN :
	       aside(read_all, bdf, strlen(bdf) + 1, config, CONFIG_SIZE, ASIDE_MS);
}

void regs_read(struct regs *r, const char *bdf)
{
	int ret;

	*r = (struct regs){ .state = REGS_GONE };
	if (is_asleep(bdf)) {
		r->state = REGS_ASLEEP;
		return;
	}
	ret = aside(read_known, bdf, strlen(bdf) + 1, r, sizeof(*r), ASIDE_MS);
	if (ret == -ETIMEDOUT)
		*r = (struct regs){ .state = REGS_LOCKED };
	else if (ret)
		*r = (struct regs){ .state = REGS_GONE };
}

bool regs_lack_prefix(const struct regs *r)
{
	return r->state == REGS_READ && r->pcie &&
	       !(r->devcap2 & PCI_EXP_DEVCAP2_EE_PREFIX);
}

/* As the kernel's pci_acs_enabled() decides, without its list of exceptions */
bool regs_lack_acs(const struct regs *r)
{
	uint32_t wanted = PCI_ACS_RR | PCI_ACS_UF;

	if (r->state != REGS_READ || !r->pcie)
		return false;
	switch (r->pcie_type) {
	case PCI_EXP_TYPE_ROOT_PORT:
	case PCI_EXP_TYPE_DOWNSTREAM:
		break;
	case PCI_EXP_TYPE_ENDPOINT:
	case PCI_EXP_TYPE_UPSTREAM:
	case PCI_EXP_TYPE_LEG_END:
	case PCI_EXP_TYPE_RC_END:
		if (r->multifunction)
			break;
		return false;
	default:
		return false;
	}
	wanted &= r->acs.value;
	return !r->acs.pos || (r->acs.value >> 16 & wanted) != wanted;
}

enum cap_state regs_cap(const struct regs *r, enum vfcap_cap_index cap)
{
	const struct ecap *e = cap == VFCAP_CAP_PASID ? &r->pasid : &r->pri;
	unsigned int shift = cap == VFCAP_CAP_PASID ? 16 : 0;

	if (r->state != REGS_READ)
		return CAP_UNKNOWN;
	if (!e->pos)
		return CAP_ABSENT;
	return e->value >> shift & 1 ? CAP_ENABLED : CAP_DISABLED;
}
