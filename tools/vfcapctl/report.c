// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl report: what somebody needs to know about a host in order to help, as one text
 *
 * It has nothing personal in it. Of the kernel's command line and log it has only what
 * concerns PCI, IOMMU and vfcap, and it has no serial numbers, no names of VMs, and no
 * network addresses. These addresses are searched for in the whole text before it is
 * printed.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "vfcapctl.h"

/* This many VFs of a PF are described, unless others are named. */
#define MAX_VFS		2

static void heading(const char *text)
{
	printf("\n== %s\n\n", text);
}

/* "NAME: what the file says" */
static void print_file(const char *name, const char *path)
{
	char text[1024];

	if (!sysfs_read(text, sizeof(text), "%s", path) && *text)
		printf("%s: %s\n", name, text);
}

/* The first line of a file that begins with @field: what is behind its separator */
static void print_field(const char *name, const char *path, const char *field)
{
	char line[512], *value;
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f)) {
		value = line + strlen(field);
		if (strncmp(line, field, strlen(field)) || isalnum(*value))
			continue;
		value += strspn(value, " \t:=\"");
		value[strcspn(value, "\"\n")] = 0;
		printf("%s: %s\n", name, value);
		break;
	}
	if (f)
		fclose(f);
}

static bool has_word(const char *text, const char * const *words, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcasestr(text, words[i]))
			return true;
	return false;
}

static void print_command_line(void)
{
	static const char * const words[] = {
		"iommu", "vfio", "pci", "vfcap", "kvm", "memmap", "pasid", "sriov",
	};
	char line[4096], *option, *rest = line;

	sysfs_read(line, sizeof(line), "/proc/cmdline");
	printf("boot options that concern PCI:");
	while ((option = strsep(&rest, " ")))
		if (has_word(option, words, ARRAY_SIZE(words)))
			printf(" %s", option);
	putchar('\n');
}

static void print_host(void)
{
	struct utsname name;

	heading("host");
	uname(&name);
	printf("kernel: %s %s %s\n", name.release, name.version, name.machine);
	print_field("system", "/etc/os-release", "PRETTY_NAME");
	print_field("CPU", "/proc/cpuinfo", "model name");
	print_file("maker", "/sys/class/dmi/id/sys_vendor");
	print_file("machine", "/sys/class/dmi/id/product_name");
	print_file("firmware", "/sys/class/dmi/id/bios_version");
	print_command_line();
}

static int print_parameter(const char *name, void *data)
{
	char value[1024];

	if (!sysfs_read(value, sizeof(value), "/sys/module/%s/parameters/%s",
			(const char *)data, name))
		printf("  %s=%s\n", name, value);
	return 0;
}

static void print_modules(void)
{
	static char names[][NAME_SIZE] = { "vfcap_vfio_pci", "pci_vfcap" };
	static const char * const states[] = {
		[MODULE_NOT_LOADED]	= "not loaded",
		[MODULE_NOT_INSTALLED]	= "loaded, not installed",
		[MODULE_SAME]		= "loaded, as installed",
		[MODULE_DIFFERS]	= "loaded, another build is installed",
		[MODULE_UNKNOWN]	= "loaded",
	};
	struct module_versions versions;
	enum module_state state;
	char path[PATH_MAX];
	size_t i;

	heading("modules");
	printf("vfcapctl " VFCAPCTL_VERSION "\n");
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		state = module_compare(names[i], path, &versions);
		printf("%s: %s; loaded: %s, installed: %s\n", names[i],
		       states[state], versions.loaded, versions.installed);
		sysfs_each(print_parameter, names[i], "/sys/module/%s/parameters",
			   names[i]);
	}
	printf("/dev/iommu: %s\n", sysfs_exists("/dev/iommu") ? "yes" : "no");
}

static int print_iommu(const char *name, void *data)
{
	char cap[64], ecap[64];

	(void)data;
	sysfs_read(cap, sizeof(cap), "/sys/class/iommu/%s/intel-iommu/cap", name);
	sysfs_read(ecap, sizeof(ecap), "/sys/class/iommu/%s/intel-iommu/ecap", name);
	printf("%s:%s%s%s%s\n", name, *cap ? " cap " : "", cap,
	       *ecap ? " ecap " : "", ecap);
	return 0;
}

