// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl doctor: why a capability is or is not shown, and what to change
 *
 * A table of checks, in the order in which things depend on each other. What only
 * "auto" asks for is a problem only while the capability's parameter says auto;
 * and PRI, which no driver of Linux backs so far, only when it is asked for.
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
#include <linux/pci_regs.h>

#include "vfcapctl.h"

#define DEVICES	"/sys/bus/pci/devices"

#define BIT_ULL(n)	(1ULL << (n))

/* Extended Capability register of VT-d: Scalable Mode, PASID */
#define VTD_ECAP_SMTS	BIT_ULL(43)
#define VTD_ECAP_PASID	BIT_ULL(40)

enum verdict { OK, NOTE, PROBLEM, UNKNOWN };

static const struct {
	const char *name;
	enum color color;
} verdicts[] = {
	[OK]		= { "ok", GREEN },
	[NOTE]		= { "note", YELLOW },
	[PROBLEM]	= { "problem", RED },
	[UNKNOWN]	= { "unknown", DIM },
};

struct finding {
	enum verdict status;
	char found[TEXT_SIZE];
	char advice[TEXT_SIZE];	/* what to change, or "" */
};

/* What several checks look at, gathered once */
struct patient {
	struct device d;
	struct device pf;	/* of a VF */
	struct view view;
	struct holder holders[MAX_HOLDERS];
	size_t nr_holders;
	char cmdline[4096];
	int cap;		/* that is asked about, enum vfcap_cap_index */
	bool is_auto;		/* says its parameter */
};

struct check {
	const char *id;		/* for scripts: does not change */
	const char *title;
	unsigned int kinds;	/* of which devices, BIT(KIND_...) */
	int cap;		/* enum vfcap_cap_index, or -1 for all */
	void (*run)(const struct check *c, const struct patient *p,
		    struct finding *f);
};

static void say(struct finding *f, enum verdict status, const char *fmt, ...)
	PRINTF(3, 4);
static void say(struct finding *f, enum verdict status, const char *fmt, ...)
{
	va_list args;

	f->status = status;
	va_start(args, fmt);
	vsnprintf(f->found, sizeof(f->found), fmt, args);
	va_end(args);
}

static void advise(struct finding *f, const char *fmt, ...) PRINTF(2, 3);
static void advise(struct finding *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(f->advice, sizeof(f->advice), fmt, args);
	va_end(args);
}

/* What only auto asks for */
static enum verdict if_auto(const struct patient *p)
{
	return p->is_auto ? PROBLEM : NOTE;
}

/* And only where PASIDs are attached: not for PRI, nor for a VMD endpoint */
static enum verdict if_auto_pasid(const struct patient *p)
{
	return p->cap == VFCAP_CAP_PASID ? if_auto(p) : NOTE;
}

static int count(const char *name, void *data)
{
	(void)name;
	++*(int *)data;
	return 0;
}

static void check_iommu(const struct check *c, const struct patient *p,
			struct finding *f)
{
	bool firmware = sysfs_exists("/sys/firmware/acpi/tables/DMAR") ||
			sysfs_exists("/sys/firmware/acpi/tables/IVRS") ||
			sysfs_exists("/sys/firmware/acpi/tables/IORT");
	int iommus = 0;

	(void)c;
	sysfs_each(count, &iommus, "/sys/class/iommu");
	if (iommus && *p->d.group) {
		say(f, OK, "%d active, the device is in group %s", iommus,
		    p->d.group);
		return;
	}
	if (iommus) {
		say(f, PROBLEM, "%d active, none of them is responsible for this device",
		    iommus);
		advise(f, "look for the device in the kernel's log (DMAR, AMD-Vi, arm-smmu)");
		return;
	}
	say(f, PROBLEM, "none is active; %s",
	    firmware ? "the firmware tells of one" :
		       "the firmware tells of none");
	if (firmware)
		advise(f, "boot with intel_iommu=on,sm_on, or what your IOMMU takes");
	else
		advise(f, "switch it on in the firmware's setup (VT-d, AMD-Vi, SMMU), then boot with intel_iommu=on,sm_on, or what your IOMMU takes");
}

