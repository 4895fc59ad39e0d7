// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever takes the PF's PASID or PRI away while a VF shows it is noticed, has
 * its effect in the VF, is told once to everybody, and lasts until the PF has it
 * back and then the VF is reset. The witness of the effect is the IOMMU.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/pci_regs.h>
#include <linux/vfio_vfcap.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define PASID	5
#define OTHER	0xfffff
#define MANY	64

#define PF_CTRL	(PF_PASID + PCI_PASID_CTRL)
/* Where the fixture's layout "vf-ats" has ATS, and "igb" Power Management in VFs */
#define VF_ATS	0x160
#define VF_PM	0xec
/* Where QEMU's VFs have MSI-X */
#define VF_MSIX	0x70

/* What the documentation promises: for a loss that has an event, and without */
#define EVENT_MS	100
#define GUARD_MS	1000

/* Time for the guard to look once more */
#define GUARD_LOOKS_US	350000

/* The PF's driver, and whether the VFs have ATS enabled */
struct scene {
	const char *driver;
	bool ats;
};

static const struct scene plain = { .driver = "igb" };

static int load_layout(const char *name)
{
	char path[256], lines[4096] = {};
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s", getenv("VFCAP_LAYOUT"));
	snprintf(lines, sizeof(lines), "%s/%s", dirname(path), name);
	fd = open(lines, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	memset(lines, 0, sizeof(lines));
	len = read(fd, lines, sizeof(lines) - 1);
	close(fd);
	return len < 0 ? -errno : host_layout(lines);
}

static int set_driver(const char *driver)
{
	int ret;

	if (!strcmp(driver, SAMPLE)) {
		ret = host_load("samples/vfcap/" SAMPLE ".ko", "");
		if (ret && ret != -EEXIST)
			return ret;
	}
	if (!strcmp(host_driver(host_pf()), driver))
		return 0;
	ret = host_rebind(host_pf(), driver);
	if (!ret && strcmp(driver, SAMPLE))
		host_unload("vfcap_sample_pf");
	return ret;
}

/*
 * From whatever the test before left. The kernel enables the VFs' ATS when it
 * finds them, so with ATS they are made anew.
 */
static int set_scene(const struct scene *scene)
{
	bool had_ats = host_config_read(host_vf(), VF_ATS, 2) ==
		       PCI_EXT_CAP_ID_ATS;
	int ret = 0;

	if (!host_exists("devices/%s", host_pf())) {
		/* Of this only what concerns the PF's own registers fails. */
		host_layout_default();
		ret = host_write("rescan", "1");
	}
	if (!ret)
		ret = host_layout_default();
	if (!ret && scene->ats)
		ret = load_layout("vf-ats");
	if (!ret)
		ret = set_driver(scene->driver);
	if (!ret && (had_ats || scene->ats ||
		     !host_exists("devices/%s", host_vf2())))
		ret = host_recreate_vfs();
	if (!ret)
		ret = host_param("pasid", "auto");
	if (!ret)
		ret = host_param("loss_as_error", "N");
	if (!ret)
		ret = host_unbind(host_vf2());
	return ret ?: host_bind(host_vf(), OURS);
}

/* What this machine lacks, NULL if nothing */
static const char *missing(void)
{
	if (!host_is_ready())
		return "the lab's VM: VFCAP_PF and others";
	return access("/dev/iommu", F_OK) ? "a kernel with iommufd" : NULL;
}

/* Everybody who is told of a loss: who listens to uevents ... */
struct uevent {
	char bdf[16];
	char capability[16];
	char cause[160];
};

struct listener {
	int fd;
	unsigned int count;
	struct uevent uevents[32];
};

static int listen_open(struct listener *l)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };

	l->count = 0;
	l->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       NETLINK_KOBJECT_UEVENT);
	if (l->fd < 0)
		return -errno;
	return bind(l->fd, (void *)&addr, sizeof(addr)) ? -errno : 0;
}

static const char *uevent_value(const char *msg, size_t len, const char *key)
{
	const char *p;

	for (p = msg; p < msg + len; p += strlen(p) + 1)
		if (!strncmp(p, key, strlen(key)))
			return p + strlen(key);
	return "";
}

/* How many uevents told of the loss of a capability of a VF so far */
static int listen_count(struct listener *l, const char *bdf,
			const char *capability)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	unsigned int i, count = 0;
	char msg[4096];
	ssize_t len;

	/* It is sent at about the time of what came before. */
	poll(&p, 1, 20);
	while ((len = recv(l->fd, msg, sizeof(msg) - 1, 0)) > 0) {
		struct uevent *u = &l->uevents[l->count];

		msg[len] = 0;
		if (strncmp(msg, "change@", 7) || l->count == 32 ||
		    strcmp(uevent_value(msg, len, "VFCAP_STATE="), "lost"))
			continue;
		snprintf(u->bdf, sizeof(u->bdf), "%s",
			 basename((char *)uevent_value(msg, len, "DEVPATH=")));
		snprintf(u->capability, sizeof(u->capability), "%s",
			 uevent_value(msg, len, "VFCAP_CAPABILITY="));
		snprintf(u->cause, sizeof(u->cause), "%s",
			 uevent_value(msg, len, "VFCAP_CAUSE="));
		l->count++;
	}
	for (i = 0; i < l->count; i++)
		count += !strcmp(l->uevents[i].bdf, bdf) &&
			 !strcmp(l->uevents[i].capability, capability);
	return count;
}

static const char *listen_cause(struct listener *l)
{
	return l->count ? l->uevents[l->count - 1].cause : "(no uevent)";
}

/* ... and the VF's VMM, which has set both eventfds, and polls the state */
struct session {
	const char *bdf;
	struct vfio v;
	uint32_t hwpt;
	int lost;
	int error;
	int state;
	unsigned int losses;
};

static int set_feature(struct vfio *v, uint32_t flags, uint32_t extra, int fd,
		       uint32_t reserved, uint32_t tail)
{
	struct {
		struct vfio_device_feature feature;
		struct vfcap_feature_lost_eventfd data;
		uint32_t tail;
	} arg = {
		.feature = {
			.argsz = sizeof(arg.feature) + extra,
			.flags = VFCAP_FEATURE_LOST_EVENTFD | flags,
		},
		.data = { .fd = fd, .reserved = reserved },
		.tail = tail,
	};

	return ioctl(v->fd, VFIO_DEVICE_FEATURE, &arg) ? -errno : 0;
}

static int set_lost_eventfd(struct vfio *v, int fd)
{
	return set_feature(v, VFIO_DEVICE_FEATURE_SET,
			   sizeof(struct vfcap_feature_lost_eventfd), fd, 0, 0);
}

