// SPDX-License-Identifier: GPL-2.0
/*
 * Races: what opens, uses and resets a VF runs against each other, and against what
 * takes the VF away: its driver, its PF, the PF's driver, the bridge above, the
 * module. Each race is a list of actors, one thread each, that act again and again
 * until the first of them has done so for a number of rounds. Then everything must work
 * as before, and the modules must unload without a complaint.
 *
 * Most acts may fail, since others get in their way. Each must succeed now and then.
 *
 * VFCAP_RACE_ROUNDS: how many rounds (default: 100, or as many as take half a second)
 * VFCAP_RACE_SEED: a number; with another one all random choices differ (default: 0)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/vfio_vfcap.h>

#include "../kselftest_harness.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"
#include "lib/whole.h"

#define PASIDS		4	/* attached ones: 1 and so on */
#define MAX_ACTORS	6

#define ROUNDS		100
#define ROUNDS_MS	500
/*
 * The longest time that a VF is open, that an actor waits for a user, and that it waits
 * until it looks again
 */
#define HOLD_MS		100
#define MEET_MS		1000
#define LOOK_MS		10
#define PROGRESS_MS	10000
/* An act that has not succeeded by then never will; and no single act takes that long. */
#define PATIENCE_MS	60000
#define STUCK_MS	120000

struct scene;

struct actor {
	const char *name;
	/* Returns whether it did what it is meant to do */
	bool (*act)(struct scene *scene);
};

/* What the actors of a race share */
struct scene {
	const char *driver;		/* of the PF */
	const char *port;		/* the bridge above it */
	atomic_bool stop;
	atomic_uint wrong;
	atomic_bool wanted;		/* by an actor that cannot have it while it is open */

	/* The VF's user, if there is one; other actors dup() its files for each act. */
	pthread_mutex_t lock;
	pthread_cond_t came;		/* a user has opened the VF */
	bool open;
	struct vfio v;
	uint32_t hwpt;
	int asked;			/* signalled when the VF is wanted back */
};

struct player {
	const struct actor *actor;
	struct scene *scene;
	pthread_t thread;
	atomic_ulong done;
	atomic_ulong failed;
	atomic_bool ended;
};

static void __printf(2, 3) wrong(struct scene *s, const char *format, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (atomic_fetch_add(&s->wrong, 1) < 20)
		fprintf(stderr, "# wrong: %s\n", text);
}

static unsigned int dice(unsigned int sides)
{
	static __thread unsigned int seed;

	if (!seed)
		seed = host_setting("VFCAP_RACE_SEED", 0) + gettid();
	return rand_r(&seed) % sides;
}

/* The user of the VF */
static bool open_session(struct scene *s)
{
	struct vfio v;
	uint32_t ioas, hwpt;

	if (vfio_open_cdev(&v, host_vf()))
		return false;
	s->asked = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (iommufd_ioas(&v, &ioas) || iommufd_hwpt(&v, ioas, true, &hwpt) ||
	    iommufd_attach(&v, hwpt, 0) ||
	    vfio_set_irq(&v, VFIO_PCI_REQ_IRQ_INDEX, s->asked)) {
		wrong(s, "an open VF attaches no page table");
		vfio_close(&v);
		close(s->asked);
		return false;
	}
	pthread_mutex_lock(&s->lock);
	s->v = v;
	s->hwpt = hwpt;
	s->open = true;
	pthread_cond_broadcast(&s->came);
	pthread_mutex_unlock(&s->lock);
	return true;
}

static void close_session(struct scene *s)
{
	struct vfio v;

	pthread_mutex_lock(&s->lock);
	v = s->v;
	s->open = false;
	pthread_mutex_unlock(&s->lock);
	vfio_close(&v);
	close(s->asked);
}

/* Wait for a user, for @ms at most. The caller holds the lock. */
static void wait_for_user(struct scene *s, unsigned int ms)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_nsec += ms * 1000000L;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&s->came, &s->lock, &end);
}