/*
 * Drivers that leave a device's DMA, and so its registers, to user space. Of VFIO
 * there are more: they are known by what VFIO makes for them.
 */
static bool is_user_space(const struct device *d)
{
	static const char * const drivers[] = {
		"pci-stub", "pciback", "vfio-pci",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++)
		if (!strcmp(d->driver, drivers[i]))
			return true;
	return *d->vfio;
}

static void check_pf_driver(const struct check *c, const struct patient *p,
			    struct finding *f)
{
	char takes_part[NAME_SIZE];

	(void)c;
	if (!*p->pf.driver) {
		say(f, PROBLEM, "%s has no driver", p->pf.bdf);
		advise(f, "load the driver of the PF, and bind the PF to it");
	} else if (is_user_space(&p->pf)) {
		say(f, if_auto(p), "%s has %s, which leaves its registers to user space",
		    p->pf.bdf, p->pf.driver);
		advise(f, "bind the PF to its own driver: vfcapctl unbind %s",
		       p->pf.bdf);
	} else if (!sysfs_read(takes_part, sizeof(takes_part),
			       DEVICES "/%s/vfcap/driver", p->pf.bdf) &&
		   strcmp(takes_part, "none")) {
		say(f, OK, "%s has %s, which takes part in vfcap", p->pf.bdf,
		    p->pf.driver);
	} else {
		say(f, OK, "%s has %s", p->pf.bdf, p->pf.driver);
	}
}

/* What the PF has is at hand, or lost, or cannot be used now. */
static void say_pf_state(const struct check *c, const struct patient *p,
			 struct finding *f)
{
	char state[32];

	if (sysfs_read(state, sizeof(state), DEVICES "/%s/vfcap/%s_state",
		       p->pf.bdf, caps[c->cap].key))
		strcpy(state, "unlocked");
	if (!strcmp(state, "lost")) {
		say(f, PROBLEM, "enabled no longer as it was when VFs began to show it");
		advise(f, "bring it back (by the PF's driver), then reset the VF: echo 1 > /sys/bus/pci/devices/%s/reset",
		       p->d.bdf);
	} else if (!strcmp(state, "changing")) {
		say(f, PROBLEM, "the PF's driver is changing it");
		advise(f, "try again later");
	} else {
		say(f, OK, "enabled, %s", state);
	}
}

static void check_pf_cap(const struct check *c, const struct patient *p,
			 struct finding *f)
{
	say_pf_state(c, p, f);
	if (f->status != OK)
		return;
	switch (device_cap_state(p->pf.bdf, c->cap)) {
	case CAP_UNKNOWN:
		say(f, UNKNOWN, "the registers of %s cannot be read", p->pf.bdf);
		advise(f, geteuid() ? "run this as root" :
				      "see whether the PF answers: lspci -vvv -s %s",
		       p->pf.bdf);
		break;
	case CAP_ABSENT:
		say(f, PROBLEM, "%s has no such capability", p->pf.bdf);
		advise(f, "none can be shown with this hardware, or its firmware");
		break;
	case CAP_DISABLED:
		say(f, PROBLEM, "%s has it, not enabled", p->pf.bdf);
		if (c->cap == VFCAP_CAP_PASID)
			advise(f, "the kernel's IOMMU driver enables it: boot with intel_iommu=on,sm_on, or what your IOMMU takes; the ports above the PF need End-End TLP Prefix Support");
		else
			advise(f, "the kernel's IOMMU driver enables it where the IOMMU takes page requests");
		break;
	case CAP_ENABLED:
		break;
	}
}