/*
 * Clear the serial number's capability, and the part of VPD that was last read. A copy has
 * zeros where nothing was read.
 */
static void clear_serial_numbers(uint8_t *config)
{
	unsigned int dsn = config_find_ecap(config, PCI_EXT_CAP_ID_DSN);
	unsigned int vpd = config_find_cap(config, PCI_CAP_ID_VPD);

	if (dsn)
		memset(config + dsn + 4, 0, PCI_EXT_CAP_DSN_SIZEOF - 4);
	if (vpd)
		memset(config + vpd + PCI_VPD_DATA, 0, 4);
}

static void print_hardware(const struct device *d)
{
	/* A capability may begin so late that it would end behind config space. */
	uint8_t config[CONFIG_SIZE + PCI_EXT_CAP_DSN_SIZEOF] = {};
	ssize_t size = regs_copy(config, d->bdf);

	if (size == -EHOSTDOWN)
		printf("it has no power: its registers are not read\n\n");
	else if (size < 0)
		printf("its registers cannot be read now\n\n");
	else if (size <= PCI_STD_HEADER_SIZEOF)
		printf("its registers can be read by root only\n\n");
	clear_serial_numbers(config);
	print_config(d, config, size < 0 ? 0 : size);
}

static void print_function(const char *bdf, const struct request *req)
{
	char device[BDF_SIZE];
	struct request one = { .device = device, .cap = -1, .open = req->open };
	struct device d;
	char title[NAME_SIZE];

	snprintf(device, sizeof(device), "%s", bdf);
	device_load(&d, bdf);
	device_look_for_pasid(&d);
	device_load_ids(&d);
	snprintf(title, sizeof(title), "%s, %s, IDs %04x:%04x", d.bdf,
		 kind_names[d.kind], d.vendor, d.device);
	heading(title);
	print_hardware(&d);
	if (d.kind == KIND_PF || d.kind == KIND_OTHER)
		return;
	cmd_doctor(&one);
	putchar('\n');
	/* Otherwise it would open an idle device. */
	one.no_open = !req->open;
	cmd_show(&one);
}

/* The functions that are described, each once */
static struct {
	char (*bdf)[BDF_SIZE];
	size_t n;
} chosen;

static bool choose(const char *bdf)
{
	size_t i;

	for (i = 0; i < chosen.n; i++)
		if (!strcmp(chosen.bdf[i], bdf))
			return false;
	chosen.bdf = must(reallocarray(chosen.bdf, chosen.n + 1,
				       sizeof(*chosen.bdf)));
	snprintf(chosen.bdf[chosen.n++], BDF_SIZE, "%s", bdf);
	return true;
}

/* VMD endpoints, functions with PASID, PFs with VFs or PASID, and some VFs of each */
static int choose_any(const char *name, void *data)
{
	char vf[NAME_SIZE];
	struct device d;
	struct regs r;
	unsigned int i;

	(void)data;
	device_load(&d, name);
	device_look_for_pasid(&d);
	if (d.kind == KIND_VMD || d.kind == KIND_FUNCTION)
		choose(name);
	if (d.kind != KIND_PF)
		return 0;
	regs_read(&r, name);
	if (!d.num_vfs && regs_cap(&r, VFCAP_CAP_PASID) <= CAP_ABSENT)
		return 0;
	choose(name);
	for (i = 0; i < d.num_vfs && i < MAX_VFS; i++)
		if (!sysfs_link(vf, sizeof(vf), DEVICES "/%s/virtfn%u", name, i))
			choose(vf);
	return 0;
}

static enum status choose_functions(const struct request *req)
{
	enum status status;
	struct device d;
	size_t i;

	for (i = 0; i < req->nr_devices; i++) {
		status = device_find(&d, req->devices[i]);
		if (status != STATUS_OK)
			return status;
		if (*d.pf)
			choose(d.pf);
		choose(d.bdf);
	}
	if (!req->nr_devices)
		sysfs_each(choose_any, NULL, DEVICES);
	return STATUS_OK;
}

static bool is_about_chosen(const char *line)
{
	size_t i;

	for (i = 0; i < chosen.n; i++)
		if (strstr(line, chosen.bdf[i]))
			return true;
	return false;
}

