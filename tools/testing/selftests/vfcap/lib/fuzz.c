// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "feature.h"
#include "fuzz.h"
#include "host.h"
#include "iommufd.h"
#include "sample.h"

#define EXT_START	PCI_CFG_SPACE_SIZE
#define EXT_END		PCI_CFG_SPACE_EXP_SIZE
#define NEXT(header)	((header) >> 20 & 0xffc)

static const char * const param[MODEL_CAPS] = { "pasid", "pri" };
static const unsigned int pf_pos[MODEL_CAPS] = { PF_PASID, PF_PRI };

/* Only the first mismatch is recorded. */
static bool __printf(2, 3) wrong(struct fuzz *f, const char *format, ...)
{
	va_list ap;

	if (!*f->wrong) {
		va_start(ap, format);
		vsnprintf(f->wrong, sizeof(f->wrong), format, ap);
		va_end(ap);
	}
	return false;
}

static bool succeeds(struct fuzz *f, int ret, const char *what)
{
	return !ret || wrong(f, "%s: error %d", what, ret);
}

/* Each VF has its own addresses, which do not concern config space. */
static bool is_bar(unsigned int pos)
{
	return (pos >= PCI_BASE_ADDRESS_0 && pos < PCI_CARDBUS_CIS) ||
	       pos / 4 == PCI_ROM_ADDRESS / 4;
}

void fuzz_init(struct fuzz *f, const char *bdf, const char *twin_bdf)
{
	memset(f, 0, sizeof(*f));
	f->bdf = bdf;
	f->twin_bdf = twin_bdf;
	vfio_init(&f->v);
	vfio_init(&f->twin);
	f->lost = -1;
}

void fuzz_close(struct fuzz *f)
{
	vfio_close(&f->v);
	vfio_close(&f->twin);
	close(f->lost);
	f->lost = -1;
}

/*
 * What the PCIe specification and the documentation of placement say
 */

static bool fits(struct fuzz *f, enum model_id id, unsigned int pos)
{
	enum model_id other = !id;
	uint16_t at = f->model.caps[other].pos;

	if (!at && f->chosen[other] != FUZZ_HIDDEN)
		at = f->chosen[other];
	/* The list starts at 100h, with a capability or without. */
	return pos % 4 == 0 && pos >= EXT_START + 4 &&
	       pos + model_size[id] <= EXT_END &&
	       layout_is_unused(f->layout, pos, model_size[id]) &&
	       (!at || pos >= at + model_size[other] ||
		pos + model_size[id] <= at);
}

/* In addition, everything that hardware has there reads as zero. */
static bool is_free(struct fuzz *f, enum model_id id, unsigned int pos,
		    const uint8_t *hw)
{
	unsigned int i;

	if (!fits(f, id, pos))
		return false;
	for (i = 0; i < model_size[id]; i++)
		if (hw[pos + i])
			return false;
	return true;
}

static bool read_hardware(const char *bdf, uint8_t *hw)
{
	char path[256];
	ssize_t ret;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	ret = pread(fd, hw, EXT_END, 0);
	close(fd);
	return ret == EXT_END;
}

static unsigned int where(struct fuzz *f, enum model_id id, const uint8_t *hw)
{
	int given = f->layout->place[id];
	unsigned int pos;

	if (!f->held[id] || f->chosen[id] == FUZZ_HIDDEN ||
	    given == LAYOUT_NOWHERE)
		return 0;
	if (f->chosen[id])
		return f->chosen[id];
	if (given != LAYOUT_ANYWHERE && fits(f, id, given))
		return given;
	if (is_free(f, id, pf_pos[id], hw))
		return pf_pos[id];
	for (pos = EXT_END - model_size[id]; pos > EXT_START; pos -= 4)
		if (is_free(f, id, pos, hw))
			return pos;
	return 0;
}

static bool plan(struct fuzz *f)
{
	uint8_t hw[EXT_END];
	enum model_id id;

	if (!read_hardware(f->bdf, hw))
		return wrong(f, "no config space of %s", f->bdf);
	for (id = 0; id < MODEL_CAPS; id++)
		f->model.caps[id].pos = 0;
	for (id = 0; id < MODEL_CAPS; id++)
		model_show(&f->model, id, where(f, id, hw),
			   f->layout->pf_pasid_cap, f->layout->pf_pasid_ctrl,
			   PF_PRI_ALLOCATION / 2);
	return true;
}

