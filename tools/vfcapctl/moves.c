// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl bind, unbind: several devices, all VFs of a PF, which may be created for that,
 * and all of this at each boot
 *
 * A failure with one device does not keep the others from being moved.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "vfcapctl.h"

/* The command, with its options, and what it has done so far */
struct batch {
	const struct request *req;
	move_fn *move;
	enum status status;		/* of the first that failed */
	struct json_object *results;	/* or NULL */
};

static void note_status(struct batch *b, enum status status)
{
	if (b->status == STATUS_OK)
		b->status = status;
}

static void move_one(struct batch *b, const char *bdf)
{
	struct json_object *out = b->results ? json_object_new_object() : NULL;
	enum status status = b->move(b->req, bdf, out);

	note_status(b, status);
	if (out && status == STATUS_OK)
		json_object_array_add(b->results, out);
	else
		json_object_put(out);
}

static void move_vfs(struct batch *b, const struct device *pf)
{
	char vf[BDF_SIZE];
	unsigned int i;

	for (i = 0; i < pf->num_vfs; i++)
		if (!sysfs_link(vf, sizeof(vf), DEVICES "/%s/virtfn%u", pf->bdf, i))
			move_one(b, vf);
}

static enum status make_vfs(struct device *pf, long n)
{
	const struct device before = *pf;
	char number[24];
	int err;

	if (!n || n == pf->num_vfs)
		return STATUS_OK;
	if (pf->num_vfs)
		return fail(STATUS_BUSY,
			    "%s: it already has %u VFs; their number cannot be changed while it has any: echo 0 > /sys/bus/pci/devices/%s/sriov_numvfs first",
			    pf->bdf, pf->num_vfs, pf->bdf);
	if (!*pf->driver)
		return fail(STATUS_UNSUPPORTED,
			    "%s: it has no driver that could create its VFs: echo %s > /sys/bus/pci/drivers_probe",
			    pf->bdf, pf->bdf);
	if (n > pf->total_vfs)
		return fail(STATUS_UNSUPPORTED, "%s: it can have %u VFs, not %ld",
			    pf->bdf, pf->total_vfs, n);
	snprintf(number, sizeof(number), "%ld", n);
	err = sysfs_write_within(VFS_MS, number, DEVICES "/%s/sriov_numvfs",
				 pf->bdf);
	if (err == -ENOENT)
		return fail(STATUS_UNSUPPORTED, "%s: its driver, %s, cannot create VFs",
			    pf->bdf, pf->driver);
	if (err)
		return fail(status_of_errno(-err),
			    "%s: %s did not create %ld VFs: %s; see the kernel's log",
			    pf->bdf, pf->driver, n, strerror(-err));
	device_load(pf, before.bdf);
	return STATUS_OK;
}

static enum status make_and_bind(struct batch *b, struct device *pf)
{
	enum status status = make_vfs(pf, b->req->num_vfs);

	if (status != STATUS_OK)
		return status;
	if (!pf->num_vfs)
		return fail(STATUS_UNSUPPORTED,
			    "%s: it has no VFs: --num-vfs N creates them", pf->bdf);
	move_vfs(b, pf);
	return b->status;
}

/* Keep the host's drivers, which udev may load meanwhile, off the VFs until they are bound. */
static enum status bind_all(struct batch *b, struct device *pf)
{
	char bdf[BDF_SIZE], autoprobe[8];
	enum status status;
	int err;

	strcpy(bdf, pf->bdf);
	if (sysfs_read(autoprobe, sizeof(autoprobe),
		       DEVICES "/%s/sriov_drivers_autoprobe", bdf))
		strcpy(autoprobe, "1");
	err = sysfs_write_slow("0", DEVICES "/%s/sriov_drivers_autoprobe", bdf);
	if (err)
		return fail(status_of_errno(-err),
			    "%s: cannot write its sriov_drivers_autoprobe: %s", bdf,
			    strerror(-err));
	status = make_and_bind(b, pf);
	sysfs_write_slow(autoprobe, DEVICES "/%s/sriov_drivers_autoprobe", bdf);
	return status;
}

/* A device that cannot be bound now is not bound at each boot either. */
static enum status bind_address(struct batch *b, struct device *d)
{
	const struct request *req = b->req;
	enum status status = STATUS_OK;

