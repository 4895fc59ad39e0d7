// SPDX-License-Identifier: GPL-2.0
/*
 * Error paths: each place where a call allocates memory, or copies from or to its user,
 * fails once. The call then either succeeds anyway or returns an error, leaves nothing
 * half done, and works the next time. Further damage is detected by the kernel's own
 * checks (KASAN, lockdep, kmemleak). What a call leaves to a worker is not part of the
 * call, and does not fail.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/vfio_vfcap.h>

#include "../kselftest_harness.h"
#include "lib/fault.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"
#include "lib/vmd.h"

#define PASID		5
#define PAGE		4096UL
#define PASID_CTRL	(PF_PASID + PCI_PASID_CTRL)
#define ELSEWHERE	0x400
#define ALIAS		0x100

#define GET	VFIO_DEVICE_FEATURE_GET
#define SET	VFIO_DEVICE_FEATURE_SET

/* More such places than any call here has */
#define MOST	4000

struct stage {
	struct vfio v;
	uint32_t hwpt;
	unsigned int exp;	/* offset of its PCI Express capability */
	const char *bdf;	/* the function that is opened or bound */
	int file;		/* what the call writes to, or loads */
	int event;
	const char *text;	/* what it writes there */
	struct vfcap_feature_state state;
};

/*
 * A call, and what is done before and after it without a fault. @after returns what is
 * wrong, or NULL, after the call has returned @ret.
 */
struct sweep {
	const char *name;
	int (*before)(struct stage *s);
	int (*act)(struct stage *s);
	const char *(*after)(struct stage *s, int ret);
	bool fails;		/* some of the faults must make it fail */
};

static bool is_in_state(const char *bdf, const char *file, const char *state)
{
	return !strcmp(sample_state(bdf, file), state);
}

static void stage_init(struct stage *s)
{
	*s = (struct stage){ .file = -1, .event = -1 };
	vfio_init(&s->v);
}

static void stage_close(struct stage *s)
{
	vfio_close(&s->v);
	if (s->file >= 0)
		close(s->file);
	if (s->event >= 0)
		close(s->event);
	s->file = -1;
	s->event = -1;
}

/* Open a file of the host's PCI bus beforehand, for a call that should be just a write */
static int stage_file(struct stage *s, const char *format, ...)
{
	char path[256] = "/sys/bus/pci/";
	size_t len = strlen(path);
	va_list ap;

	va_start(ap, format);
	vsnprintf(path + len, sizeof(path) - len, format, ap);
	va_end(ap);
	if (s->file >= 0)
		close(s->file);
	s->file = open(path, O_WRONLY | O_CLOEXEC);
	return s->file < 0 ? -errno : 0;
}

static int act_write(struct stage *s)
{
	return write(s->file, s->text, strlen(s->text)) < 0 ? -errno : 0;
}

/*
 * The VF, opened, without any leftovers of the previous call: memory enabled, PASID shown
 * with Enable 0, and a page table that can be attached to PASIDs.
 */