/* Lines that concern vfcap, the IOMMU and what is described */
static bool is_wanted_line(const char *line)
{
	static const char * const words[] = {
		"vfcap", "DMAR", "AMD-Vi", "smmu", "vfio",
	};

	return has_word(line, words, ARRAY_SIZE(words)) || is_about_chosen(line);
}

/* "6,339,5140900,-;TEXT", followed by more lines that begin with a space */
static void print_records(char *records)
{
	char *line, *text;

	while ((line = strsep(&records, "\n"))) {
		text = *line == ' ' ? NULL : strchr(line, ';');
		if (text && is_wanted_line(text))
			printf("%s\n", text + 1);
	}
}

static void print_log(void)
{
	char records[8192];
	ssize_t len;
	int fd;

	heading("kernel log");
	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		printf("it cannot be read: %s\n", strerror(errno));
		return;
	}
	for (;;) {
		len = read(fd, records, sizeof(records) - 1);
		/* Some records were overwritten meanwhile. */
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			break;
		records[len] = 0;
		print_records(records);
	}
	close(fd);
}

static void print_report(const struct request *req)
{
	struct request all = { .cap = -1 };
	char date[32];
	time_t now = time(NULL);
	struct tm tm;
	size_t i;

	/* The reader need not know whose VMs they are. */
	holders_hide_names();
	strftime(date, sizeof(date), "%Y-%m-%d", gmtime_r(&now, &tm));
	printf("Report of vfcapctl, %s. Serial numbers and network addresses are left out.\n",
	       date);
	print_host();
	print_modules();
	heading("IOMMUs");
	sysfs_each(print_iommu, NULL, "/sys/class/iommu");
	heading("vfcapctl list");
	cmd_list(&all);
	for (i = 0; i < chosen.n; i++)
		print_function(chosen.bdf[i], req);
	print_log();
}

/* UUIDs, MAC and IP addresses, in the order in which they are searched for */
static const char * const personal[] = {
	"[[:xdigit:]]{8}-[[:xdigit:]]{4}-[[:xdigit:]]{4}-[[:xdigit:]]{4}-[[:xdigit:]]{12}",
	"([[:xdigit:]]{2}[:-]){5,7}[[:xdigit:]]{2}",
	"([[:xdigit:]]{1,4}:){7}[[:xdigit:]]{1,4}",
	"([[:xdigit:]]{1,4}:)+(:[[:xdigit:]]{1,4})+",
	"[0-9]{1,3}(\\.[0-9]{1,3}){3}",
};

static void clear_personal(char *text)
{
	regmatch_t match;
	regex_t regex;
	size_t i;
	char *at;

	for (i = 0; i < ARRAY_SIZE(personal); i++) {
		if (regcomp(&regex, personal[i], REG_EXTENDED))
			exit(fail(STATUS_FAILED, "out of memory"));
		for (at = text; !regexec(&regex, at, 1, &match, 0);
		     at += match.rm_eo)
			memset(at + match.rm_so, 'x', match.rm_eo - match.rm_so);
		regfree(&regex);
	}
}

/* A separate process prints to a file in memory, including its error messages. */
static enum status collect(const struct request *req, int file)
{
	char path[32];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (!freopen(path, "a", stdout) || !freopen(path, "a", stderr))
			_exit(STATUS_FAILED);
		print_report(req);
		exit(STATUS_OK);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return STATUS_FAILED;
	return STATUS_OK;
}

enum status cmd_report(const struct request *req)
{
	enum status status;
	off_t size;
	char *text;
	int file;

	status = choose_functions(req);
	if (status != STATUS_OK)
		return status;
	file = memfd_create("report", MFD_CLOEXEC);
	if (file < 0 || collect(req, file) != STATUS_OK)
		return fail(STATUS_FAILED, "cannot store the report: %s",
			    strerror(errno));
	size = lseek(file, 0, SEEK_END);
	text = must(calloc(1, size + 1));
	if (pread(file, text, size, 0) != size)
		return fail(STATUS_FAILED, "cannot read the report: %s",
			    strerror(errno));
	clear_personal(text);
	fputs(text, stdout);
	free(text);
	free(chosen.bdf);
	return STATUS_OK;
}