	if (req->persist && d->kind == KIND_PF && !req->all_vfs)
		return fail(STATUS_USAGE,
			    "%s: for a PF, only its VFs can be bound at each boot: add --all-vfs",
			    d->bdf);
	/* systemd has no unit for what may be any endpoint. */
	if (req->persist && d->kind == KIND_FUNCTION)
		return fail(STATUS_UNSUPPORTED,
			    "%s: neither a VF nor a VMD endpoint; a whole function cannot be bound at each boot yet",
			    d->bdf);
	if (req->persist)
		status = persist_check(d);
	if (status != STATUS_OK)
		return status;
	if (d->kind == KIND_PF && req->all_vfs)
		status = bind_all(b, d);
	else if (req->num_vfs)
		return fail(STATUS_USAGE,
			    "%s: --num-vfs is for PFs, and requires --all-vfs",
			    d->bdf);
	else
		move_one(b, d->bdf);
	if (status != STATUS_OK || b->status != STATUS_OK || !req->persist)
		return status;
	status = persist_enable(d, req->driver ?: OUR_DRIVER, d->num_vfs);
	if (status == STATUS_OK && !req->json)
		print_line(2, "%s: also bound at each boot: vfcap@%s.service", d->bdf,
			   d->bdf);
	return status;
}

/* Also for a device that is no longer there */
static enum status forget(const struct request *req, const char *bdf)
{
	bool was_enabled = persist_is_enabled(bdf);
	enum status status = STATUS_OK;

	if (req->persist)
		status = persist_disable(bdf);
	if (was_enabled && !req->json)
		print_line(2, req->persist && status == STATUS_OK ?
			   "%s: no longer bound at each boot" :
			   "%s: it will be bound again at the next boot, as --persist was not given",
			   bdf);
	return status;
}

/* A device in use is given back later, and is not bound at boot again. */
static enum status unbind_address(struct batch *b, struct device *d)
{
	enum status status = forget(b->req, d->bdf);

	if (d->kind == KIND_PF && b->req->all_vfs)
		move_vfs(b, d);
	else
		move_one(b, d->bdf);
	return status;
}

static void print_results(const struct batch *b)
{
	size_t i, n = json_object_array_length(b->results);
	struct json_object *o, *one, *address;

	if (!n)
		return;
	o = json_new();
	for (i = 0; i < n; i++) {
		one = json_object_array_get_idx(b->results, i);
		address = json_object_object_get(one, "address");
		json_set_bool(one, "persistent",
			      persist_is_enabled(json_object_get_string(address)));
	}
	/* A single device is the top-level object itself. */
	if (b->req->nr_devices == 1 && !b->req->all_vfs) {
		json_object_object_foreach(one, key, value)
			json_object_object_add(o, key, json_object_get(value));
	} else {
		json_object_object_add(o, "devices",
				       json_object_get(b->results));
	}
	json_print(o);
}

/* Whether the device is gone, but was to be bound at each boot */
static bool is_to_forget(const struct request *req, const char *bdf)
{
	return req->persist && !sysfs_exists(DEVICES "/%s", bdf) &&
	       persist_is_enabled(bdf);
}

typedef enum status address_fn(struct batch *b, struct device *d);

static enum status move_address(struct batch *b, const char *bdf,
				address_fn *address)
{
	struct device d;
	enum status status = device_find(&d, bdf);

	return status == STATUS_OK ? address(b, &d) : status;
}

static enum status run(const struct request *req, move_fn *move,
		       address_fn *address)
{
	struct batch b = { .req = req, .move = move };
	enum status status, first = STATUS_OK;
	char bdf[BDF_SIZE];
	size_t i;

	if (req->json)
		b.results = json_object_new_array();
	for (i = 0; i < req->nr_devices; i++) {
		b.status = STATUS_OK;
		status = device_address(req->devices[i], bdf, sizeof(bdf));
		if (status == STATUS_OK && move == unbind_one &&
		    is_to_forget(req, bdf))
			status = forget(req, bdf);
		else if (status == STATUS_OK)
			status = move_address(&b, bdf, address);
		note_status(&b, status);
		if (first == STATUS_OK)
			first = b.status;
	}
	if (req->json) {
		print_results(&b);
		json_object_put(b.results);
	}
	return first;
}

enum status cmd_bind(const struct request *req)
{
	return run(req, bind_one, bind_address);
}

enum status cmd_unbind(const struct request *req)
{
	return run(req, unbind_one, unbind_address);
}