static int session(struct stage *s)
{
	uint32_t ioas;
	int ret;

	if (s->v.fd >= 0)
		return 0;
	s->bdf = host_vf();
	ret = vfio_open_cdev(&s->v, s->bdf);
	if (!ret)
		ret = iommufd_ioas(&s->v, &ioas);
	if (!ret)
		ret = iommufd_hwpt(&s->v, ioas, true, &s->hwpt);
	if (!ret)
		ret = iommufd_attach(&s->v, s->hwpt, 0);
	if (!ret && vfio_find_ecap(&s->v, PCI_EXT_CAP_ID_PASID) != PF_PASID)
		ret = -ENOENT;
	return ret ?: vfio_set(&s->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
}

static int closed(struct stage *s)
{
	vfio_close(&s->v);
	s->bdf = host_vf();
	return 0;
}

static int reopened(struct stage *s)
{
	closed(s);
	return vfio_open_cdev(&s->v, s->bdf);
}

static const char *nothing_is_held(void)
{
	if (!is_in_state(host_vf(), "pasid_state", "hidden"))
		return "the VF goes on to show or hold PASID";
	if (!is_in_state(host_pf(), "pasid_state", "unlocked"))
		return "the PF stays locked";
	if (!is_in_state(host_pf(), "pasid_users", ""))
		return "the PF has users yet";
	return NULL;
}

static const char *shows_pasid(struct stage *s)
{
	return vfio_find_ecap(&s->v, PCI_EXT_CAP_ID_PASID) == PF_PASID ? NULL :
	       "PASID is not shown";
}

/* open, close */

static int act_open_cdev(struct stage *s)
{
	return vfio_open_cdev(&s->v, s->bdf);
}

static const char *after_open_cdev(struct stage *s, int ret)
{
	const char *wrong = ret ? NULL : shows_pasid(s);

	vfio_close(&s->v);
	return wrong ?: nothing_is_held();
}

static int act_open_group(struct stage *s)
{
	return vfio_open_group(&s->v, s->bdf);
}

static const char *after_open_group(struct stage *s, int ret)
{
	bool dead = !ret && vfio_get(&s->v, 0, 4) == ~0U;

	vfio_close(&s->v);
	return dead ? "its config space cannot be read" : nothing_is_held();
}

static int act_close(struct stage *s)
{
	vfio_close(&s->v);
	return 0;
}

static const char *after_close(struct stage *s, int ret)
{
	return nothing_is_held();
}

/* What is shown is decided once, at the first access. */

static int act_read(struct stage *s)
{
	uint32_t value;
	ssize_t ret = vfio_read(&s->v, PCI_VENDOR_ID, &value, 4);

	return ret < 0 ? ret : 0;
}

static const char *after_first(struct stage *s, int ret)
{
	return shows_pasid(s);
}

static int act_query(struct stage *s)
{
	struct vfcap_feature_query q;

	return vfcap_query(&s->v, VFCAP_CAP_PASID, &q);
}

static const char *after_query(struct stage *s, int ret)
{
	struct vfcap_feature_query q;

	if (vfcap_query(&s->v, VFCAP_CAP_PASID, &q) ||
	    q.magic != VFCAP_MAGIC || q.offset != PF_PASID)
		return "a second query does not tell where PASID is";
	return shows_pasid(s);
}

/* config space */

static int act_enable(struct stage *s)
{
	return vfio_set(&s->v, PASID_CTRL, 2, PCI_PASID_CTRL_ENABLE);
}

static uint32_t enable_bit(struct stage *s)
{
	return vfio_get(&s->v, PASID_CTRL, 2) & PCI_PASID_CTRL_ENABLE;
}

static bool in_iommu(struct stage *s)
{
	return iommu_has_pasid(s->bdf, PASID);
}

/* A session with a PASID attached that the IOMMU does not know yet */
static int remembering(struct stage *s)
{
	int ret = session(s);

	if (!ret)
		ret = vfio_set(&s->v, PASID_CTRL, 2, 0);
	return ret ?: iommufd_attach(&s->v, s->hwpt, PASID);
}

/* A session with a PASID that the IOMMU knows */
static int attached(struct stage *s)
{
	int ret = remembering(s);

	return ret ?: act_enable(s);
}

/*
 * Whether or not Enable was set: without Enable the IOMMU knows no PASID, and it does
 * once Enable is set again.
 */
static const char *after_enable(struct stage *s, int ret)
{
	if (!ret && !enable_bit(s))
		return "Enable stays 0";
	if (!enable_bit(s) && in_iommu(s))
		return "a PASID is attached without Enable";
	if (vfio_set(&s->v, PASID_CTRL, 2, 0) || enable_bit(s) || in_iommu(s))
		return "Enable cannot be cleared";
	if (act_enable(s) || !enable_bit(s) || !in_iommu(s))
		return "a second Enable attaches no PASID";
	if (vfio_set(&s->v, PASID_CTRL, 2, 0) || iommufd_detach(&s->v, PASID))
		return "the PASID cannot be detached";
	return NULL;
}

static int act_disable(struct stage *s)
{
	return vfio_set(&s->v, PASID_CTRL, 2, 0);
}

static const char *after_disable(struct stage *s, int ret)
{
	if (!ret && (enable_bit(s) || in_iommu(s)))
		return "the PASID is still attached";
	return after_enable(s, -1);
}

static int before_flr(struct stage *s)
{
	int ret = attached(s);

	s->exp = vfio_find_cap(&s->v, PCI_CAP_ID_EXP);
	return ret;
}

static int act_flr(struct stage *s)
{
	return vfio_set(&s->v, s->exp + PCI_EXP_DEVCTL, 2,
			PCI_EXP_DEVCTL_BCR_FLR);
}

static int act_reset(struct stage *s)
{
	return vfio_reset(&s->v);
}

static const char *after_reset(struct stage *s, int ret)
{
	if (!ret && (enable_bit(s) || in_iommu(s)))
		return "the reset did not clear Enable";
	if (act_reset(s) || enable_bit(s) || in_iommu(s))
		return "a second reset does not clear Enable";
	return after_enable(s, -1) ?:
	       vfio_set(&s->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY) ?
	       "memory cannot be enabled" : NULL;
}

static int act_sleep(struct stage *s)
{
	return vfio_set_low_power(&s->v, true);
}

static int asleep(struct stage *s)
{
	int ret = session(s);

	return ret ?: act_sleep(s);
}

static int act_wake(struct stage *s)
{
	return vfio_set_low_power(&s->v, false);
}

static const char *after_power(struct stage *s, int ret)
{
	act_wake(s);
	if (shows_pasid(s))
		return "it cannot be woken";
	if (act_sleep(s) || act_wake(s) || shows_pasid(s))
		return "it cannot sleep and wake again";
	return vfio_set(&s->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY) ?
	       "memory cannot be enabled" : NULL;
}

/* PASIDs */

static int act_attach(struct stage *s)
{
	return iommufd_attach(&s->v, s->hwpt, PASID);
}

static int enabled(struct stage *s)
{
	int ret = session(s);

	return ret ?: act_enable(s);
}

static const char *after_attach(struct stage *s, int ret)
{
	/*
	 * If the IOMMU driver had no memory for its debugfs entry, an attach is not seen
	 * there.
	 */
	if (in_iommu(s) && !enable_bit(s))
		return "a PASID is attached without Enable";
	/* The caller may have got EFAULT although the attach was done. */
	if (ret && ret != -EFAULT) {
		if (in_iommu(s))
			return "the PASID is attached although that failed";
		if (act_enable(s) || in_iommu(s))
			return "there is an attachment left";
		vfio_set(&s->v, PASID_CTRL, 2, 0);
	}
	if (!ret && (iommufd_detach(&s->v, PASID) || in_iommu(s)))
		return "it cannot be detached";
	if (act_attach(s) || act_enable(s) || !in_iommu(s))
		return "a second attach does not work";
	if (iommufd_detach(&s->v, PASID) || in_iommu(s))
		return "the PASID cannot be detached";
	vfio_set(&s->v, PASID_CTRL, 2, 0);
	if (act_enable(s) || in_iommu(s))
		return "there is an attachment left";
	vfio_set(&s->v, PASID_CTRL, 2, 0);
	return NULL;
}

static int act_detach(struct stage *s)
{
	return iommufd_detach(&s->v, PASID);
}

static const char *after_detach(struct stage *s, int ret)
{
	if (!ret && in_iommu(s))
		return "the PASID is still attached";
	if (ret && !in_iommu(s))
		return "the PASID is detached although that failed";
	act_detach(s);
	return after_attach(s, -ENOENT);
}

/* Our features */

static int act_choose(struct stage *s)
{
	return vfcap_choose(&s->v, VFCAP_CAP_PASID, VFCAP_CHOOSE_OFFSET, ELSEWHERE);
}

static const char *after_choose(struct stage *s, int ret)
{
	struct vfcap_feature_query q;

	if (vfcap_query(&s->v, VFCAP_CAP_PASID, &q) ||
	    q.offset != (ret ? PF_PASID : ELSEWHERE))
		return ret ? "a call that failed has moved it" :
			     "it is not where it was put";
	if (act_choose(s) ||
	    vfio_find_ecap(&s->v, PCI_EXT_CAP_ID_PASID) != ELSEWHERE)
		return "it cannot be put there";
	return NULL;
}

static int act_get_state(struct stage *s)
{
	struct vfcap_feature_state state;

	return vfcap_get_state(&s->v, &state);
}

static const char *after_get_state(struct stage *s, int ret)
{
	struct vfcap_feature_state state;

	if (vfcap_get_state(&s->v, &state) || state.magic != VFCAP_MAGIC)
		return "a second call does not tell the state";
	return NULL;
}

static int state_to_set(struct stage *s)
{
	int ret = remembering(s);

	if (!ret)
		ret = vfcap_get_state(&s->v, &s->state);
	s->state.caps[VFCAP_CAP_PASID].regs[PCI_PASID_CAP / 4] |=
		PCI_PASID_CTRL_ENABLE << 16;
	return ret;
}

static int act_set_state(struct stage *s)
{
	return vfcap_set_state(&s->v, &s->state);
}

static const char *after_set_state(struct stage *s, int ret)
{
	if (ret && (enable_bit(s) || in_iommu(s)))
		return "a call that failed has set Enable";
	if (act_set_state(s) || !enable_bit(s))
		return "a second call does not set Enable";
	return after_enable(s, -1);
}

static int set_event(struct stage *s, unsigned long feature, int fd)
{
	struct vfcap_feature_lost_eventfd data = { .fd = fd };

	return vfio_feature(&s->v, SET | feature, &data, sizeof(data));
}

static int event_to_set(struct stage *s)
{
	if (s->event < 0)
		s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->event < 0 ? -errno : session(s);
}

static const char *after_event(struct stage *s, unsigned long feature)
{
	return set_event(s, feature, s->event) || set_event(s, feature, -1) ?
	       "it cannot be set, and taken back" : NULL;
}

static int act_set_lost_event(struct stage *s)
{
	return set_event(s, VFCAP_FEATURE_LOST_EVENTFD, s->event);
}

static const char *after_set_lost_event(struct stage *s, int ret)
{
	return after_event(s, VFCAP_FEATURE_LOST_EVENTFD);
}

static int act_set_return_event(struct stage *s)
{
	return set_event(s, VFCAP_FEATURE_RETURN_EVENTFD, s->event);
}

static const char *after_set_return_event(struct stage *s, int ret)
{
	return after_event(s, VFCAP_FEATURE_RETURN_EVENTFD);
}

/* Write combining */

static int wc_create(struct stage *s)
{
	struct vfcap_feature_write_combine wc = { .offset = PAGE, .size = PAGE };
	int ret = vfio_feature(&s->v, GET | VFCAP_FEATURE_WRITE_COMBINE, &wc,
			       sizeof(wc));

	return ret ?: wc.alias_index == ALIAS ? 0 : -EEXIST;
}

static int wc_remove(struct stage *s)
{
	struct vfcap_feature_write_combine wc = { .alias_index = ALIAS };

	return vfio_feature(&s->v, SET | VFCAP_FEATURE_WRITE_COMBINE, &wc,
			    sizeof(wc));
}

static int with_alias(struct stage *s)
{
	int ret = session(s);

	return ret ?: wc_create(s);
}

/* Whether all pages of the BAR can be read */
static bool bar_is_there(struct stage *s)
{
	uint64_t at;
	uint32_t value;

	for (at = 0; at < 3 * PAGE; at += PAGE)
		if (pread(s->v.fd, &value, 4, at) != 4)
			return false;
	return true;
}

static const char *after_create(struct stage *s, int ret)
{
	if (!bar_is_there(s))
		return "the BAR cannot be read";
	/* The caller may have got an error although it was done. */
	if (!ret && wc_remove(s))
		return "the alias cannot be removed";
	if (ret && wc_remove(s) != -ENOENT)
		return "there is an alias although that failed";
	if (wc_create(s) || wc_remove(s))
		return "a second alias cannot be made and removed";
	return bar_is_there(s) ? NULL : "then the BAR cannot be read";
}

/* Without memory for a mapping the BAR cannot be read, but it can be mapped again. */
static const char *after_remove(struct stage *s, int ret)
{
	if (ret && wc_remove(s))
		return "it cannot be removed again";
	if (wc_remove(s) != -ENOENT)
		return "it is still there";
	if (wc_create(s) || wc_remove(s))
		return "a second alias cannot be made and removed";
	return bar_is_there(s) ? NULL : "the BAR cannot be read";
}

/* Without memory core gets its mapping back at the next open. */
static const char *after_close_with_alias(struct stage *s, int ret)
{
	if (session(s))
		return "the VF cannot be opened again";
	return bar_is_there(s) ? NULL : "the BAR cannot be read";
}

static int act_region_info(struct stage *s)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = ALIAS };

	return ioctl(s->v.fd, VFIO_DEVICE_GET_REGION_INFO, &info) ? -errno : 0;
}

