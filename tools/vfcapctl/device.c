// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: a PCI function, as sysfs and its registers (libpci) tell of it
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pci/pci.h>

#include "vfcapctl.h"

const char * const kind_names[] = {
	[KIND_OTHER]	= "other",
	[KIND_PF]	= "pf",
	[KIND_VF]	= "vf",
	[KIND_VMD]	= "vmd",
};

/* The VMD endpoints that Linux's vmd driver knows */
static const uint16_t vmd_ids[] = {
	0x201d, 0x28c0, 0x467f, 0x4c3d, 0xa77f, 0x7d0b, 0xad0b, 0x9a0b, 0xb60b,
	0xb06f, 0xb07f,
};

static bool is_vmd(unsigned int vendor, unsigned int device)
{
	size_t i;

	if (vendor != PCI_VENDOR_ID_INTEL)
		return false;
	for (i = 0; i < ARRAY_SIZE(vmd_ids); i++)
		if (device == vmd_ids[i])
			return true;
	return false;
}

static unsigned int read_number(const char *bdf, const char *file)
{
	char text[32];

	if (sysfs_read(text, sizeof(text), "/sys/bus/pci/devices/%s/%s", bdf,
		       file))
		return 0;
	return strtoul(text, NULL, 0);
}

static int copy_name(const char *name, void *data)
{
	snprintf(data, NAME_SIZE, "%s", name);
	return 1;
}

static enum kind find_kind(const struct device *d)
{
	if (*d->pf)
		return KIND_VF;
	if (read_number(d->bdf, "sriov_totalvfs"))
		return KIND_PF;
	return is_vmd(d->vendor, d->device) ? KIND_VMD : KIND_OTHER;
}

int device_load(struct device *d, const char *bdf)
{
	const char *dir = "/sys/bus/pci/devices";

	*d = (struct device){};
	if (!sysfs_exists("%s/%s", dir, bdf))
		return -ENODEV;

	snprintf(d->bdf, sizeof(d->bdf), "%s", bdf);
	d->vendor = read_number(bdf, "vendor");
	d->device = read_number(bdf, "device");
	d->num_vfs = read_number(bdf, "sriov_numvfs");
	sysfs_link(d->driver, sizeof(d->driver), "%s/%s/driver", dir, bdf);
	sysfs_link(d->pf, sizeof(d->pf), "%s/%s/physfn", dir, bdf);
	sysfs_link(d->group, sizeof(d->group), "%s/%s/iommu_group", dir, bdf);
	sysfs_read(d->override, sizeof(d->override), "%s/%s/driver_override",
		   dir, bdf);
	if (!strcmp(d->override, "(null)"))
		*d->override = 0;
	sysfs_each(copy_name, d->vfio, "%s/%s/vfio-dev", dir, bdf);
	d->has_cdev = *d->vfio && sysfs_exists("%s/%s/vfio-dev/%s/dev", dir,
					       bdf, d->vfio);
	d->kind = find_kind(d);
	return 0;
}

/* "1:0.0" or "0000:01:00.0", as lspci -s and the kernel's log write it */
static bool parse_bdf(const char *arg, char *out, size_t size)
{
	unsigned int domain = 0, bus, slot, function;
	int end = 0;

	if (strspn(arg, "0123456789abcdefABCDEF:.") != strlen(arg))
		return false;
	if (sscanf(arg, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function,
		   &end) != 4 || arg[end]) {
		domain = 0;
		if (sscanf(arg, "%2x:%2x.%1x%n", &bus, &slot, &function,
			   &end) != 3 || arg[end])
			return false;
	}
	if (slot > 0x1f || function > 7)
		return false;
	snprintf(out, size, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return true;
}

enum status device_find(struct device *d, const char *arg)
{
	char bdf[BDF_SIZE];

	if (!parse_bdf(arg, bdf, sizeof(bdf)))
		return fail(STATUS_USAGE,
			    "%s: not a PCI address; write it as 0000:01:10.0 or 01:10.0",
			    arg);
	if (device_load(d, bdf))
		return fail(STATUS_NO_DEVICE,
			    "%s: no such device; \"vfcapctl list\" shows those that matter",
			    bdf);
	return STATUS_OK;
}

static void pci_failed(char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void pci_failed(char *fmt, ...)
{
	char text[TEXT_SIZE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	exit(fail(STATUS_FAILED, "libpci: %s", text));
}

/* What cannot be read is told by who reads it. */
static void pci_silent(char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void pci_silent(char *fmt, ...)
{
	(void)fmt;
}

static struct pci_access *pci_library(void)
{
	static struct pci_access *library;

	if (library)
		return library;
	library = pci_alloc();
	library->method = PCI_ACCESS_SYS_BUS_PCI;
	library->error = pci_failed;
	library->warning = pci_silent;
	pci_init(library);
	return library;
}

static struct pci_dev *pci_open(const char *bdf)
{
	unsigned int domain, bus, slot, function;

	if (sscanf(bdf, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4 ||
	    !sysfs_exists("/sys/bus/pci/devices/%s", bdf))
		return NULL;
	return pci_get_dev(pci_library(), domain, bus, slot, function);
}

bool device_read(const char *bdf, unsigned int pos, void *buf, size_t size)
{
	struct pci_dev *pci = pci_open(bdf);
	bool ok;

	if (!pci)
		return false;
	ok = pci_read_block(pci, pos, buf, size);
	pci_free_dev(pci);
	return ok;
}

static unsigned int find_cap(const char *bdf, unsigned int id, unsigned int type)
{
	struct pci_dev *pci = pci_open(bdf);
	struct pci_cap *cap;
	unsigned int pos;

	if (!pci)
		return 0;
	cap = pci_find_cap(pci, id, type);
	pos = cap ? cap->addr : 0;
	pci_free_dev(pci);
	return pos;
}

unsigned int device_find_ecap(const char *bdf, uint16_t id)
{
	return find_cap(bdf, id, PCI_CAP_EXTENDED);
}

bool device_devcap2(const char *bdf, uint32_t *value)
{
	unsigned int pos = find_cap(bdf, PCI_CAP_ID_EXP, PCI_CAP_NORMAL);
	uint8_t raw[4];

	if (!pos || !device_read(bdf, pos + PCI_EXP_DEVCAP2, raw, sizeof(raw)))
		return false;
	*value = raw[0] | raw[1] << 8 | raw[2] << 16 | (uint32_t)raw[3] << 24;
	return true;
}

enum cap_state device_cap_state(const char *bdf, enum vfcap_cap_index cap)
{
	unsigned int pos;
	uint8_t enable;

	/* Without the right to read them, registers end after the header. */
	if (!device_read(bdf, 0x40, &enable, sizeof(enable)) ||
	    !caps[cap].enable)
		return CAP_UNKNOWN;
	pos = device_find_ecap(bdf, caps[cap].id);
	if (!pos)
		return CAP_ABSENT;
	if (!device_read(bdf, pos + caps[cap].enable, &enable, sizeof(enable)))
		return CAP_UNKNOWN;
	return enable & 1 ? CAP_ENABLED : CAP_DISABLED;
}

void device_describe(const struct device *d, char *out, size_t size)
{
	char class[NAME_SIZE], name[128];
	unsigned int number = read_number(d->bdf, "class") >> 8;

	snprintf(out, size, "%s: %s",
		 pci_lookup_name(pci_library(), class, sizeof(class),
				 PCI_LOOKUP_CLASS, number),
		 pci_lookup_name(pci_library(), name, sizeof(name),
				 PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE,
				 d->vendor, d->device));
}
