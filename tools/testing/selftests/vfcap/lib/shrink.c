// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "shrink.h"

/* A replay may take a second. */
#define SHRINK_RUNS	400

unsigned int shrink(void *ops, size_t size, unsigned int nr,
		    int (*run)(void *priv, const void *ops, unsigned int nr),
		    void *priv)
{
	char *all = ops, *fewer = malloc(nr * size + 1);
	unsigned int part, from, runs = 0;
	int failed;

	for (part = nr; part; part /= 2) {
		for (from = 0; from < nr && runs++ < SHRINK_RUNS;) {
			unsigned int to = from + part < nr ? from + part : nr;

			memcpy(fewer, all, from * size);
			memcpy(fewer + from * size, all + to * size,
			       (nr - to) * size);
			failed = run(priv, fewer, nr - (to - from));
			if (failed < 0) {
				from = to;
				continue;
			}
			nr -= to - from;
			if ((unsigned int)failed < nr)
				nr = failed + 1;
			memcpy(all, fewer, nr * size);
		}
	}
	free(fewer);
	run(priv, all, nr);
	return nr;
}