/*
 * The list must be the twin's with our capabilities added. Where the twin's list is in
 * ascending order, so is ours, provided that vfio-pci-core allows each header's next
 * pointer to be changed.
 */

static bool is_ours(struct fuzz *f, unsigned int pos)
{
	return pos == f->model.caps[MODEL_PASID].pos ||
	       pos == f->model.caps[MODEL_PRI].pos;
}

static bool is_hidden(struct fuzz *f, unsigned int pos)
{
	unsigned int i;

	for (i = 0; i < f->layout->nr_caps; i++)
		if (f->layout->caps[i].pos == pos)
			return f->layout->caps[i].hidden;
	return false;
}

static unsigned int next_of_theirs(struct fuzz *f, unsigned int pos, bool *up)
{
	unsigned int next = NEXT(vfio_get(&f->twin, pos, 4));

	if (next && next < pos)
		*up = false;
	return next;
}

static bool check_list(struct fuzz *f)
{
	unsigned int pos = EXT_START, next, loops = 1024, seen = 0;
	unsigned int theirs = EXT_START;
	bool ascends = true, up = true;
	enum model_id id;

	memset(f->has_header, 0, sizeof(f->has_header));
	if (!f->layout->nr_caps)
		theirs = 0;
	/*
	 * If there is no capability, or the first one is hidden, the list begins with an
	 * empty header.
	 */
	if (!theirs || f->layout->caps[0].hidden)
		f->model.anchored |= f->model.caps[MODEL_PASID].pos ||
				     f->model.caps[MODEL_PRI].pos;
	if (!f->model.anchored && !theirs)
		return true;
	if (f->model.anchored) {
		f->model.anchor = vfio_get(&f->v, EXT_START, 4);
		if (f->model.anchor & 0xfffff)
			return wrong(f, "the list begins with %08x",
				     f->model.anchor);
		/* Of a hidden capability, the twin may show what hardware has. */
		while (theirs && is_hidden(f, theirs))
			theirs = next_of_theirs(f, theirs, &up);
		pos = NEXT(f->model.anchor);
	}

	for (; pos; pos = next) {
		uint32_t header = vfio_get(&f->v, pos, 4);

		if (!loops--)
			return wrong(f, "the list is a loop");
		next = NEXT(header);
		if (next && next < pos)
			ascends = false;
		if (is_ours(f, pos)) {
			seen++;
		} else if (pos != theirs) {
			return wrong(f, "the list leads to %03x, and not to %03x",
				     pos, theirs);
		} else {
			uint32_t expected = vfio_get(&f->twin, pos, 4);

			f->header[pos / 4] = (expected & 0xfffff) | next << 20;
			f->has_header[pos / 4] = true;
			theirs = next_of_theirs(f, theirs, &up);
		}
		for (id = 0; id < MODEL_CAPS; id++)
			if (pos == f->model.caps[id].pos)
				f->model.caps[id].header =
					(f->model.caps[id].header & 0xfffff) |
					next << 20;
	}
	if (theirs)
		return wrong(f, "the list ends before %03x", theirs);
	for (id = 0; id < MODEL_CAPS; id++)
		seen -= f->model.caps[id].pos != 0;
	if (seen)
		return wrong(f, "the list lacks one: pasid at %03x, pri at %03x",
			     f->model.caps[MODEL_PASID].pos,
			     f->model.caps[MODEL_PRI].pos);
	return ascends || !up || f->layout->side_by_side ||
	       wrong(f, "the list no longer ascends");
}

/*
 * The record of what reached the hardware
 */

struct record {
	unsigned int nr;
	struct {
		uint16_t pos;
		uint8_t value;
	} bytes[65536];
};

static void add_write(struct record *r, unsigned int pos, unsigned int size,
		      uint32_t value)
{
	unsigned int i;

	for (i = 0; i < size && r->nr < ARRAY_SIZE(r->bytes); i++) {
		if (is_bar(pos + i))
			continue;
		r->bytes[r->nr].pos = pos + i;
		r->bytes[r->nr++].value = value >> i * 8;
	}
}

