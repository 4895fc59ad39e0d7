// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "host.h"

#define FIXTURE "/sys/kernel/debug/vfcap-fixture/"

const char *host_pf(void)
{
	return getenv("VFCAP_PF");
}

const char *host_vf(void)
{
	return getenv("VFCAP_VF");
}

const char *host_vf2(void)
{
	return getenv("VFCAP_VF2");
}

unsigned long host_setting(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

bool host_clock_counts(void)
{
	return host_setting("VFCAP_CLOCK_COUNTS", 0);
}

long host_promised(long ms)
{
	return host_clock_counts() ? ms : 10 * ms;
}

/*
 * Where the clock counts instructions, no page of the program may have to be read in
 * while something is measured.
 */
static __attribute__((constructor)) void read_program(void)
{
	if (host_clock_counts())
		mlockall(MCL_CURRENT);
}

bool host_is_ready(void)
{
	return host_pf() && host_vf() && host_vf2() &&
	       getenv("VFCAP_MODULES") && getenv("VFCAP_LAYOUT");
}

bool host_has_functions(void)
{
	return getenv("VFCAP_FUNCTIONS");
}

static struct {
	int (*give_back)(void);
	pid_t owner;
} end;

static void give_back_scene(void)
{
	/* A test that gives up by itself is a child process, and not the last one. */
	if (getpid() != end.owner || !host_is_ready() || !end.give_back())
		return;
	printf("# the lab's scene cannot be restored\n");
	fflush(stdout);
	_exit(KSFT_FAIL);
}

void host_at_end(int (*give_back)(void))
{
	end.give_back = give_back;
	end.owner = getpid();
	/* The harness exits instead of returning. */
	atexit(give_back_scene);
}

const char *host_port(void)
{
	static char port[16];
	char path[256], *real;

	if (*port)
		return port;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/..", host_pf());
	real = realpath(path, NULL);
	if (real)
		snprintf(port, sizeof(port), "%.15s", strrchr(real, '/') + 1);
	free(real);
	return port;
}

void host_vf_name(unsigned int index, char name[16])
{
	char path[256], link[256];
	const char *base;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/virtfn%u",
		 host_pf(), index);
	len = readlink(path, link, sizeof(link) - 1);
	link[len < 0 ? 0 : len] = 0;
	base = strrchr(link, '/');
	snprintf(name, 16, "%.15s", base ? base + 1 : link);
}

static void host_path(char *out, size_t size, const char *path)
{
	snprintf(out, size, "%s%s", *path == '/' ? "" : "/sys/bus/pci/", path);
}

