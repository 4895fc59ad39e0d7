# SPDX-License-Identifier: GPL-2.0
# Programs that use functions of vfcapctl are linked with all of them, and built with what
# these need.
CTL := ../../../../tools/vfcapctl
CTL_OUT := $(abspath $(OUTPUT))/vfcapctl
PKG_CONFIG ?= pkg-config

.PHONY: ctl_lib
ctl_lib:
	$(Q)$(MAKE) -C $(CTL) OUTPUT=$(CTL_OUT) $(CTL_OUT)/vfcapctl.a

$(CTL_OUT)/vfcapctl.a: ctl_lib ;

$(OUTPUT)/ctl_look_test: $(CTL_OUT)/vfcapctl.a
$(OUTPUT)/ctl_look_test: private CFLAGS += -I$(CTL)
$(OUTPUT)/ctl_look_test: private LDLIBS += \
	$(shell $(PKG_CONFIG) --libs libpci json-c libkmod libdw)
EXTRA_CLEAN += $(CTL_OUT)
