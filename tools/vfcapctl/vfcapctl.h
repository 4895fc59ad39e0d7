/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfcapctl: what its files share
 *
 * A command is a function in a file of its own that takes what was asked for and
 * returns the exit status. Below them lie: what sysfs and libpci know of a device
 * (device.c), who uses it (holders.c), its VFIO file (session.c), and what its
 * user is shown (view.c).
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
#define TEXT_SIZE	512	/* a sentence or two for the administrator */
#define CONFIG_SIZE	4096

#define OUR_DRIVER	"vfcap-vfio-pci"

struct json_object;

/* Exit statuses. They are documented in vfcapctl(8): numbers do not change. */
enum status {
	STATUS_OK,
	STATUS_FAILED,		/* it failed, or doctor found a problem */
	STATUS_USAGE,
	STATUS_NO_DEVICE,
	STATUS_BUSY,		/* somebody uses the device */
	STATUS_PERMISSION,
	STATUS_UNSUPPORTED,	/* not for such a device, or not on such a host */
};

/* What the command line asks for */
struct request {
	const char *device;	/* as it was written */
	const char *driver;
	int cap;		/* enum vfcap_cap_index, or -1 for all */
	bool json;
	bool dump;
	bool no_open;
	bool no_driver;
};

enum status cmd_list(const struct request *req);
enum status cmd_show(const struct request *req);
enum status cmd_bind(const struct request *req);
enum status cmd_unbind(const struct request *req);
enum status cmd_doctor(const struct request *req);

/* output.c: messages, tables, JSON */

/* Print "vfcapctl: ..." to stderr, return the status */
enum status fail(enum status status, const char *fmt, ...) PRINTF(2, 3);
enum status status_of_errno(int err);

enum color { PLAIN, GREEN, RED, YELLOW, DIM, BOLD };

struct table *table_new(const char * const *headers, size_t columns);
/* The next cell, row by row. Only the last of a row may have several lines. */
void table_cell(struct table *t, enum color color, const char *fmt, ...)
	PRINTF(3, 4);
/* Print it and free it */
void table_print(struct table *t);

/* Print the object and free it */
void json_print(struct json_object *o);
/* Set a key; NULL, an empty string and a negative number become null */
void json_set_text(struct json_object *o, const char *key, const char *value);
void json_set_number(struct json_object *o, const char *key, long value);
void json_set_bool(struct json_object *o, const char *key, bool value);

/* sysfs.c: files by path, without a shell. 0 or -errno. */
int sysfs_read(char *out, size_t size, const char *fmt, ...) PRINTF(3, 4);
int sysfs_write(const char *value, const char *fmt, ...) PRINTF(2, 3);
/* The last part of what a symbolic link points to, "" if there is none */
int sysfs_link(char *out, size_t size, const char *fmt, ...) PRINTF(3, 4);
bool sysfs_exists(const char *fmt, ...) PRINTF(1, 2);
/* Call for each entry of a folder, in order, until one returns non-zero */
int sysfs_each(int (*entry)(const char *name, void *data), void *data,
	       const char *fmt, ...) PRINTF(3, 4);

/* device.c: a PCI function, as sysfs and its registers tell of it */

enum kind { KIND_OTHER, KIND_PF, KIND_VF, KIND_VMD };

struct device {
	char bdf[BDF_SIZE];
	enum kind kind;
	unsigned int vendor;
	unsigned int device;
	unsigned int num_vfs;
	char driver[NAME_SIZE];		/* "" without one */
	char override[NAME_SIZE];	/* driver_override, "" without one */
	char pf[BDF_SIZE];		/* of a VF */
	char group[NAME_SIZE];		/* number of its IOMMU group, or "" */
	char vfio[NAME_SIZE];		/* VFIO's name for it, or "" */
	bool has_cdev;
};

extern const char * const kind_names[];

/* Fill in, from an address that is known to be well-formed */
int device_load(struct device *d, const char *bdf);
/* From what the user wrote; says what is wrong with it */
enum status device_find(struct device *d, const char *arg);
/* "Ethernet controller: Intel Corporation ..." */
void device_describe(const struct device *d, char *out, size_t size);