/* For one act, during which the user may close the VF. Returns false if no user comes. */
static bool borrow(struct scene *s, struct vfio *v)
{
	bool open;

	pthread_mutex_lock(&s->lock);
	if (!s->open)
		wait_for_user(s, MEET_MS);
	open = s->open;
	if (open) {
		*v = s->v;
		v->fd = dup(s->v.fd);
		v->parent = dup(s->v.parent);
	}
	pthread_mutex_unlock(&s->lock);
	return open;
}

/*
 * Without a pause, an act takes no time compared with the others', and would be repeated
 * so often that it takes a whole CPU.
 */
static void give_back(struct vfio *v)
{
	vfio_close(v);
	usleep(dice(LOOK_MS * 1000));
}

/* For actors that need nobody: they would take the CPU from those who need each other. */
static void pause_for_others(void)
{
	usleep(dice(HOLD_MS) * 1000);
}

/* For actors that wait for others. Even a look that finds nothing takes time from them. */
#define AWAIT(condition, ms)	WAIT_PAUSING(condition, ms, dice(2 * LOOK_MS * 1000))

/* For actors that are refused while the VF is open: try until it is closed */
#define UNTIL_CLOSED(_s, _done) do {					\
	struct scene *_scene = (_s);					\
									\
	atomic_store(&_scene->wanted, true);				\
	AWAIT((_done) || atomic_load(&_scene->stop), MEET_MS);		\
	atomic_store(&_scene->wanted, false);				\
} while (0)

/* For actors that take the VF away: at a random time after a new session has begun */
static void meet_user(struct scene *s)
{
	pthread_mutex_lock(&s->lock);
	wait_for_user(s, MEET_MS);
	pthread_mutex_unlock(&s->lock);
	usleep(dice(HOLD_MS) * 1000);
}

static bool act_user(struct scene *s)
{
	struct pollfd asked = { .events = POLLIN };

	if (!open_session(s))
		return false;
	asked.fd = s->asked;
	poll(&asked, 1, dice(HOLD_MS));
	close_session(s);
	/* Mostly, make way for actors that wait; sometimes, open the VF while they act. */
	usleep(dice(HOLD_MS) * 500);
	if (dice(4))
		AWAIT(!atomic_load(&s->wanted), MEET_MS);
	return true;
}

/* Reads anything and writes whatever a guest may write, most often PASID Enable */
static bool act_config(struct scene *s)
{
	unsigned int pasid, pri;
	uint8_t some[64];
	struct vfio v;

	if (!borrow(s, &v))
		return false;
	if (vfio_read(&v, dice(4096 - sizeof(some)), some, sizeof(some)) !=
	    sizeof(some))
		wrong(s, "config space cannot be read");
	pasid = vfio_find_ecap(&v, PCI_EXT_CAP_ID_PASID);
	pri = vfio_find_ecap(&v, PCI_EXT_CAP_ID_PRI);
	if (pri) {
		vfio_set(&v, pri + PCI_PRI_ALLOC_REQ, 4, dice(PF_PRI_ALLOCATION));
		vfio_set(&v, pri + PCI_PRI_CTRL, 2, dice(4));
		vfio_set(&v, pri + PCI_PRI_STATUS, 2, dice(4));
	}
	if (pasid) {
		vfio_set(&v, pasid + PCI_PASID_CTRL, 2, dice(8));
		if (vfio_set(&v, pasid + PCI_PASID_CTRL, 2, 0))
			wrong(s, "PASID Control cannot be written");
		/* No other actor sets it. */
		if (vfio_get(&v, pasid + PCI_PASID_CTRL, 2))
			wrong(s, "Enable reads 1 after it was cleared");
		/* Except for the moment of an attach */
		if (!WAIT_FOR(iommu_count_pasids(host_vf()) <= 0, 5000))
			wrong(s, "Enable is 0, and a PASID is in the IOMMU");
		vfio_set(&v, pasid + PCI_PASID_CTRL, 2, dice(8));
	}
	give_back(&v);
	return pasid;
}

