// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl list: PFs, their VFs, functions with PASID and VMD endpoints, and who uses what
 *
 * A PF may have a thousand VFs: each file is read once, from the device's folder. Files
 * that cover all VFs and may be cut off, like the PF's list of users, are not used.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "vfcapctl.h"

/* The capabilities that sysfs has files for */
static const int listed[] = { VFCAP_CAP_PASID, VFCAP_CAP_PRI };

#define LISTED	ARRAY_SIZE(listed)

/* What sysfs and the registers tell about one capability of one function */
struct entry {
	enum cap_state hardware;	/* of a PF */
	char state[32];			/* "" if vfcap knows nothing about it */
	const char *why;		/* of a VF that hides it, or NULL */
	unsigned int offset;		/* of a VF */
	size_t nr_users;		/* of a PF: VFs that lock it */
};

struct line {
	struct device d;
	struct regs regs;		/* of a PF */
	struct entry entries[LISTED];
};

struct list {
	const struct request *req;
	struct line *lines;
	size_t n;
};

/* "not open" is not a state in sysfs, which says "hidden" for two things. */
#define NOT_OPEN	"not open"
#define HIDDEN		"hidden"

/* The driver is asked about this many VFs at once, and after this time about no more. */
#define BATCH		16
#define ASK_MS		300

/* This many users of a PF are named in the table. */
#define MAX_NAMED	4

static const char * const cap_state_names[] = {
	[CAP_UNKNOWN]	= "?",
	[CAP_ABSENT]	= "absent",
	[CAP_DISABLED]	= "disabled",
	[CAP_ENABLED]	= "enabled",
};

static bool matters(const struct line *l)
{
	switch (l->d.kind) {
	case KIND_PF:
		return l->d.num_vfs ||
		       regs_cap(&l->regs, VFCAP_CAP_PASID) > CAP_ABSENT ||
		       regs_cap(&l->regs, VFCAP_CAP_PRI) > CAP_ABSENT;
	case KIND_VF:
	case KIND_VMD:
	case KIND_FUNCTION:
		return true;
	default:
		return false;
	}
}

static void load_entry(struct entry *e, const char *key, enum kind kind)
{
	if (sysfs_read(e->state, sizeof(e->state), "vfcap/%s_state", key) ||
	    kind == KIND_PF || !strcmp(e->state, HIDDEN))
		return;
	e->offset = sysfs_number("vfcap/%s_offset", key);
}

/* Whether a guest may be shown PASID or PRI of it */
static bool shows_any(const struct device *d)
{
	return cap_is_for(VFCAP_CAP_PASID, d);
}

/* A device that nobody has open neither shows nor hides anything. */
static bool is_closed(const struct device *d)
{
	char text[8];

	if (!shows_any(d))
		return false;
	if (!sysfs_read(text, sizeof(text), "vfcap/open"))
		return *text == '0';
	return sysfs_exists("vfcap") && !device_is_open(d);
}

static bool is_hidden(const struct line *l, size_t i)
{
	return !strcmp(l->entries[i].state, HIDDEN);
}

/* If a device seems not to be open, ask that first: if so, there is nothing else to read. */
static void load_entries(struct line *l)
{
	const struct holder *h;
	bool used = holders_find(&l->d, &h), open = false;
	bool closed = !used && is_closed(&l->d);
	size_t i;

	for (i = 0; i < LISTED && !closed; i++) {
		load_entry(&l->entries[i], caps[listed[i]].key, l->d.kind);
		open |= *l->entries[i].state && !is_hidden(l, i);
	}
	if (used && !open)
		closed = is_closed(&l->d);
	for (i = 0; i < LISTED && closed; i++)
		strcpy(l->entries[i].state, NOT_OPEN);
}

static int add(const char *name, void *data)
{
	struct list *list = data;
	struct line *l;
	size_t i;

	list->lines = must(reallocarray(list->lines, list->n + 1, sizeof(*l)));
	l = &list->lines[list->n];
	*l = (struct line){};
	device_load(&l->d, name);
	if (!devices_include(list->req, name, l->d.pf))
		return 0;
	device_look_for_pasid(&l->d);
	if (l->d.kind == KIND_PF)
		regs_read(&l->regs, name);
	if (!matters(l))
		return 0;
	load_entries(l);
	for (i = 0; i < LISTED; i++)
		l->entries[i].hardware = regs_cap(&l->regs, listed[i]);
	list->n++;
	return 0;
}

