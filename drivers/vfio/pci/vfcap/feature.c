// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATURE: which indices are ours, and what they do
 *
 * A structure may grow at its end, and the user may have an older or a newer version than
 * this kernel. Fields that the user does not have count as zero, and those that this
 * kernel does not have must be zero. User memory is accessed only in vfcap_do_feature(),
 * without locks.
 */
#include <linux/array_size.h>
#include <linux/cleanup.h>
#include <linux/eventfd.h>
#include <linux/nospec.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "access.h"
#include "bar.h"
#include "caps.h"
#include "chain.h"
#include "effects.h"
#include "emul.h"

/*
 * Whether there is a capability with that number, which a user chooses. It is clamped
 * against speculation, since it becomes an index.
 */
static bool vfcap_has_cap(u32 *cap)
{
	if (*cap >= VFCAP_NR_CAPS)
		return false;
	*cap = array_index_nospec(*cap, VFCAP_NR_CAPS);
	return true;
}

/*
 * VFCAP_FEATURE_QUERY: what the guest is shown, and why
 */

static u32 vfcap_query_flags(struct vfcap_device *vd, unsigned int id)
{
	const struct vfcap_cap *cap = vd->table[id];
	u32 flags = 0;

	if (cap->list == &vfcap_ext_list)
		flags |= VFCAP_QUERY_EXTENDED;
	if (vd->committed)
		flags |= VFCAP_QUERY_COMMITTED;
	if (vfcap_reg_get(vd, id, VFCAP_CTRL) & cap->enable)
		flags |= VFCAP_QUERY_ENABLED;
	if (id == PCI_VFCAP_PASID && vd->plan[id].pos &&
	    vfcap_pasid_is_guests(vd))
		flags |= VFCAP_QUERY_NOT_GATED;
	if (id == PCI_VFCAP_PRI && vfcap_pri_is_deliverable(vd))
		flags |= VFCAP_QUERY_DELIVERABLE;
	return flags;
}

static int vfcap_query(struct vfcap_device *vd, bool set, void *data,
		       size_t told)
{
	struct vfcap_feature_query *query = data;
	const struct vfcap_plan *plan;
	unsigned int id;
	bool returned;

	if (query->reserved[0] || query->reserved[1] ||
	    !vfcap_has_cap(&query->cap))
		return -EINVAL;
	id = query->cap;
	plan = &vd->plan[id];

	CLASS(vfcap_locked, lock)(vd);
	if (!lock)
		return -EINTR;
	vfcap_plan(vd);
	/* Have a loss that is known take effect, so that it is reported. */
	vfcap_sync(vd);
	*query = (struct vfcap_feature_query) {
		.magic		= VFCAP_MAGIC,
		.cap		= id,
		.nr_caps	= VFCAP_NR_CAPS,
		.flags		= vfcap_query_flags(vd, id),
		.id		= vd->table[id]->id,
		.offset		= plan->pos,
		.size		= vfcap_cap_size(vd->table[id]),
		.step		= plan->step,
		.reason		= plan->reason,
		.nr_pasids	= id == PCI_VFCAP_PASID ? vd->nr_pasids : 0,
		.written	= !!(vd->written & BIT(id)),
	};
	if (vd->shown & BIT(id) &&
	    pci_vfcap_query_loss(vfcap_handle(vd, id), id, query->cause, &returned))
		query->flags |= VFCAP_QUERY_LOST |
				(returned ? VFCAP_QUERY_RETURNED : 0);
	return 0;
}

/*
 * VFCAP_FEATURE_CHOOSE: the user's say in what is shown, and where
 */

/* Whether the flags go together. Every other combination contradicts itself. */
static bool vfcap_choice_is_valid(const struct vfcap_feature_choose *data)
{
	if (data->flags & VFCAP_CHOOSE_ANSWERS && data->cap != VFCAP_CAP_PRI)
		return false;
	switch (data->flags & ~VFCAP_CHOOSE_ANSWERS) {
	case VFCAP_CHOOSE_OFFSET:
	case VFCAP_CHOOSE_OFFSET | VFCAP_CHOOSE_FORCE:
		return data->offset;
	case VFCAP_CHOOSE_HIDE:
		return !data->offset && data->flags == VFCAP_CHOOSE_HIDE;
	case 0:
		return !data->offset;
	default:
		return false;
	}
}

