// SPDX-License-Identifier: GPL-2.0
/*
 * Random VMD endpoints, and random sequences of what a guest and its VMM may do to
 * them: done first with vfcap-vfio-pci, then with vfio-pci, to a new instance of the same
 * hardware. What is read, and what reaches the hardware, must be the same, except for what
 * is virtual: the capability "SHDW", or the native shadow registers, as modelled below. A
 * sequence that goes wrong is made as short as possible, and printed.
 *
 * VFCAP_FUZZ_SEED: the first endpoint's number (default: from the clock; printed). The
 *	sequence follows from it as well: to repeat one, give its number and its
 *	length, which are both printed.
 * VFCAP_FUZZ_LAYOUTS: how many endpoints (default 30)
 * VFCAP_FUZZ_OPS: how long a sequence is (default 500)
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/layout.h"
#include "lib/sample.h"
#include "lib/shrink.h"
#include "lib/vfio.h"
#include "lib/vmd.h"

#define STD_END		0x100
#define DWORDS		(STD_END / 4)

/* What the model knows about SHDW, and where it must not be */
#define SHDW_SIZE	24
#define SHDW_END	0xe8	/* from here on, QEMU may have its own */
#define VMD_REGS	0x40	/* VMCAP and VMCONFIG */
#define VMD_REGS_END	0x48

#define BYTES		32	/* maximum per access */
#define WRITES		65536
#define AROUND		0x40	/* bytes before and after the shadow registers */
#define VALID		0x02

enum kind {
	READ, WRITE, BAR_READ, BAR_WRITE, ENABLE, RESET, FLR, D3, REOPEN, KINDS
};

static const char * const names[KINDS] = {
	"read", "write", "bar read", "bar write", "enable", "reset", "flr", "d3",
	"reopen",
};

struct op {
	uint8_t kind;
	uint8_t size;
	uint16_t pos;
	uint8_t bytes[BYTES];
};

/* What an operation returned, and what it read */
struct seen {
	ssize_t ret;
	uint8_t bytes[BYTES];
};

struct endpoint {
	char id[16];
	bool native;		/* its shadow registers must be emulated */
	bool qemu;		/* QEMU has a SHDW of its own for it */
	bool taken[DWORDS];	/* by registers, capabilities, or what may be one */
	unsigned int highest;	/* of the headers in the list */
	char lines[4096];	/* for vmd_config() */
};

struct written {
	unsigned int nr;
	struct { uint16_t pos; uint8_t value; } bytes[WRITES];
};

/* The hardware after a sequence, before the device is closed */
struct hardware {
	struct written written;
	uint8_t config[STD_END];
	uint8_t memory[2 * AROUND + 16];
};

struct bench {
	struct vfio v;
	uint64_t membar2;	/* offset of the region */
	const struct endpoint *endpoint;
	unsigned int shdw;	/* its offset, or 0 */
	uint8_t head;		/* the hardware's pointer to its list */
	uint8_t shdw_bytes[SHDW_SIZE];
	uint64_t shadow[2];
	struct seen *ours;
	struct hardware hw_ours, hw_theirs;
	unsigned long accesses;
	char wrong[256];
};

static bool wrong(struct bench *b, const char *format, ...)
	__printf(2, 3);

static bool wrong(struct bench *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (!*b->wrong)
		vsnprintf(b->wrong, sizeof(b->wrong), format, ap);
	va_end(ap);
	return false;
}

/*
 * Random hardware: more or less many registers outside all capabilities, and perhaps
 * another vendor-specific capability
 */
static void take(struct endpoint *e, unsigned int from, unsigned int to)
{
	for (; from < to; from += 4)
		e->taken[from / 4] = true;
}