static int eventfd_new(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* How often it was signalled since it was asked last */
static unsigned int eventfd_take(int fd)
{
	eventfd_t count = 0;

	return eventfd_read(fd, &count) ? 0 : count;
}

static int session_open(struct session *s, const char *bdf)
{
	char path[256];
	uint32_t ioas;
	int ret;

	*s = (struct session){
		.bdf = bdf, .lost = -1, .error = -1, .state = -1,
	};
	ret = vfio_open_cdev(&s->v, bdf);
	if (!ret)
		ret = iommufd_ioas(&s->v, &ioas);
	if (!ret)
		ret = iommufd_hwpt(&s->v, ioas, true, &s->hwpt);
	if (!ret)
		ret = iommufd_attach(&s->v, s->hwpt, 0);
	if (ret)
		return ret;

	s->lost = eventfd_new();
	s->error = eventfd_new();
	ret = set_lost_eventfd(&s->v, s->lost);
	if (!ret)
		ret = vfio_set_irq(&s->v, VFIO_PCI_ERR_IRQ_INDEX, s->error);

	snprintf(path, sizeof(path),
		 "/sys/bus/pci/devices/%s/vfcap/pasid_state", bdf);
	s->state = open(path, O_RDONLY | O_CLOEXEC);
	if (s->state < 0)
		return -errno;
	/* VFIO decides upon the first access what is shown. */
	vfio_get(&s->v, PCI_VENDOR_ID, 2);
	return ret;
}

static void session_close(struct session *s)
{
	vfio_close(&s->v);
	if (!s->bdf)
		return;
	close(s->lost);
	close(s->error);
	close(s->state);
	s->bdf = NULL;
}

static int set_ctrl(struct session *s, uint16_t value)
{
	return vfio_set(&s->v, PF_CTRL, 2, value);
}

static uint16_t get_ctrl(struct session *s)
{
	return vfio_get(&s->v, PF_CTRL, 2);
}

/* Reading it is also what makes the next poll() wait for a change. */
static const char *get_state(struct session *s)
{
	static char state[16];
	ssize_t len = pread(s->state, state, sizeof(state) - 1, 0);

	state[len > 0 ? len : 0] = 0;
	strtok(state, "\n");
	return state;
}

static bool state_changed(struct session *s, int timeout)
{
	struct pollfd p = { .fd = s->state, .events = POLLPRI };

	return poll(&p, 1, timeout) == 1;
}

static const char *pf_state(void)
{
	return sample_state(host_pf(), "pasid_state");
}

static int enable(struct session *s)
{
	int ret = set_ctrl(s, PCI_PASID_CTRL_ENABLE);

	if (!ret)
		ret = iommufd_attach(&s->v, s->hwpt, PASID);
	if (!ret && !iommu_has_pasid(s->bdf, PASID))
		ret = -EIO;
	get_state(s);
	return ret;
}

static int count_lines(struct session *s, const char *text)
{
	return host_log_count(s->bdf, text);
}

/* What takes the capability away can take longer than it takes to be noticed. */
struct taking {
	int (*take)(void);
	pthread_t thread;
	struct timespec start;
	bool done;
	int ret;
};

static void *taking_thread(void *arg)
{
	struct taking *t = arg;

	/* Whoever waits for the VFs to be closed must not keep them open. */
	close_range(3, ~0U, CLOSE_RANGE_UNSHARE);
	clock_gettime(CLOCK_MONOTONIC, &t->start);
	t->ret = t->take();
	__atomic_store_n(&t->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static int taking_start(struct taking *t, int (*take)(void))
{
	*t = (struct taking){ .take = take };
	return pthread_create(&t->thread, NULL, taking_thread, t);
}

static bool taking_is_done(struct taking *t)
{
	return __atomic_load_n(&t->done, __ATOMIC_SEQ_CST);
}

static int taking_end(struct taking *t)
{
	pthread_join(t->thread, NULL);
	return t->ret;
}

static long elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 +
	       (now.tv_nsec - since->tv_nsec) / 1000000;
}

/* Until a VMM is told of a loss by @efd; -1: it is not */
static long loss_ms(struct taking *t, int efd)
{
	struct pollfd p = { .fd = efd, .events = POLLIN };

	return poll(&p, 1, 3000) == 1 ? elapsed_ms(&t->start) : -1;
}

/*
 * A loss has taken effect, and its VMM was told of it after @ms. From that moment on
 * nothing of the capability is left.
 */
static void expect_loss(struct __test_metadata *_metadata, struct session *s,
			long ms, long limit)
{
	EXPECT_LE(0, ms);
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	EXPECT_EQ(0, get_ctrl(s));
	EXPECT_TRUE(state_changed(s, 100));
	EXPECT_STREQ("lost", get_state(s));
	EXPECT_GE(limit, ms);
	TH_LOG("%s: %ld ms", s->bdf, ms);
	s->losses++;
}

/* Nothing that the VF's user can do brings it back. */
static void expect_still_lost(struct __test_metadata *_metadata,
			      struct session *s)
{
	EXPECT_EQ(0, set_ctrl(s, 7));
	EXPECT_EQ(0, get_ctrl(s) & PCI_PASID_CTRL_ENABLE);
	EXPECT_EQ(0, iommufd_attach(&s->v, s->hwpt, OTHER));
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	EXPECT_STREQ("lost", get_state(s));
}

/* The VF's reset ends it, and what was attached takes effect with Enable. */
static void expect_back(struct __test_metadata *_metadata, struct session *s)
{
	EXPECT_EQ(0, vfio_reset(&s->v));
	EXPECT_TRUE(state_changed(s, 0));
	EXPECT_STREQ("shown", get_state(s));
	EXPECT_EQ(0, get_ctrl(s));
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	EXPECT_EQ(0, set_ctrl(s, PCI_PASID_CTRL_ENABLE));
	EXPECT_EQ(PCI_PASID_CTRL_ENABLE, get_ctrl(s));
	EXPECT_TRUE(iommu_has_pasid(s->bdf, PASID));
	EXPECT_TRUE(iommu_has_pasid(s->bdf, OTHER));
}

static void expect_counts(struct __test_metadata *_metadata, struct session *s,
			  struct listener *l, unsigned int lost,
			  unsigned int error)
{
	EXPECT_EQ(lost, eventfd_take(s->lost));
	EXPECT_EQ(error, eventfd_take(s->error));
	EXPECT_EQ(s->losses, listen_count(l, s->bdf, "PASID"));
	EXPECT_EQ(s->losses, count_lines(s, " lost: "));
	EXPECT_EQ(s->losses, count_lines(s, "PASID lost: "));
}

/* The log and the uevents begin with the same cause, which is one of two. */
static void expect_cause(struct __test_metadata *_metadata, struct session *s,
			 struct listener *l, const char *why, const char *or_why)
{
	const char * const causes[] = { why, or_why ?: why };
	unsigned int i, lines = 0;
	bool known = false;
	char line[192];

	for (i = 0; i < (or_why ? 2 : 1); i++) {
		snprintf(line, sizeof(line), "PASID lost: %s", causes[i]);
		lines += count_lines(s, line);
		known |= !strncmp(listen_cause(l), causes[i],
				  strlen(causes[i]));
	}
	EXPECT_EQ(s->losses, lines);
	EXPECT_TRUE(known) {
		TH_LOG("uevent: %s", listen_cause(l));
	}
}

/*
 * The causes. That the PF's driver is replaced by another, or that the IOMMU's
 * driver takes PASID from the PF (AMD's does when its domain is detached), is
 * like setpci: Enable goes to 0, and nobody tells.
 */
static int clear_enable(void)
{
	return host_config_write(host_pf(), PF_CTRL, 2, 6);
}

static int clear_exec(void)
{
	return host_config_write(host_pf(), PF_CTRL, 2, 5);
}

static int clear_priv(void)
{
	return host_config_write(host_pf(), PF_CTRL, 2, 3);
}

static int clear_all(void)
{
	return host_config_write(host_pf(), PF_CTRL, 2, 0);
}

static int set_all(void)
{
	return host_config_write(host_pf(), PF_CTRL, 2, 7);
}

static int read_as_ones(void)
{
	return host_layout("pf blank 0 1000 ffffffff");
}

static int vanish(void)
{
	return host_layout("pf 0 ffffffff\npf 1e4 ffffffff");
}

static int reappear(void)
{
	return host_layout("pf 0 0 0\npf 1e4 00071406 ffffffff 00070000");
}

static int all_ones(void)
{
	return host_layout("pf 1e4 ffffffff");
}

/* Where the kernel found it there is something else. */
static int replace_cap(void)
{
	return host_layout("pf 1e0 00010000");
}

static int put_cap_back(void)
{
	return host_layout("pf 1e0 0001001b");
}

static int reset_pf(void)
{
	return host_writef("1", "devices/%s/reset", host_pf());
}

/* All that a reset of the PF leaves, once the kernel has restored the PF */
static int reset_vf_ats(void)
{
	return host_layout("vf 164 00000020 ffffffff 801f0000");
}

static int reset_vf_msix(void)
{
	return host_config_write(host_vf(), VF_MSIX + PCI_MSIX_FLAGS, 2, 0);
}

static int sample_event(void)
{
	return sample_set("lost_event", "the sample says so");
}

static int unbind_pf(void)
{
	host_expect_pf_unbind();
	return host_writef(host_pf(), "devices/%s/driver/unbind", host_pf());
}

static int remove_pf(void)
{
	return host_writef("1", "devices/%s/remove", host_pf());
}

/* As one that is pulled out: gone first, and found to be so. */
static int pull_pf(void)
{
	int ret = vanish();

	return ret ?: remove_pf();
}

#define IS_DISABLED	"it was disabled in its PF"
#define IS_SILENT	"its PF does not answer"
#define IS_GONE		"the capability is gone from its PF"
#define WAS_RESET	"its PF was reset, and the VF with it"

#define TAINT_USER	64
#define FLAGGED		"Unexpected write to kernel-exclusive config offset "

static unsigned long taint(void)
{
	char out[32];

	host_run(out, sizeof(out), "cat /proc/sys/kernel/tainted");
	return strtoul(out, NULL, 10);
}

/*
 * The kernel itself complains of user space that writes the registers while they
 * are shown: it is tainted, and says so once, at the first time since it booted.
 * It does so with CONFIG_STRICT_DEVMEM, which distributions set.
 */
FIXTURE(flag) {
	struct vfio v;
};

FIXTURE_SETUP(flag)
{
	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, set_scene(&plain));
	ASSERT_EQ(0, host_param("pasid", "on"));
	host_log_clear();
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
}

FIXTURE_TEARDOWN(flag)
{
	vfio_close(&self->v);
}

TEST_F(flag, setpci)
{
	bool before = taint() & TAINT_USER;

	/* What is read, and what lies beside it, may be accessed. */
	host_config_read(host_pf(), PF_PASID, 4);
	EXPECT_EQ(0, host_config_write(host_pf(), PF_PASID - 4, 4, 0));
	EXPECT_EQ(0, host_config_write(host_pf(), PF_PASID + 8, 4, 0));
	EXPECT_EQ(before, !!(taint() & TAINT_USER));
	EXPECT_EQ(0, set_all());
	EXPECT_TRUE(taint() & TAINT_USER);
	EXPECT_EQ(!before, host_log_count(host_pf(), FLAGGED "1e6"));
}

/* One cause, from its first to its last consequence */
/* Past the kernel, which takes the PF for awake; the fixture keeps it from hardware. */
static int set_pf_power(uint32_t state)
{
	char line[40];

	snprintf(line, sizeof(line), "pf 44 %08x 00000003\n", state);
	return host_layout(line);
}

static int sleep_pf(void)
{
	return set_pf_power(3);
}

static int wake_pf(void)
{
	return set_pf_power(0);
}

FIXTURE(cause) {
	struct session s;
	struct listener l;
	struct taking t;
	int msix;
};

FIXTURE_VARIANT(cause) {
	struct scene scene;
	bool msix;			/* the VF's user has MSI-X enabled */
	int (*take)(void);
	int (*give)(void);		/* NULL: the PF is well afterwards */
	long limit;
	const char *why;		/* the beginning of the cause */
	const char *or_why;
};

FIXTURE_VARIANT_ADD(cause, setpci_enable) {
	.scene = { "igb" }, .take = clear_enable, .give = set_all,
	.limit = GUARD_MS, .why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, setpci_exec) {
	.scene = { "igb" }, .take = clear_exec, .give = set_all,
	.limit = GUARD_MS, .why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, setpci_priv) {
	.scene = { "igb" }, .take = clear_priv, .give = set_all,
	.limit = GUARD_MS, .why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, setpci_all) {
	.scene = { "igb" }, .take = clear_all, .give = set_all,
	.limit = GUARD_MS, .why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, pf_blank) {
	.scene = { "igb" }, .take = read_as_ones, .give = host_layout_default,
	.limit = GUARD_MS, .why = IS_SILENT,
};

FIXTURE_VARIANT_ADD(cause, pf_silent) {
	.scene = { "igb" }, .take = vanish, .give = reappear,
	.limit = GUARD_MS, .why = IS_SILENT,
};

FIXTURE_VARIANT_ADD(cause, cap_all_ones) {
	.scene = { "igb" }, .take = all_ones, .give = reappear,
	.limit = GUARD_MS, .why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, pf_sleeps) {
	.scene = { "igb" }, .take = sleep_pf, .give = wake_pf,
	.limit = GUARD_MS, .why = "its PF is in a low power state",
};

FIXTURE_VARIANT_ADD(cause, cap_replaced) {
	.scene = { "igb" }, .take = replace_cap, .give = put_cap_back,
	.limit = GUARD_MS, .why = IS_GONE,
};

/*
 * The kernel restores the PF's registers within the reset, and igb tells nobody.
 * The guard may happen to look before that.
 */
FIXTURE_VARIANT_ADD(cause, pf_reset_seen_by_ats) {
	.scene = { "igb", .ats = true }, .take = reset_pf,
	.limit = GUARD_MS, .why = WAS_RESET, .or_why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, pf_reset_seen_by_msix) {
	.scene = { "igb" }, .msix = true, .take = reset_pf,
	.limit = GUARD_MS, .why = WAS_RESET, .or_why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, pf_reset_seen_late_by_ats) {
	.scene = { "igb", .ats = true }, .take = reset_vf_ats,
	.limit = GUARD_MS, .why = WAS_RESET,
};

FIXTURE_VARIANT_ADD(cause, pf_reset_seen_late_by_msix) {
	.scene = { "igb" }, .msix = true, .take = reset_vf_msix,
	.limit = GUARD_MS, .why = WAS_RESET,
};

FIXTURE_VARIANT_ADD(cause, pf_reset_told) {
	.scene = { SAMPLE }, .take = reset_pf,
	.limit = EVENT_MS, .why = "its PF is being reset",
};

FIXTURE_VARIANT_ADD(cause, pf_driver_tells) {
	.scene = { SAMPLE }, .take = sample_event,
	.limit = EVENT_MS, .why = "the sample says so",
};

FIXTURE_SETUP(cause)
{
	vfio_init(&self->s.v);
	if (missing())
		SKIP(return, "needs %s", missing());
	ASSERT_EQ(0, set_scene(&variant->scene));
	host_log_clear();
	ASSERT_EQ(0, listen_open(&self->l));
	ASSERT_EQ(0, session_open(&self->s, host_vf()));
	self->msix = eventfd_new();
	if (variant->msix)
		ASSERT_EQ(0, vfio_set_irq(&self->s.v, VFIO_PCI_MSIX_IRQ_INDEX,
					  self->msix));
}

FIXTURE_TEARDOWN(cause)
{
	session_close(&self->s);
	close(self->msix);
	close(self->l.fd);
}

TEST_F(cause, noticed)
{
	struct session *s = &self->s;
	struct taking *t = &self->t;

	ASSERT_EQ(0, enable(s));
	EXPECT_STREQ("shown", get_state(s));
	EXPECT_STREQ("locked", pf_state());
	ASSERT_EQ(0, taking_start(t, variant->take));
	expect_loss(_metadata, s, loss_ms(t, s->lost), variant->limit);
	EXPECT_EQ(0, taking_end(t));
	EXPECT_STREQ(variant->give ? "lost" : "locked", pf_state());
	expect_still_lost(_metadata, s);

	if (variant->give) {
		EXPECT_EQ(0, vfio_reset(&s->v));
		expect_still_lost(_metadata, s);
		EXPECT_EQ(0, variant->give());
		EXPECT_STREQ("locked", pf_state());
	}
	usleep(GUARD_LOOKS_US);
	expect_still_lost(_metadata, s);
	expect_counts(_metadata, s, &self->l, 1, 0);
	expect_back(_metadata, s);

	/* And again, with nothing enabled that could be taken. */
	EXPECT_EQ(0, set_ctrl(s, 0));
	EXPECT_EQ(0, host_param("loss_as_error", "Y"));
	ASSERT_EQ(0, taking_start(t, variant->take));
	expect_loss(_metadata, s, loss_ms(t, s->error), variant->limit);
	EXPECT_EQ(0, taking_end(t));
	expect_counts(_metadata, s, &self->l, 0, 1);
	expect_cause(_metadata, s, &self->l, variant->why, variant->or_why);
}

/* A loss at the end of one session is none in the next. */
FIXTURE(session) {
	struct session s;
};

FIXTURE_SETUP(session)
{
	static const struct scene scene = { .driver = SAMPLE };

	vfio_init(&self->s.v);
	if (missing())
		SKIP(return, "needs %s", missing());
	ASSERT_EQ(0, set_scene(&scene));
}

FIXTURE_TEARDOWN(session)
{
	session_close(&self->s);
}

TEST_F(session, closed_while_lost)
{
	struct taking t;
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, session_open(&self->s, host_vf()));
		EXPECT_STREQ("shown", get_state(&self->s));
		ASSERT_EQ(0, enable(&self->s));
		EXPECT_EQ(0, eventfd_take(self->s.lost));
		ASSERT_EQ(0, taking_start(&t, sample_event));
		usleep(i * 100);
		session_close(&self->s);
		EXPECT_EQ(0, taking_end(&t));
	}
}

