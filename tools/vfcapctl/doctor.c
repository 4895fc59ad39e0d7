// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl doctor: why a capability is or is not shown, and what to change; for a PF or a
 * host, the requirements for showing one
 *
 * A table of checks, in the order in which things depend on each other. Each decides
 * which of the diagnoses in diagnoses.c applies. Nothing is opened unless that is asked
 * for; the result of an open is then predicted from the findings.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <json-c/json.h>

#include "diagnoses.h"
#include "vfcapctl.h"

#define BIT_ULL(n)	(1ULL << (n))

/* Extended Capability register of VT-d: Scalable Mode, PASID */
#define VTD_ECAP_SMTS	BIT_ULL(43)
#define VTD_ECAP_PASID	BIT_ULL(40)

/* A VMD's native shadow registers: where they end, and the BAR that has them */
#define VMD_SHADOW_END	0x2010
#define VMD_MEMBAR2	4

#define PASID_ENABLE	1

#define PARAMETERS	"/sys/module/vfcap_vfio_pci/parameters"
#define RESET	\
	"echo 1 > /sys/bus/pci/devices/{vf}/reset, or have the guest reset it"
#define RESET_VFS	\
	"echo 1 > reset, in the sysfs directory of each VF that has lost it, or have the guest reset it"

static const struct {
	const char *name;
	enum color color;
} verdicts[] = {
	[OK]		= { "ok", GREEN },
	[NOTE]		= { "note", YELLOW },
	[PROBLEM]	= { "problem", RED },
	[UNKNOWN]	= { "unknown", DIM },
};

/* What was found, in words */
struct finding {
	enum diagnosis diagnosis;
	enum verdict verdict;
	char found[TEXT_SIZE];
	char advice[TEXT_SIZE];	/* what to do, or "" */
};

/* What several checks look at, gathered once */
struct patient {
	struct device d;
	struct device pf;	/* of a VF */
	struct regs regs;
	struct regs pf_regs;
	struct view view;
	struct holder holder;	/* preferably one with the device itself open */
	size_t nr_holders;
	char used[TEXT_SIZE];	/* who that is, in a sentence, or "" */
	char sm_option[NAME_SIZE];	/* the last of sm_on, sm_off, or "" */
	bool sm_off;
	bool no_prefix;		/* PASID without End-End TLP Prefix */
	int cap;		/* the one asked about, enum vfcap_cap_index */
	bool is_auto;		/* its parameter says so */
	bool has_iommu;
	bool modules_missing;	/* not loaded and not found */
	bool bad, unseen;	/* what was found so far */
	bool unread;		/* the registers of some PF could not be read */

	/* {1} and {2} of the diagnosis */
	char arg1[TEXT_SIZE];
	char arg2[TEXT_SIZE];
};

struct check {
	const char *id;		/* for scripts: does not change */
	const char *title;
	unsigned int kinds;	/* of which devices, BIT(KIND_...) */
	int cap;		/* enum vfcap_cap_index, or -1 for all */
	enum diagnosis (*run)(const struct check *c, struct patient *p);
};

#define ARG1(p, ...)	snprintf((p)->arg1, sizeof((p)->arg1), __VA_ARGS__)
#define ARG2(p, ...)	snprintf((p)->arg2, sizeof((p)->arg2), __VA_ARGS__)

/* No function was named. */
static bool is_host(const struct patient *p)
{
	return !*p->d.bdf;
}

static int count(const char *name, void *data)
{
	(void)name;
	++*(int *)data;
	return 0;
}

/* The last option of the kernel's command line that is one of these words */
static bool find_option(char *out, size_t size, const char * const *words,
			size_t n)
{
	char line[4096], *option, *rest = line;
	size_t i;

	*out = 0;
	sysfs_read(line, sizeof(line), "/proc/cmdline");
	while ((option = strsep(&rest, "\n ")))
		for (i = 0; i < n; i++)
			if (!strcmp(option, words[i]))
				snprintf(out, size, "%.60s", option);
	return *out;
}

static enum diagnosis check_iommu(const struct check *c, struct patient *p)
{
	static const char * const off[] = {
		"intel_iommu=off", "iommu=off", "amd_iommu=off",
	};
	bool firmware = sysfs_exists("/sys/firmware/acpi/tables/DMAR") ||
			sysfs_exists("/sys/firmware/acpi/tables/IVRS") ||
			sysfs_exists("/sys/firmware/acpi/tables/IORT");
	int iommus = 0;

	(void)c;
	sysfs_each(count, &iommus, "/sys/class/iommu");
	ARG1(p, "%d", iommus);
	p->has_iommu = iommus && (is_host(p) || *p->d.group);
	if (p->has_iommu)
		return is_host(p) ? IOMMU_ACTIVE : IOMMU_OK;
	if (iommus)
		return IOMMU_NOT_OURS;
	if (find_option(p->arg1, NAME_SIZE, off, ARRAY_SIZE(off)) && firmware)
		return IOMMU_OFF_BY_OPTION;
	return firmware ? IOMMU_OFF : IOMMU_NONE;
}

/* Major and minor version as one number, as KERNEL_VERSION() has them */
#define VERSION(major, minor)	((major) << 8 | (minor))

