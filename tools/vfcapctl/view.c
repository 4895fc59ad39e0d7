// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: what the user of a device is shown
 *
 * The driver's own answer comes first. A driver that knows no such question is
 * looked at through the config space that it shows, and where that cannot be had
 * sysfs tells whether and where.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>
#include <linux/pci_regs.h>

#include "vfcapctl.h"

#define SHDW_SIGNATURE	0x53484457	/* behind the capability's header */
#define VMD_VMLOCK	0x70
#define VMD_VMLOCK_NATIVE	0x02

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
	char state[32], offset[32];

	if (sysfs_read(state, sizeof(state),
		       "/sys/bus/pci/devices/%s/vfcap/%s_state", d->bdf,
		       caps[cap].key))
		return;
	sysfs_read(offset, sizeof(offset),
		   "/sys/bus/pci/devices/%s/vfcap/%s_offset", d->bdf,
		   caps[cap].key);

	v->source = SOURCE_SYSFS;
	c->lost = !strcmp(state, "lost");
	c->shown = c->lost || !strcmp(state, "shown");
	/* Hidden may mean no more than that it is not open. */
	c->known = c->shown;
	c->offset = strtoul(offset, NULL, 0);
	c->size = c->shown ? caps[cap].size : 0;
}

static uint32_t get(const uint8_t *config, unsigned int pos, unsigned int size)
{
	uint32_t value = 0;

	while (size--)
		value = value << 8 | config[pos + size];
	return value;
}

static unsigned int find_ecap(const uint8_t *config, uint16_t id)
{
	unsigned int pos = PCI_CFG_SPACE_SIZE, loops = CONFIG_SIZE / 4;

	while (pos >= PCI_CFG_SPACE_SIZE && loops--) {
		uint32_t header = get(config, pos, 4);

		if (PCI_EXT_CAP_ID(header) == id)
			return pos;
		pos = PCI_EXT_CAP_NEXT(header);
	}
	return 0;
}

static unsigned int find_shdw(const uint8_t *config)
{
	unsigned int pos = config[PCI_CAPABILITY_LIST] & ~3, loops = 48;

	while (pos >= PCI_STD_HEADER_SIZEOF && loops--) {
		if (config[pos] == PCI_CAP_ID_VNDR &&
		    get(config, pos + 4, 4) == SHDW_SIGNATURE)
			return pos;
		pos = config[pos + PCI_CAP_LIST_NEXT] & ~3;
	}
	return 0;
}

static void view_config(struct view *v, enum vfcap_cap_index cap,
			const uint8_t *config)
{
	struct cap_view *c = &v->caps[cap];

	c->offset = cap == VFCAP_CAP_SHDW ? find_shdw(config) :
					    find_ecap(config, caps[cap].id);
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
	c->lost |= !!(q->flags & VFCAP_QUERY_LOST);
	c->step = q->step;
	c->reason = q->reason;
}

static void view_session(struct view *v, const struct device *d,
			 struct session *s)
{
	uint8_t config[CONFIG_SIZE] = {};
	struct vfcap_feature_query q;
	ssize_t size;
	int cap;

	v->source = s->shared ? SOURCE_USER : SOURCE_OWN;
	v->via = s->via;
	size = session_read(s, 0, config, sizeof(config));
	v->native_shadow = d->kind == KIND_VMD && d->device == VMD_NATIVE &&
			   config[VMD_VMLOCK] & VMD_VMLOCK_NATIVE;
	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++) {
		if (!cap_is_for(cap, d))
			continue;
		if (!session_query(s, cap, &q))
			take_answer(&v->caps[cap], &q);
		else if (size > 0)
			view_config(v, cap, config);
	}
}

void view_load(struct view *v, const struct device *d, bool may_open)
{
	struct session s;
	int cap;

	*v = (struct view){};
	for (cap = 0; cap < VFCAP_CAP_COUNT; cap++)
		if (cap_is_for(cap, d))
			view_sysfs(v, d, cap);

	if (!may_open) {
		snprintf(v->note, sizeof(v->note), "not to be opened");
		return;
	}
	/* Of what another driver shows there is nothing to tell. */
	if (strcmp(d->driver, OUR_DRIVER)) {
		snprintf(v->note, sizeof(v->note), "%s: its driver is %s",
			 d->bdf, *d->driver ? d->driver : "none");
		return;
	}
	if (session_open(&s, d) != STATUS_OK) {
		snprintf(v->note, sizeof(v->note), "%s", s.why);
		return;
	}
	view_session(v, d, &s);
	session_close(&s);
}

const char *view_explain(const struct view *v, enum vfcap_cap_index cap,
			 const struct device *d)
{
	const struct cap_view *c = &v->caps[cap];

	if (strcmp(d->driver, OUR_DRIVER))
		return "vfcap-vfio-pci is not its driver";
	if (v->native_shadow)
		return "native shadow registers tell the guest instead";
	if (c->lost)
		return "lost: its PF must get it back, then reset the VF";
	if (c->explained)
		return c->shown ? step_text(c->step) : reason_text(c->reason);
	if (c->known)
		return c->shown ?
		       "the loaded driver does not tell what placed it" :
		       "the loaded driver tells why only in the kernel's log";
	return "not shown, or not open: sysfs tells no more";
}

static struct json_object *cap_json(const struct view *v,
				    enum vfcap_cap_index cap,
				    const struct device *d)
{
	const struct cap_view *c = &v->caps[cap];
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "shown", c->known ?
			       json_object_new_boolean(c->shown) : NULL);
	json_set_number(o, "offset", c->shown ? (long)c->offset : -1);
	json_set_number(o, "size", c->size ? (long)c->size : -1);
	json_set_bool(o, "enabled", c->enabled);
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