/* With a PF driver that answers page requests PRI is shown, and guarded as well. */
FIXTURE(pri) {
	struct session s;
	struct listener l;
	struct taking t;
	unsigned int ctrl;
};

FIXTURE_VARIANT(pri) {
	int (*take)(void);
	int (*give)(void);
	long limit;
	bool pasid;			/* is lost as well */
	const char *why;
};

static int clear_pri_enable(void)
{
	return host_config_write(host_pf(), PF_PRI + PCI_PRI_CTRL, 2, 0);
}

static int set_pri_enable(void)
{
	return host_config_write(host_pf(), PF_PRI + PCI_PRI_CTRL, 2,
				 PCI_PRI_CTRL_ENABLE);
}

static int reduce_pri_allocation(void)
{
	return host_config_write(host_pf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4, 0);
}

static int set_pri_allocation(void)
{
	return host_config_write(host_pf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4,
				 PF_PRI_ALLOCATION);
}

/*
 * A reset of the PF takes its PRI Enable, and the kernel, which has not enabled
 * it here (it wants PRG Response PASID Required), does not restore it.
 */
static int reset_pf_and_restore(void)
{
	return reset_pf() ?: set_pri_allocation() ?: set_pri_enable();
}

static int unregister_sample(void)
{
	return sample_set("registered", "0");
}

