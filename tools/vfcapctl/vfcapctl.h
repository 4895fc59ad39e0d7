/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfcapctl: what its files share
 *
 * Each command is a function in a file of its own that takes the request and returns the
 * exit status. The layers below are: what sysfs knows about a device (device.c),
 * its registers (regs.c), who uses it (holders.c), its VFIO file (session.c), and what
 * its user is shown (view.c). What the kernel may hold up is done aside (aside.c), so
 * that no command hangs.
 */
#ifndef VFCAPCTL_H
#define VFCAPCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vfio_vfcap.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(1U << (n))
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))

#define BDF_SIZE	24	/* "0000:01:10.0" */
#define NAME_SIZE	64	/* of drivers, groups, ... */
#define TEXT_SIZE	1024	/* a sentence or two for the administrator */
#define NAMES_SIZE	256	/* a list of names in such a sentence */
#define CONFIG_SIZE	4096

#define DEVICES	"/sys/bus/pci/devices"

#define OUR_DRIVER	"vfcap-vfio-pci"

struct json_object;
struct device;

/* Exit statuses. They are documented in vfcapctl(8): numbers do not change. */
enum status {
	STATUS_OK,
	STATUS_FAILED,		/* it failed, or doctor found a problem */
	STATUS_USAGE,
	STATUS_NO_DEVICE,
	STATUS_BUSY,		/* somebody uses the device */
	STATUS_PERMISSION,
	STATUS_UNSUPPORTED,	/* not for such a device, or not on such a host */
	STATUS_UNKNOWN,		/* doctor found no problem, but could not check everything */
};

/* What the command line asks for */
struct request {
	char **devices;		/* as the user wrote them */
	size_t nr_devices;
	const char *device;	/* the first of them, or NULL */
	const char *driver;
	long num_vfs;		/* to be created, 0 for none */
	int cap;		/* enum vfcap_cap_index, or -1 for all */
	bool json;
	bool dump;
	bool no_open;
	bool open;
	bool no_driver;
	bool all_vfs;
	bool persist;
};

enum status cmd_list(const struct request *req);
enum status cmd_show(const struct request *req);
enum status cmd_bind(const struct request *req);
enum status cmd_unbind(const struct request *req);
enum status cmd_doctor(const struct request *req);
enum status cmd_metrics(const struct request *req);
enum status cmd_monitor(const struct request *req);
enum status cmd_report(const struct request *req);

/* show.c: config space as lspci -xxxx prints it, and lspci -F reads it */
void print_config(const struct device *d, const uint8_t *config, size_t size);

/* output.c: messages, tables, JSON */

/* Print "vfcapctl: ..." to stderr, return the status */
enum status fail(enum status status, const char *fmt, ...) PRINTF(2, 3);
enum status status_of_errno(int err);

/* Print a line, on a terminal wrapped into several, of which the later ones are indented */
void print_line(size_t indent, const char *fmt, ...) PRINTF(2, 3);

enum color { PLAIN, GREEN, RED, YELLOW, DIM, BOLD };

struct table *table_new(const char * const *headers, size_t columns);
/* Add the next cell, row by row. Only the last one of a row may have several lines. */
void table_cell(struct table *t, enum color color, const char *fmt, ...)
	PRINTF(3, 4);
/* Print it and free it */
void table_print(struct table *t);

/* Create an object with the version, which is the same for all of them */
struct json_object *json_new(void);
/* Print the object and free it */
void json_print(struct json_object *o);
/* Set a key; NULL, an empty string and a negative number become null */
void json_set_text(struct json_object *o, const char *key, const char *value);
void json_set_number(struct json_object *o, const char *key, long value);
/* "0x1e0"; json_set_id(): "0x8086", with at least four digits */
void json_set_hex(struct json_object *o, const char *key, long value);
void json_set_id(struct json_object *o, const char *key, unsigned int id);
void json_set_bool(struct json_object *o, const char *key, bool value);

void *must(void *memory);

/* aside.c: what the kernel may hold up */
typedef ssize_t aside_fn(const void *arg, void *out, size_t size);

#define ASIDE_MS	400	/* for a file that is read at once, or not any time soon */
#define WRITE_MS	10000	/* for a driver to be bound or unbound */
#define VFS_MS		120000	/* for VFs to be created, of which there may be many */

/*
 * Have another process run a function that fills in @out, and return what it returns.
 * -ETIMEDOUT: it did not finish within @ms milliseconds, or too many before it did not.
 * -EDEADLK: this is already such a process.
 */
