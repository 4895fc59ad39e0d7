// SPDX-License-Identifier: GPL-2.0
/*
 * Makes functions of an emulated PCI device do what their models in QEMU cannot: DMA and
 * page requests with a PASID
 *
 * This is loaded into the VM's QEMU with LD_PRELOAD. It relies on symbols that QEMU exports
 * for its own modules. It asks the emulated IOMMU for a translation on behalf of a function,
 * like an ATS request with or without PASID, and accesses the memory at the translated
 * address. So whether an access succeeds is decided by the IOMMU's tables and caches as the
 * kernel in the VM left them. A page request goes to the IOMMU's queue and so to the kernel,
 * whose response is kept for the client.
 *
 * One client is served on the UNIX socket $VFCAP_AGENT, which QEMU connects to a port
 * in the VM. Each line is a command and gets an answer. All numbers are in hex:
 *
 *	TAG write BUS DEVFN PASID ADDRESS VALUE	-> "TAG ok VALUE"
 *	TAG read BUS DEVFN PASID ADDRESS	-> "TAG ok VALUE"
 *	TAG request BUS DEVFN PASID ADDRESS GROUP FLAGS
 *						-> "TAG ok 0"
 *	TAG response BUS DEVFN PASID		-> "TAG ok RESPONSE"
 *	TAG groups BUS DEVFN PASID ADDRESS GROUP FLAGS COUNT PAGES
 *						-> "TAG ok SENT"
 *	TAG responses BUS DEVFN PASID		-> "TAG ok COUNT RESPONSE..."
 *
 * or "TAG fault": the IOMMU refused; "TAG none": there is no response so far; or "TAG
 * error TEXT". TAG is any word. A value has 32 bits. PASID ffffffff means none, but page
 * requests must have a PASID, since QEMU's VT-d halts at the response to one without.
 * FLAGS: 1: to read, 2: to write, 4: the last of its group. RESPONSE is laid out as in the
 * PRG Response Message (PCIe r6.0, sec 10.4.2), with the code in bits 15:12 and the group in
 * bits 8:0. Each response is reported once, in order. "groups" sends many requests at once:
 * COUNT groups, numbered from GROUP on and continuing with 0 after 1ff, of PAGES pages each
 * from ADDRESS on. SENT is the number of groups that the IOMMU took before it refused one.
 * "responses" returns up to 64 at once.
 *
 * Where QEMU keeps the IOMMU of a bus is found in the code of functions that it
 * exports. If that cannot be found, QEMU runs as usual, and each answer says so.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* QEMU's IOMMUTLBEntry, in include/system/memory.h */
struct tlb_entry {
	void *as;
	uint64_t iova;
	uint64_t translated;
	uint64_t mask;
	int perm;		/* 1: read, 2: write */
	uint32_t pasid;
};

/* IOMMUPRIResponse and IOMMUPRINotifier, in the same file */
struct pri_response {
	int code;		/* 0: success, 1: invalid request, 2: failure */
	uint16_t group;
};

struct pri_notifier {
	void (*notify)(struct pri_notifier *n, struct pri_response *r);
};

/* From PCIIOMMUOps, in include/hw/pci/pci.h */
typedef ssize_t ats_fn(void *bus, void *opaque, int devfn, uint32_t pasid, bool priv,
		       bool exec, uint64_t addr, size_t length, bool no_write,
		       struct tlb_entry *result, size_t result_length,
		       uint32_t *err_count);
typedef void pri_register_fn(void *bus, void *opaque, int devfn, uint32_t pasid,
			     struct pri_notifier *n);
typedef int pri_request_fn(void *bus, void *opaque, int devfn, uint32_t pasid, bool priv,
			   bool exec, uint64_t addr, bool last, uint16_t group, bool read,
			   bool write);