static int register_sample(void)
{
	return sample_set("registered", "1");
}

FIXTURE_VARIANT_ADD(pri, setpci_enable) {
	.take = clear_pri_enable, .give = set_pri_enable,
	.limit = GUARD_MS, .why = "PRI lost: " IS_DISABLED,
};

FIXTURE_VARIANT_ADD(pri, setpci_allocation) {
	.take = reduce_pri_allocation, .give = set_pri_allocation,
	.limit = GUARD_MS, .why = "PRI lost: " IS_DISABLED,
};

FIXTURE_VARIANT_ADD(pri, not_answered) {
	.take = unregister_sample, .give = register_sample,
	.limit = EVENT_MS, .why = "PRI lost: the driver of its PF no longer",
};

FIXTURE_VARIANT_ADD(pri, both_told) {
	.take = sample_event, .limit = EVENT_MS, .pasid = true,
	.why = "PASID and PRI lost: the sample says so",
};

FIXTURE_VARIANT_ADD(pri, both_reset) {
	.take = reset_pf_and_restore, .limit = EVENT_MS, .pasid = true,
	.why = "PASID and PRI lost: its PF is being reset",
};

FIXTURE_SETUP(pri)
{
	static const struct scene scene = { .driver = SAMPLE, .ats = true };

	vfio_init(&self->s.v);
	if (missing())
		SKIP(return, "needs %s", missing());
	ASSERT_EQ(0, set_scene(&scene));
	host_log_clear();
	ASSERT_EQ(0, listen_open(&self->l));
	ASSERT_EQ(0, session_open(&self->s, host_vf()));
	self->ctrl = vfio_find_ecap(&self->s.v, PCI_EXT_CAP_ID_PRI);
	ASSERT_NE(0, self->ctrl);
	self->ctrl += PCI_PRI_CTRL;
}

FIXTURE_TEARDOWN(pri)
{
	session_close(&self->s);
	close(self->l.fd);
}

static int enable_pri(struct vfio *v, unsigned int ctrl)
{
	int ret = vfio_set(v, ctrl - PCI_PRI_CTRL + PCI_PRI_ALLOC_REQ, 4, 4);

	if (!ret)
		ret = vfio_set(v, ctrl, 2, PCI_PRI_CTRL_ENABLE);
	return ret ?: vfio_get(v, ctrl, 2) == PCI_PRI_CTRL_ENABLE ? 0 : -EIO;
}

static bool pri_state_is(const char *state)
{
	return !host_run(NULL, 0, "grep -qx %s /sys/bus/pci/devices/%s/vfcap/pri_state",
			 state, host_vf());
}

/*
 * Whether the first of many PASIDs is attached all the time: the page table that it
 * alone has can be destroyed as soon as it is not, which lasts as long as it takes to
 * detach the others and to come back to it.
 */
struct holding {
	struct session *s;
	uint32_t hwpt;
	bool stop;
	bool held;
	pthread_t thread;
};

static void *holding_thread(void *arg)
{
	struct holding *h = arg;

	while (h->held && !__atomic_load_n(&h->stop, __ATOMIC_SEQ_CST))
		h->held = iommufd_destroy(&h->s->v, h->hwpt) == -EBUSY;
	return NULL;
}

