/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VF of ours beside a twin with the same hardware that is bound to vfio-pci. The same
 * is done to both. What a guest reads from ours must be what the model says where it is
 * virtual, and what the twin reads elsewhere. Config writes that reach the hardware are
 * compared as well.
 */
#ifndef VFCAP_TEST_FUZZ_H
#define VFCAP_TEST_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/vfio_vfcap.h>

#include "layout.h"
#include "model.h"
#include "vfio.h"

#define FUZZ_BYTES	32	/* maximum per access */
#define FUZZ_PASIDS	3	/* 1 to 3 */

enum fuzz_kind {
	FUZZ_READ, FUZZ_WRITE, FUZZ_RESET, FUZZ_FLR, FUZZ_D3, FUZZ_REOPEN,
	FUZZ_LOSE, FUZZ_FAIL, FUZZ_ATTACH, FUZZ_DETACH, FUZZ_IOMMU, FUZZ_CHOOSE,
	FUZZ_QUERY, FUZZ_SAVE, FUZZ_RESTORE, FUZZ_RECORD, FUZZ_KINDS
};

/* An operation. @pos, @size and @bytes are used as far as its kind needs them. */
struct fuzz_op {
	uint8_t kind;
	uint8_t size;
	uint16_t pos;
	uint8_t bytes[FUZZ_BYTES];
};

struct fuzz {
	const char *bdf, *twin_bdf;
	struct vfio v, twin;
	const struct layout *layout;
	struct model model;
	uint32_t header[1024];		/* of the list, where they are not the twin's */
	bool has_header[1024];
	uint16_t chosen[MODEL_CAPS];	/* offset, or FUZZ_HIDDEN */
	bool held[MODEL_CAPS];
	bool attached[FUZZ_PASIDS + 1];
	uint32_t hwpt;
	int lost;			/* an eventfd */
	struct vfcap_feature_state blob;
	struct model saved;
	bool has_blob;
	unsigned long accesses;
	char wrong[512];		/* what differed first, "" if nothing */
};

#define FUZZ_HIDDEN	1

void fuzz_init(struct fuzz *f, const char *bdf, const char *twin_bdf);
void fuzz_close(struct fuzz *f);

/*
 * Open both; do one operation; make a last check. They return false on a mismatch: see
 * @wrong.
 */
bool fuzz_begin(struct fuzz *f, const struct layout *l);
bool fuzz_do(struct fuzz *f, const struct fuzz_op *op);
bool fuzz_end(struct fuzz *f);

/* All of this; returns the index of the operation that went wrong, or -1 */
int fuzz_run(struct fuzz *f, const struct layout *l, const struct fuzz_op *ops,
	     unsigned int nr);

/* The next random operation, more often near what is virtual than elsewhere */
void fuzz_make_op(struct fuzz *f, struct fuzz_op *op, uint64_t *random);

/* The list of capabilities, as a guest walks it */
void fuzz_print_list(struct vfio *v, const char *whose);

/* The whole operation in one readable line */
void fuzz_print_op(const struct fuzz_op *op, char *text, size_t size);

#endif