static void endpoint_make(struct endpoint *e, uint64_t *random)
{
	static const struct { const char *id; bool native, qemu; } ids[] = {
		{ "28c0", true, false }, { "28c0", true, false },
		{ "28c0 native", false, false }, { "201d", false, true },
		{ "467f", false, true }, { "a77f", false, false },
		{ "b60b", false, false }, { "9a0b", false, true },
		{ "28c0 wide", true, false }, { "d73b wide", false, false },
	};
	unsigned int i = layout_random(random) % ARRAY_SIZE(ids), at;
	unsigned int density = 1 << layout_random(random) % 6;
	char *line = e->lines;

	memset(e, 0, sizeof(*e));
	snprintf(e->id, sizeof(e->id), "%s", ids[i].id);
	e->native = ids[i].native;
	e->qemu = ids[i].qemu;
	e->highest = VMD_PM;
	take(e, 0, PCI_STD_HEADER_SIZEOF);
	take(e, VMD_REGS, VMD_REGS_END);
	take(e, VMD_VMLOCK, VMD_VMLOCK + 4);
	take(e, VMD_MSIX, VMD_MSIX + PCI_CAP_MSIX_SIZEOF);
	take(e, VMD_EXP, VMD_EXP + PCI_EXP_SLTSTA2 + 2);
	take(e, VMD_PM, VMD_PM + PCI_PM_SIZEOF);

	if (layout_random(random) % 4 == 0) {
		unsigned int size = 8 + layout_random(random) % 2 * 4;

		line += sprintf(line, "34 50\n50 %x\n54 %x\n",
				size << 16 | VMD_MSIX << 8 | PCI_CAP_ID_VNDR,
				layout_random(random) & 0xfffffff);
		take(e, 0x50, 0x50 + size);
	}
	for (at = PCI_STD_HEADER_SIZEOF; at < STD_END; at += 4) {
		if (e->taken[at / 4] || layout_random(random) % density)
			continue;
		line += sprintf(line, "%x %x %x\n", at, layout_random(random) | 1,
				layout_random(random) & layout_random(random));
		take(e, at, at + 4);
	}
	if (strcmp(e->id, "28c0 native"))
		line += sprintf(line, "%x %x %x\n", VMD_VMLOCK,
				layout_random(random) & ~VALID,
				layout_random(random));
}

/* Is there room for SHDW at an offset that those who look for it allow? */
static bool has_room(const struct endpoint *e, unsigned int pos)
{
	unsigned int at;

	if (pos < PCI_STD_HEADER_SIZEOF || pos % 4 || pos + SHDW_SIZE > SHDW_END)
		return false;
	if (e->qemu && pos > e->highest)
		return false;
	for (at = pos; at < pos + SHDW_SIZE; at += 4)
		if (e->taken[at / 4])
			return false;
	return true;
}

static bool has_any_room(const struct endpoint *e)
{
	unsigned int pos;

	for (pos = 0; pos < STD_END; pos += 4)
		if (has_room(e, pos))
			return true;
	return false;
}

/* The model: which bytes of config space and of MEMBAR2 are virtual, and what they read as */
static bool model_config(const struct bench *b, unsigned int pos,
			 uint8_t theirs, uint8_t *byte)
{
	if (b->shdw && pos >= b->shdw && pos < b->shdw + SHDW_SIZE)
		*byte = b->shdw_bytes[pos - b->shdw];
	else if (b->shdw && pos == PCI_CAPABILITY_LIST)
		*byte = b->shdw;
	else if (b->endpoint->native && pos == VMD_VMLOCK)
		*byte = theirs | VALID;
	else
		return false;
	return true;
}

static bool model_bar(const struct bench *b, unsigned int pos, uint8_t theirs,
		      uint8_t *byte)
{
	if (!b->endpoint->native || pos < VMD_SHADOW || pos >= VMD_SHADOW + 16)
		return false;
	*byte = b->shadow[(pos - VMD_SHADOW) / 8] >> pos % 8 * 8;
	return true;
}

static bool is_virtual(const struct bench *b, const struct op *op, unsigned int i)
{
	uint8_t byte;

	if (op->kind == READ || op->kind == WRITE)
		return model_config(b, op->pos + i, 0, &byte);
	return model_bar(b, op->pos + i, 0, &byte);
}