/* The registers of a function, in hardware; false if they cannot be read */
bool device_read(const char *bdf, unsigned int pos, void *buf, size_t size);
/* Where it has an extended capability, or 0 */
unsigned int device_find_ecap(const char *bdf, uint16_t id);
/* Device Capabilities 2; false if it has none, or it cannot be read */
bool device_devcap2(const char *bdf, uint32_t *value);

enum cap_state { CAP_UNKNOWN, CAP_ABSENT, CAP_DISABLED, CAP_ENABLED };

/* What the function itself has of it, in hardware */
enum cap_state device_cap_state(const char *bdf, enum vfcap_cap_index cap);

/* caps.c: the capabilities, and the words for what the driver tells of them */
struct cap_info {
	const char *name;
	const char *key;	/* in sysfs, in JSON */
	const char *param;	/* of vfcap-vfio-pci: auto, on or off */
	uint16_t id;
	uint16_t size;		/* 0: it tells by itself */
	uint16_t enable;	/* where its Enable is, bit 0; 0: it has none */
	unsigned int kinds;	/* which functions may show it, BIT(KIND_...) */
};

extern const struct cap_info caps[VFCAP_CAP_COUNT];

/* -1: no such name */
int cap_by_name(const char *name);
/* VMD endpoints of this ID have native shadow registers in place of SHDW */
#define VMD_NATIVE	0x28c0

bool cap_is_for(enum vfcap_cap_index cap, const struct device *d);
const char *reason_key(unsigned int reason);
const char *reason_text(unsigned int reason);
const char *step_key(unsigned int step);
const char *step_text(unsigned int step);

/* holders.c: which processes have the device open, or its group */

enum via { VIA_NONE, VIA_CDEV, VIA_GROUP };

struct holder {
	pid_t pid;
	char command[NAME_SIZE];
	enum via via;
	int fd;		/* of the device itself, in that process, or -1 */
};

#define MAX_HOLDERS	8

extern const char * const via_names[];

size_t holders_find(const struct device *d, struct holder *out);
/* "qemu-system-x86 (pid 123)" */
void holder_describe(const struct holder *h, char *out, size_t size);
/* Array of {pid, command, through} */
struct json_object *holders_json(const struct holder *h, size_t n);
/* "" when nobody uses it, else a sentence that says who */
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
	char why[TEXT_SIZE];	/* it cannot be opened */
};

/*
 * Open the device if nobody uses it, else take part in its user's session, which
 * does not disturb it. Where that cannot be, why[] says so.
 */
enum status session_open(struct session *s, const struct device *d);
void session_close(struct session *s);
/* Bytes read or -errno */
ssize_t session_read(struct session *s, unsigned int pos, void *buf, size_t size);
/* 0 or -errno: ENOTTY when the driver has no such thing */
int session_query(struct session *s, enum vfcap_cap_index cap,
		  struct vfcap_feature_query *query);

/* view.c: what the device's user is shown */

enum source { SOURCE_NONE, SOURCE_SYSFS, SOURCE_OWN, SOURCE_USER };

struct cap_view {
	bool known;		/* whether it is shown */
	bool explained;		/* step and reason, which the driver told */
	bool shown;
	bool enabled;
	bool lost;
	unsigned int offset;
	unsigned int size;
	unsigned int step;
	unsigned int reason;
};

struct view {
	enum source source;
	enum via via;
	bool native_shadow;	/* the guest finds a VMD's native registers on */
	char note[TEXT_SIZE];	/* why it was not opened */
	struct cap_view caps[VFCAP_CAP_COUNT];
};

extern const char * const source_names[];

/* With @may_open, through VFIO where that is possible */
void view_load(struct view *v, const struct device *d, bool may_open);
/* What there is to say of it: what placed it, or why it is not shown */
const char *view_explain(const struct view *v, enum vfcap_cap_index cap,
			 const struct device *d);
struct json_object *view_json(const struct view *v, const struct device *d);

/* module.c: whether the module that runs is the one that is installed */

enum module_state {
	MODULE_NOT_LOADED, MODULE_NOT_INSTALLED, MODULE_SAME, MODULE_DIFFERS,
	MODULE_UNKNOWN
};

/* As modinfo has them, "?" where there is none */
struct module_versions {
	char loaded[NAME_SIZE];
	char installed[NAME_SIZE];
};

/* @path, of PATH_MAX bytes: the installed one, "" if there is none */
enum module_state module_compare(const char *name, char *path,
				 struct module_versions *versions);

#endif
