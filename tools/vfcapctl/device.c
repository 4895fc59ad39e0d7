// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: a PCI function, as sysfs describes it, and its name from libpci
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pci/pci.h>

#include "vfcapctl.h"

const char * const kind_names[] = {
	[KIND_OTHER]	= "other",
	[KIND_PF]	= "pf",
	[KIND_VF]	= "vf",
	[KIND_VMD]	= "vmd",
	[KIND_FUNCTION]	= "function",
};

/* The VMD endpoints that Linux's vmd driver knows */
static const uint16_t vmd_ids[] = {
	0x201d, 0x28c0, 0x467f, 0x4c3d, 0xa77f, 0x7d0b, 0xad0b, 0x9a0b, 0xb60b,
	0xb06f, 0xb07f, 0xd70b, 0xd73b,
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

static unsigned int routing_id(const char *bdf, unsigned int *domain)
{
	unsigned int bus, slot, function;

	if (sscanf(bdf, "%x:%x:%x.%x", domain, &bus, &slot, &function) != 4)
		return 0;
	return bus << 8 | slot << 3 | function;
}

/*
 * PFs, and where their VFs are. A VF that is being removed no longer has a link to its
 * PF.
 */
struct pf {
	char bdf[BDF_SIZE];
	unsigned int domain;
	unsigned int rid;	/* of its first VF */
	unsigned int stride;
	unsigned int total;
};

static struct {
	struct pf *pfs;
	size_t n;
	bool loaded;
} all;

static int add_pf(const char *name, void *data)
{
	struct pf pf = {};

	(void)data;
	pf.total = sysfs_number(DEVICES "/%s/sriov_totalvfs", name);
	if (!pf.total)
		return 0;
	snprintf(pf.bdf, sizeof(pf.bdf), "%s", name);
	pf.rid = routing_id(name, &pf.domain) +
		 sysfs_number(DEVICES "/%s/sriov_offset", name);
	pf.stride = sysfs_number(DEVICES "/%s/sriov_stride", name);
	all.pfs = must(reallocarray(all.pfs, all.n + 1, sizeof(pf)));
	all.pfs[all.n++] = pf;
	return 0;
}

static bool is_vf_of(const struct pf *pf, unsigned int domain, unsigned int rid)
{
	unsigned int distance = rid - pf->rid;

	if (domain != pf->domain || rid < pf->rid)
		return false;
	if (!pf->stride)
		return !distance;
	return distance % pf->stride == 0 && distance / pf->stride < pf->total;
}

static void find_lost_pf(struct device *d)
{
	unsigned int domain = 0, rid = routing_id(d->bdf, &domain);
	size_t i;

	if (!all.loaded)
		sysfs_each(add_pf, NULL, DEVICES);
	all.loaded = true;
	for (i = 0; i < all.n; i++)
		if (strcmp(all.pfs[i].bdf, d->bdf) &&
		    is_vf_of(&all.pfs[i], domain, rid))
			snprintf(d->pf, sizeof(d->pf), "%s", all.pfs[i].bdf);
}

/* When a driver is unbound, its link is removed before its users are waited for. */
static enum fate find_fate(const struct device *d, bool has_link)
{
	char driver[NAME_SIZE];
	const struct holder *h;

	if (*d->driver || d->kind == KIND_PF || d->kind == KIND_OTHER)
		return FATE_STAYS;
	if (d->kind == KIND_VF && !has_link)
		return sysfs_link(driver, sizeof(driver), DEVICES "/%s/driver",
				  d->pf) ? FATE_PF_UNBINDING : FATE_VFS_REMOVED;
	return sysfs_exists(DEVICES "/%s/vfcap", d->bdf) || holders_find(d, &h) ?
	       FATE_UNBINDING : FATE_STAYS;
}

static void find_kind(struct device *d)
{
	bool has_link = !sysfs_link(d->pf, sizeof(d->pf), "physfn");

	if (!has_link)
		d->total_vfs = sysfs_number("sriov_totalvfs");
	/* When a VF is removed, its links to its PF and its driver are removed first. */
	if (!has_link && !d->total_vfs && !*d->driver)
		find_lost_pf(d);
	if (*d->pf)
		d->kind = KIND_VF;
	/* The driver creates this file for functions that it has as a whole. */
	else if (sysfs_exists("vfcap/open"))
		d->kind = KIND_FUNCTION;
	else if (d->total_vfs)
		d->kind = KIND_PF;
	else if (is_vmd(sysfs_number("vendor"), sysfs_number("device")))
		d->kind = KIND_VMD;
	d->fate = find_fate(d, has_link);
}

/* Reading sriov_numvfs would take the lock that is held while a driver is (un)bound. */
static unsigned int count_vfs(const char *bdf)
{
	char path[NAME_SIZE];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), DEVICES "/%s", bdf);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		n += !strncmp(entry->d_name, "virtfn", 6);
	if (dir)
		closedir(dir);
	return n;
}