/* The functions of QEMU that are called here */
static struct {
	void *(*object_resolve_path)(const char *path, bool *ambiguous);
	void *(*pci_find_device)(void *bus, int num, uint8_t devfn);
	void (*pci_device_get_iommu_bus_devfn)(void *dev, void **iommu_bus,
					       void **aliased_bus, int *aliased_devfn);
	void (*bql_lock_impl)(const char *file, int line);
	void (*bql_unlock)(void);
	void (*pause_all_vcpus)(void);
	void (*resume_all_vcpus)(void);
	int (*address_space_rw)(void *as, uint64_t addr, uint64_t attrs, void *buf,
				uint64_t len, bool is_write);
	void (*rcu_register_thread)(void);
	void *address_space_memory;
	const uint8_t *pci_ats_request_translation;
	const uint8_t *pci_pri_register_notifier;
	const uint8_t *pci_pri_request_page;
} qemu;

static const struct {
	const char *name;
	void *where;
} symbols[] = {
#define SYMBOL(name) { #name, &qemu.name }
	SYMBOL(object_resolve_path),
	SYMBOL(pci_find_device),
	SYMBOL(pci_device_get_iommu_bus_devfn),
	SYMBOL(bql_lock_impl),
	SYMBOL(bql_unlock),
	SYMBOL(pause_all_vcpus),
	SYMBOL(resume_all_vcpus),
	SYMBOL(address_space_rw),
	SYMBOL(rcu_register_thread),
	SYMBOL(address_space_memory),
	SYMBOL(pci_ats_request_translation),
	SYMBOL(pci_pri_register_notifier),
	SYMBOL(pci_pri_request_page),
};

/* Offsets of iommu_ops and iommu_opaque in PCIBus, and of a function in PCIIOMMUOps */
struct offsets {
	uint32_t ops;
	uint32_t opaque;
	uint8_t function;
};

static struct offsets ats_offsets, pri_register_offsets, pri_request_offsets;

static const struct {
	const uint8_t **code;
	struct offsets *offsets;
} callers[] = {
	{ &qemu.pci_ats_request_translation, &ats_offsets },
	{ &qemu.pci_pri_register_notifier, &pri_register_offsets },
	{ &qemu.pci_pri_request_page, &pri_request_offsets },
};

/* The reason if nothing can be done */
static const char *trouble;

#define CODE_MAX	512
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * Each of the callers has the bus in RAX and loads
 *
 *	mov ops(%rax),%rdx		48 8b 90 disp32
 *	mov function(%rdx),%rXX		48 or 4c, 8b, 01 reg 010, disp8
 *	mov opaque(%rax),%rsi		48 8b b0 disp32
 *
 * with a test in between. Two pointers beside each other are the two of the bus.
 */
static bool find_offsets(const uint8_t *code, struct offsets *o)
{
	static const uint8_t load_ops[] = { 0x48, 0x8b, 0x90 };
	static const uint8_t load_opaque[] = { 0x48, 0x8b, 0xb0 };
	unsigned int i, j;

	for (i = 0; i < CODE_MAX; i++) {
		const uint8_t *function = code + i + 7;

		if (memcmp(code + i, load_ops, sizeof(load_ops)) ||
		    (function[0] & ~4) != 0x48 || function[1] != 0x8b ||
		    (function[2] & 0xc7) != 0x42)
			continue;
		for (j = i + 11; j < i + 64; j++)
			if (!memcmp(code + j, load_opaque, sizeof(load_opaque)))
				break;
		memcpy(&o->ops, code + i + 3, sizeof(o->ops));
		memcpy(&o->opaque, code + j + 3, sizeof(o->opaque));
		o->function = function[3];
		return j < i + 64 && o->opaque == o->ops + sizeof(void *) &&
		       o->function % sizeof(void *) == 0;
	}
	return false;
}

/* All callers agree on where a bus has its IOMMU, and call three different functions. */
static bool find_all_offsets(void)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(callers); i++) {
		struct offsets *o = callers[i].offsets;

		if (!find_offsets(*callers[i].code, o))
			return false;
		for (j = 0; j < i; j++)
			if (o->ops != callers[j].offsets->ops ||
			    o->function == callers[j].offsets->function)
				return false;
	}
	return true;
}

