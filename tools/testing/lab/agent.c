// SPDX-License-Identifier: GPL-2.0
/*
 * Has functions of an emulated PCI device do what their models in QEMU do not: DMA with
 * a PASID
 *
 * This is loaded into the VM's QEMU (LD_PRELOAD), which exports what its own modules
 * need. It asks the emulated IOMMU for a translation in the name of a function, as an
 * ATS request with or without PASID, and accesses the memory that it is given. So what
 * lands or does not land is decided by the IOMMU's tables and caches as the kernel in
 * the VM left them.
 *
 * One client is served on the UNIX socket $VFCAP_AGENT, which QEMU connects to a port
 * in the VM. A line is a command, and has an answer, all numbers in hex:
 *
 *	TAG write BUS DEVFN PASID ADDRESS VALUE	-> "TAG ok VALUE"
 *	TAG read BUS DEVFN PASID ADDRESS	-> "TAG ok VALUE"
 *
 * or "TAG fault": the IOMMU refused; or "TAG error TEXT". TAG is any word. A value has
 * 32 bits. PASID ffffffff: none.
 *
 * Where QEMU keeps the IOMMU of a bus is found in the code of a function that it
 * exports. Where that cannot be found, QEMU runs as ever, and each answer says so.
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

/* PCIIOMMUOps.ats_request_translation, in include/hw/pci/pci.h */
typedef ssize_t ats_fn(void *bus, void *opaque, int devfn, uint32_t pasid, bool priv,
		       bool exec, uint64_t addr, size_t length, bool no_write,
		       struct tlb_entry *result, size_t result_length,
		       uint32_t *err_count);

/* What QEMU exports of what is called here */
static struct {
	void *(*object_resolve_path)(const char *path, bool *ambiguous);
	void *(*pci_find_device)(void *bus, int num, uint8_t devfn);
	void (*pci_device_get_iommu_bus_devfn)(void *dev, void **iommu_bus,
					       void **aliased_bus, int *aliased_devfn);
	void (*bql_lock_impl)(const char *file, int line);
	void (*bql_unlock)(void);
	int (*address_space_rw)(void *as, uint64_t addr, uint64_t attrs, void *buf,
				uint64_t len, bool is_write);
	void (*rcu_register_thread)(void);
	void *address_space_memory;
	const uint8_t *pci_ats_request_translation;
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
	SYMBOL(address_space_rw),
	SYMBOL(rcu_register_thread),
	SYMBOL(address_space_memory),
	SYMBOL(pci_ats_request_translation),
};

/* Offsets in PCIBus of iommu_ops and iommu_opaque, and in PCIIOMMUOps of the above */
static struct {
	uint32_t ops;
	uint32_t opaque;
	uint8_t ats;
} offsets;

/* Why nothing can be done */
static const char *trouble;

#define CODE_MAX	512
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * pci_ats_request_translation() has the bus in RAX and loads
 *
 *	mov ops(%rax),%rdx		48 8b 90 disp32
 *	mov ats(%rdx),%rXX		48 or 4c, 8b, 01 reg 010, disp8
 *	mov opaque(%rax),%rsi		48 8b b0 disp32
 *
 * with a test in between. Two pointers beside each other are the two of the bus.
 */
static bool find_offsets(const uint8_t *code)
{
	static const uint8_t load_ops[] = { 0x48, 0x8b, 0x90 };
	static const uint8_t load_opaque[] = { 0x48, 0x8b, 0xb0 };
	unsigned int i, j;

	for (i = 0; i < CODE_MAX; i++) {
		const uint8_t *ats = code + i + 7;

		if (memcmp(code + i, load_ops, sizeof(load_ops)) ||
		    (ats[0] & ~4) != 0x48 || ats[1] != 0x8b || (ats[2] & 0xc7) != 0x42)
			continue;
		for (j = i + 11; j < i + 64; j++)
			if (!memcmp(code + j, load_opaque, sizeof(load_opaque)))
				break;
		memcpy(&offsets.ops, code + i + 3, sizeof(offsets.ops));
		memcpy(&offsets.opaque, code + j + 3, sizeof(offsets.opaque));
		offsets.ats = ats[3];
		return j < i + 64 && offsets.opaque == offsets.ops + sizeof(void *) &&
		       offsets.ats % sizeof(void *) == 0;
	}
	return false;
}