static unsigned long kernel_version(char *release)
{
	unsigned long major, minor;
	struct utsname name;
	char *end;

	uname(&name);
	snprintf(release, NAME_SIZE, "%.60s", name.release);
	major = strtoul(name.release, &end, 10);
	minor = *end ? strtoul(end + 1, NULL, 10) : 0;
	return VERSION(major, minor);
}

/* What the modules need, as in scripts/check-kernel */
static enum diagnosis check_kernel(const struct check *c, struct patient *p)
{
	static const char * const options[] = {
		"CONFIG_PCI_IOV", "CONFIG_PCI_ATS", "CONFIG_VFIO_PCI_CORE",
	};
	unsigned long version = kernel_version(p->arg1);
	bool is_set[ARRAY_SIZE(options)] = {};
	char line[256];
	size_t i;
	FILE *f;

	(void)c;
	if (version < VERSION(6, 12))
		return KERNEL_OLD;
	ARG2(p, "/boot/config-%.60s", p->arg1);
	f = fopen(p->arg2, "re");
	if (!f)
		return KERNEL_UNCHECKED;
	while (fgets(line, sizeof(line), f))
		for (i = 0; i < ARRAY_SIZE(options); i++)
			is_set[i] |= !strncmp(line, options[i], strlen(options[i])) &&
				     line[strlen(options[i])] == '=';
	fclose(f);
	for (i = 0; i < ARRAY_SIZE(options) && is_set[i]; i++)
		;
	if (i == ARRAY_SIZE(options))
		return KERNEL_OK;
	ARG2(p, "%s", options[i]);
	return KERNEL_LACKS;
}

static enum diagnosis check_module(const struct check *c, struct patient *p)
{
	static const char * const modules[] = { "vfcap_vfio_pci", "pci_vfcap" };
	static const enum diagnosis found[] = {
		[MODULE_NOT_LOADED]	= MODULES_UNLOADED,
		[MODULE_NOT_INSTALLED]	= MODULES_UNINSTALLED,
		[MODULE_SAME]		= MODULES_OK,
		[MODULE_DIFFERS]	= MODULES_DIFFER,
		[MODULE_UNKNOWN]	= MODULES_UNKNOWN,
	};
	struct module_versions versions;
	enum diagnosis d = MODULES_OK;
	char path[PATH_MAX];
	size_t i;

	(void)c;
	for (i = 0; d == MODULES_OK && i < ARRAY_SIZE(modules); i++) {
		d = found[module_compare(modules[i], path, &versions)];
		ARG1(p, "%s %s", modules[i], versions.loaded);
		ARG2(p, "%.300s, which is %s", path, versions.installed);
		if (d == MODULES_UNLOADED) {
			ARG1(p, "%s", modules[i]);
			if (!*path)
				d = MODULES_NOWHERE;
		}
	}
	p->modules_missing = d == MODULES_NOWHERE;
	return d;
}

/*
 * Drivers that leave a device's DMA, and so its registers, to user space. VFIO has more of
 * them, which are recognised by the folder that VFIO creates for their devices.
 */
static bool is_user_space(const struct device *d)
{
	static const char * const drivers[] = {
		"pci-stub", "pciback", "vfio-pci", OUR_DRIVER,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++)
		if (!strcmp(d->driver, drivers[i]))
			return true;
	return *d->vfio;
}

static bool takes_part(const struct patient *p)
{
	char driver[NAME_SIZE];

	return !sysfs_read(driver, sizeof(driver), DEVICES "/%s/vfcap/driver",
			   p->pf.bdf) && strcmp(driver, "none");
}

/* A VF being removed from the PF, which has no driver: other VFs wait for it too */
static int find_going(const char *name, void *data)
{
	struct patient *p = data;
	const struct holder *h;
	struct device d;

	device_load(&d, name);
	if (strcmp(d.pf, p->pf.bdf) || d.fate == FATE_STAYS ||
	    !holders_find(&d, &h))
		return 0;
	ARG1(p, "%s", d.bdf);
	holder_describe(h, p->arg2, sizeof(p->arg2));
	return 1;
}

static void find_awaited(struct patient *p)
{
	size_t len = strlen(fates[p->d.fate].text) + 1;
	char text[TEXT_SIZE];

	device_going(&p->d, text, sizeof(text));
	ARG1(p, "%s", text + len);
}

static enum diagnosis check_pf_driver(const struct check *c, struct patient *p)
{
	(void)c;
	switch (p->d.fate) {
	case FATE_PF_UNBINDING:
		find_awaited(p);
		return PF_UNBINDING;
	case FATE_VFS_REMOVED:
		find_awaited(p);
		return PF_REMOVES_VFS;
	default:
		break;
	}
	if (!*p->pf.driver)
		return sysfs_each(find_going, p, DEVICES) > 0 ?
		       PF_UNBINDING_OTHER : PF_NO_DRIVER;
	if (is_user_space(&p->pf))
		return PF_USER_SPACE;
	return takes_part(p) ? PF_TAKES_PART : PF_OK;
}

/* The first function from the PF upwards that lacks what PASID requires */
static bool find_lacking(const struct patient *p,
			 bool (*lacks)(const struct regs *r), char *out)
{
	struct regs r = p->pf_regs;
	char at[BDF_SIZE];

	snprintf(out, BDF_SIZE, "%s", p->pf.bdf);
	while (!lacks(&r)) {
		device_parent(out, at, sizeof(at));
		if (!*at)
			return false;
		snprintf(out, BDF_SIZE, "%s", at);
		regs_read(&r, out);
	}
	return true;
}