static void *field(void *p, size_t offset)
{
	return *(void **)((char *)p + offset);
}

struct request {
	char tag[32];
	char verb[16];
	unsigned int bus;
	unsigned int devfn;
	unsigned int pasid;
	unsigned long long address;
	unsigned int value;	/* or GROUP */
	unsigned int flags;
	unsigned int count;
	unsigned int pages;
	char more[512];		/* text of the answer after its value */
};

#define REQUEST_READ	1
#define REQUEST_WRITE	2
#define REQUEST_LAST	4

/* Where QEMU's IOMMU functions look for a function of a device */
struct place {
	void *iommu_bus;
	void *bus;
	int devfn;
};

static void *iommu_function(struct place *p, const struct offsets *o)
{
	return field(field(p->iommu_bus, o->ops), o->function);
}

static void *iommu_opaque(struct place *p)
{
	return field(p->iommu_bus, ats_offsets.opaque);
}

static uint64_t load(uint64_t address)
{
	uint64_t value = 0;

	qemu.address_space_rw(qemu.address_space_memory, address, 0, &value,
			      sizeof(value), false);
	return value;
}

/* From QEMU's q35, and from the VT-d specification 4.1, sec 9 and 11.4.5 */
#define VTD_RTADDR		(0xfed90000ULL + 0x20)
#define VTD_RTADDR_TTM(reg)	((reg) >> 10 & 3)
#define VTD_TTM_SCALABLE	1
#define VTD_TABLE(entry)	((entry) & ~0xfffULL)
#define VTD_RID_PASID(context)	((context) & 0xfffff)
#define VTD_PRESENT		1

/*
 * Whether the PASID table has the PASID, or the one used for requests without PASID.
 * QEMU's VT-d does not look at the Present bit of an entry (vtd_get_iova_pgtbl_base()).
 * But Linux first clears only that bit, has the caches invalidated, and then clears the
 * rest, so that a translation made in between would stay cached for good.
 */
static bool pasid_is_present(const struct request *r)
{
	uint64_t root_table = load(VTD_RTADDR);
	uint64_t root, place, context, directory, entry;
	uint32_t pasid = r->pasid;

	if (VTD_RTADDR_TTM(root_table) != VTD_TTM_SCALABLE)
		return true;

	root = load(VTD_TABLE(root_table) + r->bus * 16 + (r->devfn >> 7) * 8);
	place = VTD_TABLE(root) + (r->devfn & 0x7f) * 32;
	context = load(place);
	if (pasid == ~0U)
		pasid = VTD_RID_PASID(load(place + 8));
	directory = load(VTD_TABLE(context) + (pasid >> 6) * 8);
	entry = load(VTD_TABLE(directory) + (pasid & 0x3f) * 64);
	return root & context & directory & entry & VTD_PRESENT;
}

/* Functions that implement a verb return NULL, or what to answer instead of "ok". */
static const char *access_memory(struct place *p, struct request *r, bool write)
{
	ats_fn *ats = iommu_function(p, &ats_offsets);
	struct tlb_entry entry = {};
	uint32_t errors = 0;
	ssize_t ret;

	if (!ats)
		return "error its IOMMU has no ATS";
	if (!pasid_is_present(r))
		return "fault";
	ret = ats(p->bus, iommu_opaque(p), p->devfn, r->pasid, false, false,
		  r->address & ~0xfffULL, 0x1000, !write, &entry, 1, &errors);
	if (ret <= 0 || errors || !(entry.perm & (write ? 2 : 1)))
		return "fault";
	if (qemu.address_space_rw(qemu.address_space_memory,
				  (entry.translated & ~entry.mask) |
				  (r->address & entry.mask), 0, &r->value,
				  sizeof(r->value), write))
		return "error there is no memory";
	return NULL;
}