static void *field(void *p, size_t offset)
{
	return *(void **)((char *)p + offset);
}

struct request {
	char tag[32];
	bool write;
	unsigned int bus;
	unsigned int devfn;
	unsigned int pasid;
	unsigned long long address;
	uint32_t value;
};

/* NULL, or what to answer in place of "ok" */
static const char *dma(struct request *r)
{
	void *root = qemu.object_resolve_path("/machine/q35/pcie.0", NULL);
	void *dev = root ? qemu.pci_find_device(root, r->bus, r->devfn) : NULL;
	void *iommu_bus = NULL, *bus = NULL;
	struct tlb_entry entry = {};
	uint32_t errors = 0;
	ssize_t ret;
	ats_fn *ats;
	int devfn;

	if (!dev)
		return "error no such function";
	qemu.pci_device_get_iommu_bus_devfn(dev, &iommu_bus, &bus, &devfn);
	if (!iommu_bus)
		return "error no IOMMU above it";
	ats = field(field(iommu_bus, offsets.ops), offsets.ats);
	if (!ats)
		return "error its IOMMU has no ATS";

	ret = ats(bus, field(iommu_bus, offsets.opaque), devfn, r->pasid, false, false,
		  r->address & ~0xfffULL, 0x1000, !r->write, &entry, 1, &errors);
	if (ret <= 0 || errors || !(entry.perm & (r->write ? 2 : 1)))
		return "fault";
	if (qemu.address_space_rw(qemu.address_space_memory,
				  (entry.translated & ~entry.mask) |
				  (r->address & entry.mask), 0, &r->value,
				  sizeof(r->value), r->write))
		return "error there is no memory";
	return NULL;
}

static bool parse(const char *line, struct request *r)
{
	char verb[8];
	int n;

	n = sscanf(line, "%31s %7s %x %x %x %llx %x", r->tag, verb, &r->bus, &r->devfn,
		   &r->pasid, &r->address, &r->value);
	r->write = n >= 2 && !strcmp(verb, "write");
	return r->write ? n == 7 : n >= 6 && !strcmp(verb, "read");
}

static void *serve(void *arg)
{
	struct request r = {};
	const char *error;
	char line[128];
	FILE *in, *out;
	int fd;

	fd = accept((intptr_t)arg, NULL, NULL);
	if (fd < 0)
		return NULL;
	in = fdopen(fd, "r");
	out = fdopen(dup(fd), "w");
	/* QEMU is running by now, and has made what this needs. */
	if (!trouble)
		qemu.rcu_register_thread();
	while (in && out && fgets(line, sizeof(line), in)) {
		error = "error bad command";
		if (parse(line, &r)) {
			error = trouble;
			if (!error) {
				qemu.bql_lock_impl(__FILE__, __LINE__);
				error = dma(&r);
				qemu.bql_unlock();
			}
		}
		if (error)
			fprintf(out, "%s %s\n", r.tag, error);
		else
			fprintf(out, "%s ok %x\n", r.tag, r.value);
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

	/* Programs on the way to QEMU have it loaded as well. */
	if (!path || !dlsym(RTLD_DEFAULT, "pci_find_device"))
		return;
	unsetenv("LD_PRELOAD");

	for (i = 0; i < ARRAY_SIZE(symbols); i++) {
		void *symbol = dlsym(RTLD_DEFAULT, symbols[i].name);

		memcpy(symbols[i].where, &symbol, sizeof(symbol));
		if (!symbol)
			trouble = "error this QEMU does not export what the agent needs";
	}
	if (!trouble && !find_offsets(qemu.pci_ats_request_translation))
		trouble = "error the agent cannot find the IOMMU of a bus in this QEMU";

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (void *)&addr, sizeof(addr)) || listen(fd, 1) ||
	    pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd))
		perror("agent");
}
