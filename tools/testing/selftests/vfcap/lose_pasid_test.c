// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever takes PASID away from the PF while a VF shows it, but leaves the PF: this is
 * noticed, takes effect in the VF, is reported once in each way, and lasts until the PF
 * has PASID back and the VF is then reset.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/expect_loss.h"
#include "lib/host.h"
#include "lib/loss.h"
#include "lib/sample.h"
#include "lib/vfio.h"

/* Where QEMU's VFs have MSI-X */
#define VF_MSIX	0x70

#define IS_GONE		"the capability is gone from its PF"
#define WAS_RESET	"its PF was reset, and the VF with it"

/*
 * The causes. If the PF's driver is replaced by another one, or the IOMMU driver takes
 * PASID away from the PF (AMD's does when its domain is detached), the effect is the same
 * as with setpci: Enable becomes 0, without any event.
 */
static int clear_priv(void)
{
	return host_config_write(host_pf(), PF_CTRL, 2, 3);
}

static int clear_all(void)
{
	return host_config_write(host_pf(), PF_CTRL, 2, 0);
}

static int read_as_ones(void)
{
	return host_layout("pf blank 0 1000 ffffffff");
}

static int reappear(void)
{
	return host_layout("pf 0 0 0\npf 1e4 00071406 ffffffff 00070000");
}

static int all_ones(void)
{
	return host_layout("pf 1e4 ffffffff");
}

/* Another capability is where the kernel had found PASID. */
static int replace_cap(void)
{
	return host_layout("pf 1e0 00010000");
}

static int put_cap_back(void)
{
	return host_layout("pf 1e0 0001001b");
}

static int reset_vf_msix(void)
{
	return host_config_write(host_vf(), VF_MSIX + PCI_MSIX_FLAGS, 2, 0);
}

/*
 * Without the kernel's knowledge, which believes that the PF is awake; the fixture keeps
 * it from hardware.
 */
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

/* One cause, from its first to its last consequence */
FIXTURE(cause) {
	struct vmm s;
	struct listener l;
	struct taking t;
	int msix, pf;
};

FIXTURE_VARIANT(cause) {
	struct scene scene;
	bool msix;			/* the VF's user has MSI-X enabled */
	int (*take)(void);
	int (*give)(void);		/* NULL: the PF recovers by itself */
	long limit;
	const char *why;		/* the beginning of the cause */
	const char *or_why;
};

FIXTURE_VARIANT_ADD(cause, setpci_enable) {
	.scene = { "igb" }, .take = lose_enable, .give = give_all,
	.limit = GUARD_MS, .why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, setpci_exec) {
	.scene = { "igb" }, .take = lose_exec, .give = give_all,
	.limit = GUARD_MS, .why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, setpci_priv) {
	.scene = { "igb" }, .take = clear_priv, .give = give_all,
	.limit = GUARD_MS, .why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, setpci_all) {
	.scene = { "igb" }, .take = clear_all, .give = give_all,
	.limit = GUARD_MS, .why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, pf_blank) {
	.scene = { "igb" }, .take = read_as_ones, .give = host_layout_default,
	.limit = GUARD_MS, .why = IS_SILENT,
};