static bool do_record(struct fuzz *f, const struct fuzz_op *op)
{
	static struct record ours, theirs;
	unsigned int pos, size, value, i;
	char line[128], who[16];
	FILE *file;

	ours.nr = 0;
	theirs.nr = 0;
	file = fopen("/sys/kernel/debug/vfcap-fixture/writes", "r");
	if (!file)
		return wrong(f, "no record");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%15s %x %u %x", who, &pos, &size, &value) != 4)
			wrong(f, "the record is not whole: %s", line);
		else if (strstr(f->bdf, who))
			add_write(&ours, pos, size, value);
		else if (strstr(f->twin_bdf, who))
			add_write(&theirs, pos, size, value);
		else
			wrong(f, "the hardware of another function is written: %s",
			      line);
	}
	fclose(file);
	if (host_writes_clear())
		wrong(f, "the record cannot be cleared");

	for (i = 0; i < ours.nr || i < theirs.nr; i++) {
		if (i == ours.nr)
			wrong(f, "a write of %02x to %03x did not reach the hardware",
			      theirs.bytes[i].value, theirs.bytes[i].pos);
		else if (i == theirs.nr)
			wrong(f, "a write of %02x to %03x reached the hardware",
			      ours.bytes[i].value, ours.bytes[i].pos);
		else if (memcmp(&ours.bytes[i], &theirs.bytes[i],
				sizeof(*ours.bytes)))
			wrong(f, "the hardware was written %02x to %03x, and not %02x to %03x",
			      ours.bytes[i].value, ours.bytes[i].pos,
			      theirs.bytes[i].value, theirs.bytes[i].pos);
		if (*f->wrong)
			return false;
	}
	return !*f->wrong;
}

/*
 * Accesses
 */

static uint8_t expected_byte(struct fuzz *f, unsigned int pos, uint8_t theirs)
{
	if (model_is_virtual(&f->model, pos))
		return model_byte(&f->model, pos);
	if (f->has_header[pos / 4])
		return f->header[pos / 4] >> pos % 4 * 8;
	if (f->layout->ims && pos == f->layout->ims)
		return theirs & ~1;
	return theirs;
}

/* The PF's driver drains the VF's requests, which takes a moment. */
static bool wait_for_stopped(struct fuzz *f)
{
	const struct model_cap *pri = &f->model.caps[MODEL_PRI];

	if (!pri->pos || !(pri->status & PCI_PRI_STATUS_STOPPED))
		return true;
	return WAIT_FOR(vfio_get(&f->v, pri->pos + PCI_PRI_STATUS, 2) &
			PCI_PRI_STATUS_STOPPED, 5000) ||
	       wrong(f, "PRI does not stop");
}

static bool do_read(struct fuzz *f, const struct fuzz_op *op)
{
	uint8_t ours[FUZZ_BYTES], theirs[FUZZ_BYTES];
	ssize_t ret, twin;
	unsigned int i;

	f->accesses++;
	ret = vfio_read(&f->v, op->pos, ours, op->size);
	twin = vfio_read(&f->twin, op->pos, theirs, op->size);
	if (ret != twin)
		return wrong(f, "read %03x+%u returned %zd, and not %zd",
			     op->pos, op->size, ret, twin);
	for (i = 0; (ssize_t)i < ret; i++) {
		uint8_t expected = expected_byte(f, op->pos + i, theirs[i]);

		if (ours[i] != expected && !is_bar(op->pos + i))
			return wrong(f, "read %03x+%u: byte %03x is %02x, and not %02x",
				     op->pos, op->size, op->pos + i, ours[i],
				     expected);
	}
	return true;
}

/* The twin gets the bytes that are not virtual, in as many writes as that takes. */
static ssize_t write_theirs(struct fuzz *f, const struct fuzz_op *op)
{
	unsigned int from, to;
	ssize_t ret;

	if (op->pos + op->size > EXT_END)
		return vfio_write(&f->twin, op->pos, op->bytes, op->size);
	for (from = 0; from < op->size; from = to) {
		bool virtual = model_is_virtual(&f->model, op->pos + from);

		for (to = from + 1; to < op->size; to++)
			if (model_is_virtual(&f->model, op->pos + to) != virtual)
				break;
		if (virtual)
			continue;
		ret = vfio_write(&f->twin, op->pos + from, op->bytes + from,
				 to - from);
		if (ret != to - from)
			return ret;
	}
	return op->size;
}

