// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: whether the module that runs is the one that is installed
 *
 * They are compared by their build IDs. libkmod knows where a module is, and libdw
 * reads it however it is compressed.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>
#include <libkmod.h>

#include "vfcapctl.h"

#define BUILD_ID_SIZE	64

static void find_version(struct kmod_module *module, char *version)
{
	struct kmod_list *list = NULL, *entry;

	if (kmod_module_get_info(module, &list) < 0)
		return;
	kmod_list_foreach(entry, list)
		if (!strcmp(kmod_module_info_get_key(entry), "version"))
			snprintf(version, NAME_SIZE, "%s",
				 kmod_module_info_get_value(entry));
	kmod_module_info_free_list(list);
}

static void find_installed(const char *name, char *path, char *version)
{
	struct kmod_module *module;
	struct kmod_ctx *ctx;
	const char *found;

	*path = 0;
	strcpy(version, "?");
	ctx = kmod_new(NULL, NULL);
	if (!ctx)
		return;
	if (!kmod_module_new_from_name(ctx, name, &module)) {
		found = kmod_module_get_path(module);
		if (found)
			snprintf(path, PATH_MAX, "%s", found);
		find_version(module, version);
		kmod_module_unref(module);
	}
	kmod_unref(ctx);
}

bool module_is_installed(const char *name)
{
	char path[PATH_MAX], version[NAME_SIZE];

	find_installed(name, path, version);
	return *path;
}

int module_load(const char *name)
{
	struct kmod_list *list = NULL, *entry;
	struct kmod_ctx *ctx;
	int err = -ENOMEM;

	ctx = kmod_new(NULL, NULL);
	if (!ctx)
		return err;
	err = kmod_module_new_from_lookup(ctx, name, &list);
	if (!err && !list)
		err = -ENOENT;
	kmod_list_foreach(entry, list) {
		struct kmod_module *module = kmod_module_get_module(entry);

		err = kmod_module_probe_insert_module(module,
						      KMOD_PROBE_APPLY_BLACKLIST,
						      NULL, NULL, NULL, NULL);
		kmod_module_unref(module);
		if (err)
			break;
	}
	kmod_module_unref_list(list);
	kmod_unref(ctx);
	return err > 0 ? -EPERM : err;
}

/* Each returns how long the ID is, 0 when it cannot be read. */
static size_t installed_id(const char *path, uint8_t *id)
{
	const void *found;
	ssize_t len = 0;
	Elf *elf;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	elf_version(EV_CURRENT);
	elf = dwelf_elf_begin(fd);
	if (elf)
		len = dwelf_elf_gnu_build_id(elf, &found);
	if (len > 0 && len <= BUILD_ID_SIZE)
		memcpy(id, found, len);
	elf_end(elf);
	close(fd);
	return len > 0 && len <= BUILD_ID_SIZE ? len : 0;
}

static size_t running_id(const char *name, uint8_t *id)
{
	struct {
		Elf64_Nhdr header;
		char owner[4];		/* "GNU" */
		uint8_t id[BUILD_ID_SIZE];
	} note = {};
	char path[PATH_MAX];
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/%s/notes/.note.gnu.build-id",
		 name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	size = fread(&note, 1, sizeof(note), f);
	fclose(f);
	if (note.header.n_type != NT_GNU_BUILD_ID ||
	    note.header.n_namesz != sizeof(note.owner) ||
	    note.header.n_descsz > BUILD_ID_SIZE ||
	    size < offsetof(typeof(note), id) + note.header.n_descsz)
		return 0;
	memcpy(id, note.id, note.header.n_descsz);
	return note.header.n_descsz;
}

enum module_state module_compare(const char *name, char *path,
				 struct module_versions *versions)
{
	uint8_t installed[BUILD_ID_SIZE], running[BUILD_ID_SIZE];
	size_t len;

	find_installed(name, path, versions->installed);
	if (sysfs_read(versions->loaded, sizeof(versions->loaded),
		       "/sys/module/%s/version", name))
		strcpy(versions->loaded, "?");
	if (!sysfs_exists("/sys/module/%s", name))
		return MODULE_NOT_LOADED;
	if (!*path)
		return MODULE_NOT_INSTALLED;

	len = running_id(name, running);
	if (!len || installed_id(path, installed) != len)
		return MODULE_UNKNOWN;
	return memcmp(installed, running, len) ? MODULE_DIFFERS : MODULE_SAME;
}