FIXTURE_VARIANT_ADD(cause, pf_silent) {
	.scene = { "igb" }, .take = lose_pf, .give = reappear,
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
 * The kernel restores the PF's registers during the reset, and igb does not report it.
 * The guard may happen to look before that.
 */
FIXTURE_VARIANT_ADD(cause, pf_reset_seen_by_ats) {
	.scene = { "igb", .ats = true }, .take = lose_by_reset,
	.limit = GUARD_MS, .why = WAS_RESET, .or_why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, pf_reset_seen_by_msix) {
	.scene = { "igb" }, .msix = true, .take = lose_by_reset,
	.limit = GUARD_MS, .why = WAS_RESET, .or_why = IS_DISABLED,
};

FIXTURE_VARIANT_ADD(cause, pf_reset_seen_late_by_ats) {
	.scene = { "igb", .ats = true }, .take = lose_vf_ats,
	.limit = GUARD_MS, .why = WAS_RESET,
};

FIXTURE_VARIANT_ADD(cause, pf_reset_seen_late_by_msix) {
	.scene = { "igb" }, .msix = true, .take = reset_vf_msix,
	.limit = GUARD_MS, .why = WAS_RESET,
};

FIXTURE_VARIANT_ADD(cause, pf_reset_told) {
	.scene = { SAMPLE }, .take = lose_by_reset,
	.limit = EVENT_MS, .why = "its PF is being reset",
};

FIXTURE_VARIANT_ADD(cause, pf_driver_tells) {
	.scene = { SAMPLE }, .take = lose_by_sample,
	.limit = EVENT_MS, .why = "the sample says so",
};

FIXTURE_SETUP(cause)
{
	vfio_init(&self->s.v);
	if (scene_lacks())
		SKIP(return, "needs %s", scene_lacks());
	ASSERT_EQ(0, scene_set(&variant->scene));
	host_log_clear();
	ASSERT_EQ(0, listen_open(&self->l));
	self->pf = state_open(host_pf(), "pasid_state");
	ASSERT_LE(0, self->pf);
	EXPECT_STREQ("unlocked", state_read(self->pf));
	ASSERT_EQ(0, vmm_open(&self->s, host_vf()));
	EXPECT_TRUE(state_changed(self->pf, 0));
	self->msix = eventfd_new();
	if (variant->msix)
		ASSERT_EQ(0, vfio_set_irq(&self->s.v, VFIO_PCI_MSIX_IRQ_INDEX,
					  self->msix));
}

FIXTURE_TEARDOWN(cause)
{
	vmm_close(&self->s);
	close(self->pf);
	close(self->msix);
	close(self->l.fd);
}

TEST_F(cause, noticed)
{
	struct vmm *s = &self->s;
	struct taking *t = &self->t;

	ASSERT_EQ(0, vmm_enable(s));
	EXPECT_STREQ("shown", vmm_state(s));
	EXPECT_STREQ("locked", state_read(self->pf));
	ASSERT_EQ(0, taking_start(t, variant->take));
	expect_loss(_metadata, s, taking_ms(t, s->lost), variant->limit);
	EXPECT_EQ(0, taking_end(t));
	if (variant->give)
		EXPECT_TRUE(state_changed(self->pf, host_promised(EVENT_MS)));
	EXPECT_STREQ(variant->give ? "lost" : "locked", state_read(self->pf));
	expect_still_lost(_metadata, s);

	if (variant->give) {
		EXPECT_EQ(0, vfio_reset(&s->v));
		expect_still_lost(_metadata, s);
		EXPECT_EQ(0, variant->give());
		EXPECT_TRUE(state_changed(self->pf, host_promised(GUARD_MS)));
		EXPECT_STREQ("locked", state_read(self->pf));
	}
	usleep(GUARD_LOOKS_US);
	expect_still_lost(_metadata, s);
	expect_counts(_metadata, s, &self->l, 1, 0);
	expect_back(_metadata, s);
	EXPECT_TRUE(WAIT_FOR(listen_count(&self->l, "shown", s->bdf, "PASID") == 1,
			     host_promised(EVENT_MS)));

	/* Once more, with nothing enabled that could be taken away */
	EXPECT_EQ(0, vmm_set_ctrl(s, 0));
	EXPECT_EQ(0, host_param("loss_as_error", "Y"));
	ASSERT_EQ(0, taking_start(t, variant->take));
	expect_loss(_metadata, s, taking_ms(t, s->error), variant->limit);
	EXPECT_EQ(0, taking_end(t));
	expect_counts(_metadata, s, &self->l, 0, 1);
	expect_cause(_metadata, s, &self->l, variant->why, variant->or_why);
}

#define TAINT_USER	64
#define FLAGGED		"Unexpected write to kernel-exclusive config offset "

static unsigned long taint(void)
{
	char out[32];

	host_run(out, sizeof(out), "cat /proc/sys/kernel/tainted");
	return strtoul(out, NULL, 10);
}

/*
 * The kernel itself complains when user space writes to the registers while they are
 * shown: it is tainted, and logs the first such write since boot. This requires
 * CONFIG_STRICT_DEVMEM, which distributions set.
 */
FIXTURE(flag) {
	struct vfio v;
};

FIXTURE_SETUP(flag)
{
	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, scene_set_plain());
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

	/* The registers may be read, and those next to them may be written. */
	host_config_read(host_pf(), PF_PASID, 4);
	EXPECT_EQ(0, host_config_write(host_pf(), PF_PASID - 4, 4, 0));
	EXPECT_EQ(0, host_config_write(host_pf(), PF_PASID + 8, 4, 0));
	EXPECT_EQ(before, !!(taint() & TAINT_USER));
	EXPECT_EQ(0, give_all());
	EXPECT_TRUE(taint() & TAINT_USER);
	EXPECT_EQ(!before, host_log_count(host_pf(), FLAGGED "1e6"));
}

int main(int argc, char **argv)
{
	host_at_end(scene_set_plain);
	return test_harness_run(argc, argv);
}
