// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a capability goes: who is asked, and in which order
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "base.h"
#include "chain.h"
#include "effects.h"

enum vfcap_placement { VFCAP_PLACE_AUTO, VFCAP_PLACE_STRICT };

static const char * const vfcap_placements[] = {
	[VFCAP_PLACE_AUTO]	= "auto",
	[VFCAP_PLACE_STRICT]	= "strict",
	NULL
};

static struct vfcap_param vfcap_placement = {
	.words		= vfcap_placements,
	.choices	= "auto, strict",
};

module_param_cb(placement, &vfcap_param_ops, &vfcap_placement, 0644);
MODULE_PARM_DESC(placement, "Where capabilities may lie: auto (default): also where nothing is known to lie, strict: only where the VMM, the PF's driver or a quirk says");

/**
 * struct vfcap_quirk - where a capability may lie in all functions of a kind
 * @vendor: vendor ID
 * @device: device ID
 * @id: which capability
 * @pos: offset in bytes, 0: it must not be shown
 */
struct vfcap_quirk {
	u16 vendor;
	u16 device;
	u8 id;
	u16 pos;
};

/* The text of the parameter, which is valid, and constant once the module is loaded */
static char *vfcap_quirks;

/* Parse "VVVV:DDDD:PARAMETER=OFFSET", all numbers in hex. Returns its length, or -EINVAL. */
static int vfcap_quirk_parse(const char *text, struct vfcap_quirk *quirk)
{
	char param[16];
	int len = 0;
	u8 id;

	if (sscanf(text, "%4hx:%4hx:%15[^=]=%4hx%n", &quirk->vendor,
		   &quirk->device, param, &quirk->pos, &len) != 4)
		return -EINVAL;
	for (id = 0; id < VFCAP_NR_CAPS; id++)
		if (!strcmp(param, vfcap_caps[id]->param))
			break;
	quirk->id = id;
	return id < VFCAP_NR_CAPS ? len : -EINVAL;
}

static int vfcap_quirks_set(const char *val, const struct kernel_param *kp)
{
	struct vfcap_quirk quirk;
	const char *rest = val;
	int len;

	do {
		len = vfcap_quirk_parse(rest, &quirk);
		if (len < 0)
			goto err;
		rest += len;
	} while (*rest++ == ',');
	if (!rest[-1])
		return param_set_charp(val, kp);

err:
	pr_err("%s: parameter %s: not a list of VVVV:DDDD:pasid|pri|vmd_shadow=OFFSET, all hex: \"%.*s\"\n",
	       KBUILD_MODNAME, kp->name, (int)strcspn(val, "\n"), val);
	return -EINVAL;
}

static const struct kernel_param_ops vfcap_quirks_ops = {
	.set	= vfcap_quirks_set,
	.get	= param_get_charp,
	.free	= param_free_charp,
};

module_param_cb(quirks, &vfcap_quirks_ops, &vfcap_quirks, 0444);
MODULE_PARM_DESC(quirks, "Where capabilities may lie in known devices: VVVV:DDDD:pasid|pri|vmd_shadow=OFFSET,..., all hex; 0: never show it");

/*
 * Each step returns an offset in bytes, 0 for no opinion, or the negative of a reason why
 * the capability is not shown.
 */
static int vfcap_ask_hardware(struct vfcap_device *vd, unsigned int id,
			      u16 hw_pos)
{
	if (!vfcap_is_own(vd, id))
		return 0;
	return vfcap_ext_own(vd, id) ?: -VFCAP_REASON_NO_ROOM;
}

static int vfcap_ask_user(struct vfcap_device *vd, unsigned int id, u16 hw_pos)
{
	const struct vfcap_choice *choice = &vd->choice[id];

	if (choice->flags & VFCAP_CHOOSE_HIDE)
		return -VFCAP_REASON_USER;
	return choice->offset;
}

/* Whoever knows the device knows what would be covered, but not what else is shown. */
static int vfcap_check_fits(struct vfcap_device *vd, unsigned int id, int pos,
			    const char *who)
{
	if (!pos || vfcap_chain_fits(vd, id, pos))
		return pos;
	vfcap_log(vd,
		  "%s capability does not fit at %#x, where %s wants it\n",
		  vd->table[id]->name, pos, who);
	return 0;
}