static bool act_attach(struct scene *s)
{
	unsigned int pasid = 1 + dice(PASIDS);
	uint32_t hwpt = s->hwpt;
	struct vfio v;
	bool done;

	if (!borrow(s, &v))
		return false;
	done = !iommufd_attach(&v, hwpt, pasid);
	if (dice(2))
		iommufd_detach(&v, 1 + dice(PASIDS));
	give_back(&v);
	return done;
}

static bool act_features(struct scene *s)
{
	struct vfcap_feature_state state;
	struct vfcap_feature_query query;
	struct vfio v;
	bool done;

	if (!borrow(s, &v))
		return false;
	done = !vfcap_query(&v, VFCAP_CAP_PASID, &query) &&
	       !vfcap_get_state(&v, &state);
	/* Everything except Enable, which belongs to another actor */
	state.caps[VFCAP_CAP_PASID].regs[PCI_PASID_CAP / 4] &= 0xffff;
	if (done)
		vfcap_set_state(&v, &state);
	give_back(&v);
	return done;
}

static bool act_reset(struct scene *s)
{
	struct vfio v;
	bool done;

	if (!borrow(s, &v))
		return false;
	done = !vfio_reset(&v);
	give_back(&v);
	/* Nobody else can use the VF while it is reset. */
	usleep(dice(HOLD_MS) * 1000);
	return done;
}

static bool act_flr(struct scene *s)
{
	unsigned int devctl;
	struct vfio v;
	bool done;

	if (!borrow(s, &v))
		return false;
	devctl = vfio_find_cap(&v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;
	done = !vfio_set(&v, devctl, 2, PCI_EXP_DEVCTL_BCR_FLR);
	give_back(&v);
	return done;
}

/* The user must never be allowed to: this would reset the PF, which is on the same bus. */
static bool act_hot_reset(struct scene *s)
{
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };
	struct vfio v;

	if (!borrow(s, &v))
		return false;
	if (!ioctl(v.fd, VFIO_DEVICE_PCI_HOT_RESET, &reset))
		wrong(s, "the VF's user reset its PF");
	give_back(&v);
	return true;
}

/* What the administrator does to the VF ... */
static bool act_reset_from_outside(struct scene *s)
{
	bool done = !host_writef("1", "devices/%s/reset", host_vf());

	/*
	 * Others reset it as well (each open does), and fail if that coincides. The pause
	 * is long enough for an open, a reset by the user, and a close.
	 */
	usleep(dice(5 * HOLD_MS) * 1000);
	return done;
}

static bool act_error(struct scene *s)
{
	return !host_error(host_vf(), "frozen") && !host_error(host_vf(), "resume");
}

static bool act_rebind(struct scene *s)
{
	bool done;

	meet_user(s);
	done = !host_unbind(host_vf());

	return !host_bind(host_vf(), OURS) && done;
}

static bool act_look(struct scene *s)
{
	static const char * const files[] = {
		"pasid_state", "pasid_users", "pri_state", "pri_users", "driver",
	};
	const char *file = files[dice(ARRAY_SIZE(files))];
	bool done;

	sample_state(host_vf(), file);
	done = *sample_state(host_pf(), file);
	pause_for_others();
	return done;
}

/*
 * Find what was removed. The PF must not be bound automatically, since the first driver
 * that matches may be another one.
 */
static void rescan(struct scene *s)
{
	host_write("drivers_autoprobe", "0");
	host_write("rescan", "1");
	host_write("drivers_autoprobe", "1");
	host_write("drivers_probe", s->port);
	host_enable_pf();
}