static const char *run_read(struct place *p, struct request *r)
{
	return access_memory(p, r, false);
}

static const char *run_write(struct place *p, struct request *r)
{
	return access_memory(p, r, true);
}

/* Receives the responses to a function's page requests with a PASID, permanently */
struct listener {
	struct pri_notifier notifier;	/* must be first */
	struct listener *next;
	unsigned int bus;
	unsigned int devfn;
	unsigned int pasid;
	unsigned int heard;
	unsigned int told;
	uint16_t responses[2048];
};

#define GROUP_MASK	0x1ff
#define TOLD_AT_ONCE	64

static struct listener *listeners;

static void hear(struct pri_notifier *n, struct pri_response *r)
{
	struct listener *l = (struct listener *)n;
	unsigned int code = r->code == 2 ? 0xf : r->code;

	l->responses[l->heard++ % ARRAY_SIZE(l->responses)] = code << 12 | r->group;
}

static struct listener *find_listener(struct request *r)
{
	struct listener *l;

	for (l = listeners; l; l = l->next)
		if (l->bus == r->bus && l->devfn == r->devfn && l->pasid == r->pasid)
			break;
	return l;
}

static struct listener *make_listener(struct request *r)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	*l = (struct listener){
		.notifier = { hear }, .next = listeners,
		.bus = r->bus, .devfn = r->devfn, .pasid = r->pasid,
	};
	listeners = l;
	return l;
}

static struct listener *listen_to(struct place *p, struct request *r)
{
	pri_register_fn *listen = iommu_function(p, &pri_register_offsets);
	struct listener *l = find_listener(r) ?: make_listener(r);

	if (l)
		listen(p->bus, iommu_opaque(p), p->devfn, r->pasid, &l->notifier);
	return l;
}

static const char *begin_requests(struct place *p, struct request *r)
{
	if (!iommu_function(p, &pri_register_offsets) ||
	    !iommu_function(p, &pri_request_offsets))
		return "error its IOMMU has no PRI";
	if (r->pasid == ~0U)
		return "error this takes a PASID";
	return listen_to(p, r) ? NULL : "error no memory";
}

static bool send_request(struct place *p, const struct request *r, unsigned int page,
			 unsigned int group, bool last)
{
	pri_request_fn *request = iommu_function(p, &pri_request_offsets);

	return !request(p->bus, iommu_opaque(p), p->devfn, r->pasid, false, false,
			(r->address & ~0xfffULL) + page * 0x1000ULL, last, group,
			r->flags & REQUEST_READ, r->flags & REQUEST_WRITE);
}

static const char *run_request(struct place *p, struct request *r)
{
	const char *error = begin_requests(p, r);
	unsigned int group = r->value;

	r->value = 0;
	if (error)
		return error;
	return send_request(p, r, 0, group, r->flags & REQUEST_LAST) ? NULL : "fault";
}

static const char *run_groups(struct place *p, struct request *r)
{
	const char *error = begin_requests(p, r);
	unsigned int group = r->value, page;

	r->value = 0;
	if (error)
		return error;
	while (r->value < r->count) {
		for (page = 0; page < r->pages; page++)
			if (!send_request(p, r, page, group & GROUP_MASK,
					  page + 1 == r->pages))
				return NULL;
		r->value++;
		group++;
	}
	return NULL;
}

static const char *run_response(struct place *p, struct request *r)
{
	struct listener *l = find_listener(r);

	(void)p;
	if (!l || l->told == l->heard)
		return "none";
	if (l->heard - l->told > ARRAY_SIZE(l->responses))
		return "error more responses than are kept";
	r->value = l->responses[l->told++ % ARRAY_SIZE(l->responses)];
	return NULL;
}

