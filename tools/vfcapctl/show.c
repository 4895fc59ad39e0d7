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
static void print_dump(const struct device *d, const uint8_t *config,
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
	uint8_t config[CONFIG_SIZE];
	enum status status;
	struct session s;
	ssize_t size;

	status = session_open(&s, d);
	if (status != STATUS_OK)
		return fail(status, "%s", s.why);
	size = s.config_size < sizeof(config) ? s.config_size : sizeof(config);
	size = session_read(&s, 0, config, size);
	session_close(&s);
	if (size <= 0)
		return fail(STATUS_FAILED, "%s: cannot read its config space: %s",
			    d->bdf, size ? strerror(-size) : "it is empty");
	print_dump(d, config, size);
	return STATUS_OK;
}

static void print_source(const struct view *v)
{
	switch (v->source) {
	case SOURCE_OWN:
		printf("Seen: as a VMM sees it that opens its %s\n\n",
		       via_names[v->via]);
		break;
	case SOURCE_USER:
		printf("Seen: as its user sees it, who opened its %s\n\n",
		       via_names[v->via]);
		break;
	case SOURCE_SYSFS:
		printf("Seen: as sysfs tells it; %s\n\n", v->note);
		break;
	case SOURCE_NONE:
		printf("Seen: not at all; %s\n\n", v->note);
		break;
	}
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
	printf("%s %s\n", d->bdf, text);
	printf("Driver: %s\n", *d->driver ? d->driver : "none");
	if (*d->pf)
		printf("PF: %s\n", d->pf);
	device_used_by(d, used, sizeof(used));
	printf("User: %s\n", *used ? used : "none");
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
	struct json_object *o = json_object_new_object();
	struct holder h[MAX_HOLDERS];

	json_set_number(o, "version", 1);
	json_set_text(o, "address", d->bdf);
	json_set_text(o, "kind", kind_names[d->kind]);
	json_set_text(o, "driver", d->driver);
	json_set_text(o, "pf", d->pf);
	json_set_text(o, "source", source_names[v->source]);
	json_set_text(o, "through", via_names[v->via]);
	json_set_text(o, "note", v->note);
	json_object_object_add(o, "users", holders_json(h, holders_find(d, h)));
	json_object_object_add(o, "capabilities", view_json(v, d));
	json_print(o);
}

enum status cmd_show(const struct request *req)
{
	enum status status;
	struct device d;
	struct view v;

	if (req->dump && (req->json || req->no_open))
		return fail(STATUS_USAGE, "--dump goes with neither --json nor --no-open");
	status = device_find(&d, req->device);
	if (status != STATUS_OK)
		return status;
	if (req->dump)
		return dump(&d);
	if (d.kind != KIND_VF && d.kind != KIND_VMD)
		return fail(STATUS_UNSUPPORTED,
			    "%s: neither a VF nor a VMD endpoint: nothing is shown on it; \"vfcapctl list\" has PFs",
			    d.bdf);

	view_load(&v, &d, !req->no_open);
	if (req->json)
		print_json(&d, &v);
	else
		print_text(&d, &v);
	return STATUS_OK;
}
