/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests do to the host: sysfs, modules, drivers, kernel log, and the
 * fixture that gives PF and VFs their config space. All functions that return
 * int return 0 or -errno unless they say otherwise.
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
 * Whether what host_vf() and host_vf2() name are whole functions, with the layout of PFs,
 * of which host_pf() is the first
 */
bool host_has_functions(void);
#define NO_PF	"a whole function has no PF that it shares anything with"
/*
 * For tests that leave a scene to each other, since the next often wants the same: how
 * it is given back after the last. A program whose scene is not given back has failed.
 */
void host_at_end(int (*give_back)(void));
/* A number from the environment, or another where it has none */
unsigned long host_setting(const char *name, unsigned long otherwise);
/* Whether the VM's clock counts instructions ("vm --icount") */
bool host_clock_counts(void);
/*
 * How many milliseconds may pass, by the VM's clock, of what is promised to take @ms: these
 * where it counts instructions, and ten times as many where it goes on while the machine
 * does other work
 */
long host_promised(long ms);
/* The PCI address of a VF of host_pf(), from 0 on, "" where there is none */
void host_vf_name(unsigned int index, char name[16]);
/* The bridge above the PF, as it was when this was called first */
const char *host_port(void);

/* A function that is no bridge, has no SR-IOV and no driver */
int host_find_other(char name[16]);
/* How wide a VF's PASIDs are: as the PF's in the lab's layouts, or the IOMMU's if less */
#define PF_WIDTH	20
unsigned int host_pasid_width(void);
/* The IOMMU's: 0 if it has no PASIDs, as QEMU's SMMUv3 */
unsigned int host_iommu_width(void);
/* And the Capability register then, with Exec and Priv */
uint16_t host_pasid_cap(void);

/* A file below /sys/bus/pci/, or an absolute path */
int host_write(const char *path, const char *value);
int host_writef(const char *value, const char *path, ...)
	__printf(2, 3);
/* Its text, without the last newline, until the next call; "" on error */
const char *host_read(const char *path);
bool host_exists(const char *path, ...) __printf(1, 2);

/* The name of the driver, "" when there is none */
const char *host_driver(const char *bdf);
int host_unbind(const char *bdf);
/* Through driver_override and the driver's bind file, which tells errors */
int host_bind(const char *bdf, const char *driver);
int host_rebind(const char *bdf, const char *driver);

int host_load(const char *module, const char *params);
int host_unload(const char *module);
/* Unload and load vfcap-vfio-pci, whose VFs must be unbound */
int host_reload_ours(const char *params);
int host_param(const char *name, const char *value);

/* Remove all VFs and make two anew, bound to nothing */
int host_recreate_vfs(void);

/* Remove the bridge above the PF and find it again; then as above */
int host_rescan(void);

/* Lines for the fixture, see vfcap-fixture.c. Those of VFs are of what stands for them. */
int host_layout(const char *lines);
/* One of tools/testing/fixture/layouts */
int host_layout_named(const char *name);
/* What the kernel allots the PF of its page requests there */
#define PF_PRI_ALLOCATION	64

/* Have its driver go through a step of an error, see vfcap-fixture.c */
int host_error(const char *bdf, const char *step);

/* What the kernel makes of a function's config space, see vfcap-fixture.c */
int host_access(const char *bdf, const char *state);

/* What happens in a PRI capability that is alive, see vfcap-fixture.c */
int host_pri_event(const char *bdf, const char *event);

/* How often config space of PFs and of VFs was read; begin anew */
int host_reads(long *pf, long *vf);
int host_reads_clear(void);

/* Back to the lab's layout, with the PF's ATS, PRI and PASID enabled */
int host_layout_default(void);

/* As the kernel left the PF, or would have with a driver that enables PRI */
int host_enable_pf(void);

/* The fixture's record of config writes: clear it; count in [from, to) */
int host_writes_clear(void);
int host_writes_count(const char *bdf, unsigned int from, unsigned int to);

/* The hardware's config space, past the driver: pread/pwrite of sysfs config */
uint32_t host_config_read(const char *bdf, unsigned int pos, unsigned int size);
int host_config_write(const char *bdf, unsigned int pos, unsigned int size,
		      uint32_t value);

/* All of it */
int host_config_copy(const char *bdf, uint8_t copy[4096]);

/* Forget the log so far; how many lines since then contain both texts */
void host_log_clear(void);
int host_log_count(const char *a, const char *b);
/* Announce a report of the kernel's own that a test provokes */
void host_log_expect(const char *regex);
/* What it leaks then: matched against all that kmemleak says of an object */
void host_expect_leak(const char *regex);
/* The one that host_unbind() of the PF provokes */
void host_expect_pf_unbind(void);

/*
 * The fixture's mock PF, with up to 1,024 VFs in one IOMMU group, bound to nothing;
 * and without it. Its PASID capability is at MOCK_PASID.
 */
#define MOCK_PASID	0x120
int host_make_mock(char pf[16]);
int host_unmake_mock(const char *pf);

/* Whether a process sleeps in a function of the kernel whose name begins so */
bool host_waits_in(pid_t pid, const char *prefix);

/* Whether it does so somewhere below a function, which the compiler may not inline */
bool host_is_in(pid_t pid, const char *function);

/* KiB that the kernel has for itself, caches apart */
long host_kernel_kb(void);

/* Run a shell command; its exit status, and what it printed */
int host_run(char *out, size_t size, const char *command, ...)
	__printf(3, 4);

#endif
