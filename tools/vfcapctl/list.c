// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl list: PFs, their VFs and VMD endpoints, and who uses what
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "vfcapctl.h"

struct list {
	struct device *devices;
	size_t n;
};

/* What sysfs and the registers tell of one capability of one function */
struct entry {
	enum cap_state hardware;	/* of a PF */
	char state[32];			/* "" where vfcap knows nothing of it */
	char users[TEXT_SIZE];		/* of a PF: VFs, with blanks between */
	unsigned int offset;		/* of a VF */
};

/* Those that sysfs tells of */
static const int listed[] = { VFCAP_CAP_PASID, VFCAP_CAP_PRI };

static const char * const cap_state_names[] = {
	[CAP_UNKNOWN]	= "?",
	[CAP_ABSENT]	= "absent",
	[CAP_DISABLED]	= "disabled",
	[CAP_ENABLED]	= "enabled",
};

static bool matters(const struct device *d)
{
	switch (d->kind) {
	case KIND_PF:
		return d->num_vfs ||
		       device_cap_state(d->bdf, VFCAP_CAP_PASID) > CAP_ABSENT ||
		       device_cap_state(d->bdf, VFCAP_CAP_PRI) > CAP_ABSENT;
	case KIND_VF:
	case KIND_VMD:
		return true;
	default:
		return false;
	}
}

static int add(const char *name, void *data)
{
	struct list *list = data;
	struct device d, *more;

	if (device_load(&d, name) || !matters(&d))
		return 0;
	more = reallocarray(list->devices, list->n + 1, sizeof(d));
	if (!more)
		return -ENOMEM;
	list->devices = more;
	list->devices[list->n++] = d;
	return 0;
}

static void entry_load(struct entry *e, const struct device *d, int cap)
{
	char path[128], offset[32];
	char *c;

	*e = (struct entry){};
	if (d->kind == KIND_PF)
		e->hardware = device_cap_state(d->bdf, cap);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfcap/%s",
		 d->bdf, caps[cap].key);
	sysfs_read(e->state, sizeof(e->state), "%s_state", path);
	if (!sysfs_read(offset, sizeof(offset), "%s_offset", path))
		e->offset = strtoul(offset, NULL, 0);
	sysfs_read(e->users, sizeof(e->users), "%s_users", path);
	for (c = e->users; *c; c++)
		if (*c == '\n')
			*c = ' ';
}

static const struct {
	const char *state;
	enum color color;
} state_colors[] = {
	{ "shown", GREEN },
	{ "locked", GREEN },
	{ "held", YELLOW },
	{ "changing", YELLOW },
	{ "lost", RED },
};

static enum color state_color(const char *state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(state_colors); i++)
		if (!strcmp(state, state_colors[i].state))
			return state_colors[i].color;
	return PLAIN;
}

static void cell_entry(struct table *t, const struct device *d, int cap)
{
	enum color color;
	struct entry e;

	entry_load(&e, d, cap);
	color = state_color(e.state);
	if (d->kind == KIND_PF && *e.state && e.hardware != CAP_ABSENT)
		table_cell(t, color, "%s, %s", cap_state_names[e.hardware],
			   e.state);
	else if (d->kind == KIND_PF)
		table_cell(t, color, "%s", cap_state_names[e.hardware]);
	else if (e.offset)
		table_cell(t, color, "%s at %#x", e.state, e.offset);
	else
		table_cell(t, *e.state ? color : DIM, "%s",
			   *e.state ? e.state : "-");
}

/* A PF is used by VFs, the others by processes. */
static void cell_users(struct table *t, const struct device *d)
{
	struct holder h[MAX_HOLDERS];
	char text[TEXT_SIZE] = "";
	size_t n, i, len = 0;
	struct entry e[2];

	if (d->kind == KIND_PF) {
		entry_load(&e[0], d, VFCAP_CAP_PASID);
		entry_load(&e[1], d, VFCAP_CAP_PRI);
		table_cell(t, PLAIN, "%s",
			   *e[0].users ? e[0].users :
			   *e[1].users ? e[1].users : "-");
		return;
	}
	n = holders_find(d, h);
	for (i = 0; i < n && len < sizeof(text) - 2 * NAME_SIZE; i++) {
		len += snprintf(text + len, sizeof(text) - len, "%s",
				i ? ", " : "");
		holder_describe(&h[i], text + len, sizeof(text) - len);
		len += strlen(text + len);
	}
	table_cell(t, PLAIN, "%s", *text ? text : "-");
}

