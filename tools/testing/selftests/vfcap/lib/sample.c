// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "sample.h"

/* Where the fixture's layout "vf-ats" has ATS in VFs */
#define VF_ATS		0x160

const char *sample_vf(unsigned int index)
{
	static __thread char name[SAMPLE_MAX_VFS + 1][16];

	if (index >= SAMPLE_MAX_VFS)
		return "";
	host_vf_name(index, name[index]);
	return name[index];
}

static void knob_path(char *out, size_t size, const char *knob)
{
	snprintf(out, size, "/sys/kernel/debug/" SAMPLE "/%s/%s", host_pf(),
		 knob);
}

int sample_set(const char *knob, const char *format, ...)
{
	char path[256], value[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	knob_path(path, sizeof(path), knob);
	return host_write(path, value);
}

const char *sample_get(const char *knob)
{
	char path[256];

	knob_path(path, sizeof(path), knob);
	return host_read(path);
}

int sample_calls(const char *format, ...)
{
	const char *line = sample_get("calls");
	char wanted[128];
	size_t len;
	int count = 0;
	va_list ap;
	bool whole;

	va_start(ap, format);
	vsnprintf(wanted, sizeof(wanted), format, ap);
	va_end(ap);
	len = strcspn(wanted, "\n");
	whole = wanted[len];

	while (line && *line) {
		if (!strncmp(line, "...", 3))
			return -ENOSPC;
		count += !strncmp(line, wanted, len) &&
			 (!whole || !line[len] || line[len] == '\n');
		line = strchr(line, '\n');
		line += !!line;
	}
	return count;
}

int sample_calls_clear(void)
{
	return sample_set("calls", "clear");
}

int sample_request(const char *vf, unsigned int nr)
{
	return sample_set("request", "%s %u", vf, nr);
}

int sample_in_flight(const char *vf)
{
	const char *line = strstr(sample_get("in_flight"), vf);
	unsigned int in_flight;

	if (!line || sscanf(line, "%*s %*s %*u %u", &in_flight) != 1)
		return -ENOENT;
	return in_flight;
}

const char *sample_state(const char *bdf, const char *file)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfcap/%s", bdf,
		 file);
	return host_read(path);
}

int state_open(const char *bdf, const char *file)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfcap/%s", bdf, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

const char *state_read(int fd)
{
	static char state[16];
	ssize_t len = pread(fd, state, sizeof(state) - 1, 0);

	state[len > 0 ? len : 0] = 0;
	strtok(state, "\n");
	return state;
}

bool state_changed(int fd, int timeout)
{
	struct pollfd p = { .fd = fd, .events = POLLPRI };

	return poll(&p, 1, timeout) == 1;
}

int sample_param(const char *name, const char *value)
{
	return host_writef(value, "/sys/module/pci_vfcap/parameters/%s", name);
}

long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static unsigned int count_vfs(void)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/sriov_numvfs",
		 host_pf());
	return atoi(host_read(path));
}

static bool vfs_have_ats(bool enabled)
{
	uint32_t header = host_config_read(sample_vf(0), VF_ATS, 4);
	uint32_t ctrl = host_config_read(sample_vf(0), VF_ATS + PCI_ATS_CTRL, 2);

	if (!enabled)
		return (header & 0xffff) != PCI_EXT_CAP_ID_ATS;
	return (header & 0xffff) == PCI_EXT_CAP_ID_ATS &&
	       ctrl & PCI_ATS_CTRL_ENABLE;
}

bool sample_vfs_have_ats(void)
{
	return vfs_have_ats(true);
}

/* The layout's file is in the same directory as the default one. */
int sample_layout_ats(void)
{
	const char *file = getenv("VFCAP_LAYOUT");
	char path[256];
	const char *lines;

	snprintf(path, sizeof(path), "%.*s/vf-ats",
		 (int)(strrchr(file, '/') - file), file);
	lines = host_read(path);
	return *lines ? host_layout(lines) : -ENOENT;
}

static int bind_pf(const char *driver)
{
	int ret;

	if (!strcmp(host_driver(host_pf()), driver))
		return 0;
	if (!strcmp(driver, SAMPLE)) {
		ret = host_load("samples/vfcap/vfcap-sample-pf.ko", "");
		if (ret && ret != -EEXIST)
			return ret;
	}
	return host_rebind(host_pf(), driver);
}