/* For a host, look at its first IOMMU: all IOMMUs of a machine are of one kind. */
static bool is_vtd(const struct patient *p, unsigned long long *ecap, char *name)
{
	char text[32];

	if (is_host(p))
		sysfs_first(name, "/sys/class/iommu");
	else
		sysfs_link(name, NAME_SIZE, DEVICES "/%s/iommu", p->d.bdf);
	if (!*name ||
	    sysfs_read(text, sizeof(text), "/sys/class/iommu/%s/intel-iommu/ecap",
		       name))
		return false;
	*ecap = strtoull(text, NULL, 16);
	return true;
}

/* Why the kernel did not enable PASID in the PF, as it decides that */
static enum diagnosis find_why_disabled(struct patient *p)
{
	unsigned long long ecap;
	char name[NAME_SIZE];

	if (!p->has_iommu)
		return PF_CAP_OFF_NO_IOMMU;
	if (!p->no_prefix &&
	    find_lacking(p, regs_lack_prefix, p->arg1))
		return strcmp(p->arg1, p->pf.bdf) ? PF_CAP_OFF_PORT_PREFIX :
						    PF_CAP_OFF_PF_PREFIX;
	if (find_lacking(p, regs_lack_acs, p->arg1))
		return PF_CAP_OFF_ACS;
	if (!is_vtd(p, &ecap, name))
		return PF_CAP_OFF;
	if (ecap & VTD_ECAP_SMTS && *p->sm_option && !p->sm_off) {
		ARG1(p, "%s", p->sm_option);
		return PF_CAP_OFF_ASKED;
	}
	ARG1(p, "%s%s", *p->sm_option ? ": the kernel was booted with " : "",
	     p->sm_option);
	return PF_CAP_OFF_SM;
}

/* With kernel lockdown (Secure Boot), user space cannot write registers: setpci does nothing. */
static bool is_locked_down(void)
{
	char modes[NAME_SIZE];

	return !sysfs_read(modes, sizeof(modes), "/sys/kernel/security/lockdown") &&
	       !strstr(modes, "[none]");
}

/* Why a capability is lost, from the state of the PF now */
static enum diagnosis find_loss(const struct check *c, struct patient *p)
{
	const struct regs *r = &p->pf_regs;

	if (!*p->pf.driver)
		return PF_CAP_LOST_NO_DRIVER;
	if (r->state == REGS_GONE)
		return PF_CAP_LOST_GONE;
	if (r->state == REGS_ASLEEP || r->low_power)
		return is_locked_down() ? PF_CAP_LOST_ASLEEP_RESET :
					  PF_CAP_LOST_ASLEEP;
	switch (regs_cap(r, c->cap)) {
	case CAP_ABSENT:
		return PF_CAP_LOST_ABSENT;
	case CAP_DISABLED:
		if (c->cap != VFCAP_CAP_PASID || is_locked_down())
			return PF_CAP_LOST_DISABLED_RESET;
		/* The kernel enables all that the device supports. */
		ARG1(p, "ECAP001b+6.w=%x", PASID_ENABLE | (r->pasid.value & 6));
		return PF_CAP_LOST_DISABLED;
	default:
		return PF_CAP_LOST_CHANGED;
	}
}

/* Whether the capability has this state in the VF, or in any VF of a PF */
static bool is_in_vf(const struct check *c, const struct patient *p,
		     const char *state)
{
	char now[32], link[NAME_SIZE] = ".";
	unsigned int i = 0;

	do {
		if (p->d.kind == KIND_PF)
			snprintf(link, sizeof(link), "virtfn%u", i);
		sysfs_read(now, sizeof(now), DEVICES "/%s/%s/vfcap/%s_state",
			   p->d.bdf, link, caps[c->cap].key);
		if (!strcmp(now, state))
			return true;
	} while (++i < p->d.num_vfs);
	return false;
}

static enum diagnosis check_pf_cap(const struct check *c, struct patient *p)
{
	char state[32];

	/* A whole function does not share its capabilities. */
	if (p->d.kind == KIND_FUNCTION)
		strcpy(state, "by the kernel");
	else if (sysfs_read(state, sizeof(state), DEVICES "/%s/vfcap/%s_state",
			    p->pf.bdf, caps[c->cap].key))
		strcpy(state, "unlocked");
	if (!strcmp(state, "changing"))
		return PF_CAP_CHANGING;
	if (is_in_vf(c, p, "losing"))
		return PF_CAP_LOSING;
	if (!strcmp(state, "lost"))
		return find_loss(c, p);

	switch (p->pf_regs.state) {
	case REGS_DENIED:
		return PF_CAP_DENIED;
	case REGS_GONE:
		return PF_CAP_GONE;
	case REGS_ASLEEP:
		return PF_CAP_ASLEEP;
	case REGS_LOCKED:
		return PF_CAP_LOCKED;
	case REGS_READ:
		break;
	}
	switch (regs_cap(&p->pf_regs, c->cap)) {
	case CAP_ABSENT:
		return PF_CAP_ABSENT;
	case CAP_DISABLED:
		return c->cap == VFCAP_CAP_PASID ? find_why_disabled(p) :
						   PF_CAP_OFF_PRI;
	default:
		break;
	}
	if (is_in_vf(c, p, "lost"))
		return PF_CAP_BACK;
	ARG1(p, "%s", state);
	return PF_CAP_OK;
}