/* Devices that hide something from their user, for a reason that only the driver knows */
struct questions {
	size_t n;
	struct question {
		char bdf[BDF_SIZE];
		bool wanted[LISTED];
		size_t nr_files;
		struct holder files[2];
	} of[BATCH];
};

struct answers {
	struct answer {
		bool known;
		unsigned int reason;
	} of[BATCH][LISTED];
};

static void put_question(const struct question *q, struct answer *out)
{
	struct device d = { .kind = KIND_VF };
	struct vfcap_feature_query query;
	struct session s;
	size_t i;

	strcpy(d.bdf, q->bdf);
	if (session_open(&s, &d, q->files, q->nr_files, false) != STATUS_OK)
		return;
	for (i = 0; i < LISTED; i++) {
		if (!q->wanted[i] || session_query(&s, listed[i], &query) ||
		    query.offset)
			continue;
		out[i].known = true;
		out[i].reason = query.reason;
	}
	session_close(&s);
}

static ssize_t run_questions(const void *arg, void *out, size_t size)
{
	const struct questions *q = arg;
	struct answers *a = out;
	size_t i;

	(void)size;
	for (i = 0; i < q->n; i++)
		put_question(&q->of[i], a->of[i]);
	return 0;
}

static bool add_question(struct questions *q, const struct line *l)
{
	struct question *new = &q->of[q->n];
	bool any = false;
	size_t i;

	for (i = 0; i < LISTED; i++) {
		new->wanted[i] = shows_any(&l->d) && is_hidden(l, i);
		any |= new->wanted[i];
	}
	if (!any)
		return false;
	strcpy(new->bdf, l->d.bdf);
	new->nr_files = holders_files(&l->d, new->files, ARRAY_SIZE(new->files));
	q->n += !!new->nr_files;
	return new->nr_files;
}

static bool has_time(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 +
	       (now.tv_nsec - start->tv_nsec) / 1000000 < ASK_MS;
}

static void explain_hidden(const struct list *list)
{
	struct line *asked[BATCH];
	struct timespec start;
	struct questions q;
	struct answers a;
	size_t next, i, j;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (next = 0; next < list->n && has_time(&start);) {
		for (q.n = 0; next < list->n && q.n < BATCH; next++)
			if (add_question(&q, &list->lines[next]))
				asked[q.n - 1] = &list->lines[next];
		if (!q.n || aside(run_questions, &q, sizeof(q), &a, sizeof(a), ASK_MS))
			return;
		for (i = 0; i < q.n; i++)
			for (j = 0; j < LISTED; j++)
				if (a.of[i][j].known)
					asked[i]->entries[j].why =
						reason_key(a.of[i][j].reason);
	}
}

/* It has the capability locked: shown, lost, or not settled yet. */
static bool is_user(const struct line *l, size_t i)
{
	const char *state = l->entries[i].state;

	return l->d.kind == KIND_VF && *state && strcmp(state, HIDDEN) &&
	       strcmp(state, NOT_OPEN);
}

static struct line *find_line(const struct list *list, const char *bdf)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (!strcmp(list->lines[i].d.bdf, bdf))
			return &list->lines[i];
	return NULL;
}

static void count_users(const struct list *list)
{
	struct line *pf = NULL;
	size_t i, j;

	for (i = 0; i < list->n; i++) {
		const struct line *l = &list->lines[i];

		if (!*l->d.pf)
			continue;
		if (!pf || strcmp(pf->d.bdf, l->d.pf))
			pf = find_line(list, l->d.pf);
		for (j = 0; pf && j < LISTED; j++)
			pf->entries[j].nr_users += is_user(l, j);
	}
}

