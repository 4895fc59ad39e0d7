#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# stress_test for five minutes
VFCAP_STRESS_SECONDS=300 exec "$(dirname "$0")/stress_test"