static void check_vtd(const struct patient *p, const char *iommu,
		      unsigned long long ecap, struct finding *f)
{
	if (!(ecap & VTD_ECAP_SMTS) || !(ecap & VTD_ECAP_PASID)) {
		say(f, if_auto(p), "%s (VT-d) has no %s", iommu,
		    ecap & VTD_ECAP_SMTS ? "PASIDs" : "scalable mode");
		advise(f, "none can be backed with this IOMMU");
	} else if (device_cap_state(p->pf.bdf, VFCAP_CAP_PASID) == CAP_ENABLED ||
		   strstr(p->cmdline, "sm_on")) {
		say(f, OK, "%s (VT-d) has scalable mode with PASIDs, on", iommu);
	} else if (strstr(p->cmdline, "sm_off")) {
		say(f, if_auto(p), "%s (VT-d) has scalable mode, the kernel was booted with sm_off",
		    iommu);
		advise(f, "boot with intel_iommu=on,sm_on");
	} else {
		say(f, NOTE, "%s (VT-d) has scalable mode with PASIDs; without sm_on it depends on the kernel's configuration whether it is used",
		    iommu);
		advise(f, "boot with intel_iommu=on,sm_on");
	}
}

static void check_iommu_pasid(const struct check *c, const struct patient *p,
			      struct finding *f)
{
	char iommu[NAME_SIZE], ecap[32];

	(void)c;
	if (sysfs_link(iommu, sizeof(iommu), DEVICES "/%s/iommu", p->d.bdf)) {
		say(f, PROBLEM, "the device has no IOMMU");
		return;
	}
	if (!sysfs_read(ecap, sizeof(ecap),
			"/sys/class/iommu/%s/intel-iommu/ecap", iommu)) {
		check_vtd(p, iommu, strtoull(ecap, NULL, 16), f);
		return;
	}
	say(f, if_auto(p), "%s is no VT-d: a guest owns its PASID table as a whole there, and PASID Enable cannot be enforced",
	    iommu);
	advise(f, "pasid=on shows it nevertheless: echo on > /sys/module/vfcap_vfio_pci/parameters/pasid");
}

static void check_iommufd(const struct check *c, const struct patient *p,
			  struct finding *f)
{
	unsigned long major, minor;
	struct utsname name;
	char *end;

	(void)c;
	uname(&name);
	major = strtoul(name.release, &end, 10);
	minor = *end ? strtoul(end + 1, NULL, 10) : 0;
	if (major < 6 || (major == 6 && minor < 15)) {
		say(f, if_auto(p), "Linux %s attaches no PASIDs for VMMs",
		    name.release);
		advise(f, "pasid=auto takes Linux 6.15 or later");
	} else if (!sysfs_exists("/dev/iommu")) {
		say(f, if_auto(p), "there is no /dev/iommu");
		advise(f, "modprobe iommufd; if there is none, use a kernel with CONFIG_IOMMUFD");
	} else if (*p->d.vfio && !p->d.has_cdev) {
		say(f, if_auto(p), "VFIO has made no cdev for the device");
		advise(f, "use a kernel with CONFIG_VFIO_DEVICE_CDEV");
	} else {
		say(f, OK, "Linux %s, %s", name.release, p->d.has_cdev ?
		    "and the device has a cdev" : "with /dev/iommu");
	}
}

struct others {
	const char *self;
	char text[TEXT_SIZE];
};

static int other(const char *name, void *data)
{
	struct others *o = data;
	size_t len = strlen(o->text);

	if (strcmp(name, o->self))
		snprintf(o->text + len, sizeof(o->text) - len, " %s", name);
	return 0;
}

static void check_group(const struct check *c, const struct patient *p,
			struct finding *f)
{
	struct others others = { .self = p->d.bdf };

	(void)c;
	if (!*p->d.group) {
		say(f, PROBLEM, "the device is in none");
		return;
	}
	sysfs_each(other, &others, "/sys/kernel/iommu_groups/%s/devices",
		   p->d.group);
	if (!*others.text) {
		say(f, OK, "alone in group %s", p->d.group);
		return;
	}
	say(f, if_auto_pasid(p),
	    "group %s has other devices:%.400s", p->d.group, others.text);
	advise(f, "use a slot behind a port with ACS");
}