static const struct {
	const char *state;
	enum color color;
} state_colors[] = {
	{ "shown", GREEN },
	{ "locked", GREEN },
	{ "held", YELLOW },
	{ "changing", YELLOW },
	{ "losing", RED },
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

static void cell_text(struct table *t, const char *text)
{
	table_cell(t, *text ? PLAIN : DIM, "%s", *text ? text : "-");
}

/* Those that a PF has, and can have */
static void cell_vfs(struct table *t, const struct device *d)
{
	if (d->kind == KIND_PF)
		table_cell(t, PLAIN, "%u of %u", d->num_vfs, d->total_vfs);
	else
		cell_text(t, "");
}

static void cell_entry(struct table *t, const struct line *l, size_t i)
{
	const struct entry *e = &l->entries[i];
	enum color color = state_color(e->state);

	if (l->d.kind == KIND_PF && *e->state && e->hardware != CAP_ABSENT)
		table_cell(t, color, "%s, %s", cap_state_names[e->hardware],
			   e->state);
	else if (l->d.kind == KIND_PF)
		table_cell(t, color, "%s", cap_state_names[e->hardware]);
	else if (e->offset)
		table_cell(t, color, "%s at %#x", e->state, e->offset);
	else if (e->why)
		table_cell(t, color, "%s (%s)", e->state, e->why);
	else
		table_cell(t, *e->state ? color : DIM, "%s",
			   *e->state ? e->state : "-");
}

static void describe_users(const struct list *list, const struct line *pf,
			   char *out, size_t size)
{
	/* VFs that lock one of them usually lock the other too. */
	size_t which = !pf->entries[0].nr_users, named = 0, len = 0, i;
	size_t nr = pf->entries[which].nr_users;

	for (i = 0; i < list->n && named < nr && named < MAX_NAMED; i++) {
		const struct line *l = &list->lines[i];

		if (strcmp(l->d.pf, pf->d.bdf) || !is_user(l, which))
			continue;
		len += snprintf(out + len, size - len, "%s%s",
				named++ ? " " : "", l->d.bdf);
	}
	if (nr > named)
		snprintf(out + len, size - len, " and %zu more", nr - named);
}

static void describe_holders(const struct device *d, char *out, size_t size)
{
	const struct holder *h;
	size_t n = holders_find(d, &h), len = 0, i;

	for (i = 0; i < n && i < MAX_NAMED; i++) {
		len += snprintf(out + len, size - len, "%s", i ? ", " : "");
		holder_describe(&h[i], out + len, size - len);
		len += strlen(out + len);
	}
	if (n > i)
		snprintf(out + len, size - len, " and %zu more", n - i);
}

/* A PF is used by VFs, the others by processes. */
static void cell_users(struct table *t, const struct list *list,
		       const struct line *l)
{
	char text[MAX_NAMED * 2 * NAME_SIZE + NAME_SIZE] = "";

	if (l->d.kind == KIND_PF)
		describe_users(list, l, text, sizeof(text));
	else if (l->d.fate != FATE_STAYS)
		device_going(&l->d, text, sizeof(text));
	else
		describe_holders(&l->d, text, sizeof(text));
	table_cell(t, PLAIN, "%s", *text ? text : "-");
}

static void print_text(const struct list *list)
{
	static const char * const headers[] = {
		"ADDRESS", "KIND", "DRIVER", "VFS", "GROUP", "PASID", "PRI",
		"USED BY",
	};
	struct table *t = table_new(headers, ARRAY_SIZE(headers));
	size_t i, j;

	for (i = 0; i < list->n; i++) {
		const struct line *l = &list->lines[i];

		table_cell(t, PLAIN, "%s", l->d.bdf);
		table_cell(t, PLAIN, "%s", kind_names[l->d.kind]);
		cell_text(t, l->d.driver);
		cell_vfs(t, &l->d);
		cell_text(t, l->d.group);
		for (j = 0; j < LISTED; j++)
			cell_entry(t, l, j);
		cell_users(t, list, l);
	}
	table_print(t);
}

static struct json_object *users_json(const struct list *list,
				      const struct line *pf, size_t which)
{
	struct json_object *array = json_object_new_array();
	size_t i;

	for (i = 0; i < list->n && pf->entries[which].nr_users; i++) {
		const struct line *l = &list->lines[i];

		if (strcmp(l->d.pf, pf->d.bdf) || !is_user(l, which))
			continue;
		json_object_array_add(array, json_object_new_string(l->d.bdf));
	}
	return array;
}

static struct json_object *entry_json(const struct list *list,
				      const struct line *l, size_t i)
{
	struct json_object *o = json_object_new_object();
	const struct entry *e = &l->entries[i];

	json_set_text(o, "state", e->state);
	if (l->d.kind == KIND_PF) {
		json_set_text(o, "hardware", e->hardware == CAP_UNKNOWN ?
			      NULL : cap_state_names[e->hardware]);
		json_object_object_add(o, "users", users_json(list, l, i));
	} else {
		json_set_text(o, "reason", e->why);
		json_set_hex(o, "offset", e->offset ?: -1L);
	}
	return o;
}

/* All VFs of a PF have the same IDs, as given by the PF. */
static void load_ids(struct line *l, const struct line *before)
{
	if (before && *l->d.pf && !strcmp(l->d.pf, before->d.pf)) {
		l->d.vendor = before->d.vendor;
		l->d.device = before->d.device;
	} else {
		device_load_ids(&l->d);
	}
}

static struct json_object *line_json(const struct list *list, const struct line *l)
{
	struct json_object *o = json_object_new_object();
	struct json_object *all = json_object_new_object();
	const struct device *d = &l->d;
	size_t i;

	json_set_text(o, "address", d->bdf);
	json_set_text(o, "kind", kind_names[d->kind]);
	json_set_id(o, "vendor", d->vendor);
	json_set_id(o, "device", d->device);
	json_set_text(o, "driver", d->driver);
	json_set_text(o, "driver_override", d->override);
	json_set_text(o, "pf", d->pf);
	json_set_number(o, "num_vfs", d->kind == KIND_PF ? (long)d->num_vfs : -1);
	json_set_number(o, "total_vfs", d->kind == KIND_PF ? (long)d->total_vfs : -1);
	json_set_text(o, "iommu_group", d->group);
	for (i = 0; i < LISTED; i++)
		if (d->kind == KIND_PF || cap_is_for(listed[i], d))
			json_object_object_add(all, caps[listed[i]].key,
					       entry_json(list, l, i));
	json_object_object_add(o, "capabilities", all);
	json_set_text(o, "going", fates[d->fate].key);
	json_object_object_add(o, "users", holders_json(d));
	return o;
}

static void print_json(const struct list *list)
{
	struct json_object *o = json_new();
	struct json_object *array = json_object_new_array();
	struct device **devices;
	size_t n = 0, i;

	devices = must(calloc(list->n + 1, sizeof(*devices)));
	for (i = 0; i < list->n; i++)
		if (list->lines[i].d.fate == FATE_STAYS)
			devices[n++] = &list->lines[i].d;
	device_load_overrides(devices, n);
	free(devices);
	for (i = 0; i < list->n; i++) {
		load_ids(&list->lines[i], i ? &list->lines[i - 1] : NULL);
		json_object_array_add(array, line_json(list, &list->lines[i]));
	}
	json_object_object_add(o, "functions", array);
	json_print(o);
}

enum status cmd_list(const struct request *req)
{
	enum status status = devices_check(req);
	struct list list = { .req = req };
	int err;

	if (status != STATUS_OK)
		return status;
	err = sysfs_each(add, &list, DEVICES);
	explain_hidden(&list);
	count_users(&list);
	if (err)
		fail(STATUS_FAILED, "cannot list " DEVICES ": %s",
		     strerror(-err));
	else if (req->json)
		print_json(&list);
	else if (list.n)
		print_text(&list);
	else if (req->nr_devices)
		fail(STATUS_OK,
		     "no PF with VFs, PASID or PRI, no VF, no function with PASID and no VMD endpoint among the devices named");
	else
		fail(STATUS_OK, "this host has no PF with VFs, PASID or PRI, no VF, no function with PASID and no VMD endpoint");
	free(list.lines);
	return err ? STATUS_FAILED : STATUS_OK;
}
