/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFCAP_PARAM_H
#define VFCAP_PARAM_H

#include <linux/moduleparam.h>

/**
 * struct vfcap_param - a module parameter that takes one of some words
 * @words: the words, and NULL
 * @choices: all of them, for messages
 * @value: index of the one that it has; read and written at any time
 */
struct vfcap_param {
	const char * const *words;
	const char *choices;
	unsigned int value;
};

extern const struct kernel_param_ops vfcap_param_ops;

#endif /* VFCAP_PARAM_H */
