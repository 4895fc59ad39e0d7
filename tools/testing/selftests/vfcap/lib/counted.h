/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of what is promised in milliseconds, which also run where the VM's clock counts
 * instructions ("vm --icount"): hours pass there while the VM waits for a file, and the
 * harness, which was included before, would take a test for hung.
 */
#ifndef VFCAP_TEST_COUNTED_H
#define VFCAP_TEST_COUNTED_H

#include "host.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	(host_clock_counts() ? 1000000 : 30)

#endif