static const char *after_region_info(struct stage *s, int ret)
{
	if (act_region_info(s))
		return "there is no info about the alias";
	return wc_remove(s) ? "the alias cannot be removed" : NULL;
}

/* The access repeats a fault that failed, so this does not end in a signal. */
static int act_mmap(struct stage *s)
{
	uint32_t *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			    s->v.fd, ((off_t)10 << 40) + PAGE);

	if (at == MAP_FAILED)
		return -errno;
	__atomic_load_n(at, __ATOMIC_RELAXED);
	munmap(at, PAGE);
	return 0;
}

static const char *after_mmap(struct stage *s, int ret)
{
	if (act_mmap(s))
		return "the alias cannot be mapped";
	return wc_remove(s) ? "the alias cannot be removed" : NULL;
}

static int set_ioeventfd(struct stage *s, int fd)
{
	struct vfio_device_ioeventfd arg = {
		.argsz = sizeof(arg), .flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = 0x2800, .fd = fd,
	};

	return ioctl(s->v.fd, VFIO_DEVICE_IOEVENTFD, &arg) ? -errno : 0;
}

static int act_ioeventfd(struct stage *s)
{
	return set_ioeventfd(s, s->event);
}

static const char *after_ioeventfd(struct stage *s, int ret)
{
	if (set_ioeventfd(s, -1) != (ret ? -ENODEV : 0))
		return "it is not as the call said";
	if (act_ioeventfd(s) || set_ioeventfd(s, -1))
		return "it cannot be set, and taken back";
	/* An alias is refused while there is an ioeventfd. */
	return wc_create(s) || wc_remove(s) ? "an ioeventfd is left" : NULL;
}

