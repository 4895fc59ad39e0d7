/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A PF with the sample PF driver or igb, and any number of VFs; the sample driver's knobs
 * (see samples/vfcap/sample-debugfs.c); and what sysfs says about PF and VFs. All
 * functions that return int return 0 or -errno unless they say otherwise.
 */
#ifndef VFCAP_TEST_SAMPLE_H
#define VFCAP_TEST_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>

#include "host.h"

#define SAMPLE	"vfcap-sample-pf"
#define IGB	"igb"

/* As many as the PF can have */
#define SAMPLE_MAX_VFS	8

/*
 * Bind the PF to @driver and give it @nr_vfs VFs, bound to our driver, which have ATS
 * enabled or lack it. Parameters, knobs and the PF's registers are at their defaults,
 * logs and records empty. The VFs must be closed. This takes seconds only if the VFs or
 * the PF's driver must change.
 */
int sample_prepare(const char *driver, unsigned int nr_vfs, bool ats);

/* VFs that are created from now on have ATS. */
int sample_layout_ats(void);
bool sample_vfs_have_ats(void);

/* igb and two VFs, the first one bound to our driver, as other tests expect */
int sample_give_back(void);

/* The PCI address of a VF, counted from 0; "" if there is none */
const char *sample_vf(unsigned int index);

/* Write a knob; read it, without its last newline, "" on error */
int sample_set(const char *knob, const char *format, ...) __printf(2, 3);
const char *sample_get(const char *knob);

/*
 * How many recorded calls begin with this text, or are equal to it if it ends with a
 * newline; -ENOSPC if the record was too short
 */
int sample_calls(const char *format, ...) __printf(1, 2);
int sample_calls_clear(void);

/* Have a VF send page requests; how many of them are in flight, -ENOENT if never enabled */
int sample_request(const char *vf, unsigned int nr);
int sample_in_flight(const char *vf);

/* A file of "vfcap" in sysfs, without its last newline; "" on error */
const char *sample_state(const char *bdf, const char *file);
/* One that is kept open to be polled, or -errno */
int state_open(const char *bdf, const char *file);
/* Reading it also makes the next state_changed() wait for a change. */
const char *state_read(int fd);
bool state_changed(int fd, int timeout);

/* pci-vfcap's parameters */
int sample_param(const char *name, const char *value);

/* Milliseconds of a monotonic clock */
long now_ms(void);

/* Wait until a condition holds, for at most @ms, polling every @us; returns whether it does */
#define WAIT_PAUSING(condition, ms, us) ({				\
	long _end = now_ms() + (ms);					\
	bool _holds;							\
									\
	while (!(_holds = (condition)) && now_ms() < _end)		\
		usleep(us);						\
	_holds;								\
})
#define WAIT_FOR(condition, ms)	WAIT_PAUSING(condition, ms, 1000)

/* Wait for a device to be suspended, if that is about to happen; returns whether it is */
bool sample_suspends(const char *bdf);

#endif