/* What PASID requires of the PF and of each port above it */
static enum diagnosis check_ports(const struct check *c, struct patient *p)
{
	(void)c;
	if (p->pf_regs.state != REGS_READ)
		return PORTS_DENIED;
	if (!p->no_prefix && find_lacking(p, regs_lack_prefix, p->arg1))
		return PORTS_NO_PREFIX;
	return find_lacking(p, regs_lack_acs, p->arg1) ? PORTS_NO_ACS : PORTS_OK;
}

/* Their addresses, as far as there is room, and the first of them */
static int add_pf(const char *name, void *data)
{
	struct patient *p = data;
	size_t len = strlen(p->arg1);
	struct device d;
	struct regs r;

	device_load(&d, name);
	if (d.kind != KIND_PF && d.kind != KIND_FUNCTION && d.kind != KIND_OTHER)
		return 0;
	regs_read(&r, name);
	p->unread |= r.state == REGS_DENIED;
	if (regs_cap(&r, VFCAP_CAP_PASID) <= CAP_ABSENT)
		return 0;
	if (!len)
		ARG2(p, "%s", name);
	if (len + sizeof(", 0000:00:00.0 (not enabled)") < sizeof(p->arg1))
		sprintf(p->arg1 + len, "%s%s (%s)", len ? ", " : "", name,
			regs_cap(&r, VFCAP_CAP_PASID) == CAP_ENABLED ?
			"enabled" : "not enabled");
	return 0;
}

static enum diagnosis check_pfs(const struct check *c, struct patient *p)
{
	(void)c;
	sysfs_each(add_pf, p, DEVICES);
	if (*p->arg1)
		return PFS_SOME;
	return p->unread ? PFS_DENIED : PFS_NONE;
}

static enum diagnosis check_vfs(const struct check *c, struct patient *p)
{
	char driver[NAME_SIZE];
	unsigned int bound = 0, i;

	(void)c;
	for (i = 0; i < p->d.num_vfs; i++)
		bound += !sysfs_link(driver, sizeof(driver),
				     DEVICES "/%s/virtfn%u/driver", p->d.bdf, i) &&
			 !strcmp(driver, OUR_DRIVER);
	ARG1(p, "%u of %u possible, %u of them bound to " OUR_DRIVER, p->d.num_vfs,
	     p->d.total_vfs, bound);
	if (!p->d.num_vfs)
		return VFS_NONE;
	return bound ? VFS_BOUND : VFS_UNBOUND;
}

static enum diagnosis check_pri_answers(const struct check *c, struct patient *p)
{
	(void)c;
	return takes_part(p) ? PRI_MAYBE : PRI_UNANSWERED;
}

/* Some other function of the same IOMMU has PASID enabled. */
static int find_enabled(const char *name, void *data)
{
	struct regs r;

	(void)data;
	if (sysfs_exists(DEVICES "/%s/physfn", name))
		return 0;
	regs_read(&r, name);
	return regs_cap(&r, VFCAP_CAP_PASID) == CAP_ENABLED;
}

static bool was_enabled(const struct patient *p)
{
	char state[32];

	if (regs_cap(&p->pf_regs, VFCAP_CAP_PASID) == CAP_ENABLED)
		return true;
	return !sysfs_read(state, sizeof(state), DEVICES "/%s/vfcap/pasid_state",
			   p->pf.bdf) && !strcmp(state, "lost");
}

/*
 * The mode of VT-d can only be seen from its consequences: in scalable mode the kernel
 * enables PASID in all functions that have it.
 */
static enum diagnosis check_vtd(struct patient *p, unsigned long long ecap)
{
	char lacking[BDF_SIZE];

	if (!(ecap & VTD_ECAP_SMTS))
		return PASIDS_NO_SM;
	if (!(ecap & VTD_ECAP_PASID))
		return PASIDS_NO_PASID;
	if (was_enabled(p))
		return PASIDS_OK;
	ARG2(p, "%s", p->sm_option);
	if (p->sm_off)
		return PASIDS_SM_OFF;
	if (p->pf_regs.state == REGS_DENIED)
		return PASIDS_UNSEEN;
	if (sysfs_each(find_enabled, NULL, "/sys/class/iommu/%s/devices",
		       p->arg1) > 0)
		return PASIDS_OK;
	/* There may be other reasons why nothing has it enabled. */
	if (*p->sm_option &&
	    (regs_cap(&p->pf_regs, VFCAP_CAP_PASID) != CAP_DISABLED ||
	     (!p->no_prefix && find_lacking(p, regs_lack_prefix, lacking)) ||
	     find_lacking(p, regs_lack_acs, lacking)))
		return PASIDS_SM_ASKED;
	return *p->sm_option ? PASIDS_SM_REFUSED : PASIDS_SM_UNUSED;
}

static enum diagnosis check_iommu_pasid(const struct check *c, struct patient *p)
{
	const struct cap_view *v = &p->view.caps[c->cap];
	unsigned long long ecap;

	if (is_vtd(p, &ecap, p->arg1))
		return check_vtd(p, ecap);
	/* For other IOMMUs only the driver knows, and only for a device that is open. */
	if (*p->arg1 && v->explained && v->reason == VFCAP_REASON_NO_PASIDS)
		return PASIDS_NONE;
	return *p->arg1 ? PASIDS_NOT_VTD : PASIDS_NO_IOMMU;
}