ssize_t aside(aside_fn *run, const void *arg, size_t arg_size, void *out,
	      size_t size, unsigned int ms);
/* Write a file that may block while a driver is bound or unbound; wait up to @ms */
int sysfs_write_within(unsigned int ms, const char *value, const char *fmt, ...)
	PRINTF(3, 4);
#define sysfs_write_slow(value, ...)	\
	sysfs_write_within(WRITE_MS, value, __VA_ARGS__)

/* sysfs.c: files by path, without a shell. 0 or -errno. */
int sysfs_read(char *out, size_t size, const char *fmt, ...) PRINTF(3, 4);
int sysfs_write(const char *value, const char *fmt, ...) PRINTF(2, 3);
/* Decimal, or hex with 0x; 0 if there is no such file */
unsigned long sysfs_number(const char *fmt, ...) PRINTF(1, 2);
/* The last part of what a symbolic link points to, "" if there is none */
int sysfs_link(char *out, size_t size, const char *fmt, ...) PRINTF(3, 4);
bool sysfs_exists(const char *fmt, ...) PRINTF(1, 2);
/* The first entry of a folder, which has NAME_SIZE bytes, or "" */
void sysfs_first(char *out, const char *folder);
/* Call for each entry of a folder, in order, until one returns non-zero */
int sysfs_each(int (*entry)(const char *name, void *data), void *data,
	       const char *fmt, ...) PRINTF(3, 4);

/* device.c: a PCI function, as sysfs describes it */

/*
 * KIND_PF is a PF whose VFs go to guests. KIND_FUNCTION has PASID itself and goes to a guest
 * as a whole.
 */
enum kind { KIND_OTHER, KIND_PF, KIND_VF, KIND_VMD, KIND_FUNCTION };

/* Whether the kernel is about to take a device away and waits for its users */
enum fate { FATE_STAYS, FATE_PF_UNBINDING, FATE_VFS_REMOVED, FATE_UNBINDING };

struct fate_info {
	const char *key;
	const char *text;	/* continues with who is waited for */
};

extern const struct fate_info fates[];

struct device {
	char bdf[BDF_SIZE];
	enum kind kind;
	enum fate fate;
	unsigned int num_vfs;		/* of a PF: how many exist */
	unsigned int total_vfs;		/* and are possible */
	char driver[NAME_SIZE];		/* "" without one */
	char pf[BDF_SIZE];		/* of a VF */
	char group[NAME_SIZE];		/* number of its IOMMU group, or "" */

	/* device_load_ids() */
	unsigned int vendor;
	unsigned int device;

	/* device_load_overrides() */
	bool override_known;
	char override[NAME_SIZE];	/* driver_override, "" without one */

	/* device_load_vfio() */
	char vfio[NAME_SIZE];		/* VFIO's name for it, or "" */
	bool has_cdev;
};

extern const char * const kind_names[];

/* Change to the folder of a device. 0 or -errno */
int device_go_to(const char *bdf);
/* Fill in what most callers need, from a device's address, and change to its folder */
void device_load(struct device *d, const char *bdf);
/* Whether it has PASID in its registers, as far as they can be read */
bool device_has_pasid(const struct device *d);
/* Make a device of no other kind a KIND_FUNCTION if it has PASID */
void device_look_for_pasid(struct device *d);
void device_load_ids(struct device *d);
void device_load_overrides(struct device **devices, size_t n);
void device_load_vfio(struct device *d);
/* Parse what the user wrote; prints an error if it is not an address */
enum status device_address(const char *arg, char *bdf, size_t size);
/* Load everything, from what the user wrote; prints an error if that is wrong */
enum status device_find(struct device *d, const char *arg);
/* Prints an error if the driver does not take the device, and what to use instead */
enum status device_check_kind(const struct device *d);
/* Check that all arguments are addresses; prints an error for one that is not */
enum status devices_check(const struct request *req);
/* Whether a function or its PF was named; true if nothing was named */
bool devices_include(const struct request *req, const char *bdf, const char *pf);
/* "Ethernet controller: Intel Corporation ..." */
void device_describe(const struct device *d, char *out, size_t size);
/* The other devices of its IOMMU group with their drivers, except ports */
void device_group_others(const struct device *d, char *out, size_t size);
/* The bridge above a function, "" above the uppermost */
void device_parent(const char *bdf, char *out, size_t size);

