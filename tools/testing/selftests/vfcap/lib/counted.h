/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests of promises made in milliseconds. They also run where the VM's clock counts
 * instructions ("vm --icount"). There, hours pass while the VM waits for a file, and with
 * its default timeout the harness, which was included before, would think that a test
 * hangs.
 */
#ifndef VFCAP_TEST_COUNTED_H
#define VFCAP_TEST_COUNTED_H

#include "host.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	(host_clock_counts() ? 1000000 : 30)

#endif