static int holding_start(struct holding *h, struct session *s)
{
	uint32_t ioas, pasid;
	int ret;

	*h = (struct holding){ .s = s, .held = true };
	ret = iommufd_ioas(&s->v, &ioas) ?:
	      iommufd_hwpt(&s->v, ioas, true, &h->hwpt) ?:
	      iommufd_attach(&s->v, h->hwpt, 1);
	for (pasid = PASID + 1; !ret && pasid < PASID + MANY; pasid++)
		ret = iommufd_attach(&s->v, s->hwpt, pasid);
	return ret ?: pthread_create(&h->thread, NULL, holding_thread, h);
}

static bool holding_end(struct holding *h)
{
	__atomic_store_n(&h->stop, true, __ATOMIC_SEQ_CST);
	pthread_join(h->thread, NULL);
	return h->held;
}

TEST_F(pri, noticed)
{
	struct pollfd p = { .fd = self->s.lost, .events = POLLIN };
	struct session *s = &self->s;
	struct taking *t = &self->t;
	struct holding h;

	ASSERT_EQ(0, enable(s));
	ASSERT_EQ(0, enable_pri(&s->v, self->ctrl));
	EXPECT_TRUE(pri_state_is("shown"));
	ASSERT_EQ(0, holding_start(&h, s));
	ASSERT_EQ(0, taking_start(t, variant->take));
	if (variant->pasid)
		expect_loss(_metadata, s, loss_ms(t, s->lost), variant->limit);
	EXPECT_EQ(1, poll(&p, 1, 3000));
	EXPECT_GE(variant->limit, elapsed_ms(&t->start));
	EXPECT_EQ(0, vfio_get(&s->v, self->ctrl, 2));
	EXPECT_TRUE(pri_state_is("lost"));
	EXPECT_EQ(0, taking_end(t));

	/* One is lost and not the other. */
	EXPECT_EQ(!variant->pasid, holding_end(&h));
	if (!variant->pasid) {
		EXPECT_STREQ("shown", get_state(s));
		EXPECT_EQ(1, get_ctrl(s));
		EXPECT_TRUE(iommu_has_pasid(s->bdf, PASID));
	}
	EXPECT_EQ(-EIO, enable_pri(&s->v, self->ctrl));
	if (variant->give) {
		EXPECT_EQ(0, vfio_reset(&s->v));
		EXPECT_EQ(-EIO, enable_pri(&s->v, self->ctrl));
		EXPECT_TRUE(pri_state_is("lost"));
		EXPECT_EQ(0, variant->give());
	}
	usleep(GUARD_LOOKS_US);
	EXPECT_EQ(-EIO, enable_pri(&s->v, self->ctrl));
	EXPECT_EQ(1, eventfd_take(s->lost));
	EXPECT_EQ(0, eventfd_take(s->error));
	EXPECT_EQ(1, listen_count(&self->l, s->bdf, "PRI"));
	EXPECT_EQ(variant->pasid, listen_count(&self->l, s->bdf, "PASID"));
	EXPECT_EQ(1, count_lines(s, " lost: "));
	EXPECT_EQ(1, count_lines(s, variant->why));

	EXPECT_EQ(0, vfio_reset(&s->v));
	EXPECT_TRUE(pri_state_is("shown"));
	EXPECT_STREQ("shown", get_state(s));
	EXPECT_EQ(0, enable(s));
	EXPECT_EQ(0, enable_pri(&s->v, self->ctrl));
}

/*
 * The PF goes for good, and with it its VFs: that is noticed at once, and waits
 * for their users.
 */
FIXTURE(going) {
	struct session s, s2;
	struct listener l;
	struct taking t;
};

FIXTURE_VARIANT(going) {
	int (*take)(void);
	const char *why;
	const char *or_why;
	const char *pf_state;
};

FIXTURE_VARIANT_ADD(going, unbound) {
	.take = unbind_pf, .pf_state = "locked",
	.why = "the driver of its PF is being unbound",
};

FIXTURE_VARIANT_ADD(going, removed) {
	.take = remove_pf, .pf_state = "locked",
	.why = "the driver of its PF is being unbound",
};

FIXTURE_VARIANT_ADD(going, pulled) {
	.take = pull_pf, .pf_state = "lost",
	.why = "its PF is being removed, and does not answer",
	.or_why = IS_SILENT,
};

FIXTURE_SETUP(going)
{
	vfio_init(&self->s.v);
	vfio_init(&self->s2.v);
	if (missing())
		SKIP(return, "needs %s", missing());
	ASSERT_EQ(0, set_scene(&plain));
	ASSERT_EQ(0, host_bind(host_vf2(), OURS));
	host_log_clear();
	ASSERT_EQ(0, listen_open(&self->l));
	ASSERT_EQ(0, session_open(&self->s, host_vf()));
	ASSERT_EQ(0, session_open(&self->s2, host_vf2()));
}

FIXTURE_TEARDOWN(going)
{
	session_close(&self->s);
	session_close(&self->s2);
	close(self->l.fd);
}

TEST_F(going, noticed)
{
	struct session *both[] = { &self->s, &self->s2 };
	struct taking *t = &self->t;
	long ms[2];
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, enable(both[i]));
	ASSERT_EQ(0, taking_start(t, variant->take));
	/* Both, before a look at the one takes time from the other */
	for (i = 0; i < 2; i++)
		ms[i] = loss_ms(t, both[i]->lost);
	for (i = 0; i < 2; i++)
		expect_loss(_metadata, both[i], ms[i], EVENT_MS);
	EXPECT_STREQ(variant->pf_state, pf_state());
	for (i = 0; i < 2; i++) {
		expect_still_lost(_metadata, both[i]);
		/* It is not back, though a VF that is not locked can be reset. */
		vfio_reset(&both[i]->v);
		expect_still_lost(_metadata, both[i]);
		expect_counts(_metadata, both[i], &self->l, 1, 0);
		expect_cause(_metadata, both[i], &self->l, variant->why,
			     variant->or_why);
	}
	EXPECT_FALSE(taking_is_done(t));
	session_close(&self->s);
	session_close(&self->s2);
	EXPECT_EQ(0, taking_end(t));
	EXPECT_FALSE(host_exists("devices/%s", host_vf()));
}

/* What can be shown with any cause */
FIXTURE(guard) {
	struct session s, s2;
	struct listener l;
	struct taking t;
};

FIXTURE_SETUP(guard)
{
	vfio_init(&self->s.v);
	vfio_init(&self->s2.v);
	if (missing())
		SKIP(return, "needs %s", missing());
	ASSERT_EQ(0, set_scene(&plain));
	ASSERT_EQ(0, host_bind(host_vf2(), OURS));
	host_log_clear();
	ASSERT_EQ(0, listen_open(&self->l));
	ASSERT_EQ(0, session_open(&self->s, host_vf()));
	ASSERT_EQ(0, enable(&self->s));
}

FIXTURE_TEARDOWN(guard)
{
	session_close(&self->s);
	session_close(&self->s2);
	close(self->l.fd);
}

#define LOSE(take) ASSERT_EQ(0, taking_start(&self->t, take))
#define LOST(s, efd) do {						\
	expect_loss(_metadata, s, loss_ms(&self->t, efd), GUARD_MS);	\
	if (self->t.take)						\
		EXPECT_EQ(0, taking_end(&self->t));			\
	self->t.take = NULL;						\
} while (0)

TEST_F(guard, as_error)
{
	EXPECT_EQ(0, host_param("loss_as_error", "Y"));
	LOSE(clear_enable);
	LOST(&self->s, self->s.error);
	usleep(GUARD_LOOKS_US);
	expect_counts(_metadata, &self->s, &self->l, 0, 1);
}

