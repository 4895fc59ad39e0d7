// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl show: a device as its user, a guest, sees it
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "vfcapctl.h"

/* As "lspci -xxxx" prints it, and "lspci -F" reads it */
void print_config(const struct device *d, const uint8_t *config,
		  size_t size)
{
	char description[TEXT_SIZE];
	size_t pos;

	device_describe(d, description, sizeof(description));
	printf("%s %s", d->bdf, description);
	for (pos = 0; pos < size; pos++) {
		if (pos % 16 == 0)
			printf("\n%02zx:", pos);
		printf(" %02x", config[pos]);
	}
	printf("\n\n");
}

static enum status dump(const struct device *d)
{
	struct dump dump = {};

	dump_load(&dump, d);
	if (dump.status != STATUS_OK)
		return fail(dump.status, "%s", dump.why);
	print_config(d, dump.config, dump.size);
	return STATUS_OK;
}

static void print_source(const struct view *v)
{
	switch (v->source) {
	case SOURCE_OWN:
		print_line(6, "Seen: as a VMM that opens its %s sees it; it was opened to find out, which reset it",
			   via_names[v->via]);
		break;
	case SOURCE_USER:
		print_line(6, "Seen: as its user sees it, through its %s",
			   via_names[v->via]);
		break;
	case SOURCE_SYSFS:
		print_line(6, "Seen: through sysfs; %s", v->note);
		break;
	case SOURCE_NONE:
		print_line(6, "Seen: not at all; %s", v->note);
		break;
	}
	putchar('\n');
}

static void print_text(const struct device *d, const struct view *v)
{
	static const char * const headers[] = {
		"CAPABILITY", "SHOWN", "OFFSET", "SIZE", "ENABLED",
		"EXPLANATION",
	};
	char text[TEXT_SIZE], used[TEXT_SIZE];
	struct table *t;
	int cap;

	device_describe(d, text, sizeof(text));
	print_line(2, "%s %s", d->bdf, text);
	print_line(8, "Driver: %s", *d->driver ? d->driver : "none");
	if (*d->pf)
		print_line(4, "PF: %s", d->pf);
	print_line(7, "Group: %s", *d->group ? d->group : "none");
	device_used_by(d, used, sizeof(used));
	print_line(6, "User: %s", *used ? used : "none");
	if (v->caps[VFCAP_CAP_PASID].nr_pasids)
		print_line(8, "PASIDs: %u attached by its user%s",
			   v->caps[VFCAP_CAP_PASID].nr_pasids,
			   v->caps[VFCAP_CAP_PASID].written ? "" :
			   ", but PASID Enable was never written");
	print_source(v);

	t = table_new(headers, ARRAY_SIZE(headers));
	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++) {
		const struct cap_view *c = &v->caps[cap];

		if (!cap_is_for(cap, d))
			continue;
		table_cell(t, PLAIN, "%s", caps[cap].name);
		table_cell(t, c->lost ? RED : c->shown ? GREEN : PLAIN, "%s",
			   c->lost ? "lost" : c->shown ? "yes" :
			   c->known ? "no" : "-");
		table_cell(t, PLAIN, c->shown ? "%#x" : "-", c->offset);
		table_cell(t, PLAIN, c->size ? "%u" : "-", c->size);
		table_cell(t, PLAIN, "%s",
			   !c->shown || v->source == SOURCE_SYSFS ||
			   !caps[cap].enable ? "-" : c->enabled ? "yes" : "no");
		table_cell(t, PLAIN, "%s", view_explain(v, cap, d));
	}
	table_print(t);
}

static void print_json(const struct device *d, const struct view *v)
{
	struct json_object *o = json_new();

	json_set_text(o, "address", d->bdf);
	json_set_text(o, "kind", kind_names[d->kind]);
	json_set_text(o, "driver", d->driver);
	json_set_text(o, "pf", d->pf);
	json_set_text(o, "going", fates[d->fate].key);
	json_set_text(o, "source", source_names[v->source]);
	json_set_text(o, "through", via_names[v->via]);
	json_set_text(o, "note", v->note);
	json_object_object_add(o, "users", holders_json(d));
	json_object_object_add(o, "capabilities", view_json(v, d));
	json_print(o);
}

enum status cmd_show(const struct request *req)
{
	enum status status;
	struct device d;
	struct view v;

	if (req->dump && (req->json || req->no_open))
		return fail(STATUS_USAGE, "--dump cannot be combined with --json or --no-open");
	status = device_find(&d, req->device);
	if (status != STATUS_OK)
		return status;
	if (req->dump)
		return dump(&d);
	status = device_check_kind(&d);
	if (status != STATUS_OK)
		return status;

	view_load(&v, &d, req->no_open ? LOOK_SYSFS : LOOK_OPEN);
	if (req->json)
		print_json(&d, &v);
	else
		print_text(&d, &v);
	return STATUS_OK;
}