static enum diagnosis check_iommufd(const struct check *c, struct patient *p)
{
	unsigned long version = kernel_version(p->arg1);

	(void)c;
	ARG2(p, "%s", p->d.has_cdev ? "and the device has a cdev" :
				      "with /dev/iommu");
	if (version < VERSION(6, 15))
		return IOMMUFD_OLD;
	if (!sysfs_exists("/dev/iommu"))
		return module_is_installed("iommufd") ? IOMMUFD_UNLOADED :
							IOMMUFD_NONE;
	return *p->d.vfio && !p->d.has_cdev ? IOMMUFD_NO_CDEV : IOMMUFD_OK;
}

/* Only a driver that has its device's DMA keeps VFIO from a group. */
static int find_rival(const char *name, void *data)
{
	const struct patient *p = data;
	struct device d = {};

	if (!strcmp(name, p->d.bdf) ||
	    sysfs_link(d.driver, sizeof(d.driver), DEVICES "/%s/driver", name) ||
	    !strcmp(d.driver, "pcieport") || is_user_space(&d))
		return 0;
	snprintf(d.bdf, sizeof(d.bdf), "%s", name);
	device_load_vfio(&d);
	return !*d.vfio;
}

static enum diagnosis check_group(const struct check *c, struct patient *p)
{
	(void)c;
	if (!*p->d.group)
		return GROUP_NONE;
	device_group_others(&p->d, p->arg1, NAMES_SIZE);
	if (!*p->arg1)
		return GROUP_OK;
	return sysfs_each(find_rival, p, "/sys/kernel/iommu_groups/%s/devices",
			  p->d.group) > 0 ? GROUP_NOT_VIABLE : GROUP_SHARED;
}

static enum diagnosis check_driver(const struct check *c, struct patient *p)
{
	(void)c;
	if (p->d.fate != FATE_STAYS) {
		device_going(&p->d, p->arg1, sizeof(p->arg1));
		return DRIVER_GOING;
	}
	if (!strcmp(p->d.driver, OUR_DRIVER))
		return DRIVER_OK;
	if (!p->has_iommu)
		return DRIVER_FIRST_IOMMU;
	if (p->modules_missing)
		return DRIVER_FIRST_MODULES;
	ARG1(p, "%s", p->used);
	return *p->used ? DRIVER_IN_USE : DRIVER_OTHER;
}

static enum diagnosis check_parameter(const struct check *c, struct patient *p)
{
	if (sysfs_read(p->arg1, NAME_SIZE,
		       PARAMETERS "/%s",
		       caps[c->cap].param))
		return PARAMETER_NONE;
	return strcmp(p->arg1, "off") ? PARAMETER_OK : PARAMETER_OFF;
}

static enum diagnosis check_placement(const struct check *c, struct patient *p)
{
	char quirks[2048], wanted[NAME_SIZE];

	if (sysfs_read(p->arg1, NAME_SIZE,
		       PARAMETERS "/placement"))
		return PARAMETER_NONE;
	sysfs_read(quirks, sizeof(quirks),
		   PARAMETERS "/quirks");
	snprintf(wanted, sizeof(wanted), "%04x:%04x:%s=", p->d.vendor,
		 p->d.device, caps[c->cap].param);
	if (strcmp(p->arg1, "strict") || strstr(quirks, wanted) ||
	    takes_part(p) || p->view.caps[c->cap].shown)
		return PLACEMENT_OK;
	ARG1(p, "%04x:%04x", p->d.vendor, p->d.device);
	ARG2(p, "%s", caps[c->cap].param);
	return PLACEMENT_STRICT;
}

static enum diagnosis check_opened(const struct check *c, struct patient *p)
{
	(void)c;
	if (!p->nr_holders)
		return p->view.open ? OPENED_UNSEEN : OPENED_NOT;
	holder_describe(&p->holder, p->arg1, sizeof(p->arg1));
	ARG2(p, "%s", via_names[p->holder.via]);
	return p->holder.via == VIA_CDEV || p->d.kind == KIND_VMD ?
	       OPENED_OK : OPENED_GROUP;
}

static enum diagnosis check_prefix(const struct check *c, struct patient *p)
{
	(void)c;
	if (p->regs.state == REGS_DENIED)
		return PREFIX_DENIED;
	if (p->regs.state != REGS_READ)
		return PREFIX_UNREAD;
	return regs_lack_prefix(&p->regs) && !p->no_prefix ? PREFIX_LACKS :
							     PREFIX_OK;
}

static bool has_small_membar2(const struct patient *p)
{
	unsigned long long start = 0, end = 0;
	char text[1024], *line = text;
	int i;

	if (sysfs_read(text, sizeof(text), DEVICES "/%s/resource", p->d.bdf))
		return false;
	for (i = 0; line && i < VMD_MEMBAR2; i++) {
		line = strchr(line, '\n');
		line += !!line;
	}
	return line && sscanf(line, "%llx %llx", &start, &end) == 2 &&
	       (!start || end - start + 1 < VMD_SHADOW_END);
}

/* Follow the driver's decision about 8086:28C0 at an open. */
static enum diagnosis check_native(struct patient *p)
{
	char value[32];