/* regs.c: the registers of a function, in hardware */

enum regs_state {
	REGS_READ,
	REGS_DENIED,	/* reading them requires root */
	REGS_GONE,	/* they read as all ones, or there is no device */
	REGS_ASLEEP,	/* it has no power */
	REGS_LOCKED,	/* the kernel blocks reads now */
};

struct ecap {
	unsigned int pos;	/* 0: it has none */
	uint32_t value;		/* of the dword behind the header */
};

/* The registers that are read */
struct regs {
	enum regs_state state;
	bool multifunction;
	bool pcie;
	bool low_power;
	bool bus_master;
	unsigned int pcie_type;
	uint32_t devcap2;
	struct ecap pasid, pri, acs;
	uint32_t vmlock;	/* of a VMD endpoint */
	bool vmlock_in_cap;
};

#define VMD_VMLOCK		0x70
#define VMD_VMLOCK_NATIVE	0x02

enum cap_state { CAP_UNKNOWN, CAP_ABSENT, CAP_DISABLED, CAP_ENABLED };

void regs_read(struct regs *r, const char *bdf);
/* Copy all that may be read into CONFIG_SIZE bytes. Returns how many, or -errno. */
ssize_t regs_copy(uint8_t *config, const char *bdf);
bool regs_lack_prefix(const struct regs *r);
bool regs_lack_acs(const struct regs *r);
/* The state of the function's own PASID or PRI capability */
enum cap_state regs_cap(const struct regs *r, enum vfcap_cap_index cap);

/* A PF with VFs cannot be unbound. */
#define PF_BACK	\
	"give the PF back to its own driver: echo 0 > " DEVICES "/{pf}/sriov_numvfs; vfcapctl unbind {pf}; then create the VFs again"

/* For IOMMUs that do not attach PASIDs one by one */
#define PASID_UNENFORCED	\
	"pasid=on, which shows it although nothing enforces PASID Enable: echo on > {params}/pasid"

/* caps.c: the capabilities, and the words for what the driver reports about them */
struct cap_info {
	const char *name;
	const char *key;	/* in sysfs, in JSON */
	const char *param;	/* of vfcap-vfio-pci: auto, on or off */
	uint16_t id;
	uint16_t size;		/* 0: it has a length field */
	uint16_t enable;	/* offset of its Enable, bit 0; 0: it has none */
	unsigned int kinds;	/* which functions may show it, BIT(KIND_...) */
};

extern const struct cap_info caps[VFCAP_CAP_COUNT];

/* -1: no such name */
int cap_by_name(const char *name);
/* VMD endpoints with this ID have native shadow registers instead of SHDW */
#define VMD_NATIVE	0x28c0

bool cap_is_for(enum vfcap_cap_index cap, const struct device *d);
const char *reason_key(unsigned int reason);
const char *reason_text(unsigned int reason);
/* What to do; NULL: nothing, it need not be shown */
const char *reason_advice(unsigned int reason);
const char *step_key(unsigned int step);
const char *step_text(unsigned int step);

/* holders.c: which processes have the device or its group open */

enum via { VIA_NONE, VIA_CDEV, VIA_GROUP };

struct holder {
	pid_t pid;
	char command[NAME_SIZE];
	enum via via;
	int fd;		/* of the device itself, in that process, or -1 */
};

extern const char * const via_names[];

/* Returns how many there are; @out is valid until the next call */
size_t holders_find(const struct device *d, const struct holder **out);
/* Make the next call look at all processes again */
void holders_forget(void);
/*
 * Each file through which somebody has it open, those of the device itself first. Returns
 * how many, @max at most.
 */
size_t holders_files(const struct device *d, struct holder *out, size_t max);
/* Whether a file that was taken from a process is the device */
bool holder_is_device(int fd, const struct device *d);
/* "qemu-system-x86 (pid 123, VM web1)" */
void holder_describe(const struct holder *h, char *out, size_t size);
/* Report no names of VMs from now on */
void holders_hide_names(void);
/* Array of {pid, command, vm, through} */
struct json_object *holders_json(const struct device *d);
/* Whether anybody has it open, visible to us or not */
bool device_is_open(const struct device *d);
/* "" for a device that stays, otherwise a sentence that says who is waited for */
void device_going(const struct device *d, char *out, size_t size);
/* "" if nobody uses it, otherwise a sentence that says who does */
void device_used_by(const struct device *d, char *out, size_t size);

