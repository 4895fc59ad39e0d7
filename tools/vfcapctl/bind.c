// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl bind, unbind: give one device to a driver, and back
 *
 * Nothing is done before it is known to be possible. If a step fails, the steps before
 * it are undone. In the end the device's driver is read back: that a probe reports
 * success does not mean that a driver took the device.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "vfcapctl.h"

#define DRIVERS	"/sys/bus/pci/drivers"

/* "" clears it */
static int set_override(const char *bdf, const char *driver)
{
	return sysfs_write_slow(*driver ? driver : "\n", DEVICES "/%s/driver_override",
			   bdf);
}

static int detach(const struct device *d)
{
	if (!*d->driver)
		return 0;
	return sysfs_write_slow(d->bdf, DRIVERS "/%s/unbind", d->driver);
}

static void read_driver(const char *bdf, char *out)
{
	sysfs_link(out, NAME_SIZE, DEVICES "/%s/driver", bdf);
}

/* Through the driver's own file, which returns the error of its probe */
static int attach(const char *bdf, const char *driver)
{
	char now[NAME_SIZE];
	int err = sysfs_write_slow(bdf, DRIVERS "/%s/bind", driver);

	if (err)
		return err;
	read_driver(bdf, now);
	return strcmp(now, driver) ? -ENODEV : 0;
}

/*
 * The old driver may take the device only if driver_override names it, for example if it
 * was bound that way and driver_override was changed since.
 */
static int restore(const struct device *before)
{
	char now[NAME_SIZE];
	int err = 0, ret;

	read_driver(before->bdf, now);
	if (*before->driver && strcmp(now, before->driver)) {
		err = set_override(before->bdf, before->driver);
		if (!err)
			err = attach(before->bdf, before->driver);
	}
	ret = set_override(before->bdf, before->override);
	return err ?: ret;
}

/* Restore what a device had before, after a step has failed with @err */
static enum status roll_back(const struct device *before, const char *step,
			     int err)
{
	enum status status = status_of_errno(-err);
	int again;

	/* The write goes on in the kernel, and any other would wait behind it. */
	if (err == -ETIMEDOUT)
		return fail(STATUS_BUSY,
			    "%s: %s: the kernel has been working on it for %u s and continues: it is waiting for the device's user, or its driver hangs; see the kernel's log",
			    before->bdf, step, WRITE_MS / 1000);
	fail(status, "%s: %s: %s", before->bdf, step, strerror(-err));
	again = restore(before);
	if (again)
		return fail(STATUS_FAILED,
			    "%s: and its old driver (%s) could not be restored: %s; see the kernel's log",
			    before->bdf, *before->driver ? before->driver : "none",
			    strerror(-again));
	if (err == -EINVAL && !*before->group)
		fail(status, "%s: it has no IOMMU, and VFIO takes no device without one: see \"vfcapctl doctor %s\"",
		     before->bdf, before->bdf);
	fail(status, "%s: its driver is %s, as before; the kernel's log may tell more",
	     before->bdf, *before->driver ? before->driver : "none");
	return status;
}

/* Refuse a device for which a write would wait for the kernel. */
static enum status check_free(const struct device *d)
{
	char going[TEXT_SIZE];

	device_going(d, going, sizeof(going));
	if (*going)
		return fail(STATUS_BUSY, "%s: %s; stop that process first", d->bdf, going);
	if (!d->override_known)
		return fail(STATUS_BUSY,
			    "%s: the kernel is busy with it: its driver is being bound or unbound, or it is being reset; try again later",
			    d->bdf);
	return STATUS_OK;
}

/* Whether anything forbids taking the device away from its driver */
static enum status check_movable(const struct device *d)
{
	char used[TEXT_SIZE], path[128];

	snprintf(path, sizeof(path), DEVICES "/%s/driver_override", d->bdf);
	if (access(path, W_OK))
		return fail(status_of_errno(errno), "%s: cannot write %s: %s",
			    d->bdf, path, strerror(errno));
	if (d->num_vfs)
		return fail(STATUS_BUSY,
			    "%s: it is a PF with %u VFs, which need its driver",
			    d->bdf, d->num_vfs);
	device_used_by(d, used, sizeof(used));
	if (*used)
		return fail(STATUS_BUSY,
			    "%s: in use: %s; stop that process first", d->bdf, used);
	return STATUS_OK;
}

static enum status check_driver(const struct device *d, const char *driver)
{
	if (!*driver || strlen(driver) >= NAME_SIZE || *driver == '.' ||
	    strchr(driver, '/'))
		return fail(STATUS_USAGE, "\"%s\": not the name of a driver",
			    driver);
	/* A PF without VFs can be given to a guest as a whole. */
	if (strcmp(driver, OUR_DRIVER) ||
	    (d->kind == KIND_PF && !d->num_vfs && device_has_pasid(d)))
		return STATUS_OK;
	return device_check_kind(d);
}