	if (p->view.native_shadow || (p->regs.state == REGS_READ &&
				      p->regs.vmlock & VMD_VMLOCK_NATIVE))
		return SHOWN_NATIVE;
	if (!sysfs_read(value, sizeof(value),
			PARAMETERS "/vmd_shadow") &&
	    !strcmp(value, "off"))
		return SHOWN_NATIVE_OFF;
	if (p->regs.state == REGS_READ && p->regs.vmlock_in_cap)
		return SHOWN_NATIVE_LOCK;
	if (has_small_membar2(p))
		return SHOWN_NATIVE_SMALL;
	return p->view.native_known ? SHOWN_NATIVE_REFUSED : DIAGNOSES;
}

/* Predict the result of an open. */
static enum diagnosis predict(struct patient *p)
{
	if (p->view.open) {
		ARG1(p, "%s", *p->view.note ? p->view.note : p->used);
		return SHOWN_UNSEEN;
	}
	/* An open was tried. */
	if (p->view.status != STATUS_OK && p->view.status != STATUS_UNKNOWN) {
		ARG1(p, "%s", p->view.note);
		return p->view.status == STATUS_PERMISSION && geteuid() ?
		       SHOWN_UNSEEN : SHOWN_CANNOT_OPEN;
	}
	if (p->bad)
		return SHOWN_WOULD_NOT;
	return p->unseen ? SHOWN_WOULD_UNKNOWN : SHOWN_CLOSED;
}

/*
 * PASIDs that a VMM has attached have no effect until PASID Enable is set. As long as the
 * device is not a bus master, the guest's driver does not run yet, and may still set it.
 */
static enum diagnosis check_attached(const struct cap_view *v, struct patient *p,
				     const char *why)
{
	if (v->nr_pasids && !v->written) {
		ARG2(p, "%u PASID%s", v->nr_pasids, v->nr_pasids > 1 ? "s" : "");
		return p->regs.bus_master ? SHOWN_UNREACHED : SHOWN_WAITING;
	}
	ARG2(p, "%s%s", *why ? ": " : "", why);
	return SHOWN_OK;
}

static enum diagnosis check_shown(const struct check *c, struct patient *p)
{
	const struct cap_view *v = &p->view.caps[c->cap];
	const char *why = view_explain(&p->view, c->cap, &p->d), *advice;
	enum diagnosis native = DIAGNOSES;

	if (p->d.fate != FATE_STAYS) {
		device_going(&p->d, p->arg1, sizeof(p->arg1));
		return SHOWN_GOING;
	}
	ARG1(p, "%#x", v->offset);
	if (v->lost)
		return SHOWN_LOST;
	if (c->cap == VFCAP_CAP_SHDW && p->d.device == VMD_NATIVE)
		native = check_native(p);
	if (native != DIAGNOSES)
		return native;
	if (v->shown)
		return check_attached(v, p, why);
	if (strcmp(p->d.driver, OUR_DRIVER))
		return SHOWN_OTHER_DRIVER;
	if (v->known && !(native == DIAGNOSES && c->cap == VFCAP_CAP_SHDW &&
			  p->d.device == VMD_NATIVE)) {
		advice = v->explained ? reason_advice(v->reason) :
					"dmesg | grep {vf}";
		ARG1(p, "%s", why);
		ARG2(p, "%s", advice ?: "");
		return advice ? SHOWN_NOT : SHOWN_NEEDS_NOT;
	}
	return predict(p);
}

#define VF	BIT(KIND_VF)
#define FUNC	BIT(KIND_FUNCTION)
#define VMD	BIT(KIND_VMD)
#define PF	BIT(KIND_PF)
#define ANY	(VF | FUNC | VMD)
#define HOST	BIT(KIND_OTHER)		/* no function at all */
#define ALL	-1
#define PASID	VFCAP_CAP_PASID
#define PRI	VFCAP_CAP_PRI
#define SHDW	VFCAP_CAP_SHDW

static const struct check checks[] = {
	{ "iommu", "IOMMU in firmware and kernel", ANY | PF | HOST, ALL, check_iommu },
	{ "kernel", "kernel", PF | HOST, ALL, check_kernel },
	{ "module", "modules", ANY | PF | HOST, ALL, check_module },
	{ "pfs", "PFs, functions", HOST, ALL, check_pfs },
	{ "pf-driver", "driver of the PF", VF | PF, ALL, check_pf_driver },
	{ "ports", "function and ports above it", PF | FUNC, PASID, check_ports },
	{ "pf-pasid", "PASID in the PF", VF | PF, PASID, check_pf_cap },
	{ "pf-pri", "PRI in the PF", VF | PF, PRI, check_pf_cap },
	{ "pasid", "PASID in the function", FUNC, PASID, check_pf_cap },
	{ "pri-answers", "who answers requests", VF, PRI, check_pri_answers },
	{ "iommu-pasid", "PASIDs in the IOMMU", VF | FUNC | PF | HOST, PASID, check_iommu_pasid },
	{ "iommufd", "PASIDs in the kernel", VF | FUNC | PF | HOST, PASID, check_iommufd },
	{ "vfs", "VFs", PF, ALL, check_vfs },
	{ "group", "IOMMU group", ANY, ALL, check_group },
	{ "driver", "driver of the device", ANY, ALL, check_driver },
	{ "pasid-parameter", "parameter for PASID", VF | FUNC, PASID, check_parameter },
	{ "pri-parameter", "parameter for PRI", VF, PRI, check_parameter },
	{ "shdw-parameter", "parameter for SHDW", VMD, SHDW, check_parameter },
	{ "placement", "parameter for places", VF, PASID, check_placement },
	{ "opened", "how it was opened", ANY, ALL, check_opened },
	{ "tlp-prefix", "End-End TLP Prefix", VF | FUNC, PASID, check_prefix },
	{ "pasid-shown", "PASID is shown", VF | FUNC, PASID, check_shown },
	{ "pri-shown", "PRI is shown", VF | FUNC, PRI, check_shown },
	{ "shdw-shown", "SHDW is shown", VMD, SHDW, check_shown },
};