void device_load_ids(struct device *d)
{
	d->vendor = sysfs_number(DEVICES "/%s/vendor", d->bdf);
	d->device = sysfs_number(DEVICES "/%s/device", d->bdf);
}

/*
 * The path to a device's file is long, and there may be a thousand devices. The next one
 * in a list is usually beside the last. But "../" is only tried once the working directory
 * is a device's folder: what is beside the directory that the user started in is no device.
 */
int device_go_to(const char *bdf)
{
	static bool beside;
	char path[NAME_SIZE];

	snprintf(path, sizeof(path), "../%s", bdf);
	if (beside && !chdir(path))
		return 0;
	snprintf(path, sizeof(path), DEVICES "/%s", bdf);
	beside = !chdir(path);
	return beside ? 0 : -errno;
}

void device_load(struct device *d, const char *bdf)
{
	*d = (struct device){};
	snprintf(d->bdf, sizeof(d->bdf), "%s", bdf);
	if (device_go_to(bdf))
		return;
	sysfs_link(d->driver, sizeof(d->driver), "driver");
	sysfs_link(d->group, sizeof(d->group), "iommu_group");
	find_kind(d);
	if (d->kind == KIND_PF || d->kind == KIND_FUNCTION)
		d->num_vfs = count_vfs(bdf);
}

bool device_has_pasid(const struct device *d)
{
	struct regs r;

	regs_read(&r, d->bdf);
	return regs_cap(&r, VFCAP_CAP_PASID) > CAP_ABSENT;
}

void device_look_for_pasid(struct device *d)
{
	if (d->kind == KIND_OTHER && device_has_pasid(d))
		d->kind = KIND_FUNCTION;
}

/* This many are read by one call in another process. */
#define BATCH	64

struct overrides {
	struct {
		bool known;
		char name[NAME_SIZE];
	} of[BATCH];
};

struct addresses {
	size_t n;
	char bdf[BATCH][BDF_SIZE];
};

static ssize_t read_overrides(const void *arg, void *out, size_t size)
{
	const struct addresses *a = arg;
	struct overrides *o = out;
	size_t i;

	(void)size;
	for (i = 0; i < a->n; i++)
		o->of[i].known = !device_go_to(a->bdf[i]) &&
				 !sysfs_read(o->of[i].name,
					     sizeof(o->of[i].name),
					     "driver_override");
	return 0;
}

static bool load_batch(struct device **devices, size_t n)
{
	struct addresses a = { .n = n };
	struct overrides o;
	size_t i;

	for (i = 0; i < n; i++)
		strcpy(a.bdf[i], devices[i]->bdf);
	if (aside(read_overrides, &a, sizeof(a), &o, sizeof(o), ASIDE_MS))
		return false;
	for (i = 0; i < n; i++) {
		devices[i]->override_known = o.of[i].known;
		strcpy(devices[i]->override, o.of[i].name);
		if (!strcmp(o.of[i].name, "(null)"))
			*devices[i]->override = 0;
	}
	return true;
}