/* session.c: the device's VFIO file */

struct session {
	int fd;
	int parent;		/* iommufd, or the group */
	int container;		/* with a group */
	bool shared;		/* the fd is that of the process that uses it */
	enum via via;
	uint64_t config;
	uint64_t config_size;
	char why[TEXT_SIZE];	/* why it cannot be opened */
};

/*
 * Share the session of one of the device's holders, through the first of their files that
 * can be shared, which does not disturb it. Or open a device that nobody uses, if
 * @may_open. If neither is possible, why[] says why. The kernel may hold this up.
 */
enum status session_open(struct session *s, const struct device *d,
			 const struct holder *files, size_t n, bool may_open);
void session_close(struct session *s);
/* Bytes read or -errno */
ssize_t session_read(struct session *s, unsigned int pos, void *buf, size_t size);
/* 0 or -errno; ENOTTY if the driver has no such feature */
int session_query(struct session *s, enum vfcap_cap_index cap,
		  struct vfcap_feature_query *query);

/* config.c: where a capability is in a copy of config space, or 0 */
unsigned int config_find_ecap(const uint8_t *config, uint16_t id);
unsigned int config_find_cap(const uint8_t *config, uint8_t id);
unsigned int config_find_shdw(const uint8_t *config);

/* view.c: what the device's user is shown */

enum source { SOURCE_NONE, SOURCE_SYSFS, SOURCE_OWN, SOURCE_USER };

/* What may be done to find out: read sysfs, share the user's session, open the device */
enum look { LOOK_SYSFS, LOOK_SHARE, LOOK_OPEN };

struct cap_view {
	bool known;		/* whether it is shown */
	bool explained;		/* step and reason come from the driver */
	bool shown;
	bool enabled;
	bool not_gated;		/* Enable is register state only */
	bool deliverable;	/* the kernel can deliver page requests to its VMM */
	bool lost;
	unsigned int offset;
	unsigned int size;
	unsigned int step;
	unsigned int reason;
	/* If explained: */
	unsigned int nr_pasids;	/* that have a page table attached */
	bool written;		/* its user's guest has written Enable */
};

struct view {
	enum source source;
	enum via via;
	enum status status;	/* of the attempt to open it */
	bool open;		/* somebody uses it */
	bool native_shadow;	/* the guest finds a VMD's native registers on */
	bool native_known;	/* whether it does */
	char note[TEXT_SIZE];	/* why it was not opened */
	struct cap_view caps[VFCAP_CAP_COUNT];
};

extern const char * const source_names[];

void view_load(struct view *v, const struct device *d, enum look look);
/* What there is to say about it: what placed it, or why it is not shown */
const char *view_explain(const struct view *v, enum vfcap_cap_index cap,
			 const struct device *d);
struct json_object *view_json(const struct view *v, const struct device *d);

struct dump {
	enum status status;
	size_t size;
	uint8_t config[CONFIG_SIZE];
	char why[TEXT_SIZE];
};

/* All of its config space, as its user reads it */
void dump_load(struct dump *dump, const struct device *d);

/* bind.c: one device; the result goes to @out, or is printed if that is NULL */
typedef enum status move_fn(const struct request *req, const char *bdf,
			    struct json_object *out);

move_fn bind_one, unbind_one;

/* persist.c: devices that vfcap@.service binds at each boot */

/* Whether that is possible here; prints why not */
enum status persist_check(const struct device *d);
/* For a PF, the service creates @num_vfs VFs first. Both print what failed. */
enum status persist_enable(const struct device *d, const char *driver,
			   unsigned int num_vfs);
enum status persist_disable(const char *bdf);
bool persist_is_enabled(const char *bdf);

/* module.c: whether the loaded module is the one that is installed */

enum module_state {
	MODULE_NOT_LOADED, MODULE_NOT_INSTALLED, MODULE_SAME, MODULE_DIFFERS,
	MODULE_UNKNOWN
};

/* As modinfo prints them, "?" if there is none */
struct module_versions {
	char loaded[NAME_SIZE];
	char installed[NAME_SIZE];
};

bool module_is_installed(const char *name);
/* As modprobe does. 0 or -errno */
int module_load(const char *name);
/* @path, of PATH_MAX bytes: set to the installed module's, "" if there is none */
enum module_state module_compare(const char *name, char *path,
				 struct module_versions *versions);

#endif