static void model_begin(struct bench *b)
{
	static const unsigned int bars[] = { VMD_MEMBAR1, VMD_MEMBAR2 };
	uint8_t *shdw = b->shdw_bytes;
	unsigned int i, j;

	b->head = host_config_read(vmd_bdf(), PCI_CAPABILITY_LIST, 1);
	shdw[0] = PCI_CAP_ID_VNDR;
	shdw[1] = b->head;
	shdw[2] = SHDW_SIZE;
	shdw[3] = 1;
	memcpy(shdw + 4, "WDHS", 4);
	for (i = 0; i < 2; i++) {
		unsigned int bar = PCI_BASE_ADDRESS_0 + bars[i] * 4;

		b->shadow[i] = vmd_bar(bars[i]);
		for (j = 0; j < 8; j++)
			shdw[8 + i * 8 + j] =
				host_config_read(vmd_bdf(), bar + j, 1);
	}
}

/* One access, through the driver that is bound now */
static ssize_t config_or_bar(struct bench *b, const struct op *op,
			     unsigned int from, unsigned int to, void *bytes,
			     bool write)
{
	unsigned int pos = op->pos + from, size = to - from;
	bool config = op->kind == READ || op->kind == WRITE;
	ssize_t ret;

	if (config)
		return write ? vfio_write(&b->v, pos, bytes, size) :
			       vfio_read(&b->v, pos, bytes, size);
	ret = write ? pwrite(b->v.fd, bytes, size, b->membar2 + pos) :
		      pread(b->v.fd, bytes, size, b->membar2 + pos);
	return ret < 0 ? -errno : ret;
}

/*
 * With vfio-pci, write the bytes that are not virtual, in as many pieces as that takes,
 * and read the others, so that an access fails where it should. VMLOCK has one virtual
 * bit, which is 0 in hardware.
 */
static ssize_t write_theirs(struct bench *b, const struct op *op)
{
	unsigned int from, to;
	uint8_t bytes[BYTES];
	ssize_t ret;

	for (from = 0; from < op->size; from = to) {
		bool vmlock = op->kind == WRITE && b->endpoint->native &&
			      op->pos + from == VMD_VMLOCK;
		bool virtual = !vmlock && is_virtual(b, op, from);

		for (to = from + 1; to < op->size; to++)
			if ((op->kind == WRITE && b->endpoint->native &&
			     op->pos + to == VMD_VMLOCK) ||
			    is_virtual(b, op, to) != virtual)
				break;
		if (vmlock)
			while (to < op->size && !is_virtual(b, op, to))
				to++;
		memcpy(bytes, op->bytes + from, to - from);
		if (vmlock)
			bytes[0] &= ~VALID;
		ret = config_or_bar(b, op, from, to, bytes, !virtual);
		if (ret != to - from)
			return ret < 0 ? ret : (ssize_t)from + ret;
	}
	return op->size;
}

static int open_one(struct bench *b)
{
	static char buf[4096];
	struct vfio_region_info *info;
	int ret = vfio_open(&b->v, vmd_bdf());

	if (ret)
		return ret;
	info = vfio_region(&b->v, VMD_MEMBAR2, buf, sizeof(buf));
	if (!info)
		return -ENOENT;
	b->membar2 = info->offset;
	return 0;
}

/* A device without a user goes to D3hot a little later. */
static int reopen(struct bench *b)
{
	vfio_close(&b->v);
	return sample_suspends(vmd_bdf()) ? open_one(b) : -ETIMEDOUT;
}

static void do_op(struct bench *b, const struct op *op, bool ours,
		  struct seen *seen)
{
	unsigned int pm = VMD_PM + PCI_PM_CTRL;
	unsigned int devctl = VMD_EXP + PCI_EXP_DEVCTL;

