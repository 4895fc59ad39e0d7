/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Makes a sequence of operations that goes wrong as short as it can be.
 */
#ifndef VFCAP_TEST_SHRINK_H
#define VFCAP_TEST_SHRINK_H

#include <stddef.h>

/*
 * Leave out of @nr operations of @size bytes each, at @ops, what can be left out, in
 * parts that get smaller: what remains goes wrong, at its end, though perhaps in
 * another way. @run does a sequence, and returns the index of the operation that
 * went wrong, or -1. Returns how many are left.
 */
unsigned int shrink(void *ops, size_t size, unsigned int nr,
		    int (*run)(void *priv, const void *ops, unsigned int nr),
		    void *priv);

#endif