static void check_driver(const struct check *c, const struct patient *p,
			 struct finding *f)
{
	(void)c;
	if (!strcmp(p->d.driver, OUR_DRIVER)) {
		say(f, OK, "%s", p->d.driver);
		return;
	}
	say(f, PROBLEM, "%s", *p->d.driver ? p->d.driver : "none");
	advise(f, "vfcapctl bind %s", p->d.bdf);
}

static void check_module(const struct check *c, const struct patient *p,
			 struct finding *f)
{
	static const char * const modules[] = { "vfcap_vfio_pci", "pci_vfcap" };
	struct module_versions versions;
	char path[PATH_MAX];
	size_t i;

	(void)c;
	(void)p;
	say(f, OK, "loaded as they are installed");
	for (i = 0; f->status == OK && i < ARRAY_SIZE(modules); i++) {
		switch (module_compare(modules[i], path, &versions)) {
		case MODULE_NOT_LOADED:
			say(f, PROBLEM, "%s is not loaded", modules[i]);
			advise(f, *path ? "modprobe %s" :
			       "%s is not installed for this kernel either: apt install vfcap-dkms, or make modules_install, depmod, modprobe",
			       modules[i]);
			break;
		case MODULE_NOT_INSTALLED:
			say(f, NOTE, "%s is loaded, and not installed for this kernel",
			    modules[i]);
			advise(f, "to have it after the next boot: apt install vfcap-dkms, or make modules_install, depmod");
			break;
		case MODULE_DIFFERS:
			say(f, PROBLEM, "%s %s is loaded from another build than %.300s, which is %s",
			    modules[i], versions.loaded, path,
			    versions.installed);
			advise(f, "boot, or once no VM has a device of it: modprobe -r vfcap-vfio-pci && modprobe vfcap-vfio-pci");
			break;
		case MODULE_UNKNOWN:
			say(f, UNKNOWN, "%s has no build ID to compare, or %.300s has none",
			    modules[i], path);
			break;
		case MODULE_SAME:
			break;
		}
	}
}

static void check_parameter(const struct check *c, const struct patient *p,
			    struct finding *f)
{
	char value[32];

	(void)p;
	if (sysfs_read(value, sizeof(value),
		       "/sys/module/vfcap_vfio_pci/parameters/%s",
		       caps[c->cap].param)) {
		say(f, UNKNOWN, "the loaded vfcap-vfio-pci, if any, has none");
		return;
	}
	say(f, strcmp(value, "off") ? OK : PROBLEM, "%s=%s", caps[c->cap].param,
	    value);
	if (f->status == PROBLEM)
		advise(f, "echo auto > /sys/module/vfcap_vfio_pci/parameters/%s, then open the device anew",
		       caps[c->cap].param);
}

static void check_opened(const struct check *c, const struct patient *p,
			 struct finding *f)
{
	const struct holder *h = &p->holders[0];
	char who[2 * NAME_SIZE], used[TEXT_SIZE];

	(void)c;
	if (!p->nr_holders) {
		device_used_by(&p->d, used, sizeof(used));
		if (*used)
			say(f, UNKNOWN, "%s", used);
		else
			say(f, OK, "not in use");
		return;
	}
	holder_describe(h, who, sizeof(who));
	if (h->via == VIA_CDEV || p->d.kind == KIND_VMD) {
		say(f, OK, "by %s, through its %s", who, via_names[h->via]);
		return;
	}
	say(f, if_auto_pasid(p), "by %s, through its group", who);
	advise(f, "have the VMM use iommufd (QEMU: -object iommufd,id=iommufd0 -device vfio-pci,iommufd=iommufd0,...)");
}

/* The ports above a function, as sysfs nests them */
static bool find_port_without_prefix(const char *bdf, char *out, size_t size)
{
	char real[PATH_MAX], link[PATH_MAX];
	uint32_t devcap2;
	char *slash, *name;

	snprintf(link, sizeof(link), DEVICES "/%s", bdf);
	if (!realpath(link, real))
		return false;
	while ((slash = strrchr(real, '/'))) {
		*slash = 0;
		name = strrchr(real, '/');
		if (!name || !sysfs_exists(DEVICES "/%s", name + 1))
			return false;
		if (device_devcap2(name + 1, &devcap2) &&
		    !(devcap2 & PCI_EXP_DEVCAP2_EE_PREFIX)) {
			snprintf(out, size, "%s", name + 1);
			return true;
		}
	}
	return false;
}