/* Check PRI only on request: no driver in Linux backs it so far. */
static bool wants_pri(void)
{
	char value[32];

	return !sysfs_read(value, sizeof(value),
			   PARAMETERS "/pri") &&
	       !strcmp(value, "on");
}

static bool is_wanted(const struct check *c, const struct patient *p, int cap)
{
	if (!(c->kinds & BIT(p->d.kind)))
		return false;
	if (cap < 0 && c->cap == VFCAP_CAP_PRI)
		return wants_pri();
	return cap < 0 || c->cap < 0 || c->cap == cap;
}

static enum verdict judge(const struct patient *p, enum verdict verdict)
{
	if (verdict == IF_AUTO_PASID)
		verdict = p->cap == VFCAP_CAP_PASID ? IF_AUTO : NOTE;
	if (verdict == IF_AUTO)
		verdict = p->is_auto ? PROBLEM : NOTE;
	return verdict;
}

static const char *placeholder(const struct check *c, const struct patient *p,
			       const char *name, size_t len)
{
	int cap = c->cap >= 0 ? c->cap : p->cap;
	const struct {
		const char *name;
		const char *value;
	} all[] = {
		{ "vf", p->d.bdf },
		{ "pf", p->pf.bdf },
		{ "driver", *p->d.driver ? p->d.driver : "none" },
		{ "pfdriver", *p->pf.driver ? p->pf.driver : "none" },
		{ "group", p->d.group },
		{ "cap", caps[cap].name },
		{ "param", caps[cap].param },
		{ "params", PARAMETERS },
		{ "reset", p->d.kind == KIND_PF ? RESET_VFS : RESET },
		{ "1", p->arg1 },
		{ "2", p->arg2 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (strlen(all[i].name) == len && !strncmp(all[i].name, name, len))
			return all[i].value;
	return "?";
}

static void expand(const struct check *c, const struct patient *p,
		   const char *text, char *out, size_t size)
{
	size_t len = 0, skip;

	*out = 0;
	while (text && *text && len < size - 1) {
		if (*text != '{') {
			skip = strcspn(text, "{");
			len += snprintf(out + len, size - len, "%.*s",
					(int)skip, text);
			text += skip;
			continue;
		}
		skip = strcspn(text, "}");
		len += snprintf(out + len, size - len, "%s",
				placeholder(c, p, text + 1, skip - 1));
		text += skip + !!text[skip];
	}
}

static void examine(const struct check *c, struct patient *p, struct finding *f)
{
	const struct diagnosis_info *info;
	char advice[TEXT_SIZE];

	*p->arg1 = 0;
	*p->arg2 = 0;
	f->diagnosis = c->run(c, p);
	info = &diagnoses[f->diagnosis];
	f->verdict = judge(p, info->verdict);
	expand(c, p, info->found, f->found, sizeof(f->found));
	/* Twice: what replaces a placeholder may contain placeholders. */
	expand(c, p, info->advice, advice, sizeof(advice));
	expand(c, p, advice, f->advice, sizeof(f->advice));
	p->bad |= f->verdict == PROBLEM;
	p->unseen |= f->verdict == UNKNOWN;
}

/* Prefer a holder of the device itself to one that has only its group. */
static void choose_holder(struct patient *p)
{
	const struct holder *h;
	size_t i;

	p->nr_holders = holders_find(&p->d, &h);
	for (i = 0; i < p->nr_holders; i++)
		if (!i || (p->holder.fd < 0 && h[i].fd >= 0) ||
		    (p->holder.via != VIA_CDEV && h[i].via == VIA_CDEV))
			p->holder = h[i];
}

/* PFs, and their VFs, in which Linux enables PASID without End-End TLP Prefix */
static bool has_no_prefix(const struct device *d)
{
	static const uint16_t ids[] = {
		0xa250, 0xa251, 0xa255, 0xa256, 0xa258, 0xa259,
	};
	unsigned long revision = sysfs_number(DEVICES "/%s/revision", d->bdf);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ids); i++)
		if (d->vendor == 0x19e5 && d->device == ids[i])
			return revision == 0x21 || revision == 0x30;
	return false;
}

static void find_sm_option(struct patient *p)
{
	char line[4096], *option, *value, *rest = line;

	sysfs_read(line, sizeof(line), "/proc/cmdline");
	while ((option = strsep(&rest, "\n "))) {
		if (strncmp(option, "intel_iommu=", 12))
			continue;
		for (value = option + 12; *value;
		     value += strcspn(value, ","), value += !!*value) {
			if (strncmp(value, "sm_on", 5) &&
			    strncmp(value, "sm_off", 6))
				continue;
			p->sm_off = value[4] == 'f';
			snprintf(p->sm_option, sizeof(p->sm_option),
				 "intel_iommu=%s", p->sm_off ? "sm_off" :
							       "sm_on");
		}
	}
}