TEST_F(guard, while_disabled)
{
	EXPECT_EQ(0, set_ctrl(&self->s, 6));
	LOSE(clear_enable);
	LOST(&self->s, self->s.lost);
	expect_still_lost(_metadata, &self->s);
	EXPECT_EQ(0, set_all());
	expect_back(_metadata, &self->s);
	expect_counts(_metadata, &self->s, &self->l, 1, 0);
}

/* What concerns the PF concerns all VFs, and each is reset by itself. */
TEST_F(guard, both_vfs)
{
	ASSERT_EQ(0, session_open(&self->s2, host_vf2()));
	ASSERT_EQ(0, enable(&self->s2));
	LOSE(clear_enable);
	LOST(&self->s, self->s.lost);
	LOST(&self->s2, self->s2.lost);
	EXPECT_EQ(0, set_all());
	EXPECT_EQ(0, iommufd_attach(&self->s.v, self->s.hwpt, OTHER));
	expect_back(_metadata, &self->s);
	expect_still_lost(_metadata, &self->s2);
	expect_back(_metadata, &self->s2);
	expect_counts(_metadata, &self->s, &self->l, 1, 0);
	expect_counts(_metadata, &self->s2, &self->l, 1, 0);
}

TEST_F(guard, hidden_is_not_told)
{
	ASSERT_EQ(0, host_param("pasid", "off"));
	ASSERT_EQ(0, session_open(&self->s2, host_vf2()));
	ASSERT_EQ(0, vfio_find_ecap(&self->s2.v, PCI_EXT_CAP_ID_PASID));
	EXPECT_STREQ("hidden", get_state(&self->s2));
	LOSE(clear_enable);
	LOST(&self->s, self->s.lost);
	usleep(GUARD_LOOKS_US);
	EXPECT_FALSE(state_changed(&self->s2, 0));
	EXPECT_STREQ("hidden", get_state(&self->s2));
	expect_counts(_metadata, &self->s2, &self->l, 0, 0);
	expect_counts(_metadata, &self->s, &self->l, 1, 0);
}

/* Which of Execute Permission and Privileged Mode a VF shows */
static uint32_t get_bits(struct vfio *v)
{
	return vfio_get(v, PF_PASID + PCI_PASID_CAP, 2) &
	       (PCI_PASID_CAP_EXEC | PCI_PASID_CAP_PRIV);
}