static const struct sweep sessions[] = {
	{ "open through the cdev", closed, act_open_cdev, after_open_cdev, true },
	{ "open through the group", closed, act_open_group, after_open_group, true },
	{ "first read", reopened, act_read, after_first, false },
	{ "first query", reopened, act_query, after_query, false },
	{ "close with a PASID attached", attached, act_close, after_close, false },
	{ }
};

static const struct sweep features[] = {
	{ "QUERY", session, act_query, after_query, false },
	{ "CHOOSE", reopened, act_choose, after_choose, false },
	{ "STATE, get", session, act_get_state, after_get_state, false },
	{ "STATE, set", state_to_set, act_set_state, after_set_state, false },
	{ "LOST_EVENTFD", event_to_set, act_set_lost_event, after_set_lost_event, false },
	{ "RETURN_EVENTFD", event_to_set, act_set_return_event, after_set_return_event,
	  false },
	{ "LOW_POWER_ENTRY", session, act_sleep, after_power, false },
	{ "LOW_POWER_EXIT", asleep, act_wake, after_power, false },
	{ }
};

static const struct sweep bars[] = {
	{ "WRITE_COMBINE, create", session, wc_create, after_create, true },
	{ "WRITE_COMBINE, remove", with_alias, wc_remove, after_remove, false },
	{ "close with an alias", with_alias, act_close, after_close_with_alias, false },
	{ "GET_REGION_INFO", with_alias, act_region_info, after_region_info, false },
	{ "mmap", with_alias, act_mmap, after_mmap, true },
	{ "IOEVENTFD", event_to_set, act_ioeventfd, after_ioeventfd, true },
	{ }
};

