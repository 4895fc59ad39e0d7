/* SPDX-License-Identifier: GPL-2.0 */
/* Shortens a sequence of operations that goes wrong as far as possible. */
#ifndef VFCAP_TEST_SHRINK_H
#define VFCAP_TEST_SHRINK_H

#include <stddef.h>

/*
 * Drop as many as possible of the @nr operations of @size bytes each at @ops, in parts
 * that get smaller. The remaining sequence still goes wrong at its end, though perhaps in
 * another way. @run runs a sequence, and returns the index of the operation that went
 * wrong, or -1. Returns how many operations are left.
 */
unsigned int shrink(void *ops, size_t size, unsigned int nr,
		    int (*run)(void *priv, const void *ops, unsigned int nr),
		    void *priv);

#endif