static bool vfcap_may_lie(struct vfcap_device *vd, unsigned int id,
			  const struct vfcap_choice *choice)
{
	if (vfcap_is_own(vd, id))
		return choice->offset == vfcap_ext_own(vd, id);
	return choice->flags & VFCAP_CHOOSE_FORCE ?
	       vfcap_chain_fits(vd, id, choice->offset) :
	       vfcap_chain_is_free(vd, id, choice->offset);
}

static int vfcap_choose(struct vfcap_device *vd, bool set, void *data,
			size_t told)
{
	struct vfcap_feature_choose *choose = data;
	struct vfcap_choice choice = {
		.flags = choose->flags, .offset = choose->offset,
	};
	int ret;

	if (!vfcap_has_cap(&choose->cap) || !vfcap_choice_is_valid(choose) ||
	    memchr_inv(choose->reserved, 0, sizeof(choose->reserved)) ||
	    !(vd->caps & BIT(choose->cap)))
		return -EINVAL;

	CLASS(vfcap_locked, lock)(vd);
	if (!lock)
		return -EINTR;
	if (vd->committed)
		return -EBUSY;
	/* It must not lie where others would. */
	vfcap_plan(vd);
	if (choice.offset && !vfcap_may_lie(vd, choose->cap, &choice))
		return -EINVAL;
	if (choose->cap == VFCAP_CAP_PRI) {
		ret = vfcap_pri_choose(vd, choice.flags & VFCAP_CHOOSE_ANSWERS);
		if (ret)
			return ret;
	}
	vd->choice[choose->cap] = choice;
	return 0;
}

/*
 * VFCAP_FEATURE_STATE: the virtual registers as a whole, for VMMs that take snapshots,
 * restore them, or update themselves live
 */

static void vfcap_state_fill(struct vfcap_device *vd,
			     struct vfcap_feature_state *state)
{
	unsigned long id;

	memset(state, 0, sizeof(*state));
	state->magic = VFCAP_MAGIC;
	state->version = VFCAP_STATE_VERSION;
	for_each_set_bit(id, &vd->shown, VFCAP_NR_CAPS) {
		struct vfcap_state_cap *cap = &state->caps[id];

		cap->offset = vd->plan[id].pos;
		cap->size = vfcap_cap_size(vd->table[id]);
		vfcap_emul_save(vd, id, cap->regs);
	}
}

static bool vfcap_state_fits(struct vfcap_device *vd, unsigned int id,
			     const struct vfcap_state_cap *wanted,
			     const struct vfcap_state_cap *now, bool all)
{
	/* Capabilities that the state lacks are hidden now, so the links may differ. */
	u32 ignored = all ? 0 : vd->table[id]->list->next;
	unsigned int end = now->size / sizeof(u32);

	return wanted->offset == now->offset && wanted->size == now->size &&
	       !wanted->reserved &&
	       !memchr_inv(&wanted->regs[end], 0,
			   (VFCAP_STATE_REGS - end) * sizeof(u32)) &&
	       (!end || vfcap_emul_could_be(vd, id, wanted->regs, now->regs,
					    ignored));
}

/* Returns false if something that should be enabled is not. */
static bool vfcap_state_apply(struct vfcap_device *vd,
			      const struct vfcap_feature_state *state,
			      unsigned int nr_caps)
{
	bool enabled = true;
	unsigned long id;

	for_each_set_bit(id, &vd->shown, nr_caps)
		enabled &= vfcap_restore(vd, id, state->caps[id].regs);
	vfcap_pri_restored(vd);
	return enabled;
}

/* Commit, without what the guest did not have when the state was saved. */
static int vfcap_state_commit(struct vfcap_device *vd, unsigned int nr_caps)
{
	unsigned int id;
	int ret;

	for (id = nr_caps; !vd->committed && id < VFCAP_NR_CAPS; id++)
		vd->choice[id] = (struct vfcap_choice) {
			.flags = VFCAP_CHOOSE_HIDE,
		};
	ret = vfcap_commit(vd);
	if (ret)
		return ret;
	return vd->shown >> nr_caps ? -EBUSY : 0;
}

/* How many capabilities a user's structure of @told bytes has */
static unsigned int vfcap_state_caps(size_t told)
{
	return (told - offsetof(struct vfcap_feature_state, caps)) /
	       sizeof(struct vfcap_state_cap);
}