/*
 * The kernel looks at a VF's ATS when it finds the VF, so the layout has to be there
 * before. And since a layout also sets the reset values of VFs, they must not exist yet.
 */
static int create_vfs(const char *driver, unsigned int nr, bool ats)
{
	char value[16];
	int ret = 0;

	if (count_vfs())
		ret = host_writef("0", "devices/%s/sriov_numvfs", host_pf());
	if (!ret)
		ret = bind_pf(driver);
	if (!ret)
		ret = host_layout_default();
	if (!ret && ats)
		ret = sample_layout_ats();
	if (!ret)
		ret = host_writef("0", "devices/%s/sriov_drivers_autoprobe",
				  host_pf());
	if (ret)
		return ret;
	snprintf(value, sizeof(value), "%u", nr);
	ret = host_writef(value, "devices/%s/sriov_numvfs", host_pf());
	if (!ret && !vfs_have_ats(ats))
		return -ENODEV;
	return ret;
}

static int reset_knobs(void)
{
	static const char * const knobs[][2] = {
		{ "change", "end pasid" },
		{ "change", "end pri" },
		{ "stuck", "N" },
		{ "lost", "N" },
		{ "latency_ms", "1" },
		{ "place_pasid", "0" },
		{ "place_pri", "0" },
		{ "control_mask", "0xffffffff" },
		{ "first_user_error", "0" },
		{ "pri_enable_error", "0" },
		{ "calls", "clear" },
	};
	unsigned int i;
	int ret;

	/* The PF may be registered already. */
	ret = sample_set("registered", "1");
	if (ret == -EBUSY)
		ret = 0;
	for (i = 0; !ret && i < ARRAY_SIZE(knobs); i++)
		ret = sample_set(knobs[i][0], "%s", knobs[i][1]);
	return ret;
}

static int reset_params(void)
{
	int ret = host_param("pasid", "auto");

	if (!ret)
		ret = host_param("pri", "auto");
	if (!ret)
		ret = sample_param("pri_drain_ms", "1000");
	return ret ?: sample_param("assigned_flag", "Y");
}

/*
 * What a test may leave behind where the VFs stay: the lines of the layout that tests
 * change, and what was written to the VF's hardware. That accepts writes where it has no
 * registers, because a capability was not shown there.
 */
static int clean_config(unsigned int nr_vfs)
{
	int ret = host_layout("pf 1c4 01000000 ffffffff 00000001\n"
			      "vf 1e4 0 0\nvf 400 0 0\nvf 404 0 0\nvf 408 0 0");
	unsigned int i, pos;

	for (i = 0; !ret && i < nr_vfs; i++)
		for (pos = PF_PRI; !ret && pos < PF_PASID + 8; pos += 4)
			if (host_config_read(sample_vf(i), pos, 4))
				ret = host_config_write(sample_vf(i), pos, 4, 0);
	return ret;
}

int sample_prepare(const char *driver, unsigned int nr_vfs, bool ats)
{
	unsigned int i;
	int ret = 0;

	/* Requests that are stuck would delay what follows. */
	if (!strcmp(host_driver(host_pf()), SAMPLE))
		ret = reset_knobs();
	if (!ret && (strcmp(host_driver(host_pf()), driver) ||
		     count_vfs() != nr_vfs || !vfs_have_ats(ats)))
		ret = create_vfs(driver, nr_vfs, ats);
	for (i = 0; !ret && i < nr_vfs; i++)
		if (strcmp(host_driver(sample_vf(i)), OURS))
			ret = host_bind(sample_vf(i), OURS);
	if (!ret)
		ret = clean_config(nr_vfs);
	if (!ret)
		ret = host_enable_pf();
	if (!ret)
		ret = reset_params();
	if (!ret)
		ret = host_writes_clear();
	host_log_clear();
	return ret;
}

bool sample_suspends(const char *bdf)
{
	char status[64];

	snprintf(status, sizeof(status), "devices/%s/power/runtime_status", bdf);
	return WAIT_FOR(!strcmp(host_read(status), "suspended"), 5000);
}

int sample_give_back(void)
{
	int ret = sample_prepare(IGB, 2, false);

	if (!ret)
		ret = host_unbind(host_vf2());
	if (!ret)
		ret = host_layout_default();
	if (!ret)
		ret = host_unload("vfcap_sample_pf");
	return ret == -ENOENT ? 0 : ret;
}