static bool do_write(struct fuzz *f, const struct fuzz_op *op)
{
	bool enabled = model_is_enabled(&f->model, MODEL_PRI);
	ssize_t ret, twin;

	f->accesses++;
	ret = vfio_write(&f->v, op->pos, op->bytes, op->size);
	twin = write_theirs(f, op);
	if (ret != twin)
		return wrong(f, "write %03x+%u returned %zd, and not %zd",
			     op->pos, op->size, ret, twin);
	if (ret == op->size)
		model_write(&f->model, op->pos, op->bytes, op->size);
	return !enabled || wait_for_stopped(f);
}

/* Everything else */

static bool do_iommu(struct fuzz *f, const struct fuzz_op *op)
{
	bool gate = !f->model.caps[MODEL_PASID].pos ||
		    model_is_enabled(&f->model, MODEL_PASID);
	int pasid;

	for (pasid = 1; pasid <= FUZZ_PASIDS; pasid++)
		if (iommu_has_pasid(f->bdf, pasid) !=
		    (f->attached[pasid] && gate))
			return wrong(f, "PASID %d is %s the IOMMU", pasid,
				     f->attached[pasid] && gate ?
				     "not in" : "in");
	return true;
}

/* All of our registers, and the bytes after them */
static bool check_all(struct fuzz *f)
{
	enum model_id id;

	for (id = 0; id < MODEL_CAPS; id++) {
		struct fuzz_op op = {
			.pos = f->model.caps[id].pos, .size = model_size[id],
		};

		if (op.pos && !do_read(f, &op))
			return false;
	}
	return do_iommu(f, NULL);
}

static bool do_attach(struct fuzz *f, const struct fuzz_op *op)
{
	int pasid = 1 + op->pos % FUZZ_PASIDS;

	if (!succeeds(f, iommufd_attach(&f->v, f->hwpt, pasid), "attach"))
		return false;
	f->attached[pasid] = true;
	return true;
}

static bool do_detach(struct fuzz *f, const struct fuzz_op *op)
{
	int pasid = 1 + op->pos % FUZZ_PASIDS;

	if (!succeeds(f, iommufd_detach(&f->v, pasid), "detach"))
		return false;
	f->attached[pasid] = false;
	return true;
}

static bool do_reset(struct fuzz *f, const struct fuzz_op *op)
{
	if (!succeeds(f, vfio_reset(&f->v), "reset") ||
	    !succeeds(f, vfio_reset(&f->twin), "the twin's reset"))
		return false;
	model_reset(&f->model);
	return check_all(f);
}

static bool set_both(struct fuzz *f, unsigned int pos, unsigned int size,
		     uint32_t value)
{
	return succeeds(f, vfio_set(&f->v, pos, size, value), "write") &&
	       succeeds(f, vfio_set(&f->twin, pos, size, value),
			"the twin's write");
}