static void print_text(const struct list *list)
{
	static const char * const headers[] = {
		"ADDRESS", "KIND", "DRIVER", "PASID", "PRI", "USED BY",
	};
	struct table *t = table_new(headers, ARRAY_SIZE(headers));
	size_t i, j;

	for (i = 0; i < list->n; i++) {
		const struct device *d = &list->devices[i];

		table_cell(t, PLAIN, "%s", d->bdf);
		table_cell(t, PLAIN, "%s", kind_names[d->kind]);
		table_cell(t, *d->driver ? PLAIN : DIM, "%s",
			   *d->driver ? d->driver : "-");
		for (j = 0; j < ARRAY_SIZE(listed); j++)
			cell_entry(t, d, listed[j]);
		cell_users(t, d);
	}
	table_print(t);
}

static struct json_object *words_json(const char *words)
{
	struct json_object *array = json_object_new_array(), *word;
	size_t len;

	for (; *words; words += len + strspn(words + len, " ")) {
		len = strcspn(words, " ");
		word = json_object_new_string_len(words, len);
		json_object_array_add(array, word);
	}
	return array;
}

static struct json_object *entry_json(const struct device *d, int cap)
{
	struct json_object *o = json_object_new_object();
	struct entry e;

	entry_load(&e, d, cap);
	json_set_text(o, "state", e.state);
	if (d->kind == KIND_PF) {
		json_set_text(o, "hardware", e.hardware == CAP_UNKNOWN ?
			      NULL : cap_state_names[e.hardware]);
		json_object_object_add(o, "users", words_json(e.users));
	} else {
		json_set_number(o, "offset", e.offset ? (long)e.offset : -1);
	}
	return o;
}

static struct json_object *device_json(const struct device *d)
{
	struct json_object *o = json_object_new_object();
	struct json_object *all = json_object_new_object();
	struct holder h[MAX_HOLDERS];
	size_t i;

	json_set_text(o, "address", d->bdf);
	json_set_text(o, "kind", kind_names[d->kind]);
	json_set_number(o, "vendor", d->vendor);
	json_set_number(o, "device", d->device);
	json_set_text(o, "driver", d->driver);
	json_set_text(o, "driver_override", d->override);
	json_set_text(o, "pf", d->pf);
	json_set_number(o, "num_vfs", d->kind == KIND_PF ? (long)d->num_vfs : -1);
	json_set_text(o, "iommu_group", d->group);
	for (i = 0; i < ARRAY_SIZE(listed); i++)
		if (d->kind == KIND_PF || cap_is_for(listed[i], d))
			json_object_object_add(all, caps[listed[i]].key,
					       entry_json(d, listed[i]));
	json_object_object_add(o, "capabilities", all);
	json_object_object_add(o, "users", holders_json(h, holders_find(d, h)));
	return o;
}

static void print_json(const struct list *list)
{
	struct json_object *o = json_object_new_object();
	struct json_object *array = json_object_new_array();
	size_t i;

	for (i = 0; i < list->n; i++)
		json_object_array_add(array, device_json(&list->devices[i]));
	json_set_number(o, "version", 1);
	json_object_object_add(o, "functions", array);
	json_print(o);
}

enum status cmd_list(const struct request *req)
{
	struct list list = {};
	int err;

	err = sysfs_each(add, &list, "/sys/bus/pci/devices");
	if (err)
		fail(STATUS_FAILED, "cannot list /sys/bus/pci/devices: %s",
		     strerror(-err));
	else if (req->json)
		print_json(&list);
	else if (list.n)
		print_text(&list);
	else
		fail(STATUS_OK, "no PF with VFs, PASID or PRI here, no VF, and no VMD endpoint");
	free(list.devices);
	return err ? STATUS_FAILED : STATUS_OK;
}