static int vfcap_state_set(struct vfcap_device *vd,
			   const struct vfcap_feature_state *state,
			   unsigned int nr_caps)
{
	struct vfcap_feature_state before;
	unsigned int id;
	int ret;

	if (state->magic != VFCAP_MAGIC ||
	    state->version != VFCAP_STATE_VERSION || state->reserved ||
	    memchr_inv(&state->caps[nr_caps], 0,
		       (VFCAP_NR_CAPS - nr_caps) * sizeof(*state->caps)))
		return -EINVAL;

	CLASS(vfcap_locked, lock)(vd);
	if (!lock)
		return -EINTR;
	ret = vfcap_state_commit(vd, nr_caps);
	if (ret)
		return ret;
	vfcap_sync(vd);
	vfcap_state_fill(vd, &before);
	for (id = 0; id < nr_caps; id++)
		if (!vfcap_state_fits(vd, id, &state->caps[id],
				      &before.caps[id],
				      nr_caps == VFCAP_NR_CAPS))
			return -EINVAL;

	/* Do not begin what would fail. */
	for (id = 0; id < nr_caps; id++)
		if (state->caps[id].regs[VFCAP_CTRL] &
		    ~before.caps[id].regs[VFCAP_CTRL] & vd->table[id]->enable &&
		    !vfcap_may_enable(vd, id))
			return -EBUSY;

	if (vfcap_state_apply(vd, state, nr_caps))
		return 0;
	vfcap_state_apply(vd, &before, nr_caps);
	return -EBUSY;
}

static int vfcap_state_get(struct vfcap_device *vd,
			   struct vfcap_feature_state *state)
{
	int ret;

	CLASS(vfcap_locked, lock)(vd);
	if (!lock)
		return -EINTR;
	ret = vfcap_commit(vd);
	if (ret)
		return ret;
	vfcap_sync(vd);
	vfcap_state_fill(vd, state);
	return 0;
}

static int vfcap_state(struct vfcap_device *vd, bool set, void *data,
		       size_t told)
{
	return set ? vfcap_state_set(vd, data, vfcap_state_caps(told)) :
		     vfcap_state_get(vd, data);
}

/*
 * VFCAP_FEATURE_LOST_EVENTFD, VFCAP_FEATURE_RETURN_EVENTFD
 */