/* ... and to the PF; afterwards everything is brought back, as far as others let it */
static void bring_back(struct scene *s)
{
	if (!host_exists("devices/%s", host_pf()))
		rescan(s);
	if (!*host_driver(host_pf()))
		host_bind(host_pf(), s->driver);
	if (!host_exists("devices/%s", host_vf())) {
		host_writef("0", "devices/%s/sriov_drivers_autoprobe", host_pf());
		host_writef("1", "devices/%s/sriov_numvfs", host_pf());
	}
	if (strcmp(host_driver(host_vf()), OURS))
		host_bind(host_vf(), OURS);
}

static bool act_pf_rebind(struct scene *s)
{
	bool done;

	meet_user(s);
	done = !host_writef(host_pf(), "devices/%s/driver/unbind", host_pf());

	bring_back(s);
	return done;
}

/* Refused while a VF is open and marked as assigned */
static bool act_no_vfs(struct scene *s)
{
	bool done = false;

	meet_user(s);
	UNTIL_CLOSED(s, done = !host_writef("0", "devices/%s/sriov_numvfs",
					    host_pf()));
	bring_back(s);
	return done;
}

static bool act_pf_reset(struct scene *s)
{
	return !host_writef("1", "devices/%s/reset", host_pf());
}

static bool act_pf_remove(struct scene *s)
{
	bool done;

	meet_user(s);
	done = !host_writef("1", "devices/%s/remove", host_pf());

	bring_back(s);
	return done;
}

static bool act_port_remove(struct scene *s)
{
	bool done;

	meet_user(s);
	done = !host_writef("1", "devices/%s/remove", s->port);

	bring_back(s);
	return done;
}

/*
 * The device is gone first, and is then found to be gone. Its VFs must continue to
 * answer: the kernel waits a minute for an answer of a VF that was reset, which each
 * close does.
 */
static bool pulled(struct scene *s, const char *bdf)
{
	bool done;

	meet_user(s);
	done = !host_layout("pf blank 0 1000 ffffffff") &&
	       !host_writef("1", "devices/%s/remove", bdf);
	host_layout_default();
	sample_layout_ats();
	bring_back(s);
	return done;
}

static bool act_pf_pulled(struct scene *s)
{
	return pulled(s, host_pf());
}

/* With everything below it */
static bool act_port_pulled(struct scene *s)
{
	return pulled(s, s->port);
}

/* User space takes PASID away from the PF, and gives it back. */
static bool act_pf_loses(struct scene *s)
{
	unsigned int pos = PF_PASID + PCI_PASID_CTRL;
	bool done = !host_config_write(host_pf(), pos, 2, 0);

	usleep(dice(300000));
	return !host_config_write(host_pf(), pos, 2, 7) && done;
}

/* What the PF's driver does */
static bool act_reregister(struct scene *s)
{
	bool done = !sample_set("registered", "0");

	done &= !sample_set("registered", "1");
	pause_for_others();
	return done;
}

static bool act_change(struct scene *s)
{
	static const char * const caps[] = { "pasid", "pri" };
	const char *cap = caps[dice(2)];
	bool done = false;

	UNTIL_CLOSED(s, done = !sample_set("change", "begin %s", cap));
	sample_set("change", "end %s", cap);
	pause_for_others();
	return done;
}

/* At a random time after PRI is shown: what is lost already cannot be lost again. */
static bool act_lost(struct scene *s)
{
	AWAIT(!strcmp(sample_state(host_vf(), "pri_state"), "shown") ||
	      atomic_load(&s->stop), MEET_MS);
	usleep(dice(HOLD_MS) * 1000);
	return !sample_set("lost_event", "its PF says so");
}

/* PRI is enabled only during a part of each session. */
static bool act_request(struct scene *s)
{
	bool done = false;

	AWAIT((done = !sample_request(host_vf(), 1 + dice(8))) ||
	      atomic_load(&s->stop), MEET_MS);
	return done;
}

