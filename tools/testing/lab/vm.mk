# SPDX-License-Identifier: GPL-2.0-only
#
# What a VM needs from the checkout, built inside the lab's root for one kernel:
# make -f vm.mk KDIR=... RELEASE=..., and for the nested guest: make -f vm.mk guest
# For another architecture: ARCH=... CROSS_COMPILE=..., and the VM's root in ROOT=...
TOP := /vfcap
ROOT ?=
OUT := $(TOP)/build/$(RELEASE)
# Programs are the same for all kernels of an architecture; the kernels' folders link to
# them.
PROGRAMS := $(TOP)/build/programs-$(or $(ARCH),x86_64)

# The modules that a kernel needs to reach a root over 9p, unless they are built in
BOOT_MODULES := virtio_pci virtio_console 9pnet_virtio 9p

CROSS := $(if $(CROSS_COMPILE),CC=$(CROSS_COMPILE)gcc AR=$(CROSS_COMPILE)ar \
	PKG_CONFIG=$(CROSS_COMPILE)pkg-config)

# Kernels with a mock device for iommufd's own tests
MOCK := $(shell grep -sx CONFIG_IOMMUFD_TEST=y $(KDIR)/.config)

.PHONY: all modules selftests bench tools links iommu
all: modules selftests tools $(if $(CROSS_COMPILE),,bench) links $(if $(MOCK),iommu) \
	$(OUT)/initramfs.cpio $(TOP)/build/agent.so

# GCOV_PROFILE has no effect on kernels without CONFIG_GCOV_KERNEL. The build IDs tell the
# VM which modules it has.
modules:
	$(MAKE) -C $(TOP) KDIR=$(KDIR) CONFIG_VFCAP_FIXTURE=m GCOV_PROFILE=y modules
	find $(OUT) -name '*.ko' | while read -r module; do \
		$(CROSS_COMPILE)objcopy -O binary --only-section=.note.gnu.build-id \
			$$module $${module%.ko}.build-id; \
	done

# The layout of the kernel's tools/testing/selftests, made of links. Existing links stay,
# since running VMs may be using what they point to.
selftests:
	mkdir -p $(PROGRAMS)/selftests
	ln -sfn $(addprefix /cache/linux/tools/testing/selftests/,lib.mk kselftest \
		kselftest.h kselftest_harness.h) $(PROGRAMS)/selftests/
	cp -rs --update=none $(TOP)/tools/testing/selftests/vfcap $(PROGRAMS)/selftests/
	$(MAKE) -C $(PROGRAMS)/selftests/vfcap OUTPUT=$(PROGRAMS)/selftests/vfcap \
		$(CROSS) top_srcdir=/cache/linux \
		KHDR_INCLUDES='-isystem $(TOP)/include/uapi'

iommu:
	mkdir -p $(OUT)/iommu
	$(MAKE) -C $(KDIR)/source/tools/testing/selftests/iommu OUTPUT=$(OUT)/iommu \
		KHDR_INCLUDES=

bench: selftests
	$(MAKE) -C $(TOP)/tools/testing/bench OUTPUT=$(PROGRAMS)/bench $(CROSS) \
		SELFTESTS=$(PROGRAMS)/selftests/vfcap \
		KHDR_INCLUDES='-isystem $(TOP)/include/uapi'

tools:
	$(MAKE) -C $(TOP)/tools/vfcapctl OUTPUT=$(PROGRAMS)/tools/vfcapctl $(CROSS)

links: modules
	for name in selftests bench tools/vfcapctl; do \
		[ -h $(OUT)/$$name ] || rm -rf $(OUT)/$$name; \
		ln -sfnr $(PROGRAMS)/$$name $(OUT)/$$name; \
	done

# Loaded into QEMU, see agent.c. Built for this machine, whatever the VM's architecture.
HOSTCC ?= gcc
$(TOP)/build/agent.so: $(TOP)/tools/testing/lab/agent.c
	$(HOSTCC) -Wall -Wextra -O2 -shared -fPIC -o $@ $<

# $(call copy_modules,RELEASE,FOLDER,MODULE...): copy modules and what they need, and
# write down the order in which to load them
define copy_modules
	mkdir -p $(2)
	: > $(2)/order
	for module in $(3); do \
		modprobe $(if $(ROOT),-d $(ROOT)) -S $(1) -a -D $$module; \
	done | awk '$$1 == "insmod" && !seen[$$2]++ { print $$2 }' | \
	while read -r path; do \
		name=$$(basename $$path); name=$${name%%.ko*}.ko; \
		case $$path in \
		*.xz) xz -dc $$path > $(2)/$$name ;; \
		*) cp $$path $(2)/$$name ;; \
		esac; \
		echo $$name >> $(2)/order; \
	done
endef

$(OUT)/initramfs.cpio: $(TOP)/tools/testing/lab/vm-initramfs $(KDIR)/Module.symvers
	rm -rf $(OUT)/initramfs
	mkdir -p $(OUT)/initramfs/bin
	cp $(ROOT)/usr/bin/busybox $(OUT)/initramfs/bin/
	cp $< $(OUT)/initramfs/init
	$(call copy_modules,$(RELEASE),$(OUT)/initramfs/modules,$(BOOT_MODULES))
	cd $(OUT)/initramfs && find . | cpio -o -H newc --quiet > $@.part
	mv $@.part $@

# The nested guest's root: what is needed to look at its PCI devices, its programs, one of
# which is its init, and the drivers of those devices that are not built into Debian's
# kernel. Must be made where the stock kernels' modules are installed.
GUEST := $(TOP)/build/guest
GUEST_PROGRAMS := $(addprefix $(TOP)/tools/testing/lab/,guest-init guest-vmd guest-shell)
GUEST_RELEASE = $(shell readlink /usr/lib/modules/debian-backports)

.PHONY: guest
guest: $(GUEST).cpio

$(GUEST).cpio: $(GUEST_PROGRAMS) $(TOP)/tools/testing/lab/vm.mk
	rm -rf $(GUEST)
	mkdir -p $(GUEST)/bin $(GUEST)/usr/share/misc
	cp /bin/busybox /usr/bin/lspci /usr/bin/setpci $(GUEST)/bin/
	cp /usr/share/misc/pci.ids $(GUEST)/usr/share/misc/
	ldd /usr/bin/lspci | grep -o '/[^ ]*' | xargs cp --parents -Lt $(GUEST)
	cp $< $(GUEST)/init
	cp $(GUEST_PROGRAMS) $(GUEST)/
	$(call copy_modules,$(GUEST_RELEASE),$(GUEST)/modules-vmd,vmd)
	$(call copy_modules,$(GUEST_RELEASE),$(GUEST)/modules-igbvf,igbvf)
	cd $(GUEST) && find . | cpio -o -H newc --quiet > $@.part
	mv $@.part $@