	memset(seen, 0, sizeof(*seen));
	switch (op->kind) {
	case READ:
	case BAR_READ:
		seen->ret = config_or_bar(b, op, 0, op->size, seen->bytes, false);
		break;
	case WRITE:
	case BAR_WRITE:
		seen->ret = ours ? config_or_bar(b, op, 0, op->size,
						 (void *)op->bytes, true) :
				   write_theirs(b, op);
		break;
	case ENABLE:
		seen->ret = vfio_set(&b->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		break;
	case RESET:
		seen->ret = vfio_reset(&b->v);
		break;
	case FLR:
		seen->ret = vfio_set(&b->v, devctl, 2, PCI_EXP_DEVCTL_BCR_FLR);
		break;
	case D3:
		seen->ret = vfio_set(&b->v, pm, 2, op->pos & 3);
		break;
	case REOPEN:
		seen->ret = reopen(b);
		break;
	}
}

static bool compare(struct bench *b, const struct op *op, const struct seen *ours,
		    const struct seen *theirs)
{
	bool config = op->kind == READ;
	uint8_t byte;
	ssize_t i;

	if (ours->ret != theirs->ret)
		return wrong(b, "%s %x+%u returned %zd, and not %zd",
			     names[op->kind], op->pos, op->size, ours->ret,
			     theirs->ret);
	if (op->kind != READ && op->kind != BAR_READ)
		return true;
	for (i = 0; i < ours->ret; i++) {
		unsigned int pos = op->pos + i;

		byte = theirs->bytes[i];
		if (config)
			model_config(b, pos, byte, &byte);
		else
			model_bar(b, pos, byte, &byte);
		if (ours->bytes[i] != byte)
			return wrong(b, "%s %x+%u: byte %x is %02x, and not %02x",
				     names[op->kind], op->pos, op->size, pos,
				     ours->bytes[i], byte);
	}
	return true;
}

/*
 * Compare single bytes: core writes one register at a time, and our writes may begin
 * elsewhere.
 */
static bool look_at_hardware(struct bench *b, struct hardware *hw)
{
	static struct vmd_write writes[WRITES];
	int nr = vmd_writes(0, 4096, writes, WRITES), i;
	unsigned int at;

	hw->written.nr = 0;
	if (nr < 0 || nr >= WRITES)
		return wrong(b, "no record");
	for (i = 0; i < nr; i++)
		for (at = 0; at < writes[i].size; at++) {
			unsigned int n = hw->written.nr++;

			if (n >= WRITES)
				return wrong(b, "the record is too long");
			hw->written.bytes[n].pos = writes[i].offset + at;
			hw->written.bytes[n].value = writes[i].value >> at * 8;
		}
	for (at = 0; at < STD_END; at++)
		hw->config[at] = host_config_read(vmd_bdf(), at, 1);
	return !vmd_memory_read(VMD_MEMBAR2, VMD_SHADOW - AROUND, hw->memory,
				sizeof(hw->memory)) ||
	       wrong(b, "MEMBAR2 cannot be read");
}

static bool compare_hardware(struct bench *b)
{
	const struct written *ours = &b->hw_ours.written;
	const struct written *theirs = &b->hw_theirs.written;
	unsigned int i;

	for (i = 0; i < ours->nr && i < theirs->nr; i++)
		if (memcmp(&ours->bytes[i], &theirs->bytes[i],
			   sizeof(*ours->bytes)))
			return wrong(b, "hardware: %02x is written to %02x, and not %02x to %02x",
				     ours->bytes[i].value, ours->bytes[i].pos,
				     theirs->bytes[i].value,
				     theirs->bytes[i].pos);
	if (ours->nr != theirs->nr)
		return wrong(b, "%u bytes of hardware were written, and not %u",
			     ours->nr, theirs->nr);
	for (i = 0; i < STD_END; i++)
		if (b->hw_ours.config[i] != b->hw_theirs.config[i])
			return wrong(b, "hardware: byte %02x is %02x in the end, and not %02x",
				     i, b->hw_ours.config[i],
				     b->hw_theirs.config[i]);
	for (i = 0; i < sizeof(b->hw_ours.memory); i++)
		if (b->hw_ours.memory[i] != b->hw_theirs.memory[i])
			return wrong(b, "byte %x of MEMBAR2 is %02x in the end, and not %02x",
				     VMD_SHADOW - AROUND + i,
				     b->hw_ours.memory[i], b->hw_theirs.memory[i]);
	return true;
}

/* The hardware in its initial state, with one of the drivers */
static bool begin(struct bench *b, const struct endpoint *e, const char *driver)
{
	*b->wrong = 0;
	b->endpoint = e;
	if (vmd_make(e->id) || (*e->lines && vmd_config("%s", e->lines)) ||
	    host_bind(vmd_bdf(), driver) || open_one(b) || vmd_writes_clear())
		return wrong(b, "%s cannot have it", driver);
	return true;
}

static bool check_place(struct bench *b)
{
	const struct endpoint *e = b->endpoint;
	bool has_shdw;

	b->shdw = vfio_get(&b->v, PCI_CAPABILITY_LIST, 1);
	has_shdw = b->shdw != b->head;
	if (!has_shdw)
		b->shdw = 0;
	if (!strncmp(e->id, "28c0", 4))
		return !has_shdw || wrong(b, "28C0 has a SHDW at %x", b->shdw);
	if (has_shdw)
		return has_room(e, b->shdw) ||
		       wrong(b, "SHDW lies at %x", b->shdw);
	return !has_any_room(e) || wrong(b, "no SHDW, where there is room");
}

/*
 * The index of the operation that went wrong, @nr if it is the final state of the
 * hardware, or -1
 */
static int run(struct bench *b, const struct endpoint *e, const struct op *ops,
	       unsigned int nr)
{
	struct seen theirs;
	unsigned int i;
	int failed = -1;

	if (!begin(b, e, OURS))
		return 0;
	model_begin(b);
	if (!check_place(b)) {
		failed = 0;
		goto out;
	}
	for (i = 0; i < nr; i++)
		do_op(b, &ops[i], true, &b->ours[i]);
	if (!look_at_hardware(b, &b->hw_ours)) {
		failed = nr;
		goto out;
	}
	vfio_close(&b->v);
	if (!begin(b, e, THEIRS)) {
		failed = 0;
		goto out;
	}
	for (i = 0; failed < 0 && i < nr; i++) {
		do_op(b, &ops[i], false, &theirs);
		if (!compare(b, &ops[i], &b->ours[i], &theirs))
			failed = i;
		b->accesses += ops[i].kind <= BAR_WRITE;
	}
	if (failed < 0 &&
	    (!look_at_hardware(b, &b->hw_theirs) || !compare_hardware(b)))
		failed = nr;
out:
	vfio_close(&b->v);
	return failed;
}

/* More often near what is, or may be, virtual than elsewhere */
static void make_op(struct op *op, uint64_t *random)
{
	static const uint16_t config[] = {
		PCI_CAPABILITY_LIST, VMD_VMLOCK, SHDW_END - SHDW_SIZE, VMD_PM - SHDW_SIZE,
		VMD_MSIX - SHDW_SIZE, PCI_COMMAND, PCI_BASE_ADDRESS_2,
	};
	uint32_t dice = layout_random(random) % 1000;
	unsigned int i;

	memset(op, 0, sizeof(*op));
	op->size = 1 + layout_random(random) % 12;
	if (layout_random(random) % 8 == 0)
		op->size = 1 + layout_random(random) % BYTES;
	for (i = 0; i < BYTES; i++)
		op->bytes[i] = layout_random(random) % 3 ? layout_random(random) :
							   0xff;
	/* Slow operations are rare. */
	op->kind = dice < 300 ? READ : dice < 560 ? WRITE : dice < 740 ? BAR_READ :
		   dice < 900 ? BAR_WRITE : dice < 981 ? ENABLE :
		   dice < 983 ? RESET : dice < 985 ? FLR : dice < 998 ? D3 : REOPEN;
	op->pos = layout_random(random);
	if (op->kind == BAR_READ || op->kind == BAR_WRITE)
		op->pos = VMD_SHADOW - AROUND + op->pos % (2 * AROUND - BYTES + 16);
	else if (op->kind != D3 && op->pos % 4)
		op->pos = config[op->pos / 4 % ARRAY_SIZE(config)] +
			  layout_random(random) % SHDW_SIZE - 4;
	else if (op->kind != D3)
		op->pos = op->pos / 4 % (STD_END + 8);
}

FIXTURE(vmd_fuzz) {
	struct bench *bench;
};

FIXTURE_SETUP(vmd_fuzz)
{
	if (!vmd_is_ready())
		SKIP(return, "needs the lab's VM with its mock VMD");
	ASSERT_EQ(0, host_run(NULL, 0, "modprobe vfio-pci"));
	self->bench = calloc(1, sizeof(*self->bench));
	ASSERT_NE(NULL, self->bench);
	vfio_init(&self->bench->v);
}

FIXTURE_TEARDOWN(vmd_fuzz)
{
	EXPECT_EQ(0, vmd_make("none"));
	free(self->bench);
}

struct again {
	struct bench *bench;
	const struct endpoint *endpoint;
};

static int run_again(void *priv, const void *ops, unsigned int nr)
{
	struct again *again = priv;

	return run(again->bench, again->endpoint, ops, nr);
}

static void report(struct bench *b, const struct endpoint *e, unsigned long seed,
		   struct op *ops, unsigned int nr)
{
	struct again again = { b, e };
	unsigned int i, j;