static void patient_load(struct patient *p, const struct request *req)
{
	char value[32];

	p->cap = req->cap >= 0 ? req->cap :
		 p->d.kind == KIND_VMD ? VFCAP_CAP_SHDW : VFCAP_CAP_PASID;
	/* The function that has PASID in hardware: the PF, or the device itself */
	if (*p->d.pf || p->d.kind == KIND_PF || p->d.kind == KIND_FUNCTION) {
		device_load(&p->pf, *p->d.pf ? p->d.pf : p->d.bdf);
		device_load_ids(&p->pf);
		device_load_vfio(&p->pf);
		regs_read(&p->pf_regs, p->pf.bdf);
	}
	/* Without the right to read registers, nothing is known about any function. */
	if (is_host(p) && geteuid())
		p->pf_regs.state = REGS_DENIED;
	p->no_prefix = has_no_prefix(&p->d);
	find_sm_option(p);
	p->is_auto = sysfs_read(value, sizeof(value),
				PARAMETERS "/%s",
				caps[p->cap].param) || strcmp(value, "on");
	if (is_host(p) || p->d.kind == KIND_PF)
		return;
	regs_read(&p->regs, p->d.bdf);
	choose_holder(p);
	device_used_by(&p->d, p->used, sizeof(p->used));
	view_load(&p->view, &p->d, req->no_open ? LOOK_SYSFS :
				   req->open ? LOOK_OPEN : LOOK_SHARE);
}

static void print_text(const struct finding *findings)
{
	static const char * const headers[] = { "STATUS", "CHECK", "FOUND" };
	struct table *t = table_new(headers, ARRAY_SIZE(headers));
	size_t i;

	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		const struct finding *f = &findings[i];

		if (f->diagnosis == DIAGNOSES)
			continue;
		table_cell(t, verdicts[f->verdict].color, "%s",
			   verdicts[f->verdict].name);
		table_cell(t, PLAIN, "%s", checks[i].title);
		table_cell(t, PLAIN, "%s%s%s", f->found,
			   *f->advice ? "\n-> " : "", f->advice);
	}
	table_print(t);
}

static void print_json(const struct patient *p, const struct finding *findings,
		       const unsigned int *counts)
{
	struct json_object *array = json_object_new_array();
	struct json_object *o = json_new(), *check;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		const struct finding *f = &findings[i];

		if (f->diagnosis == DIAGNOSES)
			continue;
		check = json_object_new_object();
		json_set_text(check, "id", checks[i].id);
		json_set_text(check, "status", verdicts[f->verdict].name);
		json_set_text(check, "diagnosis", diagnoses[f->diagnosis].key);
		json_set_text(check, "found", f->found);
		json_set_text(check, "advice", f->advice);
		json_object_array_add(array, check);
	}
	json_set_text(o, "address", p->d.bdf);
	json_set_text(o, "kind", is_host(p) ? "host" : kind_names[p->d.kind]);
	json_set_text(o, "going", fates[p->d.fate].key);
	json_set_number(o, "problems", counts[PROBLEM]);
	json_set_number(o, "unknown", counts[UNKNOWN]);
	json_object_object_add(o, "checks", array);
	json_object_object_add(o, "capabilities", view_json(&p->view, &p->d));
	json_print(o);
}

static enum status find_patient(struct device *d, const char *arg)
{
	enum status status = device_find(d, arg);

	if (status != STATUS_OK || d->kind == KIND_PF)
		return status;
	return device_check_kind(d);
}

/* A host or a PF is checked for what its VFs show. */
static bool is_asked_of(enum vfcap_cap_index cap, const struct device *d)
{
	if (!*d->bdf || d->kind == KIND_PF)
		return cap != VFCAP_CAP_SHDW;
	return cap_is_for(cap, d);
}

enum status cmd_doctor(const struct request *req)
{
	struct finding findings[ARRAY_SIZE(checks)];
	unsigned int counts[ARRAY_SIZE(verdicts)] = {};
	struct patient p = {};
	enum status status;
	size_t i;

	if (req->open && req->no_open)
		return fail(STATUS_USAGE, "--open cannot be combined with --no-open");
	status = req->device ? find_patient(&p.d, req->device) : STATUS_OK;
	if (status != STATUS_OK)
		return status;
	if (req->cap >= 0 && !is_asked_of(req->cap, &p.d))
		return fail(STATUS_UNSUPPORTED, "%s: %s does not apply to it",
			    *p.d.bdf ? p.d.bdf : "a host", caps[req->cap].name);

	patient_load(&p, req);
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		findings[i].diagnosis = DIAGNOSES;
		if (!is_wanted(&checks[i], &p, req->cap))
			continue;
		examine(&checks[i], &p, &findings[i]);
		counts[findings[i].verdict]++;
	}
	if (req->json)
		print_json(&p, findings, counts);
	else
		print_text(findings);
	return counts[PROBLEM] ? STATUS_FAILED :
	       counts[UNKNOWN] ? STATUS_UNKNOWN : STATUS_OK;
}