/* If one cannot be read now, the others still are. */
void device_load_overrides(struct device **devices, size_t n)
{
	size_t len, i;

	for (; n; devices += len, n -= len) {
		len = n < BATCH ? n : BATCH;
		if (load_batch(devices, len) || len == 1)
			continue;
		for (i = 0; i < len; i++)
			load_batch(&devices[i], 1);
	}
}

void device_load_vfio(struct device *d)
{
	char path[NAME_SIZE];

	snprintf(path, sizeof(path), DEVICES "/%s/vfio-dev", d->bdf);
	sysfs_first(d->vfio, path);
	d->has_cdev = *d->vfio && sysfs_exists(DEVICES "/%s/vfio-dev/%s/dev",
					       d->bdf, d->vfio);
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

/* "8086:10ca", as lspci -n writes it, or "8086 10ca" as a driver's new_id takes it */
struct id {
	unsigned int vendor, device;
	size_t n, named;
	char names[NAMES_SIZE];	/* of functions that have it */
};

static bool parse_id(const char *arg, struct id *id)
{
	static const char digits[] = "0123456789abcdefABCDEF";

	if (strspn(arg, digits) != 4 || (arg[4] != ':' && arg[4] != ' ') ||
	    strspn(arg + 5, digits) != 4 || arg[9])
		return false;
	*id = (struct id){
		.vendor = strtoul(arg, NULL, 16),
		.device = strtoul(arg + 5, NULL, 16),
	};
	return true;
}

static int add_function(const char *name, void *data)
{
	struct id *id = data;
	size_t len = strlen(id->names);

	if (sysfs_number(DEVICES "/%s/vendor", name) != id->vendor ||
	    sysfs_number(DEVICES "/%s/device", name) != id->device)
		return 0;
	id->n++;
	if (len + BDF_SIZE < sizeof(id->names)) {
		snprintf(id->names + len, sizeof(id->names) - len, "%s%s",
			 id->named ? " " : "", name);
		id->named++;
	}
	return 0;
}

static enum status refuse_id(const char *arg, struct id *id)
{
	char more[NAME_SIZE] = "";

	sysfs_each(add_function, id, DEVICES);
	if (id->named < id->n)
		snprintf(more, sizeof(more), " and %zu more", id->n - id->named);
	return fail(STATUS_USAGE,
		    "%s: an ID, but devices are named one by one, by address (new_id of "
		    OUR_DRIVER " takes no IDs either); %s%s%s",
		    arg, id->n ? "devices with this ID: " : "no device has this ID",
		    id->names, more);
}

enum status device_address(const char *arg, char *bdf, size_t size)
{
	struct id id;

	if (parse_bdf(arg, bdf, size))
		return STATUS_OK;
	if (parse_id(arg, &id))
		return refuse_id(arg, &id);
	return fail(STATUS_USAGE,
		    "%s: not a PCI address; write it as 0000:01:10.0 or 01:10.0",
		    arg);
}

enum status devices_check(const struct request *req)
{
	enum status status = STATUS_OK;
	char bdf[BDF_SIZE];
	size_t i;

	for (i = 0; i < req->nr_devices && status == STATUS_OK; i++)
		status = device_address(req->devices[i], bdf, sizeof(bdf));
	return status;
}

bool devices_include(const struct request *req, const char *bdf, const char *pf)
{
	char named[BDF_SIZE];
	size_t i;

	for (i = 0; i < req->nr_devices; i++) {
		device_address(req->devices[i], named, sizeof(named));
		if (!strcmp(bdf, named) || !strcmp(pf, named))
			return true;
	}
	return !req->nr_devices;
}

enum status device_find(struct device *d, const char *arg)
{
	enum status status;
	char bdf[BDF_SIZE];

	status = device_address(arg, bdf, sizeof(bdf));
	if (status != STATUS_OK)
		return status;
	if (!sysfs_exists(DEVICES "/%s", bdf))
		return fail(STATUS_NO_DEVICE,
			    "%s: no such device; \"vfcapctl list\" shows those that matter",
			    bdf);
	device_load(d, bdf);
	device_look_for_pasid(d);
	device_load_ids(d);
	device_load_vfio(d);
	/* A read would wait for the users of a device that is going away. */
	if (d->fate == FATE_STAYS)
		device_load_overrides(&d, 1);
	return STATUS_OK;
}

enum status device_check_kind(const struct device *d)
{
	struct device above = *d;
	char bdf[BDF_SIZE], hint[128] = "";

	if (d->kind != KIND_OTHER && d->kind != KIND_PF)
		return STATUS_OK;
	for (;;) {
		device_parent(above.bdf, bdf, sizeof(bdf));
		if (!*bdf)
			break;
		device_load(&above, bdf);
		if (above.kind == KIND_VMD)
			return fail(STATUS_UNSUPPORTED,
				    "%s: it is behind the VMD endpoint %s, which is given to a guest as a whole: use %s",
				    d->bdf, bdf, bdf);
	}
	if (d->kind == KIND_PF && d->num_vfs)
		strcpy(hint, "; it is a PF: use one of its VFs, see \"vfcapctl list\"");
	else if (d->kind == KIND_PF)
		snprintf(hint, sizeof(hint),
			 "; it is a PF without VFs: echo 2 > " DEVICES "/%s/sriov_numvfs creates two",
			 d->bdf);
	return fail(STATUS_UNSUPPORTED,
		    "%s: neither a VF nor a VMD endpoint, nor a function with PASID that %s takes as a whole: nothing can be shown on it%s",
		    d->bdf, OUR_DRIVER, hint);
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

/* Callers themselves report what cannot be read. */
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

struct others {
	const char *self;
	char *out;
	size_t size;
};

static int add_other(const char *name, void *data)
{
	char driver[NAME_SIZE];
	struct others *o = data;
	size_t len = strlen(o->out);

	sysfs_link(driver, sizeof(driver), DEVICES "/%s/driver", name);
	if (!strcmp(name, o->self) || !strcmp(driver, "pcieport"))
		return 0;
	/* Whole names, or none */
	if (len + strlen(name) + strlen(driver) + 12 > o->size) {
		if (len + 6 <= o->size)
			strcpy(o->out + len, ", ...");
		return 1;
	}
	snprintf(o->out + len, o->size - len, "%s%s (%s)", len ? ", " : "",
		 name, *driver ? driver : "no driver");
	return 0;
}

void device_group_others(const struct device *d, char *out, size_t size)
{
	struct others o = { .self = d->bdf, .out = out, .size = size };

	*out = 0;
	if (*d->group)
		sysfs_each(add_other, &o, "/sys/kernel/iommu_groups/%s/devices",
			   d->group);
}

/* The bridges above a function, as sysfs nests them: the next one, or "" */
void device_parent(const char *bdf, char *out, size_t size)
{
	char link[PATH_MAX], real[PATH_MAX], *slash, *name;

	*out = 0;
	snprintf(link, sizeof(link), DEVICES "/%s", bdf);
	if (!realpath(link, real))
		return;
	slash = strrchr(real, '/');
	*slash = 0;
	name = strrchr(real, '/') + 1;
	/* In a domain of its own (VMD), the host bridge is a device too. */
	if (!strncmp(name, "pci", 3)) {
		*(name - 1) = 0;
		name = strrchr(real, '/') + 1;
	}
	if (sysfs_exists(DEVICES "/%s", name))
		snprintf(out, size, "%s", name);
}

void device_describe(const struct device *d, char *out, size_t size)
{
	char class[NAME_SIZE], name[128];
	unsigned int number = sysfs_number(DEVICES "/%s/class", d->bdf) >> 8;

	snprintf(out, size, "%s: %s",
		 pci_lookup_name(pci_library(), class, sizeof(class),
				 PCI_LOOKUP_CLASS, number),
		 pci_lookup_name(pci_library(), name, sizeof(name),
				 PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE,
				 d->vendor, d->device));
}
