// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module parameters that take one of some words
 */
#include <linux/module.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "param.h"

static int vfcap_param_set(const char *val, const struct kernel_param *kp)
{
	struct vfcap_param *param = kp->arg;
	int ret = __sysfs_match_string(param->words, -1, val);

	if (ret < 0) {
		/* A value that is written to sysfs may end with a newline. */
		pr_err("%s: parameter %s: \"%.*s\" is none of %s\n",
		       KBUILD_MODNAME, kp->name, (int)strcspn(val, "\n"), val,
		       param->choices);
		return ret;
	}
	WRITE_ONCE(param->value, ret);
	return 0;
}

static int vfcap_param_get(char *buf, const struct kernel_param *kp)
{
	const struct vfcap_param *param = kp->arg;

	return sysfs_emit(buf, "%s\n", param->words[READ_ONCE(param->value)]);
}

const struct kernel_param_ops vfcap_param_ops = {
	.set = vfcap_param_set,
	.get = vfcap_param_get,
};