static const struct sweep pasids[] = {
	{ "Enable", remembering, act_enable, after_enable, false },
	{ "Enable cleared", attached, act_disable, after_disable, false },
	{ "attach", session, act_attach, after_attach, true },
	{ "attach, enabled", enabled, act_attach, after_attach, true },
	{ "detach", attached, act_detach, after_detach, false },
	{ "RESET", attached, act_reset, after_reset, false },
	{ "FLR", before_flr, act_flr, after_reset, false },
	{ }
};

/* Binding */

static int unbound(struct stage *s)
{
	int ret = host_unbind(s->bdf);

	s->text = s->bdf;
	return ret ?: stage_file(s, "drivers/" OURS "/bind");
}

static const char *after_bind(struct stage *s, int ret)
{
	bool ours = !strcmp(host_driver(s->bdf), OURS);
	bool vf = !strcmp(s->bdf, host_vf());

	if (ours != !ret)
		return ret ? "it is bound although that failed" :
			     "it is not bound";
	if (vf && host_exists("devices/%s/vfcap", s->bdf) != ours)
		return "the VF's folder is not as it should be";
	/* Our VF is the PF's only bound one, and the PF's driver does not take part. */
	if (vf && !ours && host_exists("devices/%s/vfcap", host_pf()))
		return "the PF's directory is left";
	/* Binding does not depend on the PF's directory. */
	if (vf && ours && !host_exists("devices/%s/vfcap", host_pf()) &&
	    !host_log_count(host_pf(), "no directory \"vfcap\" in sysfs"))
		return "the PF's directory is missing, and the log does not say why";
	if (ours) {
		if (vfio_open(&s->v, s->bdf))
			return "it cannot be opened";
		vfio_close(&s->v);
	}
	return NULL;
}

