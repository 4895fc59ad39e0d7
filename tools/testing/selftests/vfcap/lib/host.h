/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests do to the host: sysfs, modules, drivers, the kernel log, and the fixture
 * that provides the config space of the PF and its VFs. All functions that return int
 * return 0 or -errno unless they say otherwise.
 */
#ifndef VFCAP_TEST_HOST_H
#define VFCAP_TEST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../kselftest.h"

#define OURS	"vfcap-vfio-pci"
#define THEIRS	"vfio-pci"

/* Extended capabilities as the fixture's layout "igb" places them in the PF */
#define PF_PASID	0x1e0
#define PF_PRI		0x1c0
#define PF_ATS		0x1b0

/* PCI addresses of the PF and its first two VFs, from the environment */
const char *host_pf(void);
const char *host_vf(void);
const char *host_vf2(void);
bool host_is_ready(void);
/*
 * Whether host_vf() and host_vf2() name whole functions, which have the layout of PFs.
 * Then host_pf() is the first of them.
 */
bool host_has_functions(void);
#define NO_PF	"a whole function has no PF that it shares anything with"
/*
 * For tests that leave the scene to the next one, since that often wants the same: the
 * function that restores the scene after the last test. If that fails, the program has
 * failed.
 */
void host_at_end(int (*give_back)(void));
/* A number from the environment, or @otherwise if it is not set there */
unsigned long host_setting(const char *name, unsigned long otherwise);
/* Whether the VM's clock counts instructions ("vm --icount") */
bool host_clock_counts(void);
/*
 * The upper limit, in milliseconds of the VM's clock, for something that is promised to
 * take @ms: the same where the clock counts instructions, and ten times as long where it
 * goes on while the machine does other work
 */
long host_promised(long ms);
/* The PCI address of a VF of host_pf(), counted from 0; "" if there is none */
void host_vf_name(unsigned int index, char name[16]);
/* The bridge above the PF, as it was at the first call */
const char *host_port(void);

/* A function that is not a bridge and has neither SR-IOV nor a driver */
int host_find_other(char name[16]);
/* The width of a VF's PASIDs: the PF's in the lab's layouts, or the IOMMU's if that is less */
#define PF_WIDTH	20
unsigned int host_pasid_width(void);
/* The IOMMU's width: 0 if it has no PASIDs, like QEMU's SMMUv3 */
unsigned int host_iommu_width(void);
/* The PASID Capability register that follows from it, with Exec and Priv */
uint16_t host_pasid_cap(void);

/* A file below /sys/bus/pci/, or an absolute path */
int host_write(const char *path, const char *value);
int host_writef(const char *value, const char *path, ...)
	__printf(2, 3);
/* The file's text without the last newline, valid until the next call; "" on error */
const char *host_read(const char *path);
bool host_exists(const char *path, ...) __printf(1, 2);

/* The name of the driver, "" when there is none */
const char *host_driver(const char *bdf);
int host_unbind(const char *bdf);
/* Uses driver_override and the driver's bind file, which reports errors. */
int host_bind(const char *bdf, const char *driver);
int host_rebind(const char *bdf, const char *driver);

int host_load(const char *module, const char *params);
int host_unload(const char *module);
/* Unload and load vfcap-vfio-pci, whose VFs must be unbound */
int host_reload_ours(const char *params);
int host_param(const char *name, const char *value);

/* Remove all VFs and create two again, not bound to any driver */
int host_recreate_vfs(void);

/* Remove the bridge above the PF and rescan; then as above */
int host_rescan(void);

/*
 * Lines for the fixture, see vfcap-fixture.c. Lines for VFs apply to whatever is used as
 * VFs.
 */
int host_layout(const char *lines);
/* A layout from tools/testing/fixture/layouts */
int host_layout_named(const char *name);
/* How many page requests the kernel allocates to the PF there */
#define PF_PRI_ALLOCATION	64

/* Make the device's driver go through one step of error handling, see vfcap-fixture.c */
int host_error(const char *bdf, const char *step);

/* What access the kernel has to a function's config space, see vfcap-fixture.c */
int host_access(const char *bdf, const char *state);

/* An event in a PRI capability that is active, see vfcap-fixture.c */
int host_pri_event(const char *bdf, const char *event);

/* How often the config space of PFs and of VFs was read; start counting again */
int host_reads(long *pf, long *vf);
int host_reads_clear(void);

/* Back to the lab's layout, with the PF's ATS, PRI and PASID enabled */
int host_layout_default(void);

/* The state in which the kernel left the PF, or would have with a driver that enables PRI */
int host_enable_pf(void);

/* The fixture's record of config writes: clear it; count those in [from, to) */
int host_writes_clear(void);
int host_writes_count(const char *bdf, unsigned int from, unsigned int to);

/* The hardware's config space, bypassing the driver: pread/pwrite of sysfs config */
uint32_t host_config_read(const char *bdf, unsigned int pos, unsigned int size);
int host_config_write(const char *bdf, unsigned int pos, unsigned int size,
		      uint32_t value);

/* The whole config space */
int host_config_copy(const char *bdf, uint8_t copy[4096]);

/* Forget the log so far; count the lines since then that contain both texts */
void host_log_clear(void);
int host_log_count(const char *a, const char *b);
/* Announce a report by the kernel itself that a test provokes */
void host_log_expect(const char *regex);
/* A leak that the test causes: matched against all that kmemleak prints about an object */
void host_expect_leak(const char *regex);
/* The report that host_unbind() of the PF provokes */
void host_expect_pf_unbind(void);

/*
 * The fixture's mock PF, with up to 1,024 VFs in one IOMMU group, not bound to any
 * driver; and its removal. Its PASID capability is at MOCK_PASID.
 */
#define MOCK_PASID	0x120
int host_make_mock(char pf[16]);
int host_unmake_mock(const char *pf);

/* Whether a process sleeps in a kernel function whose name begins with @prefix */
bool host_waits_in(pid_t pid, const char *prefix);

/* Whether it sleeps in @function or below it; the compiler must not have inlined that */
bool host_is_in(pid_t pid, const char *function);

/* KiB of memory that the kernel itself uses, without caches */
long host_kernel_kb(void);

/* Run a shell command; returns its exit status, and what it printed in @out */
int host_run(char *out, size_t size, const char *command, ...)
	__printf(3, 4);

#endif