	printf("# VFCAP_FUZZ_SEED=%lu VFCAP_FUZZ_OPS=%u: %s\n", seed, nr, b->wrong);
	nr = shrink(ops, sizeof(*ops), nr, run_again, &again);
	printf("# The shortest that goes wrong, %u of %lu: %s\n", nr, seed,
	       *b->wrong ? b->wrong : "nothing, when it was done again");
	for (i = 0; i < nr; i++) {
		printf("#   %s %x+%u", names[ops[i].kind], ops[i].pos,
		       ops[i].size);
		if (ops[i].kind == WRITE || ops[i].kind == BAR_WRITE)
			for (j = 0; j < ops[i].size; j++)
				printf(" %02x", ops[i].bytes[j]);
		printf("\n");
	}
	printf("#   8086:%s, SHDW at %x; hardware, offset, value and writable bits:\n",
	       e->id, b->shdw);
	for (i = 0; e->lines[i]; i += strcspn(e->lines + i, "\n") + 1)
		printf("#   %.*s\n", (int)strcspn(e->lines + i, "\n"),
		       e->lines + i);
}

TEST_F_TIMEOUT(vmd_fuzz, model, 100000)
{
	unsigned long seed = host_setting("VFCAP_FUZZ_SEED", time(NULL));
	unsigned long layouts = host_setting("VFCAP_FUZZ_LAYOUTS", 30);
	unsigned long nr = host_setting("VFCAP_FUZZ_OPS", 500);
	struct op *ops = calloc(nr, sizeof(*ops));
	struct bench *b = self->bench;
	struct endpoint e;
	unsigned long i, j;
	int failed;

	b->ours = calloc(nr, sizeof(*b->ours));
	ASSERT_TRUE(ops && b->ours);
	TH_LOG("VFCAP_FUZZ_SEED=%lu, %lu layouts", seed, layouts);
	for (i = 0; i < layouts; i++) {
		uint64_t random = (seed + i) * 0xd1342543de82ef95ULL | 1;

		endpoint_make(&e, &random);
		for (j = 0; j < nr; j++)
			make_op(&ops[j], &random);
		failed = run(b, &e, ops, nr);
		if (failed >= 0)
			report(b, &e, seed + i, ops,
			       failed < (int)nr ? failed + 1 : failed);
		ASSERT_GT(0, failed);
	}
	TH_LOG("%lu layouts, %lu accesses, no difference", layouts,
	       b->accesses);
	EXPECT_LT(layouts * nr / 2, b->accesses);
	free(b->ours);
	free(ops);
}

TEST_HARNESS_MAIN