static int bound(struct stage *s)
{
	int ret = strcmp(host_driver(s->bdf), OURS) ?
		  host_bind(s->bdf, OURS) : 0;

	s->text = s->bdf;
	return ret ?: stage_file(s, "devices/%s/driver/unbind", s->bdf);
}

static const char *after_unbind(struct stage *s, int ret)
{
	if (!ret && *host_driver(s->bdf))
		return "it is still bound";
	return host_exists("devices/%s/vfcap", s->bdf) == !!ret ? NULL :
	       "its directory is not as it should be";
}

static const struct sweep binds[] = {
	{ "bind", unbound, act_write, after_bind, true },
	{ "unbind", bound, act_write, after_unbind, false },
	{ }
};

/* VMDs: the capability of one, the native registers of another */

static int vmd_closed(struct stage *s)
{
	int ret = strcmp(host_driver(s->bdf), OURS) ?
		  host_bind(s->bdf, OURS) : 0;

	vfio_close(&s->v);
	return ret;
}

static const char *after_vmd_open(struct stage *s, int ret)
{
	bool dead = !ret && vfio_get(&s->v, 0, 4) == ~0U;

	vfio_close(&s->v);
	return dead ? "its config space cannot be read" : NULL;
}

static int vmd_session(struct stage *s)
{
	int ret = s->v.fd < 0 ? vfio_open(&s->v, s->bdf) : 0;

	return ret ?: vfio_set(&s->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
}

/* If native shadow registers are not shown, this reads memory. */
static int act_shadow(struct stage *s)
{
	uint64_t value;

	return pread(s->v.fd, &value, 8,
		     ((off_t)VMD_MEMBAR2 << 40) + VMD_SHADOW) == 8 ? 0 : -errno;
}

static const char *after_shadow(struct stage *s, int ret)
{
	return act_shadow(s) ? "it cannot be read" : NULL;
}

static int act_vmd_info(struct stage *s)
{
	char buf[1024];

	return vfio_region(&s->v, VMD_MEMBAR2, buf, sizeof(buf)) ? 0 : -errno;
}

static const char *after_vmd_info(struct stage *s, int ret)
{
	return act_vmd_info(s) ? "there is no info about the BAR" : NULL;
}

static const struct sweep vmd_binds[] = {
	{ "bind", unbound, act_write, after_bind, true },
	{ }
};

static const struct sweep vmds[] = {
	{ "open", vmd_closed, act_open_cdev, after_vmd_open, true },
	{ "shadow registers", vmd_session, act_shadow, after_shadow, false },
	{ "GET_REGION_INFO", vmd_session, act_vmd_info, after_vmd_info, false },
	{ }
};

/* The PF's driver */

static int knob(struct stage *s, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/kernel/debug/" SAMPLE "/%s/%s",
		 host_pf(), name);
	if (s->file >= 0)
		close(s->file);
	s->file = open(path, O_WRONLY | O_CLOEXEC);
	s->text = text;
	return s->file < 0 ? -errno : 0;
}

static int vfs(struct stage *s, const char *number)
{
	return host_writef(number, "devices/%s/sriov_numvfs", host_pf());
}

/* The PF must not take part for any reason except its driver's registration. */
static int unregistered(struct stage *s)
{
	sample_set("registered", "0");
	return knob(s, "registered", "1");
}

static int alone_unregistered(struct stage *s)
{
	int ret = vfs(s, "0");

	return ret ?: unregistered(s);
}

static const char *after_register(struct stage *s, int ret)
{
	if (sample_set("registered", "1") != (ret ? 0 : -EBUSY))
		return "it is not registered as the call said";
	return sample_set("registered", "0") ? "it cannot unregister" : NULL;
}

static const char *after_alone(struct stage *s, int ret)
{
	const char *wrong = after_register(s, ret);

	if (!wrong && host_exists("devices/%s/vfcap", host_pf()))
		wrong = "the PF's directory is left";
	return wrong;
}