static void check_prefix(const struct check *c, const struct patient *p,
			 struct finding *f)
{
	char port[BDF_SIZE];
	uint32_t devcap2;

	(void)c;
	if (!device_devcap2(p->d.bdf, &devcap2)) {
		say(f, UNKNOWN, "the registers of %s cannot be read", p->d.bdf);
		if (geteuid())
			advise(f, "run this as root");
	} else if (!(devcap2 & PCI_EXP_DEVCAP2_EE_PREFIX)) {
		say(f, NOTE, "%s lacks it: a Linux guest will not enable PASID",
		    p->d.bdf);
		advise(f, "nothing can be changed with this hardware; other guests may enable PASID");
	} else if (find_port_without_prefix(p->d.bdf, port, sizeof(port))) {
		say(f, NOTE, "port %s above the device lacks it: Linux will not enable PASID in the PF",
		    port);
		advise(f, "use another slot");
	} else {
		say(f, OK, "the device and the ports above it support it");
	}
}

static void check_shown(const struct check *c, const struct patient *p,
			struct finding *f)
{
	const struct cap_view *v = &p->view.caps[c->cap];
	const char *why = view_explain(&p->view, c->cap, &p->d);

	if (v->lost) {
		say(f, PROBLEM, "at %#x, and lost", v->offset);
		advise(f, "once the PF has it back: echo 1 > " DEVICES "/%s/reset",
		       p->d.bdf);
	} else if (p->view.native_shadow) {
		say(f, OK, "no: %s", why);
	} else if (v->shown) {
		say(f, OK, "at %#x%s%s", v->offset, *why ? ": " : "", why);
	} else if (v->explained && v->reason == VFCAP_REASON_NOT_APPLICABLE) {
		say(f, NOTE, "no: %s", why);
	} else if (v->known || strcmp(p->d.driver, OUR_DRIVER)) {
		say(f, PROBLEM, "no: %s", why);
	} else {
		say(f, UNKNOWN, "%s", *p->view.note ? p->view.note : why);
	}
}

#define ANY	(BIT(KIND_VF) | BIT(KIND_VMD))
#define VF	BIT(KIND_VF)
#define VMD	BIT(KIND_VMD)
#define ALL	-1
#define PASID	VFCAP_CAP_PASID
#define PRI	VFCAP_CAP_PRI
#define SHDW	VFCAP_CAP_SHDW

static const struct check checks[] = {
	{ "iommu", "IOMMU in firmware and kernel", ANY, ALL, check_iommu },
	{ "pf-driver", "driver of the PF", VF, ALL, check_pf_driver },
	{ "pf-pasid", "PASID in the PF", VF, PASID, check_pf_cap },
	{ "pf-pri", "PRI in the PF", VF, PRI, check_pf_cap },
	{ "iommu-pasid", "PASIDs in the IOMMU", VF, PASID, check_iommu_pasid },
	{ "iommufd", "PASIDs in the kernel", VF, PASID, check_iommufd },
	{ "group", "IOMMU group", ANY, ALL, check_group },
	{ "driver", "driver of the device", ANY, ALL, check_driver },
	{ "module", "modules", ANY, ALL, check_module },
	{ "pasid-parameter", "parameter for PASID", VF, PASID, check_parameter },
	{ "pri-parameter", "parameter for PRI", VF, PRI, check_parameter },
	{ "shdw-parameter", "parameter for SHDW", VMD, SHDW, check_parameter },
	{ "opened", "how it was opened", ANY, ALL, check_opened },
	{ "tlp-prefix", "End-End TLP Prefix", VF, PASID, check_prefix },
	{ "pasid-shown", "PASID is shown", VF, PASID, check_shown },
	{ "pri-shown", "PRI is shown", VF, PRI, check_shown },
	{ "shdw-shown", "SHDW is shown", VMD, SHDW, check_shown },
};