static bool do_flr(struct fuzz *f, const struct fuzz_op *op)
{
	unsigned int pos = vfio_find_cap(&f->v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;
	uint32_t ctl = vfio_get(&f->v, pos, 2);

	if (!set_both(f, pos, 2, ctl | PCI_EXP_DEVCTL_BCR_FLR))
		return false;
	model_reset(&f->model);
	return check_all(f);
}

/* The VF's No_Soft_Reset is 0: when it returns to D0 its state is as after a reset. */
static bool do_d3(struct fuzz *f, const struct fuzz_op *op)
{
	unsigned int pos = vfio_find_cap(&f->v, PCI_CAP_ID_PM) + PCI_PM_CTRL;
	uint32_t ctrl = vfio_get(&f->v, pos, 2) & ~PCI_PM_CTRL_STATE_MASK;

	if (!set_both(f, pos, 2, ctrl | 3) || !set_both(f, pos, 2, ctrl))
		return false;
	model_reset(&f->model);
	return check_all(f);
}

static bool fuzz_open(struct fuzz *f)
{
	uint32_t ioas;
	enum model_id id;

	f->lost = eventfd(0, EFD_CLOEXEC);
	if (!succeeds(f, vfio_open_cdev(&f->v, f->bdf), "open") ||
	    !succeeds(f, vfcap_set_lost_eventfd(&f->v, f->lost), "eventfd") ||
	    !succeeds(f, vfio_open_cdev(&f->twin, f->twin_bdf),
		      "the twin's open") ||
	    !succeeds(f, iommufd_ioas(&f->v, &ioas), "IOAS") ||
	    !succeeds(f, iommufd_hwpt(&f->v, ioas, true, &f->hwpt),
		      "page table") ||
	    !succeeds(f, iommufd_attach(&f->v, f->hwpt, 0), "attach"))
		return false;

	memset(&f->model, 0, sizeof(f->model));
	memset(f->chosen, 0, sizeof(f->chosen));
	memset(f->attached, 0, sizeof(f->attached));
	f->has_blob = false;
	/*
	 * If the PF's driver forbids a capability at open, that capability is not held in
	 * this session.
	 */
	for (id = 0; id < MODEL_CAPS; id++)
		f->held[id] = f->layout->place[id] != LAYOUT_NOWHERE;
	return plan(f);
}

static bool do_reopen(struct fuzz *f, const struct fuzz_op *op)
{
	fuzz_close(f);
	return fuzz_open(f) && check_list(f) && check_all(f);
}

/* The VF's user is notified once the loss has taken effect. */
static bool do_lose(struct fuzz *f, const struct fuzz_op *op)
{
	struct pollfd told = { .fd = f->lost, .events = POLLIN };
	uint64_t count;

	if (!f->model.caps[MODEL_PASID].pos && !f->model.caps[MODEL_PRI].pos)
		return true;
	if (!succeeds(f, sample_set("lost_event", "a test says so"),
		      "lost_event"))
		return false;
	/* What is lost already is not lost a second time. */
	if (!f->model.lost && poll(&told, 1, 5000) != 1)
		return wrong(f, "nobody is told of the loss");
	if (!f->model.lost && read(f->lost, &count, sizeof(count)) < 0)
		return wrong(f, "no eventfd");
	model_lose(&f->model);
	return wait_for_stopped(f) && check_all(f);
}

/* The PF's driver reports responses that failed. */
static bool do_fail(struct fuzz *f, const struct fuzz_op *op)
{
	uint16_t status = op->pos & (PCI_PRI_STATUS_RF | PCI_PRI_STATUS_UPRGI);

	if (!succeeds(f, sample_set("pri_failed", "%s %x", f->bdf, status),
		      "pri_failed"))
		return false;
	if (f->model.caps[MODEL_PRI].pos)
		f->model.caps[MODEL_PRI].status |= status;
	return check_all(f);
}

/* What the query returns: the plan, or after the first access what is shown */
static bool check_query(struct fuzz *f, enum model_id id, bool committed)
{
	uint32_t flags = VFCAP_QUERY_EXTENDED;
	struct vfcap_feature_query q;

	if (!succeeds(f, vfcap_query(&f->v, id, &q), "query"))
		return false;
	if (committed)
		flags |= VFCAP_QUERY_COMMITTED;
	if (model_is_enabled(&f->model, id))
		flags |= VFCAP_QUERY_ENABLED;
	/* The guard notices in its own time that the capability has returned. */
	if (f->model.caps[id].pos && f->model.lost)
		flags |= VFCAP_QUERY_LOST | (q.flags & VFCAP_QUERY_RETURNED);
	return (q.flags == flags && q.offset == f->model.caps[id].pos &&
		!q.reason == !!q.offset) ||
	       wrong(f, "%s is told to be at %03x, not %03x, with flags %x, not %x, reason %u",
		     param[id], q.offset, f->model.caps[id].pos, q.flags, flags,
		     q.reason);
}

static bool do_query(struct fuzz *f, const struct fuzz_op *op)
{
	return check_query(f, op->size & 1, true);
}

/* @how: which capability, and what to choose */
static bool choose(struct fuzz *f, unsigned int how, unsigned int pos)
{
	static const uint32_t flags[] = {
		0, VFCAP_CHOOSE_HIDE, VFCAP_CHOOSE_OFFSET,
		VFCAP_CHOOSE_OFFSET | VFCAP_CHOOSE_FORCE,
	};
	uint32_t flag = flags[how >> 1 & 3];
	uint16_t at = flag & VFCAP_CHOOSE_OFFSET ? pos : 0;
	enum model_id id = how & 1;
	uint8_t hw[EXT_END];
	int ret, expected = 0;

	if (!read_hardware(f->bdf, hw))
		return wrong(f, "no config space of %s", f->bdf);
	if (flag & VFCAP_CHOOSE_OFFSET &&
	    (!at || !(flag & VFCAP_CHOOSE_FORCE ? fits(f, id, at) :
						  is_free(f, id, at, hw))))
		expected = -EINVAL;

	ret = vfcap_choose(&f->v, id, flag, at);
	if (ret != expected)
		return wrong(f, "choosing flags %x, offset %03x for %s returned %d, and not %d",
			     flag, at, param[id], ret, expected);
	if (!ret)
		f->chosen[id] = flag & VFCAP_CHOOSE_HIDE ? FUZZ_HIDDEN : at;
	return plan(f) && check_query(f, MODEL_PASID, false) &&
	       check_query(f, MODEL_PRI, false);
}

/*
 * It is too late to choose in this session. What is chosen in the next one is in @size
 * and @pos, and then in @bytes, three for each choice.
 */
static bool do_choose(struct fuzz *f, const struct fuzz_op *op)
{
	unsigned int i;
	int ret;

	ret = vfcap_choose(&f->v, op->size & 1, 0, 0);
	if (ret != -EBUSY)
		return wrong(f, "a choice after the first access returned %d", ret);
	fuzz_close(f);
	if (!fuzz_open(f) || !choose(f, op->size, op->pos))
		return false;
	for (i = 0; i < op->size % 4U * 3; i += 3)
		if (!choose(f, op->bytes[i], EXT_START + op->bytes[i + 1] * 16 +
			    (op->bytes[i + 2] & 0x1c)))
			return false;
	return check_list(f) && check_all(f);
}

static bool do_save(struct fuzz *f, const struct fuzz_op *op)
{
	if (!succeeds(f, vfcap_get_state(&f->v, &f->blob), "save"))
		return false;
	f->saved = f->model;
	f->has_blob = true;
	return true;
}

static bool same_places(const struct model *a, const struct model *b)
{
	enum model_id id;

	for (id = 0; id < MODEL_CAPS; id++)
		if (a->caps[id].pos != b->caps[id].pos ||
		    a->caps[id].header != b->caps[id].header)
			return false;
	return true;
}

static bool do_restore(struct fuzz *f, const struct fuzz_op *op)
{
	int ret, expected;

	if (!f->has_blob)
		return true;
	if (!same_places(&f->saved, &f->model))
		expected = -EINVAL;
	else
		expected = model_restore(&f->model, &f->saved) ? 0 : -EBUSY;
	ret = vfcap_set_state(&f->v, &f->blob);
	if (ret != expected)
		return wrong(f, "restore returned %d, and not %d", ret, expected);
	return wait_for_stopped(f) && check_all(f);
}

/*
 * Forget what reached the hardware. After a reset of a VF the kernel restores part of its
 * config space, and not the same part at the same time in both VFs.
 */
static bool forget_record(struct fuzz *f)
{
	return succeeds(f, host_writes_clear(), "record");
}

/*
 * @weight: how often, relative to their sum. @resets: the kernel, too, writes to the
 * hardware.
 */
static const struct {
	const char *name;
	unsigned int weight;
	bool resets;
	bool (*act)(struct fuzz *f, const struct fuzz_op *op);
} kinds[FUZZ_KINDS] = {
	[FUZZ_READ]	= { "read",	11000,	false,	do_read },
	[FUZZ_WRITE]	= { "write",	8400,	false,	do_write },
	[FUZZ_RESET]	= { "reset",	1,	true,	do_reset },
	[FUZZ_FLR]	= { "flr",	1,	true,	do_flr },
	[FUZZ_D3]	= { "d3",	2,	true,	do_d3 },
	[FUZZ_REOPEN]	= { "reopen",	1,	true,	do_reopen },
	[FUZZ_LOSE]	= { "lose",	1,	false,	do_lose },
	[FUZZ_FAIL]	= { "fail",	10,	false,	do_fail },
	[FUZZ_ATTACH]	= { "attach",	10,	false,	do_attach },
	[FUZZ_DETACH]	= { "detach",	10,	false,	do_detach },
	[FUZZ_IOMMU]	= { "iommu",	40,	false,	do_iommu },
	[FUZZ_CHOOSE]	= { "choose",	3,	true,	do_choose },
	[FUZZ_QUERY]	= { "query",	20,	false,	do_query },
	[FUZZ_SAVE]	= { "save",	30,	false,	do_save },
	[FUZZ_RESTORE]	= { "restore",	60,	false,	do_restore },
	[FUZZ_RECORD]	= { "record",	100,	false,	do_record },
};

bool fuzz_do(struct fuzz *f, const struct fuzz_op *op)
{
	if (!kinds[op->kind].resets)
		return kinds[op->kind].act(f, op);
	return do_record(f, NULL) && kinds[op->kind].act(f, op) &&
	       forget_record(f);
}

bool fuzz_begin(struct fuzz *f, const struct layout *l)
{
	enum model_id id;

	fuzz_close(f);
	f->layout = l;
	*f->wrong = 0;
	if (!succeeds(f, host_layout(l->lines), "layout"))
		return false;
	for (id = 0; id < MODEL_CAPS; id++) {
		char knob[32];

		snprintf(knob, sizeof(knob), "place_%s", param[id]);
		if (!succeeds(f, sample_set(knob, "%d", l->place[id]), knob))
			return false;
	}
	return fuzz_open(f) && check_list(f) && forget_record(f) && check_all(f);
}

bool fuzz_end(struct fuzz *f)
{
	return check_all(f) && do_record(f, NULL);
}

int fuzz_run(struct fuzz *f, const struct layout *l, const struct fuzz_op *ops,
	     unsigned int nr)
{
	unsigned int i;

	if (!fuzz_begin(f, l))
		return 0;
	for (i = 0; i < nr; i++)
		if (!fuzz_do(f, &ops[i]))
			return i;
	return fuzz_end(f) ? -1 : (int)nr;
}

/* Half of the accesses touch virtual registers or are next to them. */
static unsigned int make_pos(struct fuzz *f, uint64_t *random)
{
	unsigned int pick = layout_random(random) % 100;
	unsigned int pos = f->model.caps[pick & 1].pos;

	if (pick < 60 && pos)
		return pos - 8 + layout_random(random) % 32;
	if (pick < 70)
		return EXT_START - 8 + layout_random(random) % 16;
	if (pick < 75)
		return EXT_END - 16 + layout_random(random) % 24;
	if (pick < 85 && f->layout->nr_caps)
		return f->layout->caps[layout_random(random) %
				       f->layout->nr_caps].pos +
		       layout_random(random) % 16;
	return EXT_START + layout_random(random) % (EXT_END - EXT_START);
}

static bool has_bytes(const struct fuzz_op *op)
{
	return op->kind == FUZZ_WRITE || op->kind == FUZZ_CHOOSE;
}

void fuzz_make_op(struct fuzz *f, struct fuzz_op *op, uint64_t *random)
{
	static const uint8_t sizes[] = { 1, 2, 4 };
	unsigned int sum = 0, pick, i;

	for (i = 0; i < FUZZ_KINDS; i++)
		sum += kinds[i].weight;
	pick = layout_random(random) % sum;
	for (i = 0; pick >= kinds[i].weight; i++)
		pick -= kinds[i].weight;

	memset(op, 0, sizeof(*op));
	op->kind = i;
	op->pos = make_pos(f, random);
	op->size = layout_random(random) % 10 < 7 ?
		   sizes[layout_random(random) % ARRAY_SIZE(sizes)] :
		   1 + layout_random(random) % FUZZ_BYTES;
	if (i == FUZZ_CHOOSE && layout_random(random) % 4)
		op->pos &= ~3;
	for (i = 0; has_bytes(op) && i < op->size; i++)
		op->bytes[i] = layout_random(random) >> layout_random(random) % 8;
}

void fuzz_print_list(struct vfio *v, const char *whose)
{
	unsigned int pos = EXT_START, loops = 32;

	printf("#   list, %s:", whose);
	while (v->fd >= 0 && pos >= EXT_START && loops--) {
		uint32_t header = vfio_get(v, pos, 4);

		printf(" %04x@%03x", header & 0xffff, pos);
		pos = NEXT(header);
	}
	printf("\n");
}

void fuzz_print_op(const struct fuzz_op *op, char *text, size_t size)
{
	size_t len = snprintf(text, size, "%s %03x+%u", kinds[op->kind].name,
			      op->pos, op->size);
	unsigned int i;

	for (i = 0; has_bytes(op) && i < op->size && len < size; i++)
		len += snprintf(text + len, size - len, " %02x", op->bytes[i]);
}
