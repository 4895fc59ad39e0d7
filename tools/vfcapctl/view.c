// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: what the user of a device is shown
 *
 * The driver's own answer comes first. If the driver does not know such a query, the
 * config space that it shows is read. Where that is not possible, sysfs tells whether and
 * where a capability is shown. All of this except sysfs is done aside.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "vfcapctl.h"

/* Sharing a session takes little time; an open resets the device. */
#define SHARE_MS	1000
#define OPEN_MS		8000

#define MAX_FILES	32

const char * const source_names[] = {
	[SOURCE_NONE]	= "",
	[SOURCE_SYSFS]	= "sysfs",
	[SOURCE_OWN]	= "opened",
	[SOURCE_USER]	= "user",
};

static void view_sysfs(struct view *v, const struct device *d,
		       enum vfcap_cap_index cap)
{
	struct cap_view *c = &v->caps[cap];
	char state[32];

	if (sysfs_read(state, sizeof(state),
		       DEVICES "/%s/vfcap/%s_state", d->bdf,
		       caps[cap].key))
		return;
	v->source = SOURCE_SYSFS;
	c->lost = !strcmp(state, "lost") || !strcmp(state, "losing");
	c->shown = c->lost || !strcmp(state, "shown");
	/* "hidden" may only mean that it is not open. */
	c->known = c->shown;
	c->offset = sysfs_number(DEVICES "/%s/vfcap/%s_offset", d->bdf, caps[cap].key);
	c->size = c->shown ? caps[cap].size : 0;
}

static void view_config(struct view *v, enum vfcap_cap_index cap,
			const uint8_t *config)
{
	struct cap_view *c = &v->caps[cap];

	c->offset = cap == VFCAP_CAP_SHDW ? config_find_shdw(config) :
					    config_find_ecap(config, caps[cap].id);
	c->known = true;
	c->shown = c->offset;
	if (!c->shown)
		return;
	c->size = caps[cap].size ?: config[c->offset + 2];
	c->enabled = caps[cap].enable &&
		     config[c->offset + caps[cap].enable] & 1;
}

static void take_answer(struct cap_view *c,
			const struct vfcap_feature_query *q)
{
	c->known = true;
	c->explained = true;
	c->shown = q->offset;
	c->offset = q->offset;
	c->size = q->size;
	c->enabled = q->flags & VFCAP_QUERY_ENABLED;
	c->not_gated = q->flags & VFCAP_QUERY_NOT_GATED;
	c->deliverable = q->flags & VFCAP_QUERY_DELIVERABLE;
	c->lost |= !!(q->flags & VFCAP_QUERY_LOST);
	c->step = q->step;
	c->reason = q->reason;
	c->nr_pasids = q->nr_pasids;
	c->written = q->written;
}

/*
 * The first access to config space commits what is shown. If the driver can be asked, do
 * not take that choice away from a user who may still make it.
 */
static void view_session(struct view *v, const struct device *d,
			 struct session *s)
{
	uint8_t config[CONFIG_SIZE] = {};
	struct vfcap_feature_query q;
	bool is_read = false;
	int cap;

	v->source = s->shared ? SOURCE_USER : SOURCE_OWN;
	v->via = s->via;
	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++) {
		if (!cap_is_for(cap, d))
			continue;
		if (!session_query(s, cap, &q)) {
			take_answer(&v->caps[cap], &q);
			continue;
		}
		if (!is_read && session_read(s, 0, config, sizeof(config)) <= 0)
			continue;
		is_read = true;
		view_config(v, cap, config);
	}
	if (d->kind != KIND_VMD || d->device != VMD_NATIVE)
		return;
	v->native_known = session_read(s, VMD_VMLOCK, config, 1) == 1;
	v->native_shadow = v->native_known && *config & VMD_VMLOCK_NATIVE;
}

/* All the data that a look needs, since another process does it */
struct looked_at {
	struct device d;
	bool may_open;
	size_t nr_files;
	struct holder files[MAX_FILES];
};

/* How long it may take */
static unsigned int prepare(struct looked_at *l, const struct device *d,
			    bool may_open)
{
	*l = (struct looked_at){ .d = *d, .may_open = may_open };
	l->nr_files = holders_files(d, l->files, MAX_FILES);
	return may_open && !l->nr_files ? OPEN_MS : SHARE_MS;
}

static ssize_t run_view(const void *arg, void *out, size_t size)
{
	const struct looked_at *l = arg;
	struct view *v = out;
	struct session s;

	(void)size;
	v->status = session_open(&s, &l->d, l->files, l->nr_files,
				 l->may_open);
	if (v->status == STATUS_OK)
		view_session(v, &l->d, &s);
	else
		snprintf(v->note, sizeof(v->note), "%s", s.why);
	session_close(&s);
	return 0;
}

static void say_held_up(char *out, size_t size, const struct device *d)
{
	snprintf(out, size,
		 "%s: it cannot be looked at now: the kernel or its user is busy with it",
		 d->bdf);
}