/* Unused modules are unloaded, which leaves their VFs without a driver. Modules in use stay. */
static bool act_unload(struct scene *s)
{
	int ret;

	UNTIL_CLOSED(s, (ret = host_unload("vfcap_vfio_pci")) != -EWOULDBLOCK);
	if (ret && ret != -EWOULDBLOCK && ret != -ENOENT)
		wrong(s, "unloading vfcap-vfio-pci: error %d", ret);
	if (!ret)
		ret = host_unload("pci_vfcap");
	host_load("drivers/pci/vfcap/pci-vfcap.ko", "");
	host_load("drivers/vfio/pci/vfcap/vfcap-vfio-pci.ko", "");
	if (strcmp(host_driver(host_vf()), OURS))
		host_bind(host_vf(), OURS);
	return !ret;
}

static bool act_unload_in_use(struct scene *s)
{
	if (!host_unload("vfcap_vfio_pci") || !host_unload("pci_vfcap"))
		wrong(s, "a module was unloaded under an open VF");
	pause_for_others();
	return true;
}

#define ACTOR(_name) static const struct actor _name = { #_name, act_##_name }

ACTOR(user);
ACTOR(config);
ACTOR(attach);
ACTOR(features);
ACTOR(reset);
ACTOR(flr);
ACTOR(hot_reset);
ACTOR(reset_from_outside);
ACTOR(error);
ACTOR(rebind);
ACTOR(look);
ACTOR(pf_rebind);
ACTOR(no_vfs);
ACTOR(pf_reset);
ACTOR(pf_remove);
ACTOR(port_remove);
ACTOR(pf_pulled);
ACTOR(port_pulled);
ACTOR(pf_loses);
ACTOR(reregister);
ACTOR(change);
ACTOR(lost);
ACTOR(request);
ACTOR(unload);
ACTOR(unload_in_use);

FIXTURE(race) {
	struct scene scene;
};

FIXTURE_VARIANT(race) {
	const struct actor *actors[MAX_ACTORS];
	const char *driver;	/* of the PF, default: igb */
	bool held;		/* the VF is open all the time */
	bool unassigned;	/* open VFs are not marked as assigned */
};

/* Different uses of a VF against each other */
FIXTURE_VARIANT_ADD(race, open_config_attach) {
	.actors = { &user, &config, &attach, &features, &look },
};

FIXTURE_VARIANT_ADD(race, reset_config_attach) {
	.actors = { &reset, &config, &attach, &flr, &features }, .held = true,
};

FIXTURE_VARIANT_ADD(race, resets) {
	.actors = { &reset, &flr, &hot_reset, &reset_from_outside, &error, &attach },
	.held = true,
};

FIXTURE_VARIANT_ADD(race, open_resets) {
	.actors = { &user, &reset, &reset_from_outside, &hot_reset, &config },
};

/*
 * What takes the VF away. If an actor removes the PF, no other actor may write to
 * sriov_numvfs: the kernel itself takes the PF's device lock before
 * pci_rescan_remove_lock in one case, and after it in the other, and would wait forever.
 */
FIXTURE_VARIANT_ADD(race, vf_rebind) {
	.actors = { &rebind, &user, &config, &attach, &reset_from_outside, &look },
};

FIXTURE_VARIANT_ADD(race, no_vfs) {
	.actors = { &no_vfs, &user, &config, &attach, &look },
};

FIXTURE_VARIANT_ADD(race, no_vfs_unassigned) {
	.actors = { &no_vfs, &user, &config, &attach, &reset }, .unassigned = true,
};

FIXTURE_VARIANT_ADD(race, pf_rebind) {
	.actors = { &pf_rebind, &user, &config, &attach, &look },
};

FIXTURE_VARIANT_ADD(race, pf_reset) {
	.actors = { &pf_reset, &user, &config, &attach, &reset, &pf_loses },
};

FIXTURE_VARIANT_ADD(race, pf_remove) {
	.actors = { &pf_remove, &user, &config, &attach, &look, &rebind },
};