static bool is_wanted(const struct check *c, const struct patient *p, int cap)
{
	if (!(c->kinds & BIT(p->d.kind)))
		return false;
	return cap < 0 || c->cap < 0 || c->cap == cap;
}

static void examine(const struct check *c, const struct patient *p, int cap,
		    struct finding *f)
{
	*f = (struct finding){};
	c->run(c, p, f);
	if (f->status == PROBLEM && c->cap == VFCAP_CAP_PRI && cap < 0)
		f->status = NOTE;
}

static void patient_load(struct patient *p, const struct request *req)
{
	char value[32];

	p->cap = req->cap >= 0 ? req->cap :
		 p->d.kind == KIND_VMD ? VFCAP_CAP_SHDW : VFCAP_CAP_PASID;
	if (*p->d.pf)
		device_load(&p->pf, p->d.pf);
	sysfs_read(p->cmdline, sizeof(p->cmdline), "/proc/cmdline");
	p->is_auto = sysfs_read(value, sizeof(value),
				"/sys/module/vfcap_vfio_pci/parameters/%s",
				caps[p->cap].param) || strcmp(value, "on");
	view_load(&p->view, &p->d, !req->no_open);
	p->nr_holders = holders_find(&p->d, p->holders);
}

static int print_text(const struct patient *p, int cap)
{
	static const char * const headers[] = { "STATUS", "CHECK", "FOUND" };
	struct table *t = table_new(headers, ARRAY_SIZE(headers));
	int problems = 0;
	struct finding f;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		if (!is_wanted(&checks[i], p, cap))
			continue;
		examine(&checks[i], p, cap, &f);
		problems += f.status == PROBLEM;
		table_cell(t, verdicts[f.status].color, "%s",
			   verdicts[f.status].name);
		table_cell(t, PLAIN, "%s", checks[i].title);
		table_cell(t, PLAIN, "%s%s%s", f.found,
			   *f.advice ? "\n-> " : "", f.advice);
	}
	table_print(t);
	return problems;
}

static int print_json(const struct patient *p, int cap)
{
	struct json_object *o = json_object_new_object();
	struct json_object *array = json_object_new_array();
	int problems = 0;
	struct finding f;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		struct json_object *check;

		if (!is_wanted(&checks[i], p, cap))
			continue;
		examine(&checks[i], p, cap, &f);
		problems += f.status == PROBLEM;
		check = json_object_new_object();
		json_set_text(check, "id", checks[i].id);
		json_set_text(check, "status", verdicts[f.status].name);
		json_set_text(check, "found", f.found);
		json_set_text(check, "advice", f.advice);
		json_object_array_add(array, check);
	}
	json_set_number(o, "version", 1);
	json_set_text(o, "address", p->d.bdf);
	json_set_text(o, "kind", kind_names[p->d.kind]);
	json_set_number(o, "problems", problems);
	json_object_object_add(o, "checks", array);
	json_object_object_add(o, "capabilities", view_json(&p->view, &p->d));
	json_print(o);
	return problems;
}

enum status cmd_doctor(const struct request *req)
{
	struct patient p = {};
	enum status status;
	int problems;

	status = device_find(&p.d, req->device);
	if (status != STATUS_OK)
		return status;
	if (p.d.kind != KIND_VF && p.d.kind != KIND_VMD)
		return fail(STATUS_UNSUPPORTED,
			    "%s: neither a VF nor a VMD endpoint: nothing is shown on it",
			    p.d.bdf);
	if (req->cap >= 0 && !cap_is_for(req->cap, &p.d))
		return fail(STATUS_UNSUPPORTED, "%s: %s is not for such a device",
			    p.d.bdf, caps[req->cap].name);

	patient_load(&p, req);
	problems = req->json ? print_json(&p, req->cap) :
			       print_text(&p, req->cap);
	return problems ? STATUS_FAILED : STATUS_OK;
}