int host_write(const char *path, const char *value)
{
	char full[512];
	int fd, ret = 0;

	host_path(full, sizeof(full), path);
	fd = open(full, O_WRONLY);
	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

const char *host_read(const char *path)
{
	static __thread char text[16384];
	char full[512];
	size_t len = 0;
	ssize_t ret;
	int fd;

	host_path(full, sizeof(full), path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && len < sizeof(text) - 1) {
		ret = read(fd, text + len, sizeof(text) - 1 - len);
		if (ret <= 0)
			break;
		len += ret;
	}
	if (fd >= 0)
		close(fd);
	if (len && text[len - 1] == '\n')
		len--;
	text[len] = 0;
	return text;
}

int host_writef(const char *value, const char *path, ...)
{
	char full[512];
	va_list ap;

	va_start(ap, path);
	vsnprintf(full, sizeof(full), path, ap);
	va_end(ap);
	return host_write(full, value);
}

bool host_exists(const char *path, ...)
{
	char relative[480], full[512];
	va_list ap;

	va_start(ap, path);
	vsnprintf(relative, sizeof(relative), path, ap);
	va_end(ap);
	host_path(full, sizeof(full), relative);
	return !access(full, F_OK);
}

/* The base class of all bridges */
#define BRIDGE	0x06

int host_find_other(char name[16])
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	int ret = -ENODEV;

	while (dir && ret && (entry = readdir(dir))) {
		const char *bdf = entry->d_name;

		if (*bdf == '.' || *host_driver(bdf) ||
		    host_config_read(bdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MASK ||
		    host_config_read(bdf, PCI_CLASS_DEVICE + 1, 1) == BRIDGE ||
		    host_exists("devices/%s/sriov_totalvfs", bdf) ||
		    host_exists("devices/%s/physfn", bdf))
			continue;
		snprintf(name, 16, "%.15s", bdf);
		ret = 0;
	}
	if (dir)
		closedir(dir);
	return ret;
}

/* VT-d reports it in its Extended Capability register: PASID and PSS. */
unsigned int host_iommu_width(void)
{
	char path[128];
	uint64_t ecap;

	snprintf(path, sizeof(path), "devices/%s/iommu/intel-iommu/ecap", host_vf());
	ecap = strtoull(host_read(path), NULL, 16);
	return ecap & 1ULL << 40 ? (ecap >> 35 & 0x1f) + 1 : 0;
}

/* An IOMMU without PASIDs does not limit the width. */
unsigned int host_pasid_width(void)
{
	unsigned int width = host_iommu_width();

	return width && width < PF_WIDTH ? width : PF_WIDTH;
}

uint16_t host_pasid_cap(void)
{
	return host_pasid_width() << 8 | PCI_PASID_CAP_EXEC | PCI_PASID_CAP_PRIV;
}

const char *host_driver(const char *bdf)
{
	static __thread char link[512];
	char path[256];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", bdf);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return "";
	link[len] = 0;
	return strrchr(link, '/') + 1;
}

/*
 * A PF driver that is unbound removes its VFs without pci_rescan_remove_lock, and a
 * kernel with lockdep warns about that.
 */
void host_expect_pf_unbind(void)
{
	/* The source of a patched kernel is in another directory, hence ".*". */
	host_log_expect("WARNING: .*drivers/pci/remove.c");
}

int host_unbind(const char *bdf)
{
	if (!*host_driver(bdf))
		return 0;
	if (!strcmp(bdf, host_pf()))
		host_expect_pf_unbind();
	return host_writef(bdf, "devices/%s/driver/unbind", bdf);
}

int host_bind(const char *bdf, const char *driver)
{
	int ret = host_writef(driver, "devices/%s/driver_override", bdf);

	/* Loading the driver may already have bound the device. */
	if (ret || !strcmp(host_driver(bdf), driver))
		return ret;
	return host_writef(bdf, "drivers/%s/bind", driver);
}

int host_rebind(const char *bdf, const char *driver)
{
	int ret = host_unbind(bdf);

	return ret ?: host_bind(bdf, driver);
}

int host_load(const char *module, const char *params)
{
	char path[256];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", getenv("VFCAP_MODULES"), module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, params, 0))
		ret = -errno;
	close(fd);
	return ret;
}

int host_unload(const char *module)
{
	return syscall(SYS_delete_module, module, O_NONBLOCK) ? -errno : 0;
}

int host_reload_ours(const char *params)
{
	int ret = host_unload("vfcap_vfio_pci");

	if (ret && ret != -ENOENT)
		return ret;
	return host_load("drivers/vfio/pci/vfcap/vfcap-vfio-pci.ko", params);
}

int host_param(const char *name, const char *value)
{
	return host_writef(value, "/sys/module/vfcap_vfio_pci/parameters/%s",
			   name);
}

int host_recreate_vfs(void)
{
	int ret = host_writef("0", "devices/%s/sriov_numvfs", host_pf());

	if (!ret)
		ret = host_writef("0", "devices/%s/sriov_drivers_autoprobe",
				  host_pf());
	return ret ?: host_writef("2", "devices/%s/sriov_numvfs", host_pf());
}

int host_rescan(void)
{
	int ret = host_write(FIXTURE "rescan", "1");

	return ret ?: host_recreate_vfs();
}

int host_layout(const char *lines)
{
	char *copy = strdup(lines), *at;
	int ret;

	for (at = copy; host_has_functions() && at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, "vf ", 3))
			*at = 'p', at[1] = 'f';
	}
	ret = host_write(FIXTURE "layout", copy);
	free(copy);
	return ret;
}