static int registered(struct stage *s)
{
	int ret = sample_set("registered", "1");

	return ret && ret != -EBUSY ? ret : knob(s, "registered", "0");
}

static const char *after_unregister(struct stage *s, int ret)
{
	if (sample_set("registered", "1") != (ret ? -EBUSY : 0))
		return "it is not registered as the call said";
	return NULL;
}

static int before_change(struct stage *s)
{
	int ret = registered(s);

	return ret ?: knob(s, "change", "begin pasid");
}

static const char *after_change(struct stage *s, int ret)
{
	if (sample_set("change", "begin pasid") != (ret ? 0 : -EALREADY))
		return "the change has not begun as the call said";
	return sample_set("change", "end pasid") ? "it does not end" : NULL;
}

/* The loss is reported, and the VF works again after a reset. */
static int before_loss(struct stage *s)
{
	int ret = session(s);

	if (!ret)
		ret = act_enable(s);
	return ret ?: knob(s, "lost_event", "somebody says so");
}

static const char *after_loss(struct stage *s, int ret)
{
	if (!ret && !WAIT_FOR(is_in_state(host_vf(), "pasid_state", "lost"), 5000))
		return "PASID is not lost";
	if (vfio_reset(&s->v) || act_enable(s) || !enable_bit(s))
		return "it does not come back after a reset";
	return NULL;
}

/*
 * Not sriov_numvfs: if pci_iov_add_virtfn() has no memory for the VF's device, it removes
 * a device that was never added, which device_del() does not survive. And not the bind of
 * a PF: ACPI's interpreter then frees what it has not allocated. Our part of these is
 * tested by the bind of a VF, and by "register".
 */
static const struct sweep pf_calls[] = {
	{ "register", unregistered, act_write, after_register, false },
	{ "unregister", registered, act_write, after_unregister, false },
	{ "change", before_change, act_write, after_change, false },
	{ "loss", before_loss, act_write, after_loss, false },
	{ "register, without VFs", alone_unregistered, act_write, after_alone, true },
	{ }
};

/* Modules */

static int open_module(struct stage *s, const char *module)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", getenv("VFCAP_MODULES"), module);
	if (s->file >= 0)
		close(s->file);
	s->file = open(path, O_RDONLY | O_CLOEXEC);
	return s->file < 0 ? -errno : 0;
}

static int act_load(struct stage *s)
{
	return syscall(SYS_finit_module, s->file, "", 0) ? -errno : 0;
}

static int unload(const char *module)
{
	int ret = host_unload(module);

	return ret == -ENOENT ? 0 : ret;
}

static int vfio_unloaded(struct stage *s)
{
	int ret = unload("vfcap_vfio_pci");

	return ret ?: open_module(s, "drivers/vfio/pci/vfcap/vfcap-vfio-pci.ko");
}

static const char *after_load_vfio(struct stage *s, int ret)
{
	return host_exists("drivers/" OURS) == !ret ? NULL :
	       "the driver is not there as the call said";
}

static int all_unloaded(struct stage *s)
{
	int ret = unload("vfcap_vfio_pci");

	if (!ret)
		ret = unload("pci_vfcap");
	return ret ?: open_module(s, "drivers/pci/vfcap/pci-vfcap.ko");
}

static const char *after_load_pci(struct stage *s, int ret)
{
	return host_exists("/sys/module/pci_vfcap") == !ret ? NULL :
	       "the module is not there as the call said";
}

static const struct sweep modules[] = {
	{ "load vfcap-vfio-pci", vfio_unloaded, act_load, after_load_vfio, true },
	{ "load pci-vfcap", all_unloaded, act_load, after_load_pci, true },
	{ }
};

/* Make each place fail in turn, until the call has no more of them. */
static void sweep_one(struct __test_metadata *_metadata, struct stage *s,
		      const struct sweep *sweep)
{
	unsigned int n, failed = 0;
	const char *wrong;
	bool hit = true;
	long start = now_ms();
	int ret = 0;

	vfio_close(&s->v);
	for (n = 1; n < MOST && hit; n++) {
		ret = sweep->before(s);
		ASSERT_EQ(0, ret) {
			TH_LOG("%s: before fault %u", sweep->name, n);
		}
		host_log_clear();
		fault_arm(n);
		ret = sweep->act(s);
		hit = fault_disarm();
		failed += ret < 0;
		wrong = sweep->after(s, ret);
		EXPECT_EQ(NULL, wrong) {
			TH_LOG("%s: fault %u, result %d: %s", sweep->name, n,
			       ret, wrong);
			/* Start afresh with the next fault. */
			vfio_close(&s->v);
		}
	}
	TH_LOG("%s: %u faults, %u of them errors, %ld ms", sweep->name, n - 2,
	       failed, now_ms() - start);
	EXPECT_FALSE(hit);
	EXPECT_EQ(0, ret);
	EXPECT_TRUE(!sweep->fails || failed);
}

