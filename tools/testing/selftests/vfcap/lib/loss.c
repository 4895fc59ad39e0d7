// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "feature.h"
#include "host.h"
#include "iommufd.h"
#include "loss.h"
#include "sample.h"

/* Where the fixture's layout "vf-ats" has ATS */
#define VF_ATS	0x160

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

/* The kernel enables the VFs' ATS when it finds them, so VFs with ATS are created again. */
int scene_set(const struct scene *scene)
{
	bool had_ats = host_config_read(host_vf(), VF_ATS, 2) ==
		       PCI_EXT_CAP_ID_ATS;
	int ret = 0;

	if (!host_exists("devices/%s", host_pf())) {
		/* While the PF is missing, only the lines for its own registers fail. */
		host_layout_default();
		ret = host_write("rescan", "1");
	}
	if (!ret)
		ret = host_layout_default();
	if (!ret && scene->ats)
		ret = host_layout_named("vf-ats");
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

int scene_set_plain(void)
{
	return scene_set(&(const struct scene){ .driver = IGB });
}

const char *scene_lacks(void)
{
	if (!host_is_ready())
		return "the lab's VM: VFCAP_PF and others";
	return access("/dev/iommu", F_OK) ? "a kernel with iommufd" : NULL;
}

int eventfd_new(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

unsigned int eventfd_take(int fd)
{
	eventfd_t count = 0;

	return eventfd_read(fd, &count) ? 0 : count;
}

int vmm_open(struct vmm *s, const char *bdf)
{
	uint32_t ioas;
	int ret;

	*s = (struct vmm){
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
	ret = vfcap_set_lost_eventfd(&s->v, s->lost);
	if (!ret)
		ret = vfio_set_irq(&s->v, VFIO_PCI_ERR_IRQ_INDEX, s->error);

	s->state = state_open(bdf, "pasid_state");
	if (s->state < 0)
		return s->state;
	/* VFIO decides at the first access what is shown. */
	vfio_get(&s->v, PCI_VENDOR_ID, 2);
	return ret;
}

void vmm_close(struct vmm *s)
{
	vfio_close(&s->v);
	if (!s->bdf)
		return;
	close(s->lost);
	close(s->error);
	close(s->state);
	s->bdf = NULL;
}

int vmm_set_ctrl(struct vmm *s, uint16_t value)
{
	return vfio_set(&s->v, PF_CTRL, 2, value);
}

uint16_t vmm_get_ctrl(struct vmm *s)
{
	return vfio_get(&s->v, PF_CTRL, 2);
}

const char *vmm_state(struct vmm *s)
{
	return state_read(s->state);
}

bool vmm_state_changed(struct vmm *s, int timeout)
{
	return state_changed(s->state, timeout);
}

int vmm_enable(struct vmm *s)
{
	int ret = vmm_set_ctrl(s, PCI_PASID_CTRL_ENABLE);

	if (!ret)
		ret = iommufd_attach(&s->v, s->hwpt, PASID);
	if (!ret && !iommu_has_pasid(s->bdf, PASID))
		ret = -EIO;
	vmm_state(s);
	return ret;
}

int vmm_log_count(struct vmm *s, const char *text)
{
	return host_log_count(s->bdf, text);
}

static void *taking_thread(void *arg)
{
	struct taking *t = arg;

	/* A thread that waits for the VFs to be closed must not keep them open. */
	close_range(3, ~0U, CLOSE_RANGE_UNSHARE);
	t->start = now_ms();
	t->ret = t->take();
	__atomic_store_n(&t->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

int taking_start(struct taking *t, int (*take)(void))
{
	*t = (struct taking){ .take = take };
	return pthread_create(&t->thread, NULL, taking_thread, t);
}

bool taking_is_done(struct taking *t)
{
	return __atomic_load_n(&t->done, __ATOMIC_SEQ_CST);
}

int taking_end(struct taking *t)
{
	pthread_join(t->thread, NULL);
	return t->ret;
}

long taking_ms(struct taking *t, int efd)
{
	struct pollfd p = { .fd = efd, .events = POLLIN };

	return poll(&p, 1, host_promised(3 * GUARD_MS)) == 1 ? now_ms() - t->start : -1;
}

int lose_enable(void)
{
	return host_config_write(host_pf(), PF_CTRL, 2, 6);
}

int lose_exec(void)
{
	return host_config_write(host_pf(), PF_CTRL, 2, 5);
}

int give_all(void)
{
	return host_config_write(host_pf(), PF_CTRL, 2, 7);
}

int lose_pf(void)
{
	return host_layout("pf 0 ffffffff\npf 1e4 ffffffff");
}

int lose_by_reset(void)
{
	return host_writef("1", "devices/%s/reset", host_pf());
}

int lose_vf_ats(void)
{
	return host_layout("vf 164 00000020 ffffffff 801f0000");
}

int lose_by_sample(void)
{
	return sample_set("lost_event", "the sample says so");
}