/* A VF that is opened later sees what the PF has then. */
TEST_F(guard, opened_beside_lost)
{
	struct vfio *v = &self->s2.v;

	LOSE(clear_exec);
	LOST(&self->s, self->s.lost);
	ASSERT_EQ(0, session_open(&self->s2, host_vf2()));
	EXPECT_EQ(0, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(1, count_lines(&self->s2, "not shown: its PF has lost it"));
	session_close(&self->s2);

	EXPECT_EQ(0, set_all());
	ASSERT_EQ(0, session_open(&self->s2, host_vf2()));
	EXPECT_EQ(PF_PASID, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(0, enable(&self->s2));
	expect_still_lost(_metadata, &self->s);
	expect_counts(_metadata, &self->s2, &self->l, 0, 0);
}

/* And what it has more than when another was opened is watched as well. */
TEST_F(guard, opened_with_more)
{
	struct vfio *v = &self->s2.v;

	session_close(&self->s);
	ASSERT_EQ(0, clear_exec());
	ASSERT_EQ(0, session_open(&self->s, host_vf()));
	EXPECT_EQ(PCI_PASID_CAP_PRIV, get_bits(&self->s.v));
	ASSERT_EQ(0, set_all());
	ASSERT_EQ(0, session_open(&self->s2, host_vf2()));
	EXPECT_EQ(PCI_PASID_CAP_EXEC | PCI_PASID_CAP_PRIV, get_bits(v));
	ASSERT_EQ(0, enable(&self->s2));
	LOSE(clear_exec);
	LOST(&self->s2, self->s2.lost);
}

TEST_F(guard, reopened)
{
	struct session *s = &self->s;
	int before;

	LOSE(clear_enable);
	LOST(s, s->lost);
	before = dup(s->lost);
	session_close(s);

	ASSERT_EQ(0, session_open(s, host_vf()));
	EXPECT_EQ(0, vfio_find_ecap(&s->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_STREQ("hidden", get_state(s));
	session_close(s);

	EXPECT_EQ(0, set_all());
	ASSERT_EQ(0, session_open(s, host_vf()));
	EXPECT_STREQ("shown", get_state(s));
	EXPECT_EQ(0, get_ctrl(s));
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	EXPECT_EQ(0, enable(s));
	/* Who was told in one session is not told in the next. */
	eventfd_take(before);
	LOSE(clear_enable);
	LOST(s, s->lost);
	EXPECT_EQ(0, eventfd_take(before));
	close(before);
}

/* Closed while it is lost and the PF is well again: not lost in the next session */
TEST_F(guard, reopened_when_back)
{
	struct session *s = &self->s;

	LOSE(clear_enable);
	LOST(s, s->lost);
	EXPECT_EQ(0, set_all());
	session_close(s);
	ASSERT_EQ(0, session_open(s, host_vf()));
	EXPECT_STREQ("shown", get_state(s));
	EXPECT_EQ(0, enable(s));
	usleep(GUARD_LOOKS_US);
	EXPECT_EQ(PCI_PASID_CTRL_ENABLE, get_ctrl(s));
	EXPECT_EQ(0, eventfd_take(s->lost));
}

/* Low power resets a VF that goes there, and not one that something keeps awake. */
TEST_F(guard, kept_awake)
{
	struct session *s = &self->s;

	LOSE(clear_enable);
	LOST(s, s->lost);
	EXPECT_EQ(0, set_all());
	ASSERT_EQ(0, host_writef("on", "devices/%s/power/control", s->bdf));
	EXPECT_EQ(0, vfio_set_low_power(&s->v, true));
	usleep(100000);
	EXPECT_EQ(0, vfio_set_low_power(&s->v, false));
	EXPECT_EQ(0, host_writef("auto", "devices/%s/power/control", s->bdf));
	expect_still_lost(_metadata, s);
	EXPECT_EQ(0, vfio_set_low_power(&s->v, false));
	expect_still_lost(_metadata, s);

	EXPECT_EQ(0, vfio_set_low_power(&s->v, true));
	EXPECT_TRUE(sample_suspends(s->bdf));
	EXPECT_EQ(0, vfio_set_low_power(&s->v, false));
	EXPECT_STREQ("shown", get_state(s));
	EXPECT_EQ(0, set_ctrl(s, PCI_PASID_CTRL_ENABLE));
	EXPECT_TRUE(iommu_has_pasid(s->bdf, PASID));
	expect_counts(_metadata, s, &self->l, 1, 0);
}

/* It returned to D0 before the loss, and its user says so afterwards. */
TEST_F(guard, lost_after_it_slept)
{
	struct session *s = &self->s;
	bool slept;

	ASSERT_EQ(0, vfio_set_low_power(&s->v, true));
	slept = sample_suspends(s->bdf);
	ASSERT_EQ(0, host_writef("on", "devices/%s/power/control", s->bdf));
	LOSE(clear_enable);
	LOST(s, s->lost);
	EXPECT_EQ(0, set_all());
	EXPECT_EQ(0, vfio_set_low_power(&s->v, false));
	EXPECT_EQ(0, host_writef("auto", "devices/%s/power/control", s->bdf));
	EXPECT_TRUE(slept);
	expect_still_lost(_metadata, s);
}

/* A guest that sets Enable all the time while it is lost, and a VMM that attaches */
struct busy {
	struct session *s;
	bool stop;
};

static void *busy_thread(void *arg)
{
	struct busy *b = arg;
	uint16_t value = 0;

	while (!__atomic_load_n(&b->stop, __ATOMIC_SEQ_CST))
		set_ctrl(b->s, value ^= PCI_PASID_CTRL_ENABLE);
	return NULL;
}

TEST_F(guard, enabled_all_the_while)
{
	struct busy b = { .s = &self->s };
	struct session *s = &self->s;
	pthread_t thread;

	EXPECT_EQ(0, iommufd_attach(&s->v, s->hwpt, OTHER));
	ASSERT_EQ(0, pthread_create(&thread, NULL, busy_thread, &b));
	usleep(50000);
	LOSE(clear_enable);
	LOST(s, s->lost);
	EXPECT_EQ(0, set_all());
	usleep(GUARD_LOOKS_US);
	EXPECT_EQ(0, get_ctrl(s));
	EXPECT_FALSE(iommu_has_pasid(s->bdf, PASID));
	__atomic_store_n(&b.stop, true, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	expect_counts(_metadata, s, &self->l, 1, 0);
	expect_back(_metadata, s);
}

/* Nobody need be told by eventfd. */
TEST_F(guard, without_eventfds)
{
	struct session *s = &self->s;
	struct pollfd p = { .fd = s->state, .events = POLLPRI };

	EXPECT_EQ(0, set_lost_eventfd(&s->v, -1));
	EXPECT_EQ(0, vfio_set_irq(&s->v, VFIO_PCI_ERR_IRQ_INDEX, -1));
	EXPECT_EQ(0, clear_enable());
	EXPECT_EQ(1, poll(&p, 1, GUARD_MS));
	EXPECT_EQ(0, set_all());
	EXPECT_STREQ("lost", get_state(s));
	usleep(50000);
	EXPECT_EQ(0, get_ctrl(s));
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	EXPECT_EQ(0, eventfd_take(s->lost));

	/* The same as an error, of which the user does not want to know */
	EXPECT_EQ(0, host_param("loss_as_error", "Y"));
	EXPECT_EQ(0, vfio_reset(&s->v));
	EXPECT_EQ(0, enable(s));
	EXPECT_EQ(0, clear_enable());
	EXPECT_EQ(1, poll(&p, 1, GUARD_MS));
	usleep(50000);
	EXPECT_EQ(0, get_ctrl(s));
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	EXPECT_EQ(0, eventfd_take(s->error));
}

TEST_F(guard, eventfd_arguments)
{
	const uint32_t set = VFIO_DEVICE_FEATURE_SET;
	const uint32_t get = VFIO_DEVICE_FEATURE_GET;
	const uint32_t probe = VFIO_DEVICE_FEATURE_PROBE;
	const uint32_t size = sizeof(struct vfcap_feature_lost_eventfd);
	struct session *s = &self->s;
	int other = open("/dev/null", O_RDWR | O_CLOEXEC);
	int closed = dup(other);
	int fd = eventfd_new();
	const struct {
		int ret;
		uint32_t flags, size;
		int fd;
		uint32_t reserved, tail;
	} cases[] = {
		{ 0, probe, size, fd },
		{ 0, probe | set, size, fd },
		{ 0, probe | set, 0, fd },
		{ -EINVAL, probe | get, size, fd },
		{ -EINVAL, probe | get | set, size, fd },
		{ -EINVAL, 0, size, fd },
		{ -EINVAL, get, size, fd },
		{ -EINVAL, get | set, size, fd },
		{ -EINVAL, set, 0, fd },
		{ -EINVAL, set, 4, fd },
		{ -EINVAL, set, size - 1, fd },
		{ -EINVAL, set, size, fd, 1 },
		{ -EINVAL, set, size, fd, 0x80000000 },
		{ -EINVAL, set, size, -1, 1 },
		{ -E2BIG, set, size + 4, fd, 0, 1 },
		{ -E2BIG, set, size + 4, fd, 0, 0x80000000 },
		{ -E2BIG, set, size + 4, -1, 0, 1 },
		{ -EINVAL, set, size, -2 },
		{ -EINVAL, set, size, INT32_MIN },
		{ -EBADF, set, size, closed },
		{ -EBADF, set, size, INT32_MAX },
		{ -EINVAL, set, size, other },
	};
	unsigned int i;

	close(closed);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(cases[i].ret,
			  set_feature(&s->v, cases[i].flags, cases[i].size,
				      cases[i].fd, cases[i].reserved,
				      cases[i].tail)) {
			TH_LOG("case %u", i);
		}
	}
	/* None of them has changed anything. */
	LOSE(clear_enable);
	LOST(s, s->lost);
	EXPECT_EQ(1, eventfd_take(s->lost));
	EXPECT_EQ(0, eventfd_take(fd));

	/* What is behind it is zero: as if it were not there */
	EXPECT_EQ(0, set_all());
	EXPECT_EQ(0, vfio_reset(&s->v));
	EXPECT_EQ(0, enable(s));
	EXPECT_EQ(0, set_feature(&s->v, set, size + 4, fd, 0, 0));
	LOSE(clear_enable);
	LOST(s, fd);
	EXPECT_EQ(1, eventfd_take(fd));
	EXPECT_EQ(0, eventfd_take(s->lost));
	close(fd);
	close(other);
}

/* The last one that was set counts, whether or not its file is still open. */
TEST_F(guard, eventfd_replaced)
{
	struct session *s = &self->s;
	int fd = eventfd_new(), i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, set_lost_eventfd(&s->v, s->lost));
		EXPECT_EQ(0, set_lost_eventfd(&s->v, fd));
	}
	LOSE(clear_enable);
	LOST(s, fd);
	EXPECT_EQ(1, eventfd_take(fd));
	EXPECT_EQ(0, eventfd_take(s->lost));

	/* Set while it is lost: nothing is told again. */
	EXPECT_EQ(0, set_lost_eventfd(&s->v, s->lost));
	usleep(GUARD_LOOKS_US);
	EXPECT_EQ(0, eventfd_take(s->lost));

	EXPECT_EQ(0, set_all());
	EXPECT_EQ(0, vfio_reset(&s->v));
	EXPECT_EQ(0, set_lost_eventfd(&s->v, fd));
	close(fd);
	EXPECT_EQ(0, enable(s));
	EXPECT_EQ(0, clear_enable());
	EXPECT_TRUE(state_changed(s, GUARD_MS));
	usleep(50000);
	EXPECT_EQ(0, get_ctrl(s));
	EXPECT_EQ(0, eventfd_take(s->lost));
}

/*
 * A VF's own reset takes its ATS and MSI-X enable too, for a moment, and is not
 * taken for one of its PF.
 */
FIXTURE(own_reset) {
	struct session s;
	struct listener l;
	int msix;
};

static int guest_flr(struct vfio *v)
{
	unsigned int exp = vfio_find_cap(v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;

	return vfio_set(v, exp, 2, vfio_get(v, exp, 2) |
			PCI_EXP_DEVCTL_BCR_FLR);
}

static int guest_d3hot(struct vfio *v)
{
	return vfio_set(v, VF_PM + PCI_PM_CTRL, 2, 3);
}

static int guest_d0(struct vfio *v)
{
	return vfio_set(v, VF_PM + PCI_PM_CTRL, 2, 0);
}

static int guest_power_cycle(struct vfio *v)
{
	return guest_d3hot(v) ?: guest_d0(v);
}

static int host_reset(struct vfio *v)
{
	return host_writef("1", "devices/%s/reset", host_vf());
}

/* Recovery from a fatal error */
static int host_link_reset(struct vfio *v)
{
	int ret = host_error(host_vf(), "frozen");

	usleep(100000);
	return ret ?: host_error(host_vf(), "resume");
}

FIXTURE_SETUP(own_reset)
{
	static const struct scene scene = { .driver = "igb", .ats = true };

	vfio_init(&self->s.v);
	if (missing())
		SKIP(return, "needs %s", missing());
	ASSERT_EQ(0, set_scene(&scene));
	host_log_clear();
	ASSERT_EQ(0, listen_open(&self->l));
	ASSERT_EQ(0, session_open(&self->s, host_vf()));
	self->msix = eventfd_new();
	ASSERT_EQ(0, vfio_set_irq(&self->s.v, VFIO_PCI_MSIX_IRQ_INDEX,
				  self->msix));
}

FIXTURE_TEARDOWN(own_reset)
{
	session_close(&self->s);
	close(self->msix);
	close(self->l.fd);
}

TEST_F(own_reset, is_no_loss)
{
	static const struct {
		int (*reset)(struct vfio *v);
		long ms;
	} resets[] = {
		{ vfio_reset, 3000 }, { guest_flr, 3000 },
		{ guest_power_cycle, 800 }, { host_reset, 800 },
	};
	struct session *s = &self->s;
	unsigned int i, count;

	ASSERT_EQ(0, enable(s));
	for (i = 0; i < ARRAY_SIZE(resets); i++) {
		struct timespec start;

		count = 0;
		clock_gettime(CLOCK_MONOTONIC, &start);
		do {
			ASSERT_EQ(0, resets[i].reset(&s->v));
			ASSERT_EQ(0, set_ctrl(s, 1));
			ASSERT_EQ(1, get_ctrl(s));
			ASSERT_TRUE(iommu_has_pasid(s->bdf, PASID));
			count++;
		} while (elapsed_ms(&start) < resets[i].ms);
		TH_LOG("%u resets", count);
		EXPECT_LT(1, count);
	}
	usleep(2 * GUARD_LOOKS_US);
	EXPECT_STREQ("shown", get_state(s));
	expect_counts(_metadata, s, &self->l, 0, 0);
	EXPECT_EQ(0, count_lines(s, "lost"));
}

/* A loss that comes while the VF is reset: what it was reset by may be over by then. */
FIXTURE(while_reset) {
	struct session s;
};

FIXTURE_VARIANT(while_reset) {
	int (*prepare)(struct vfio *v);
	int (*reset)(struct vfio *v);
	const char *waits;	/* in which function of the kernel */
};

FIXTURE_VARIANT_ADD(while_reset, guest_flr) {
	.reset = guest_flr, .waits = "msleep",
};

FIXTURE_VARIANT_ADD(while_reset, guest_power_cycle) {
	.prepare = guest_d3hot, .reset = guest_d0, .waits = "pci_power_up",
};

FIXTURE_VARIANT_ADD(while_reset, vfio_device_reset) {
	.reset = vfio_reset, .waits = "msleep",
};

FIXTURE_VARIANT_ADD(while_reset, from_outside) {
	.reset = host_reset, .waits = "msleep",
};

FIXTURE_VARIANT_ADD(while_reset, link_reset) {
	.reset = host_link_reset, .waits = "hrtimer_nanosleep",
};

FIXTURE_SETUP(while_reset)
{
	static const struct scene scene = { .driver = SAMPLE };

	vfio_init(&self->s.v);
	if (missing())
		SKIP(return, "needs %s", missing());
	ASSERT_EQ(0, set_scene(&scene));
	ASSERT_EQ(0, session_open(&self->s, host_vf()));
	ASSERT_EQ(0, enable(&self->s));
}

FIXTURE_TEARDOWN(while_reset)
{
	session_close(&self->s);
}

/* On a busy machine the reset may be over too early: then it says nothing. */
static bool lose_meanwhile(struct __test_metadata *_metadata, struct session *s,
			   const struct _fixture_variant_while_reset *variant,
			   bool again)
{
	bool in_time;
	pid_t child;
	int status;

	if (again)
		EXPECT_EQ(0, sample_event());
	if (variant->prepare)
		EXPECT_EQ(0, variant->prepare(&s->v));
	child = fork();
	if (!child)
		_exit(!!variant->reset(&s->v));
	WAIT_FOR(host_waits_in(child, variant->waits), 1000);
	EXPECT_EQ(0, sample_event());
	in_time = host_waits_in(child, variant->waits);
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	return in_time;
}

static void expect_reset_too_early(struct __test_metadata *_metadata,
				   struct session *s,
				   const struct _fixture_variant_while_reset *variant,
				   bool again)
{
	unsigned int i;

	for (i = 0; i < 20 && !lose_meanwhile(_metadata, s, variant, again); i++)
		EXPECT_EQ(0, vfio_reset(&s->v));
	EXPECT_GT(20, i);
	EXPECT_EQ(1, WAIT_FOR(!iommu_count_pasids(s->bdf), GUARD_MS));
	expect_still_lost(_metadata, s);
}

TEST_F(while_reset, lost_meanwhile)
{
	struct session *s = &self->s;

	expect_reset_too_early(_metadata, s, variant, false);
	expect_back(_metadata, s);
}

/* It is of no use that the reset came after another loss. */
TEST_F(while_reset, lost_again_meanwhile)
{
	struct session *s = &self->s;

	expect_reset_too_early(_metadata, s, variant, true);
	expect_back(_metadata, s);
}

/* What a VF has lost before it shows a capability counts from then on. */
FIXTURE(undecided) {
	struct session s;
	struct vfio v;
};

FIXTURE_SETUP(undecided)
{
	static const struct scene scene = { .driver = "igb", .ats = true };

	vfio_init(&self->s.v);
	vfio_init(&self->v);
	if (missing())
		SKIP(return, "needs %s", missing());
	ASSERT_EQ(0, set_scene(&scene));
	ASSERT_EQ(0, host_bind(host_vf2(), OURS));
	/* With this one the guard begins. */
	ASSERT_EQ(0, session_open(&self->s, host_vf()));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_vf2()));
}

FIXTURE_TEARDOWN(undecided)
{
	session_close(&self->s);
	vfio_close(&self->v);
}

TEST_F(undecided, lost_when_shown)
{
	EXPECT_EQ(0, reset_vf_ats());
	EXPECT_TRUE(state_changed(&self->s, GUARD_MS));
	usleep(2 * GUARD_LOOKS_US);
	EXPECT_STREQ("held", sample_state(host_vf2(), "pasid_state"));
	EXPECT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	usleep(2 * GUARD_LOOKS_US);
	EXPECT_STREQ("lost", sample_state(host_vf2(), "pasid_state"));
}

static int give_back_scene(void)
{
	return set_scene(&plain);
}

int main(int argc, char **argv)
{
	host_at_end(give_back_scene);
	return test_harness_run(argc, argv);
}