static void sweep_all(struct __test_metadata *_metadata, struct stage *s,
		      const struct sweep *sweeps)
{
	for (; sweeps->name; sweeps++)
		sweep_one(_metadata, s, sweeps);
}

FIXTURE(failnth) {
	struct stage s;
};

/*
 * What the kernel reports about its own error paths. Its allocator prints a trace when
 * vmalloc() fails. When VFIO's group is released because it could not be created, it
 * still holds the IOMMU group. And at a close, a device returns to the domain that it had
 * before, for which the IOMMU driver allocates memory.
 */
static void expect_reports(void)
{
	static const char * const reports[] = {
		"Call Trace:",
		"WARNING: .*drivers/vfio/group.c:.* vfio_group_release",
		"WARNING: .*drivers/iommu/iommu.c:.* __iommu_release_dma_ownership",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reports); i++)
		host_log_expect(reports[i]);
}

FIXTURE_SETUP(failnth)
{
	stage_init(&self->s);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	if (!fault_setup())
		SKIP(return, "this kernel injects no faults");
	expect_reports();
	ASSERT_EQ(0, host_layout_default());
	self->s.bdf = host_vf();
	if (strcmp(host_driver(host_vf()), OURS))
		ASSERT_EQ(0, host_bind(host_vf(), OURS));
}

FIXTURE_TEARDOWN(failnth)
{
	stage_close(&self->s);
	/* kmemleak turns itself off if it has no memory. */
	if (host_exists("/sys/kernel/debug/kmemleak"))
		EXPECT_EQ(0, host_write("/sys/kernel/debug/kmemleak", "scan"));
}

TEST_F_TIMEOUT(failnth, sessions, 500)
{
	sweep_all(_metadata, &self->s, sessions);
}

TEST_F_TIMEOUT(failnth, features, 300)
{
	sweep_all(_metadata, &self->s, features);
}

TEST_F_TIMEOUT(failnth, bars, 300)
{
	sweep_all(_metadata, &self->s, bars);
}

TEST_F_TIMEOUT(failnth, pasids, 500)
{
	sweep_all(_metadata, &self->s, pasids);
}

TEST_F_TIMEOUT(failnth, binds, 500)
{
	sweep_all(_metadata, &self->s, binds);
	EXPECT_EQ(0, host_rebind(host_vf(), OURS));
}

TEST_F_TIMEOUT(failnth, vmd, 500)
{
	static const char * const ids[] = { "a77f", "28c0" };
	unsigned int i;

	if (!vmd_is_ready())
		SKIP(return, "needs the mock VMD");
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		ASSERT_EQ(0, vmd_make(ids[i]));
		self->s.bdf = strdup(vmd_bdf());
		ASSERT_EQ(0, host_writef(OURS, "devices/%s/driver_override",
					 self->s.bdf));
		/* What the device will show makes no difference to binding. */
		if (!i)
			sweep_all(_metadata, &self->s, vmd_binds);
		sweep_all(_metadata, &self->s, vmds);
		vfio_close(&self->s.v);
	}
	EXPECT_EQ(0, vmd_make("none"));
}

TEST_F_TIMEOUT(failnth, pf, 500)
{
	ASSERT_EQ(0, sample_prepare(SAMPLE, 2, false));
	sweep_all(_metadata, &self->s, pf_calls);
	/* An open knob keeps the driver's module in use. */
	stage_close(&self->s);
	EXPECT_EQ(0, sample_give_back());
}

TEST_F_TIMEOUT(failnth, modules, 1000)
{
	ASSERT_EQ(0, host_unbind(host_vf()));
	sweep_all(_metadata, &self->s, modules);
	ASSERT_EQ(0, host_reload_ours(""));
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
}

TEST_HARNESS_MAIN
