/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must be seen after each loss of PASID, for tests that have included the harness.
 * Whether a loss took effect is judged by what the IOMMU has.
 */
#ifndef VFCAP_TEST_EXPECT_LOSS_H
#define VFCAP_TEST_EXPECT_LOSS_H

#include "counted.h"
#include "host.h"
#include "iommufd.h"
#include "loss.h"
#include "uevent.h"

/* How causes begin */
#define IS_DISABLED	"it was disabled in its PF"
#define IS_SILENT	"its PF does not answer"

/*
 * A loss has taken effect, and the VMM was notified after @ms. From that moment on
 * nothing of the capability is left.
 */
static inline void expect_loss(struct __test_metadata *_metadata,
			       struct vmm *s, long ms, long limit)
{
	EXPECT_LE(0, ms);
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	EXPECT_EQ(0, vmm_get_ctrl(s));
	EXPECT_TRUE(vmm_state_changed(s, host_promised(EVENT_MS)));
	EXPECT_STREQ("lost", vmm_state(s));
	EXPECT_GE(host_promised(limit), ms);
	TH_LOG("%s: %ld ms", s->bdf, ms);
	s->losses++;
}

/* Nothing that the VF's user can do brings it back. */
static inline void expect_still_lost(struct __test_metadata *_metadata,
				     struct vmm *s)
{
	EXPECT_EQ(0, vmm_set_ctrl(s, 7));
	EXPECT_EQ(0, vmm_get_ctrl(s) & PCI_PASID_CTRL_ENABLE);
	EXPECT_EQ(0, iommufd_attach(&s->v, s->hwpt, OTHER));
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	EXPECT_STREQ("lost", vmm_state(s));
}

/* A reset of the VF ends the loss, and what is attached takes effect with Enable. */
static inline void expect_back(struct __test_metadata *_metadata,
			       struct vmm *s)
{
	EXPECT_EQ(0, vfio_reset(&s->v));
	EXPECT_TRUE(vmm_state_changed(s, 0));
	EXPECT_STREQ("shown", vmm_state(s));
	EXPECT_EQ(0, vmm_get_ctrl(s));
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	EXPECT_EQ(0, vmm_set_ctrl(s, PCI_PASID_CTRL_ENABLE));
	EXPECT_EQ(PCI_PASID_CTRL_ENABLE, vmm_get_ctrl(s));
	EXPECT_TRUE(iommu_has_pasid(s->bdf, PASID));
	EXPECT_TRUE(iommu_has_pasid(s->bdf, OTHER));
	s->ends++;
}

static inline void expect_counts(struct __test_metadata *_metadata,
				 struct vmm *s, struct listener *l,
				 unsigned int lost, unsigned int error)
{
	EXPECT_EQ(lost, eventfd_take(s->lost));
	EXPECT_EQ(error, eventfd_take(s->error));
	EXPECT_EQ(s->losses, listen_count(l, "lost", s->bdf, "PASID"));
	EXPECT_EQ(s->ends, listen_count(l, "shown", s->bdf, "PASID"));
	EXPECT_EQ(s->losses, vmm_log_count(s, " lost: "));
	EXPECT_EQ(s->losses, vmm_log_count(s, "PASID lost: "));
}

/* The log and the uevents begin with the same cause, which is one of two. */
static inline void expect_cause(struct __test_metadata *_metadata,
				struct vmm *s, struct listener *l,
				const char *why, const char *or_why)
{
	const char * const causes[] = { why, or_why ?: why };
	unsigned int i, lines = 0;
	bool known = false;
	char line[192];

	for (i = 0; i < (or_why ? 2 : 1); i++) {
		snprintf(line, sizeof(line), "PASID lost: %s", causes[i]);
		lines += vmm_log_count(s, line);
		known |= !strncmp(listen_cause(l), causes[i],
				  strlen(causes[i]));
	}
	EXPECT_EQ(s->losses, lines);
	EXPECT_TRUE(known) {
		TH_LOG("uevent: %s", listen_cause(l));
	}
}

#endif
