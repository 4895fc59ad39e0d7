// SPDX-License-Identifier: GPL-2.0
/*
 * The only program of a nested guest: reads registers of the VF that was passed to
 * it, as the guest's kernel does, and tells how long each time took: PASID's, and one
 * that QEMU keeps by itself. Prints "sample guest-read TICKS..." and "sample
 * guest-read-qemu TICKS...", or why not, and powers off.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

#include <linux/pci_regs.h>

#define VF_ID		0x10ca8086
#define DEVICES		"/sys/bus/pci/devices"
#define SAMPLES		400

static uint32_t config_dword(int fd, unsigned int pos)
{
	uint32_t value = 0;

	return pread(fd, &value, sizeof(value), pos) == sizeof(value) ? value : 0;
}

/* The VF's config space, or -1 */
static int find_vf(void)
{
	DIR *dir = opendir(DEVICES);
	struct dirent *entry;
	char path[512];
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), DEVICES "/%s/config", entry->d_name);
		fd = open(path, O_RDONLY);
		if (fd >= 0 && config_dword(fd, PCI_VENDOR_ID) != VF_ID) {
			close(fd);
			fd = -1;
		}
	}
	return fd;
}

static unsigned int find_pasid(int fd)
{
	unsigned int pos = PCI_CFG_SPACE_SIZE, loops = 960;

	while (pos >= PCI_CFG_SPACE_SIZE && loops--) {
		uint32_t header = config_dword(fd, pos);

		if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_PASID)
			return pos;
		pos = PCI_EXT_CAP_NEXT(header);
	}
	return 0;
}

static unsigned long read_once(int fd, unsigned int pos)
{
	unsigned long begin;

	_mm_lfence();
	begin = __rdtsc();
	config_dword(fd, pos);
	_mm_lfence();
	return __rdtsc() - begin;
}

/* In turns, since the machine that is emulated gets faster and slower */
static void measure(int fd, unsigned int pasid)
{
	static const char * const names[] = { "guest-read", "guest-read-qemu" };
	const unsigned int pos[] = { pasid + PCI_PASID_CAP, PCI_CFG_SPACE_SIZE };
	unsigned long took[2][SAMPLES];
	unsigned int i, j;

	for (i = 0; i < SAMPLES; i++)
		for (j = 0; j < 2; j++)
			took[j][i] = read_once(fd, pos[j]);
	for (j = 0; j < 2; j++) {
		printf("sample %s", names[j]);
		for (i = 0; i < SAMPLES; i++)
			printf(" %lu", took[j][i]);
		printf("\n");
	}
}

int main(void)
{
	unsigned int pos;
	int fd;

	mkdir("/sys", 0755);
	if (mount("sysfs", "/sys", "sysfs", 0, NULL))
		perror("guest: sysfs");
	fd = find_vf();
	pos = fd < 0 ? 0 : find_pasid(fd);
	if (fd < 0)
		puts("guest: there is no VF");
	else if (!pos)
		puts("guest: the VF shows no PASID");
	else
		measure(fd, pos);
	puts("guest: end");
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 0;
}