int host_error(const char *bdf, const char *step)
{
	char line[64];

	snprintf(line, sizeof(line), "%s %s", step, bdf);
	return host_write(FIXTURE "error", line);
}

int host_access(const char *bdf, const char *state)
{
	char line[64];

	snprintf(line, sizeof(line), "%s %s", state, bdf);
	return host_write(FIXTURE "access", line);
}

int host_pri_event(const char *bdf, const char *event)
{
	char line[64];

	snprintf(line, sizeof(line), "%s %s", event, bdf);
	return host_write(FIXTURE "pri", line);
}

int host_reads(long *pf, long *vf)
{
	return sscanf(host_read(FIXTURE "reads"), "%ld %ld", pf, vf) == 2 ?
	       0 : -EIO;
}

int host_reads_clear(void)
{
	return host_write(FIXTURE "reads", "clear");
}

static int layout_file(const char *before, const char *path)
{
	char lines[8192];
	size_t len = snprintf(lines, sizeof(lines), "%s", before);
	int fd = open(path, O_RDONLY);
	ssize_t ret;

	if (fd < 0)
		return -errno;
	ret = read(fd, lines + len, sizeof(lines) - len - 1);
	close(fd);
	if (ret < 0)
		return -errno;
	lines[len + ret] = 0;
	return host_layout(lines);
}

int host_layout_named(const char *name)
{
	const char *folder = getenv("VFCAP_LAYOUT");
	char path[256];

	snprintf(path, sizeof(path), "%.*s/%s",
		 (int)(strrchr(folder, '/') - folder), folder, name);
	return layout_file("", path);
}

int host_layout_default(void)
{
	return layout_file("vf clear\npf clear\n", getenv("VFCAP_LAYOUT")) ?:
	       host_enable_pf();
}

static int enable(const char *bdf)
{
	static const struct {
		unsigned int pos, size;
		uint32_t value;
	} regs[] = {
		{ PF_ATS + PCI_ATS_CTRL, 2, PCI_ATS_CTRL_ENABLE },
		{ PF_PRI + PCI_PRI_ALLOC_REQ, 4, PF_PRI_ALLOCATION },
		{ PF_PRI + PCI_PRI_CTRL, 2, PCI_PRI_CTRL_ENABLE },
		{ PF_PASID + PCI_PASID_CTRL, 2,
		  PCI_PASID_CTRL_ENABLE | PCI_PASID_CTRL_EXEC |
		  PCI_PASID_CTRL_PRIV },
	};
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_SIZE(regs); i++)
		ret = host_config_write(bdf, regs[i].pos, regs[i].size,
					regs[i].value);
	return ret;
}

int host_enable_pf(void)
{
	return enable(host_pf()) ?: host_has_functions() ? enable(host_vf2()) : 0;
}

int host_writes_clear(void)
{
	return host_write(FIXTURE "writes", "clear");
}

int host_writes_count(const char *bdf, unsigned int from, unsigned int to)
{
	unsigned int pos, size;
	char line[128], who[16];
	int count = 0;
	FILE *f = fopen(FIXTURE "writes", "r");

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%15s %x %u", who, &pos, &size) != 3 ||
		    !strstr(bdf, who))
			continue;
		count += pos < to && pos + size > from;
	}
	fclose(f);
	return count;
}

static int host_config_open(const char *bdf, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	return open(path, flags);
}

uint32_t host_config_read(const char *bdf, unsigned int pos, unsigned int size)
{
	int fd = host_config_open(bdf, O_RDONLY);
	uint32_t value = 0;

	if (fd < 0 || pread(fd, &value, size, pos) != (ssize_t)size)
		value = 0xdeadbeef;
	close(fd);
	return value;
}

