// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "feature.h"
#include "host.h"
#include "iommufd.h"
#include "pager.h"
#include "sample.h"

void pager_init(struct pager *p)
{
	*p = (struct pager){ .queue = -1 };
	vfio_init(&p->v);
}

int pager_attach_rid(struct pager *p)
{
	uint32_t ioas, hwpt;

	return iommufd_ioas(&p->v, &ioas) ?: iommufd_hwpt(&p->v, ioas, true, &hwpt) ?:
	       iommufd_attach(&p->v, hwpt, 0);
}

int pager_open_plain(struct pager *p, const char *bdf, bool answers)
{
	int ret;

	pager_init(p);
	p->bdf = bdf;
	ret = vfio_open_cdev(&p->v, bdf);
	if (!ret && answers)
		ret = vfcap_choose(&p->v, VFCAP_CAP_PRI, VFCAP_CHOOSE_ANSWERS, 0);
	return ret ?: pager_attach_rid(p);
}

int pager_attach(struct pager *p)
{
	p->queue = iommufd_fault_queue(&p->v, &p->queue_id);
	if (p->queue < 0)
		return p->queue;
	return iommufd_ioas(&p->v, &p->ioas) ?:
	       iommufd_fault_hwpt(&p->v, p->ioas, p->queue_id, &p->hwpt) ?:
	       iommufd_attach(&p->v, p->hwpt, REQUESTER_PASID);
}

int pager_open(struct pager *p, const char *bdf)
{
	unsigned int pri, pasid;
	int ret;

	ret = pager_open_plain(p, bdf, true) ?: pager_attach(p);
	if (ret)
		return ret;
	pasid = vfio_find_ecap(&p->v, PCI_EXT_CAP_ID_PASID);
	pri = vfio_find_ecap(&p->v, PCI_EXT_CAP_ID_PRI);
	if (!pasid || !pri)
		return -ENOENT;
	p->pasid = pasid + PCI_PASID_CTRL;
	p->pri = pri + PCI_PRI_CTRL;
	p->capacity = vfio_get(&p->v, pri + PCI_PRI_MAX_REQ, 4);
	return pager_set_pasid(p, true);
}

void pager_close(struct pager *p)
{
	vfio_close(&p->v);
	if (p->queue >= 0)
		close(p->queue);
	pager_init(p);
}

int pager_set_pasid(struct pager *p, bool on)
{
	return vfio_set(&p->v, p->pasid, 2, on ? PCI_PASID_CTRL_ENABLE : 0);
}

int pager_enable_pri(struct pager *p, uint32_t allocation)
{
	return vfio_set(&p->v, p->pri - PCI_PRI_CTRL + PCI_PRI_ALLOC_REQ, 4, allocation) ?:
	       vfio_set(&p->v, p->pri, 2, PCI_PRI_CTRL_ENABLE);
}

int pager_set_pri(struct pager *p, bool on)
{
	return on ? pager_enable_pri(p, p->capacity) : vfio_set(&p->v, p->pri, 2, 0);
}

uint16_t pager_pri_ctrl(struct pager *p)
{
	return vfio_get(&p->v, p->pri, 2);
}

uint16_t pager_pri_status(struct pager *p)
{
	return vfio_get(&p->v, p->pri - PCI_PRI_CTRL + PCI_PRI_STATUS, 2);
}

bool pager_is_stopped(struct pager *p)
{
	return pager_pri_status(p) & PCI_PRI_STATUS_STOPPED;
}

int pager_read(struct pager *p, struct iommu_hwpt_pgfault *messages, int max, long ms)
{
	struct pollfd fd = { .fd = p->queue, .events = POLLIN };
	ssize_t len;

	if (poll(&fd, 1, ms) != 1)
		return 0;
	len = read(p->queue, messages, max * sizeof(*messages));
	return len < 0 ? -errno : len / sizeof(*messages);
}

int pager_take(struct pager *p, unsigned int group, uint32_t *cookie, long ms)
{
	struct iommu_hwpt_pgfault m;
	int ret;

	ret = pager_read(p, &m, 1, ms);
	if (ret != 1)
		return ret ?: -EAGAIN;
	*cookie = m.cookie;
	return m.grpid == group && m.flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE ? 0 : -EBADMSG;
}

int pager_answer(struct pager *p, uint32_t cookie, uint32_t code)
{
	struct iommu_hwpt_page_response response = { .cookie = cookie, .code = code };

	return write(p->queue, &response, sizeof(response)) < 0 ? -errno : 0;
}

int pager_map(struct pager *p, void *memory, uint64_t address)
{
	return iommufd_map(&p->v, p->ioas, memory, PAGER_PAGE, address);
}

/* The lab's kernels with the patch series have such names. */
bool pager_kernel_delivers(void)
{
	const char *kernel = getenv("VFCAP_KERNEL") ?: "";

	return host_has_functions() || !strncmp(kernel, "iopf", 4) ||
	       !strcmp(kernel, "coverage");
}

/*
 * VT-d enables PRI in a PF that has PASID when it finds the PF, provided that the PF's
 * PRG Response PASID Required is set; and it enables ATS in VFs when it finds them.
 */
static bool vfs_request_pages(void)
{
	return host_config_read(host_pf(), PF_PRI + PCI_PRI_STATUS, 2) &
	       PCI_PRI_STATUS_PASID && *sample_vf(1) && sample_vfs_have_ats();
}

static int find_vfs_anew(bool request_pages)
{
	int ret = host_unbind(host_vf()) ?: host_unbind(host_vf2());

	ret = ret ?: host_layout_default();
	if (request_pages)
		ret = ret ?: host_layout_named("pri");
	return ret ?: host_rescan();
}

int pager_prepare(void)
{
	int ret = 0;

	if (host_has_functions())
		ret = host_layout_default() ?: host_pri_event(host_vf(), "idle");
	else if (!vfs_request_pages())
		ret = find_vfs_anew(true);
	ret = ret ?: host_rebind(host_vf(), OURS) ?: host_rebind(host_vf2(), OURS);
	ret = ret ?: host_enable_pf();
	host_log_clear();
	return ret;
}

static bool found_requesting;

static int give_back(void)
{
	int ret = host_unbind(host_vf2());

	if (!ret && vfs_request_pages() != found_requesting)
		ret = find_vfs_anew(found_requesting) ?: host_bind(host_vf(), OURS);
	return ret;
}

void pager_begin(void)
{
	if (!host_is_ready() || host_has_functions())
		return;
	found_requesting = vfs_request_pages();
	host_at_end(give_back);
}
