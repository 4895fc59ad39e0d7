# SPDX-License-Identifier: GPL-2.0-only
#
# Builds, installs and tests vfcap outside a kernel tree; see "make help".

KDIR ?= /lib/modules/$(shell uname -r)/build
LAB := tools/testing/lab
VFCAP_VERSION := $(shell scripts/version)

# One folder per kernel, with links to the sources: what a build leaves there differs
# between kernels, and the sources stay clean.
RELEASE_FILE = $(KDIR)/include/config/kernel.release
OUT = build/$(shell cat $(RELEASE_FILE) 2>/dev/null)
KBUILD = $(MAKE) -C $(KDIR) M=$(CURDIR)/$(OUT) \
	CONFIG_PCI_VFCAP=m CONFIG_VFCAP_VFIO_PCI=m CONFIG_SAMPLE_VFCAP_PF=m \
	VFCAP_VERSION=$(VFCAP_VERSION)

TOOLS := tools/vfcapctl
PREFIX ?= /usr/local
MANDIR ?= $(PREFIX)/share/man

.PHONY: modules modules_install tools tools_install demo check check-clients \
	bench soak mutate coverage lint docs pictures iopf-series dist deb rpm release clean help

modules: links
	+$(KBUILD) modules

modules_install: modules
	+$(KBUILD) modules_install
	install -D -m 644 -t $(INSTALL_MOD_PATH)$(MANDIR)/man4 Documentation/man/*.4

# The sources as DKMS builds them, for packages
.PHONY: dkms_install
DKMS_SOURCE = $(DESTDIR)/usr/src/vfcap-$(VFCAP_VERSION)
dkms_install:
	mkdir -p $(DKMS_SOURCE)
	cp -r Kbuild drivers include $(DKMS_SOURCE)
	install -D -t $(DKMS_SOURCE)/scripts scripts/check-kernel
	cp -r scripts/headers $(DKMS_SOURCE)/scripts
	sed 's/#MODULE_VERSION#/$(VFCAP_VERSION)/' dkms.conf > $(DKMS_SOURCE)/dkms.conf

.PHONY: links
links:
	@scripts/check-kernel --not-headers $(KDIR)
	@mkdir -p $(OUT)/scripts $(OUT)/tools/testing
	@cp -rsf $(addprefix $(CURDIR)/,Kbuild drivers include samples) $(OUT)/
	@cp -rsf $(CURDIR)/scripts/headers $(OUT)/scripts/
	@cp -rsf $(CURDIR)/tools/testing/fixture $(OUT)/tools/testing/

tools:
	+$(MAKE) -C $(TOOLS)

tools_install:
	+$(MAKE) -C $(TOOLS) install

demo:
	@$(LAB)/demo

check:
	@$(LAB)/check $(TESTS)

check-clients:
	@$(LAB)/check $(or $(addprefix clients/,$(TESTS)),clients)

bench:
	@$(LAB)/bench

soak:
	@$(LAB)/soak $(PARTS)

mutate:
	@$(LAB)/mutate $(MUTATIONS)

coverage:
	@$(LAB)/coverage $(TESTS)

lint:
	@$(LAB)/lint

docs:
	@$(LAB)/docs

pictures:
	@$(LAB)/pictures

iopf-series:
	@$(LAB)/iopf-series

dist:
	@scripts/dist

deb:
	@$(LAB)/deb

rpm:
	@$(LAB)/rpm

release:
	@$(LAB)/release

clean:
	rm -rf build

help:
	@echo 'make                  build the modules and the sample PF driver for KDIR'
	@echo '                      (default: the running kernel)'
	@echo 'make modules_install  install them, and their man pages; run as root'
	@echo 'make tools            build vfcapctl; takes libpci, json-c, libkmod and libdw'
	@echo 'make tools_install    install it below PREFIX (default: /usr/local), with its'
	@echo '                      man page and its completion for bash, zsh and fish; as root'
	@echo 'make dist             make the tarball of a release, in build/'
	@echo 'make deb              build the Debian packages, in build/deb/; as root'
	@echo 'make rpm              build the RPMs, in build/rpm/; as root'
	@echo 'make release          all of these, checksums and notes, in build/release/, which'
	@echo '                      is an apt repository, too; as root'
	@echo 'make demo             show a nested guest that uses PASID on a VF; as root'
	@echo 'make check            build for all kernels and run the tests; as root'
	@echo 'make check TESTS=...  run the tests whose names contain one of these words'
	@echo 'make check-clients    test with QEMU, libvirt and driverctl, and in a kernel tree;'
	@echo '                      TESTS=... names some; as root'
	@echo 'make bench            what the driver costs beside vfio-pci: a table,'
	@echo '                      build/bench.json and build/bench.png; as root'
	@echo 'make soak             run the long form of the fuzzer and others, for hours; goes'
	@echo '                      on where it was; PARTS=... names parts; as root'
	@echo 'make mutate           break the driver on purpose and have the fuzzer find it;'
	@echo '                      MUTATIONS=... names some; as root'
	@echo 'make coverage         which lines and branches of the modules the tests run, and'
	@echo '                      which of the others have no reason; report in'
	@echo '                      build/coverage/; as root'
	@echo 'make lint             checkpatch, sparse, W=1, clang, shellcheck; as root'
	@echo 'make pictures         the SVGs of the documentation, from their sources; as root'
	@echo 'make docs             the documentation in HTML, in build/docs/html/; as root'
	@echo 'make iopf-series      the patches for Linux with which page requests of VFs reach'
	@echo '                      user space, ready to be sent, in build/iopf-series/; as root'
	@echo 'make clean            remove build/'
	@echo
	@echo 'deb, rpm, release, demo, check, coverage, lint, docs and iopf-series make what they need in a cache outside'
	@echo 'the checkout, see $(LAB)/setup --help.'