static const char *run_responses(struct place *p, struct request *r)
{
	unsigned int count = 0, len = 0;
	struct request one = *r;
	const char *error;

	do {
		error = run_response(p, &one);
		if (error)
			break;
		len += snprintf(r->more + len, sizeof(r->more) - len, " %x", one.value);
	} while (++count < TOLD_AT_ONCE);
	if (error && strcmp(error, "none"))
		return error;
	r->value = count;
	return NULL;
}

/* @words: number of words in a line */
static const struct {
	const char *name;
	int words;
	const char *(*run)(struct place *p, struct request *r);
} verbs[] = {
	{ "read", 6, run_read },
	{ "write", 7, run_write },
	{ "request", 8, run_request },
	{ "response", 5, run_response },
	{ "groups", 10, run_groups },
	{ "responses", 5, run_responses },
};

static const char *run(const char *line, struct request *r)
{
	struct place p = {};
	void *root, *dev;
	unsigned int i;
	int words;

	words = sscanf(line, "%31s %15s %x %x %x %llx %x %x %x %x", r->tag, r->verb,
		       &r->bus, &r->devfn, &r->pasid, &r->address, &r->value, &r->flags,
		       &r->count, &r->pages);
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (words == verbs[i].words && !strcmp(r->verb, verbs[i].name))
			break;
	if (i == ARRAY_SIZE(verbs))
		return "error bad command";
	if (trouble)
		return trouble;

	root = qemu.object_resolve_path("/machine/q35/pcie.0", NULL);
	dev = root ? qemu.pci_find_device(root, r->bus, r->devfn) : NULL;
	if (!dev)
		return "error no such function";
	qemu.pci_device_get_iommu_bus_devfn(dev, &p.iommu_bus, &p.bus, &p.devfn);
	if (!p.iommu_bus)
		return "error no IOMMU above it";
	return verbs[i].run(&p, r);
}

/*
 * Stop the CPUs, which change the IOMMU's tables without the BQL. QEMU's VT-d reads a
 * PASID table entry twice: once for its page table, and once for the domain ID by which
 * the translation is cached and invalidated. And its Present bit is checked here.
 */
static void hold_still(void)
{
	qemu.bql_lock_impl(__FILE__, __LINE__);
	qemu.pause_all_vcpus();
}

static void go_on(void)
{
	qemu.resume_all_vcpus();
	qemu.bql_unlock();
}

static void *serve(void *arg)
{
	const char *error;
	char line[128];
	FILE *in, *out;
	int fd;

	fd = accept((intptr_t)arg, NULL, NULL);
	if (fd < 0)
		return NULL;
	in = fdopen(fd, "r");
	out = fdopen(dup(fd), "w");
	/* By now QEMU is running, and has created what this needs. */
	if (!trouble)
		qemu.rcu_register_thread();
	while (in && out && fgets(line, sizeof(line), in)) {
		struct request r = {};

		if (!trouble)
			hold_still();
		error = run(line, &r);
		if (!trouble)
			go_on();
		if (error)
			fprintf(out, "%s %s\n", r.tag, error);
		else
			fprintf(out, "%s ok %x%s\n", r.tag, r.value, r.more);
		fflush(out);
	}
	return NULL;
}

__attribute__((constructor))
static void start(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("VFCAP_AGENT");
	pthread_t thread;
	unsigned int i;
	int fd;

	/* Programs that are run before QEMU have this loaded as well. */
	if (!path || !dlsym(RTLD_DEFAULT, "pci_find_device"))
		return;
	unsetenv("LD_PRELOAD");

	for (i = 0; i < ARRAY_SIZE(symbols); i++) {
		void *symbol = dlsym(RTLD_DEFAULT, symbols[i].name);

		memcpy(symbols[i].where, &symbol, sizeof(symbol));
		if (!symbol)
			trouble = "error this QEMU does not export what the agent needs";
	}
	if (!trouble && !find_all_offsets())
		trouble = "error the agent cannot find the IOMMU of a bus in this QEMU";

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (void *)&addr, sizeof(addr)) || listen(fd, 1) ||
	    pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd))
		perror("agent");
}
