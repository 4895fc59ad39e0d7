// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl metrics: states as numbers, in the text format of Prometheus
 *
 * Everything that is read for this can be read by anybody, and at once, and leaves devices
 * and processes alone. The exception is the registers of PFs, which require root; without
 * it, their metrics are left out.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfcapctl.h"

struct function {
	struct device d;
	struct regs regs;			/* of a PF */
	bool is_ours;
	bool is_open;
	char states[VFCAP_CAP_COUNT][32];	/* "" where there is none */
	unsigned int nr_users[VFCAP_CAP_COUNT];	/* of a PF, which are VFs */
};

struct all {
	struct function *functions;
	size_t n;
};

static int add(const char *name, void *data)
{
	struct all *all = data;
	struct function *f;
	char open[8];
	int cap;

	all->functions = must(reallocarray(all->functions, all->n + 1, sizeof(*f)));
	f = &all->functions[all->n];
	*f = (struct function){};
	device_load(&f->d, name);
	if (f->d.kind == KIND_OTHER)
		return 0;
	f->is_ours = !strcmp(f->d.driver, OUR_DRIVER);
	if (f->d.kind == KIND_PF)
		regs_read(&f->regs, name);
	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++)
		sysfs_read(f->states[cap], sizeof(f->states[cap]),
			   DEVICES "/%s/vfcap/%s_state", name, caps[cap].key);
	sysfs_read(open, sizeof(open), DEVICES "/%s/vfcap/open", name);
	f->is_open = *open == '1';
	all->n++;
	return 0;
}

static bool has(const struct function *f, int cap, const char *state)
{
	return !strcmp(f->states[cap], state);
}

static bool is_lost(const struct function *f, int cap)
{
	return has(f, cap, "lost") || has(f, cap, "losing");
}

/* Whether it has the capability locked: see list */
static bool is_user(const struct function *f, int cap)
{
	return f->d.kind == KIND_VF && f->is_open &&
	       (is_lost(f, cap) || has(f, cap, "shown") || has(f, cap, "held"));
}

static bool is_pf_of(const struct function *pf, const struct function *f)
{
	return pf && !strcmp(pf->d.bdf, f->d.pf);
}

static void count_users(struct all *all)
{
	struct function *pf = NULL;
	size_t i, j;
	int cap;

	for (i = 0; i < all->n; i++) {
		const struct function *f = &all->functions[i];

		/* VFs of a PF are usually adjacent. */
		for (j = 0; *f->d.pf && !is_pf_of(pf, f) && j < all->n; j++)
			pf = &all->functions[j];
		if (!is_pf_of(pf, f))
			continue;
		for (cap = 0; cap < VFCAP_CAP_COUNT; cap++)
			pf->nr_users[cap] += is_user(f, cap);
	}
}

/* A number for a function, and for one of its capabilities; -1: there is none */
typedef long number_fn(const struct function *f, int cap);

static long get_info(const struct function *f, int cap)
{
	(void)f;
	(void)cap;
	return 1;
}

static long get_vfs(const struct function *f, int cap)
{
	(void)cap;
	return f->d.kind == KIND_PF ? (long)f->d.num_vfs : -1;
}

static long get_possible_vfs(const struct function *f, int cap)
{
	(void)cap;
	return f->d.kind == KIND_PF ? (long)f->d.total_vfs : -1;
}

static long get_open(const struct function *f, int cap)
{
	(void)cap;
	return cap_is_for(VFCAP_CAP_PASID, &f->d) && f->is_ours ? f->is_open : -1;
}

static bool is_of_guest(const struct function *f, int cap)
{
	return cap_is_for(cap, &f->d) && f->is_ours && *f->states[cap];
}

static long get_shown(const struct function *f, int cap)
{
	return is_of_guest(f, cap) ? has(f, cap, "shown") : -1;
}

static long get_lost(const struct function *f, int cap)
{
	return is_of_guest(f, cap) ? is_lost(f, cap) : -1;
}

static long get_enabled(const struct function *f, int cap)
{
	enum cap_state state = regs_cap(&f->regs, cap);

	return f->d.kind == KIND_PF && state > CAP_ABSENT ? state == CAP_ENABLED : -1;
}

static long get_users(const struct function *f, int cap)
{
	return f->d.kind == KIND_PF && *f->states[cap] ? (long)f->nr_users[cap] : -1;
}

/* Names do not change. */
static const struct metric {
	const char *name;
	const char *help;
	bool is_of_cap;
	number_fn *get;
} metrics[] = {
	{ "vfcap_function_info",
	  "PFs that can have VFs, VFs, whole functions and VMD endpoints, with their drivers",
	  false, get_info },
	{ "vfcap_vfs", "VFs that a PF has", false, get_vfs },
	{ "vfcap_vfs_possible", "VFs that a PF can have", false, get_possible_vfs },
	{ "vfcap_open",
	  "Whether somebody has a VF of vfcap-vfio-pci open", false, get_open },
	{ "vfcap_capability_shown",
	  "Whether a VF's user is shown a capability that can be used", true, get_shown },
	{ "vfcap_capability_lost",
	  "Whether a VF's user has lost a capability until the PF has it back and the VF is reset",
	  true, get_lost },
	{ "vfcap_pf_capability_enabled",
	  "Whether a capability is enabled in a PF's registers", true, get_enabled },
	{ "vfcap_pf_capability_users",
	  "Open VFs that depend on a PF's capability", true, get_users },
};

/* No name in the kernel contains anything that a label's value must not contain. */
static void print_labels(const struct metric *m, const struct function *f, int cap)
{
	printf("%s{address=\"%s\"", m->name, f->d.bdf);
	if (*f->d.pf)
		printf(",pf=\"%s\"", f->d.pf);
	if (m->get == get_info)
		printf(",kind=\"%s\",driver=\"%s\"", kind_names[f->d.kind],
		       f->d.driver);
	if (m->is_of_cap)
		printf(",capability=\"%s\"", caps[cap].key);
}

static void print_metric(const struct metric *m, const struct all *all)
{
	size_t i;
	int cap;

	printf("# HELP %s %s\n# TYPE %s gauge\n", m->name, m->help, m->name);
	for (i = 0; i < all->n; i++) {
		const struct function *f = &all->functions[i];

		/* sysfs has nothing about VMD endpoints. */
		for (cap = 0; cap < (m->is_of_cap ? VFCAP_CAP_SHDW : 1); cap++) {
			long number = m->get(f, cap);

			if (number < 0)
				continue;
			print_labels(m, f, cap);
			printf("} %ld\n", number);
		}
	}
}

static void print_modules(void)
{
	static const char * const modules[] = { "pci_vfcap", "vfcap_vfio_pci" };
	char version[NAME_SIZE];
	size_t i;

	puts("# HELP vfcap_module_info Modules that are loaded\n"
	     "# TYPE vfcap_module_info gauge");
	for (i = 0; i < ARRAY_SIZE(modules); i++)
		if (!sysfs_read(version, sizeof(version), "/sys/module/%s/version",
				modules[i]))
			printf("vfcap_module_info{module=\"%s\",version=\"%s\"} 1\n",
			       modules[i], version);
}

enum status cmd_metrics(const struct request *req)
{
	struct all all = {};
	size_t i;
	int err;

	(void)req;
	err = sysfs_each(add, &all, DEVICES);
	if (err)
		return fail(STATUS_FAILED, "cannot list " DEVICES ": %s",
			    strerror(-err));
	count_users(&all);
	print_modules();
	for (i = 0; i < ARRAY_SIZE(metrics); i++)
		print_metric(&metrics[i], &all);
	free(all.functions);
	return STATUS_OK;
}