static int vfcap_ask_pf_driver(struct vfcap_device *vd, unsigned int id,
			       u16 hw_pos)
{
	int pos = pci_vfcap_place(vfcap_handle(vd, id), id);

	if (pos < 0)
		return -VFCAP_REASON_PF_DRIVER;
	return vfcap_check_fits(vd, id, pos, "the driver of its PF");
}

static bool vfcap_find_quirk(struct vfcap_device *vd, unsigned int id,
			     struct vfcap_quirk *quirk)
{
	struct pci_dev *pdev = vd->core.pdev;
	const char *rest = vfcap_quirks;

	if (!rest)
		return false;
	do {
		rest += vfcap_quirk_parse(rest, quirk);
		if (quirk->vendor == pdev->vendor &&
		    quirk->device == pdev->device && quirk->id == id)
			return true;
	} while (*rest++ == ',');
	return false;
}

static int vfcap_ask_quirk(struct vfcap_device *vd, unsigned int id, u16 hw_pos)
{
	struct vfcap_quirk quirk;

	if (!vfcap_find_quirk(vd, id, &quirk))
		return 0;
	if (!quirk.pos)
		return -VFCAP_REASON_QUIRK;
	return vfcap_check_fits(vd, id, quirk.pos, "parameter quirks");
}

/**
 * vfcap_place_is_given - whether the user or the administrator says where a capability goes
 * @vd: the device
 * @id: the capability
 *
 * Context: Process context, under the dev_set lock.
 * Return: true if so, even if it does not fit there.
 */
bool vfcap_place_is_given(struct vfcap_device *vd, unsigned int id)
{
	struct vfcap_quirk quirk;

	return vd->choice[id].offset || vfcap_find_quirk(vd, id, &quirk);
}

static int vfcap_ask_pf_offset(struct vfcap_device *vd, unsigned int id,
			       u16 hw_pos)
{
	return vfcap_chain_is_free(vd, id, hw_pos) ? hw_pos : 0;
}

static int vfcap_ask_gap(struct vfcap_device *vd, unsigned int id, u16 hw_pos)
{
	return vfcap_chain_find_gap(vd, id) ?:
	       -VFCAP_REASON_NO_ROOM;
}

/*
 * The first step that has a place decides. The steps before the first guess are all
 * asked, since each of them may forbid it; guesses are made only while there is no place,
 * and in strict mode not at all.
 */
static const struct {
	enum vfcap_step step;
	bool guess;
	int (*ask)(struct vfcap_device *vd, unsigned int id, u16 hw_pos);
} vfcap_steps[] = {
	{ VFCAP_STEP_HARDWARE,	false,	vfcap_ask_hardware },
	{ VFCAP_STEP_USER,	false,	vfcap_ask_user },
	{ VFCAP_STEP_PF_DRIVER,	false,	vfcap_ask_pf_driver },
	{ VFCAP_STEP_QUIRK,	false,	vfcap_ask_quirk },
	{ VFCAP_STEP_PF_OFFSET,	true,	vfcap_ask_pf_offset },
	{ VFCAP_STEP_GAP,	true,	vfcap_ask_gap },
};

/**
 * vfcap_place - decide where a capability goes
 * @vd: the device
 * @id: the capability, in whose plan the place and the step that decided it are set
 * @hw_pos: where the PF, or the function itself, has it; 0 if neither does
 *
 * Context: Process context, under the dev_set lock, with the device powered up. Calls
 * place() of the PF's driver.
 * Return: VFCAP_REASON_NONE, or why it cannot be shown.
 */
enum vfcap_reason vfcap_place(struct vfcap_device *vd, unsigned int id,
			      u16 hw_pos)
{
	bool strict = READ_ONCE(vfcap_placement.value) == VFCAP_PLACE_STRICT;
	struct vfcap_plan *plan = &vd->plan[id];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vfcap_steps); i++) {
		int ret;

		if (vfcap_steps[i].guess && plan->pos)
			break;
		if (vfcap_steps[i].guess && strict)
			return VFCAP_REASON_STRICT;
		ret = vfcap_steps[i].ask(vd, id, hw_pos);
		if (ret < 0)
			return -ret;
		if (ret && !plan->pos) {
			plan->pos = ret;
			plan->step = vfcap_steps[i].step;
		}
	}
	return VFCAP_REASON_NONE;
}