int host_config_copy(const char *bdf, uint8_t copy[4096])
{
	int fd = host_config_open(bdf, O_RDONLY);
	int ret = 0;

	if (fd < 0 || pread(fd, copy, 4096, 0) != 4096)
		ret = -EIO;
	close(fd);
	return ret;
}

int host_config_write(const char *bdf, unsigned int pos, unsigned int size,
		      uint32_t value)
{
	int fd = host_config_open(bdf, O_WRONLY);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (pwrite(fd, &value, size, pos) != (ssize_t)size)
		ret = -errno;
	close(fd);
	return ret;
}

/* A line in the kernel's log that marks the last clear */
static char host_log_mark[64];

static void host_log_write(const char *text)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	/* Without the newline, the line could not be read until more is written. */
	if (fd < 0 || dprintf(fd, "%s\n", text) < 0)
		perror("/dev/kmsg");
	close(fd);
}

void host_log_clear(void)
{
	static unsigned int marks;

	snprintf(host_log_mark, sizeof(host_log_mark), "vfcap-test: mark %d.%u",
		 getpid(), ++marks);
	host_log_write(host_log_mark);
}

int host_log_count(const char *a, const char *b)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char line[4096];
	int count = 0;
	ssize_t len;

	if (fd < 0)
		return -errno;
	while ((len = read(fd, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		if (len <= 0)
			continue;
		line[len] = 0;
		if (strstr(line, host_log_mark))
			count = 0;
		else if (strstr(line, a) && strstr(line, b))
			count++;
	}
	close(fd);
	return count;
}

static void announce(const char *what, const char *regex)
{
	char line[256];

	snprintf(line, sizeof(line), "vfcap-lab: %s: %s", what, regex);
	host_log_write(line);
}

void host_log_expect(const char *regex)
{
	announce("expect", regex);
}

void host_expect_leak(const char *regex)
{
	announce("leak", regex);
}

#define MOCK_PF	"1001:00:00.0"

int host_make_mock(char pf[16])
{
	char params[64] = "lender=";
	int fd = open("/sys/module/vfcap_mock_vmd/parameters/lender", O_RDONLY);

	if (fd < 0 || read(fd, params + strlen(params), 12) != 12)
		return -ENODEV;
	close(fd);
	memcpy(pf, MOCK_PF, sizeof(MOCK_PF));
	return host_load("tools/testing/fixture/vfcap-mock-pf.ko", params);
}

int host_unmake_mock(const char *pf)
{
	return host_unload("vfcap_mock_pf");
}

/* A task that waits for a lock is shown in the function that takes the lock. */
bool host_waits_in(pid_t pid, const char *prefix)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/wchan", pid);
	return !strncmp(host_read(path), prefix, strlen(prefix));
}

bool host_is_in(pid_t pid, const char *function)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	return strstr(host_read(path), function);
}

long host_kernel_kb(void)
{
	static const char * const kinds[] = {
		"SUnreclaim: %ld kB", "Percpu: %ld kB", "VmallocUsed: %ld kB",
		"KernelStack: %ld kB",
	};
	long kb, sum = 0;
	char line[128];
	unsigned int i;
	FILE *f;

	host_write("/proc/sys/vm/drop_caches", "3");
	f = fopen("/proc/meminfo", "r");
	while (f && fgets(line, sizeof(line), f))
		for (i = 0; i < ARRAY_SIZE(kinds); i++)
			if (sscanf(line, kinds[i], &kb) == 1)
				sum += kb;
	if (f)
		fclose(f);
	return sum;
}

int host_run(char *out, size_t size, const char *command, ...)
{
	char line[1024];
	size_t len = 0;
	va_list ap;
	FILE *pipe;
	int status;

	va_start(ap, command);
	vsnprintf(line, sizeof(line), command, ap);
	va_end(ap);

	pipe = popen(line, "r");
	if (!pipe)
		return -errno;
	if (size)
		len = fread(out, 1, size - 1, pipe);
	if (size)
		out[len] = 0;
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}