static void view_open(struct view *v, const struct device *d, bool may_open)
{
	struct looked_at l;
	struct view seen;
	unsigned int ms = prepare(&l, d, may_open);
	int cap;

	if (aside(run_view, &l, sizeof(l), &seen, sizeof(seen), ms)) {
		v->status = STATUS_UNKNOWN;
		say_held_up(v->note, sizeof(v->note), d);
		return;
	}
	v->status = seen.status;
	snprintf(v->note, sizeof(v->note), "%s", seen.note);
	if (seen.status != STATUS_OK)
		return;
	seen.open = v->open;
	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++)
		seen.caps[cap].lost |= v->caps[cap].lost;
	*v = seen;
}

void view_load(struct view *v, const struct device *d, enum look look)
{
	int cap;

	*v = (struct view){ .open = device_is_open(d) };
	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++)
		if (cap_is_for(cap, d))
			view_sysfs(v, d, cap);

	if (d->fate != FATE_STAYS)
		device_going(d, v->note, sizeof(v->note));
	else if (look == LOOK_SYSFS)
		snprintf(v->note, sizeof(v->note), "not opened, as requested");
	/* Nothing is known about what another driver shows. */
	else if (strcmp(d->driver, OUR_DRIVER))
		snprintf(v->note, sizeof(v->note), "%s: its driver is %s",
			 d->bdf, *d->driver ? d->driver : "none");
	else
		view_open(v, d, look == LOOK_OPEN);
}

static ssize_t run_dump(const void *arg, void *out, size_t size)
{
	const struct looked_at *l = arg;
	struct dump *dump = out;
	struct session s;
	ssize_t done;

	(void)size;
	dump->status = session_open(&s, &l->d, l->files, l->nr_files, true);
	if (dump->status != STATUS_OK) {
		snprintf(dump->why, sizeof(dump->why), "%s", s.why);
		return 0;
	}
	dump->size = s.config_size < CONFIG_SIZE ? s.config_size : CONFIG_SIZE;
	done = session_read(&s, 0, dump->config, dump->size);
	session_close(&s);
	if (done > 0) {
		dump->size = done;
		return 0;
	}
	dump->status = STATUS_FAILED;
	snprintf(dump->why, sizeof(dump->why),
		 "%s: cannot read its config space: %s", l->d.bdf,
		 done ? strerror(-done) : "it is empty");
	return 0;
}

void dump_load(struct dump *dump, const struct device *d)
{
	struct looked_at l;
	unsigned int ms;

	if (d->fate != FATE_STAYS) {
		dump->status = STATUS_BUSY;
		device_going(d, dump->why, sizeof(dump->why));
		return;
	}
	ms = prepare(&l, d, true);
	if (aside(run_dump, &l, sizeof(l), dump, sizeof(*dump), ms)) {
		dump->status = STATUS_BUSY;
		say_held_up(dump->why, sizeof(dump->why), d);
	}
}

const char *view_explain(const struct view *v, enum vfcap_cap_index cap,
			 const struct device *d)
{
	const struct cap_view *c = &v->caps[cap];
	static char text[TEXT_SIZE];

	if (d->fate != FATE_STAYS)
		return "it is being unbound or removed";
	if (strcmp(d->driver, OUR_DRIVER))
		return "vfcap-vfio-pci is not its driver";
	if (v->native_shadow)
		return "native shadow registers tell the guest the addresses instead";
	if (v->native_known)
		return "native shadow registers are not shown; the kernel's log says why";
	if (c->lost)
		return "lost: its PF must have it back, then the VF must be reset";
	if (c->explained && c->shown && c->not_gated) {
		snprintf(text, sizeof(text), "%s; Enable is not gated: the guest's own table decides",
			 step_text(c->step));
		return text;
	}
	if (c->explained)
		return c->shown ? step_text(c->step) : reason_text(c->reason);
	if (c->known)
		return c->shown ?
		       "the loaded driver does not say what placed it" :
		       "the loaded driver says why only in the kernel's log";
	if (!v->open)
		return "not open: only an open can tell";
	return "it is open, and either hidden or not settled yet; sysfs tells no more";
}

static struct json_object *cap_json(const struct view *v,
				    enum vfcap_cap_index cap,
				    const struct device *d)
{
	const struct cap_view *c = &v->caps[cap];
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "shown", c->known ?
			       json_object_new_boolean(c->shown) : NULL);
	json_set_hex(o, "offset", c->shown ? (long)c->offset : -1);
	json_set_number(o, "size", c->size ? (long)c->size : -1);
	json_set_bool(o, "enabled", c->enabled);
	json_set_bool(o, "not_gated", c->not_gated);
	json_set_bool(o, "deliverable", c->deliverable);
	json_object_object_add(o, "written", c->explained ?
			       json_object_new_boolean(c->written) : NULL);
	json_set_number(o, "attached", c->explained && cap == VFCAP_CAP_PASID ?
				       (long)c->nr_pasids : -1);
	json_set_bool(o, "lost", c->lost);
	json_set_text(o, "placed_by", c->explained && c->shown ?
				      step_key(c->step) : NULL);
	json_set_text(o, "reason", c->explained && !c->shown ?
				   reason_key(c->reason) : NULL);
	json_set_text(o, "explanation", view_explain(v, cap, d));
	return o;
}

struct json_object *view_json(const struct view *v, const struct device *d)
{
	struct json_object *o = json_object_new_object();
	int cap;

	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++)
		if (cap_is_for(cap, d))
			json_object_object_add(o, caps[cap].key,
					       cap_json(v, cap, d));
	return o;
}
