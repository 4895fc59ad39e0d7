// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dma.h"
#include "judge.h"

struct judge *judge_new(void)
{
	return mmap(NULL, sizeof(struct judge), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void judge_free(struct judge *j)
{
	munmap(j, sizeof(*j));
}

void judge_state(struct judge_vf *vf, const uint32_t allowed[JUDGE_SPACES],
		 unsigned int epoch)
{
	struct judge_statement *s = &vf->statements[vf->count % JUDGE_KEPT];

	memcpy(s->allowed, allowed, sizeof(s->allowed));
	s->epoch = epoch;
	__atomic_store_n(&vf->count, vf->count + 1, __ATOMIC_SEQ_CST);
}

/* The current state */
struct moment {
	unsigned int count;
	unsigned int epoch;
	bool gone;
};

static struct moment look(struct judge *j, struct judge_vf *vf)
{
	return (struct moment){
		.count = __atomic_load_n(&vf->count, __ATOMIC_SEQ_CST),
		.epoch = __atomic_load_n(&j->epoch, __ATOMIC_SEQ_CST),
		.gone = __atomic_load_n(&j->gone, __ATOMIC_SEQ_CST),
	};
}

/* The possible results of a transaction, or 0 if that is no longer known */
static uint32_t allowed_between(struct judge_vf *vf, unsigned int space,
				struct moment begin, struct moment end)
{
	bool same = begin.epoch == end.epoch;
	bool gone = same && begin.gone && end.gone;
	bool stays = same && !(begin.epoch & 1);
	uint32_t allowed = 0;
	unsigned int i;

	/* A statement that is being made now may be about to overwrite one more. */
	if (!begin.count || end.count - begin.count >= JUDGE_KEPT - 2)
		return 0;
	for (i = begin.count - 1; i != end.count; i++) {
		struct judge_statement *s = &vf->statements[i % JUDGE_KEPT];
		uint32_t a = s->allowed[space];

		/* Without a PASID it does not matter what the PF has or lacks. */
		if (space && gone && !(a & JUDGE_TRIED))
			a = 0;
		if (space && (!stays || s->epoch != end.epoch))
			a |= JUDGE_REFUSED;
		allowed |= a;
	}
	return allowed & ~JUDGE_TRIED;
}

/* Find the page that contains a value; returns how many pages do */
static unsigned int find(struct judge *j, uint32_t value, unsigned int *vf,
			 unsigned int *page)
{
	unsigned int i, k, found = 0;

	for (i = 0; i < JUDGE_VFS; i++)
		for (k = 0; k < JUDGE_PAGES; k++) {
			uint32_t *word = (uint32_t *)j->memory[i][k];

			if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
				continue;
			*vf = i;
			*page = k;
			found++;
		}
	return found;
}

static const char *text(uint32_t result, char buf[64])
{
	size_t len = 0;
	unsigned int i;

	*buf = 0;
	for (i = 0; i < JUDGE_PAGES; i++)
		if (result & JUDGE_LANDS(i))
			len += snprintf(buf + len, 64 - len, " page %u", i);
	if (result & JUDGE_REFUSED)
		snprintf(buf + len, 64 - len, " refused");
	return buf;
}

void judge_once(struct judge *j, const char * const *names, unsigned int nr)
{
	unsigned int i = rand() % nr, space = rand() % JUDGE_SPACES;
	unsigned int owner = i, page = 0, found;
	struct judge_vf *vf = &j->vfs[i];
	uint32_t allowed, result;
	struct moment begin, end;
	static uint32_t value;
	char was[64], may[64];
	int ret;

	begin = look(j, vf);
	ret = dma_write(names[i], space ?: DMA_RID, JUDGE_ADDRESS, ++value);
	end = look(j, vf);

	found = find(j, value, &owner, &page);
	allowed = allowed_between(vf, space, begin, end);
	result = ret ? JUDGE_REFUSED : JUDGE_LANDS(page);
	if ((ret && ret != -EFAULT) || found != !ret || owner != i) {
		fprintf(stderr, "# DMA of %s, PASID %u: error %d, in %u pages, page %u of VF %u\n",
			names[i], space, ret, found, page, owner);
		j->wrong++;
		return;
	}
	if (!allowed)
		return;
	if (!(result & allowed)) {
		fprintf(stderr, "# DMA of %s, PASID %u:%s, and not:%s (epoch %u to %u)\n",
			names[i], space, text(result, was), text(allowed, may),
			begin.epoch, end.epoch);
		j->wrong++;
	}
	j->landed += !ret;
	j->refused += !!ret;
	j->single += !(allowed & (allowed - 1));
}
