# SPDX-License-Identifier: GPL-2.0-only
#
# What a VM needs of the checkout, built inside the lab's root for one kernel:
# make -f vm.mk KDIR=... RELEASE=...
TOP := /vfcap
OUT := $(TOP)/build/$(RELEASE)

# The modules that take a kernel to a root over 9p, where they are not built in
BOOT_MODULES := virtio_pci virtio_console 9pnet_virtio 9p

.PHONY: all modules selftests tools
all: modules selftests tools $(OUT)/initramfs.cpio $(TOP)/build/guest.cpio

modules:
	$(MAKE) -C $(TOP) KDIR=$(KDIR) CONFIG_VFCAP_FIXTURE=m modules

# The layout of the kernel's tools/testing/selftests, of links
selftests:
	mkdir -p $(OUT)/selftests
	ln -sfn /cache/linux/tools/testing/selftests/lib.mk $(OUT)/selftests/
	ln -sfn /cache/linux/tools/testing/selftests/kselftest_harness.h $(OUT)/selftests/
	ln -sfn /cache/linux/tools/testing/selftests/kselftest.h $(OUT)/selftests/
	cp -rsf $(TOP)/tools/testing/selftests/vfcap $(OUT)/selftests/
	$(MAKE) -C $(OUT)/selftests/vfcap OUTPUT=$(OUT)/selftests/vfcap \
		top_srcdir=/cache/linux KHDR_INCLUDES='-isystem $(TOP)/include/uapi'

tools:
	$(MAKE) -C $(TOP)/tools/vfcapctl OUTPUT=$(OUT)/tools/vfcapctl

$(OUT)/initramfs.cpio: $(TOP)/tools/testing/lab/vm-initramfs $(KDIR)/Module.symvers
	rm -rf $(OUT)/initramfs
	mkdir -p $(OUT)/initramfs/bin $(OUT)/initramfs/modules
	cp /bin/busybox $(OUT)/initramfs/bin/
	cp $< $(OUT)/initramfs/init
	: > $(OUT)/initramfs/modules/order
	for module in $(BOOT_MODULES); do \
		modprobe -S $(RELEASE) -a -D $$module; \
	done | awk '$$1 == "insmod" && !seen[$$2]++ { print $$2 }' | \
	while read -r path; do \
		name=$$(basename $$path); name=$${name%%.ko*}.ko; \
		case $$path in \
		*.xz) xz -dc $$path > $(OUT)/initramfs/modules/$$name ;; \
		*) cp $$path $(OUT)/initramfs/modules/$$name ;; \
		esac; \
		echo $$name >> $(OUT)/initramfs/modules/order; \
	done
	cd $(OUT)/initramfs && find . | cpio -o -H newc --quiet > $@.part
	mv $@.part $@

# The nested guest's root: what a look at its PCI devices takes
$(TOP)/build/guest.cpio: $(TOP)/tools/testing/lab/guest-init
	rm -rf $(TOP)/build/guest
	mkdir -p $(TOP)/build/guest/bin $(TOP)/build/guest/usr/share/misc
	cp /bin/busybox /usr/bin/lspci /usr/bin/setpci $(TOP)/build/guest/bin/
	cp /usr/share/misc/pci.ids $(TOP)/build/guest/usr/share/misc/
	ldd /usr/bin/lspci | grep -o '/[^ ]*' | \
		xargs cp --parents -Lt $(TOP)/build/guest
	cp $< $(TOP)/build/guest/init
	cd $(TOP)/build/guest && find . | cpio -o -H newc --quiet > $@.part
	mv $@.part $@