FIXTURE_VARIANT_ADD(race, pf_pulled) {
	.actors = { &pf_pulled, &user, &config, &attach, &reset, &look },
	.driver = SAMPLE,
};

FIXTURE_VARIANT_ADD(race, port_pulled) {
	.actors = { &port_pulled, &user, &config, &attach, &reset, &look },
	.driver = SAMPLE,
};

FIXTURE_VARIANT_ADD(race, port_remove) {
	.actors = { &port_remove, &user, &config, &attach, &look },
};

FIXTURE_VARIANT_ADD(race, unload) {
	.actors = { &unload, &user, &config, &attach, &look, &reset_from_outside },
};

FIXTURE_VARIANT_ADD(race, unload_in_use) {
	.actors = { &unload_in_use, &config, &attach, &reset }, .held = true,
};

/* With a PF driver that takes part */
FIXTURE_VARIANT_ADD(race, register_user) {
	.actors = { &reregister, &user, &config, &attach, &look },
	.driver = SAMPLE,
};

FIXTURE_VARIANT_ADD(race, register_change) {
	.actors = { &reregister, &change, &lost, &user, &config, &attach },
	.driver = SAMPLE,
};

FIXTURE_VARIANT_ADD(race, change_user) {
	.actors = { &change, &user, &config, &attach, &look }, .driver = SAMPLE,
};

FIXTURE_VARIANT_ADD(race, lost_config) {
	.actors = { &lost, &config, &attach, &reset, &request, &pf_loses },
	.driver = SAMPLE, .held = true,
};

FIXTURE_VARIANT_ADD(race, sample_rebind) {
	.actors = { &pf_rebind, &user, &config, &request, &change, &look },
	.driver = SAMPLE,
};

static int load_modules(void)
{
	int ret = host_load("drivers/pci/vfcap/pci-vfcap.ko", "");

	if (!ret || ret == -EEXIST)
		ret = host_load("drivers/vfio/pci/vfcap/vfcap-vfio-pci.ko", "");
	return ret == -EEXIST ? 0 : ret;
}

/* Whatever a race left, restore the PF with its driver and one VF, bound to our driver */
static int set_scene(struct scene *s)
{
	int ret = load_modules();

	if (!ret && !host_exists("devices/%s", host_pf()))
		ret = host_write("rescan", "1");
	return ret ?: sample_prepare(s->driver, 1, !strcmp(s->driver, SAMPLE));
}

/* A leaked record or reference is noticed here. */
static int reload_modules(void)
{
	int ret = host_unbind(host_vf());

	if (!ret)
		ret = host_unload("vfcap_vfio_pci");
	if (!ret && host_unload("vfcap_sample_pf") == -EWOULDBLOCK)
		return load_modules();
	return ret ?: host_unload("pci_vfcap") ?: load_modules();
}

FIXTURE_SETUP(race)
{
	struct scene *s = &self->scene;

	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	*s = (struct scene) {
		.driver = variant->driver ?: IGB,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.came = PTHREAD_COND_INITIALIZER,
	};
	vfio_init(&s->v);
	host_expect_pf_unbind();
	ASSERT_EQ(0, set_scene(s));
	s->port = host_port();
	ASSERT_EQ(0, sample_param("assigned_flag",
				  variant->unassigned ? "N" : "Y"));
}

FIXTURE_TEARDOWN(race)
{
	host_expect_pf_unbind();
	EXPECT_EQ(0, set_scene(&self->scene));
	EXPECT_EQ(NULL, whole_vfs(1));
	EXPECT_EQ(0, reload_modules());
}

static void *play(void *arg)
{
	struct player *p = arg;
	unsigned int in_vain = 0;

	while (!atomic_load(&p->scene->stop)) {
		if (p->actor->act(p->scene)) {
			atomic_fetch_add(&p->done, 1);
			in_vain = 0;
			continue;
		}
		/* Leave the CPU to whoever is in its way. */
		atomic_fetch_add(&p->failed, 1);
		in_vain += in_vain < 50;
		usleep(dice(in_vain * 3000));
	}
	atomic_store(&p->ended, true);
	return NULL;
}