static int vfcap_eventfd(struct vfcap_device *vd, struct eventfd_ctx **slot,
			 const struct vfcap_feature_lost_eventfd *data)
{
	struct eventfd_ctx *ctx = NULL;

	if (data->reserved || data->fd < -1)
		return -EINVAL;

	if (data->fd >= 0) {
		ctx = eventfd_ctx_fdget(data->fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	vfcap_set_eventfd(vd, slot, ctx);
	return 0;
}

static int vfcap_lost_eventfd(struct vfcap_device *vd, bool set, void *data,
			      size_t told)
{
	return vfcap_eventfd(vd, &vd->lost_eventfd, data);
}

static int vfcap_return_eventfd(struct vfcap_device *vd, bool set, void *data,
				size_t told)
{
	return vfcap_eventfd(vd, &vd->return_eventfd, data);
}

/*
 * VFCAP_FEATURE_PRI_FAILED: a guest's response that is not handed to the hardware
 */

static int vfcap_pri_failed(struct vfcap_device *vd, bool set, void *data,
			    size_t told)
{
	const struct vfcap_feature_pri_failed *failed = data;

	if (!failed->flags || failed->reserved ||
	    failed->flags & ~(VFCAP_PRI_FAILURE | VFCAP_PRI_UNEXPECTED))
		return -EINVAL;

	CLASS(vfcap_locked, lock)(vd);
	if (!lock)
		return -EINTR;
	return vfcap_pri_fail(vd, failed->flags) ? 0 : -ENODEV;
}

/*
 * VFCAP_FEATURE_WRITE_COMBINE
 */

static int vfcap_write_combine(struct vfcap_device *vd, bool set, void *data,
			       size_t told)
{
	struct vfcap_feature_write_combine *wc = data;
	struct vfcap_alias alias = {
		.bar = wc->region_index, .start = wc->offset, .size = wc->size,
	};
	int ret;

	if (wc->flags || wc->reserved)
		return -EINVAL;
	if (set)
		return vfcap_wc_remove(vd, wc->alias_index);
	ret = vfcap_wc_create(vd, &alias);
	wc->alias_index = alias.index;
	return ret;
}

/* Another task of the user may have removed it already. */
static void vfcap_undo_write_combine(struct vfcap_device *vd, void *data)
{
	struct vfcap_feature_write_combine *wc = data;

	vfcap_wc_remove(vd, wc->alias_index);
}

/**
 * struct vfcap_feature - a feature that is handled here
 * @index: its index
 * @ops: VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET, or both
 * @first: size in bytes of its structure in the first version of the header, which
 *	never changes
 * @size: and in this version
 * @handle: Do it. @data is the structure, of which the user has @told bytes, at least
 *	@first and at most @size. Called without locks.
 * @undo: Optional. Undo a GET whose result cannot be copied to the user.
 */
struct vfcap_feature {
	u32 index;
	u32 ops;
	size_t first;
	size_t size;
	int (*handle)(struct vfcap_device *vd, bool set, void *data, size_t told);
	void (*undo)(struct vfcap_device *vd, void *data);
};

union vfcap_feature_data {
	struct vfcap_feature_query query;
	struct vfcap_feature_choose choose;
	struct vfcap_feature_state state;
	struct vfcap_feature_lost_eventfd lost_eventfd;
	struct vfcap_feature_pri_failed pri_failed;
	struct vfcap_feature_write_combine write_combine;
};

#define VFCAP_GET	VFIO_DEVICE_FEATURE_GET
#define VFCAP_SET	VFIO_DEVICE_FEATURE_SET

static const struct vfcap_feature vfcap_features[] = {
	{ VFCAP_FEATURE_QUERY, VFCAP_GET, 40,
	  sizeof(struct vfcap_feature_query), vfcap_query },
	{ VFCAP_FEATURE_CHOOSE, VFCAP_SET, 16,
	  sizeof(struct vfcap_feature_choose), vfcap_choose },
	{ VFCAP_FEATURE_STATE, VFCAP_GET | VFCAP_SET, 112,
	  sizeof(struct vfcap_feature_state), vfcap_state },
	{ VFCAP_FEATURE_LOST_EVENTFD, VFCAP_SET, 8,
	  sizeof(struct vfcap_feature_lost_eventfd), vfcap_lost_eventfd },
	{ VFCAP_FEATURE_RETURN_EVENTFD, VFCAP_SET, 8,
	  sizeof(struct vfcap_feature_lost_eventfd), vfcap_return_eventfd },
	{ VFCAP_FEATURE_PRI_FAILED, VFCAP_SET, 8,
	  sizeof(struct vfcap_feature_pri_failed), vfcap_pri_failed },
	{ VFCAP_FEATURE_WRITE_COMBINE, VFCAP_GET | VFCAP_SET, 32,
	  sizeof(struct vfcap_feature_write_combine), vfcap_write_combine,
	  vfcap_undo_write_combine },
};

static int vfcap_do_feature(struct vfcap_device *vd,
			    const struct vfcap_feature *f, u32 flags,
			    void __user *arg, size_t argsz)
{
	union vfcap_feature_data data;
	size_t told = min(argsz, f->size);
	int ret;

	ret = vfio_check_feature(flags, argsz, f->ops, f->first);
	if (ret != 1)
		return ret;
	if (argsz > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&data, f->size, arg, argsz) ?:
	      f->handle(vd, flags & VFIO_DEVICE_FEATURE_SET, &data, told);
	if (ret || flags & VFIO_DEVICE_FEATURE_SET)
		return ret;
	if (!copy_to_user(arg, &data, told))
		return 0;
	if (f->undo)
		f->undo(vd, &data);
	return -EFAULT;
}

/**
 * vfcap_ioctl_feature - VFIO_DEVICE_FEATURE
 * @vdev: the VFIO device
 * @flags: feature index and VFIO_DEVICE_FEATURE_*
 * @arg: the feature's argument
 * @argsz: its size in bytes
 *
 * The features in <linux/vfio_vfcap.h> are handled here, the others by core.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl_feature().
 */
int vfcap_ioctl_feature(struct vfio_device *vdev, u32 flags, void __user *arg,
			size_t argsz)
{
	u32 index = flags & VFIO_DEVICE_FEATURE_MASK;
	struct vfcap_device *vd = to_vfcap(vdev);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vfcap_features); i++)
		if (vfcap_features[i].index == index)
			return vfcap_do_feature(vd, &vfcap_features[i], flags,
						arg, argsz);
	switch (index) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		return vfcap_feature_low_power(vd, flags, arg, argsz);
	default:
		return vfio_pci_core_ioctl_feature(vdev, flags, arg, argsz);
	}
}