/* Load the driver if it is not loaded, as driverctl does */
static enum status load_driver(const struct device *d, const char *driver)
{
	int err;

	if (sysfs_exists(DRIVERS "/%s", driver))
		return STATUS_OK;
	err = module_load(driver);
	if (!err && sysfs_exists(DRIVERS "/%s", driver))
		return STATUS_OK;
	if (err == -EPERM || err == -EACCES)
		return fail(STATUS_PERMISSION, "%s: cannot load %s: %s; this requires root",
			    d->bdf, driver, strerror(-err));
	return fail(STATUS_UNSUPPORTED,
		    "%s: PCI driver %s is not loaded, and cannot be: modprobe %s: %s",
		    d->bdf, driver, driver,
		    err ? strerror(-err) : "the module has no such driver");
}

/* Into @out, or as text if that is NULL */
static enum status report(struct json_object *out, const struct device *before,
			  const char *note)
{
	char was[2 * NAME_SIZE] = "", cleared[2 * NAME_SIZE] = "";
	struct device now, *all = &now;
	bool changed;

	device_load(&now, before->bdf);
	device_load_overrides(&all, 1);
	changed = strcmp(now.driver, before->driver) ||
		  strcmp(now.override, before->override);
	if (out) {
		json_set_text(out, "address", now.bdf);
		json_set_text(out, "driver", now.driver);
		json_set_text(out, "driver_override", now.override);
		json_set_text(out, "previous_driver", before->driver);
		json_set_bool(out, "changed", changed);
		return STATUS_OK;
	}
	if (strcmp(now.driver, before->driver))
		snprintf(was, sizeof(was), " (before: %s)",
			 *before->driver ? before->driver : "none");
	if (*before->override && !*now.override)
		snprintf(cleared, sizeof(cleared),
			 "; its driver_override, %s, is cleared",
			 before->override);
	print_line(2, "%s: driver %s%s%s%s%s", now.bdf,
		   *now.driver ? now.driver : "none", was, cleared,
		   *note ? "; " : "", note);
	return STATUS_OK;
}

enum status bind_one(const struct request *req, const char *bdf,
		     struct json_object *out)
{
	const char *driver = req->driver ?: OUR_DRIVER;
	enum status status;
	struct device d;
	int err;

	status = device_find(&d, bdf);
	if (status == STATUS_OK)
		status = check_driver(&d, driver);
	if (status == STATUS_OK)
		status = check_free(&d);
	if (status != STATUS_OK)
		return status;
	if (!strcmp(d.driver, driver) && !strcmp(d.override, driver))
		return report(out, &d, "nothing to do");

	/* If only the override is missing, the driver stays bound. */
	if (strcmp(d.driver, driver)) {
		status = check_movable(&d);
		if (status != STATUS_OK)
			return status;
	}
	status = load_driver(&d, driver);
	if (status != STATUS_OK)
		return status;
	err = set_override(d.bdf, driver);
	if (err)
		return roll_back(&d, "cannot write its driver_override", err);
	/* From here on, no driver takes the device that did not have it before. */
	read_driver(d.bdf, d.driver);
	if (!strcmp(d.driver, driver))
		return report(out, &d, "");
	err = detach(&d);
	if (err)
		return roll_back(&d, "its old driver does not release it", err);
	err = attach(d.bdf, driver);
	if (err)
		return roll_back(&d, "the driver did not take it", err);
	return report(out, &d, "");
}

/* Why a device that was given back has no driver */
static const char *why_none(const struct device *d)
{
	char autoprobe[8];

	if (*d->pf && !sysfs_read(autoprobe, sizeof(autoprobe),
				  DEVICES "/%s/sriov_drivers_autoprobe", d->pf) &&
	    *autoprobe == '0')
		return "its PF has sriov_drivers_autoprobe=0";
	return "no loaded driver takes it";
}

enum status unbind_one(const struct request *req, const char *bdf,
		       struct json_object *out)
{
	char now[NAME_SIZE];
	enum status status;
	struct device d;
	int err;

	status = device_find(&d, bdf);
	if (status == STATUS_OK)
		status = check_free(&d);
	if (status != STATUS_OK)
		return status;
	if (!*d.override && strcmp(d.driver, OUR_DRIVER) &&
	    !(req->no_driver && *d.driver))
		return report(out, &d, "nothing to do");
	status = check_movable(&d);
	if (status != STATUS_OK)
		return status;

	err = set_override(d.bdf, "");
	if (err)
		return roll_back(&d, "cannot clear its driver_override", err);
	err = detach(&d);
	if (err)
		return roll_back(&d, "its driver does not release it", err);
	if (req->no_driver)
		return report(out, &d, "");
	err = sysfs_write_slow(d.bdf, "/sys/bus/pci/drivers_probe");
	if (err)
		return roll_back(&d, "cannot probe for its default driver", err);
	read_driver(d.bdf, now);
	return report(out, &d, *now ? "" : why_none(&d));
}