static unsigned long acts(struct player *p)
{
	return atomic_load(&p->done) + atomic_load(&p->failed);
}

static void print_players(struct __test_metadata *_metadata, struct player *p,
			  unsigned int nr)
{
	for (; nr; nr--, p++)
		TH_LOG("%s: %lu times, %lu in vain%s", p->actor->name,
		       atomic_load(&p->done), atomic_load(&p->failed),
		       atomic_load(&p->ended) ? "" : ", acting");
}

/* Every act must succeed at least once; otherwise this is not a race. */
static bool all_did(struct player *players, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!atomic_load(&players[i].done))
			return false;
	return true;
}

/* Wait until the first actor has done its rounds. Returns false if one of them is stuck. */
static bool watch(struct __test_metadata *_metadata, struct player *players,
		  unsigned int nr)
{
	unsigned long setting = host_setting("VFCAP_RACE_ROUNDS", 0);
	unsigned long rounds = setting ?: ROUNDS;
	long start = now_ms(), told = start, moved[MAX_ACTORS];
	unsigned long seen[MAX_ACTORS] = {};
	unsigned int i;

	for (i = 0; i < nr; i++)
		moved[i] = start;
	while ((atomic_load(&players->done) < rounds &&
		(setting || now_ms() < start + ROUNDS_MS)) ||
	       (!all_did(players, nr) && now_ms() < start + PATIENCE_MS)) {
		usleep(HOLD_MS * 1000);
		for (i = 0; i < nr; i++) {
			if (acts(&players[i]) != seen[i])
				moved[i] = now_ms();
			seen[i] = acts(&players[i]);
			if (now_ms() - moved[i] > STUCK_MS)
				return false;
		}
		if (now_ms() - told > PROGRESS_MS) {
			told = now_ms();
			TH_LOG("%lu of %lu rounds", atomic_load(&players->done),
			       rounds);
		}
	}
	return true;
}

static bool all_end(struct player *players, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!WAIT_FOR(atomic_load(&players[i].ended), STUCK_MS))
			return false;
	for (i = 0; i < nr; i++)
		pthread_join(players[i].thread, NULL);
	return true;
}

/* As long as the longest soak; a hang is detected in another way. */
TEST_F_TIMEOUT(race, all_works_afterwards, 86400)
{
	struct player players[MAX_ACTORS] = {};
	struct scene *s = &self->scene;
	unsigned int nr;
	bool gets_on;

	if (variant->held) {
		ASSERT_TRUE(open_session(s));
		ASSERT_NE(0, vfio_find_ecap(&s->v, PCI_EXT_CAP_ID_PASID));
	}
	for (nr = 0; nr < MAX_ACTORS && variant->actors[nr]; nr++) {
		players[nr].actor = variant->actors[nr];
		players[nr].scene = s;
		ASSERT_EQ(0, pthread_create(&players[nr].thread, NULL, play,
					    &players[nr]));
	}
	gets_on = watch(_metadata, players, nr);
	atomic_store(&s->stop, true);
	gets_on &= all_end(players, nr);
	print_players(_metadata, players, nr);
	if (!gets_on) {
		/* Print in the kernel's log what waits for what. */
		host_write("/proc/sysrq-trigger", "w");
		ksft_exit_fail_msg("a thread is stuck\n");
	}
	if (variant->held)
		close_session(s);

	if (!all_did(players, nr))
		TH_LOG("not all did what they are about");
	EXPECT_TRUE(all_did(players, nr));
	EXPECT_EQ(0, atomic_load(&s->wrong));
}

int main(int argc, char **argv)
{
	host_at_end(sample_give_back);
	return test_harness_run(argc, argv);
}
