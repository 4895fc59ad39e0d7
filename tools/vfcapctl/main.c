// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: the administrator's command for vfcap, see vfcapctl(8)
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfcapctl.h"

enum {
	OPT_HELP	= BIT(0),
	OPT_JSON	= BIT(1),
	OPT_DUMP	= BIT(2),
	OPT_NO_OPEN	= BIT(3),
	OPT_DRIVER	= BIT(4),
	OPT_NO_DRIVER	= BIT(5),
	OPT_CAP		= BIT(6),
	OPT_OPEN	= BIT(7),
	OPT_ALL_VFS	= BIT(8),
	OPT_NUM_VFS	= BIT(9),
	OPT_PERSIST	= BIT(10),
};

#define FLAG(name)	offsetof(struct request, name)

static const struct option_info {
	int option;
	const char *name;
	const char *argument;	/* "" without one */
	const char *help;
	size_t flag;		/* the bool of a request that it sets, or 0 */
} options[] = {
	{ OPT_JSON, "json", "", "print JSON, see vfcapctl(8) for its keys", FLAG(json) },
	{ OPT_DUMP, "dump", "", "print config space in the form that \"lspci -F FILE\" reads",
	  FLAG(dump) },
	{ OPT_NO_OPEN, "no-open", "", "do not open the device, print only what sysfs tells",
	  FLAG(no_open) },
	{ OPT_OPEN, "open", "", "open the device if nobody uses it, which resets it", FLAG(open) },
	{ OPT_DRIVER, "driver", "NAME", "bind to this driver (default: " OUR_DRIVER ")", 0 },
	{ OPT_NO_DRIVER, "no-driver", "", "leave it without a driver", FLAG(no_driver) },
	{ OPT_ALL_VFS, "all-vfs", "", "a PF stands for all its VFs", FLAG(all_vfs) },
	{ OPT_NUM_VFS, "num-vfs", "N", "create this many VFs first, if the PF has none", 0 },
	{ OPT_PERSIST, "persist", "", "also at each boot (unbind: no longer)", FLAG(persist) },
	{ OPT_CAP, "cap", "NAME", "only this capability: pasid, pri, shdw", 0 },
	{ OPT_HELP, "help", "", "print this", 0 },
};

static const struct command {
	const char *name;
	const char *argument;
	const char *summary;
	int options;
	enum status (*run)(const struct request *req);
} commands[] = {
	{
		"list", "[BDF...]", "list PFs, VFs, functions with PASID and VMD endpoints, and who uses them",
		OPT_JSON | OPT_HELP, cmd_list,
	}, {
		"show", "BDF", "tell what a guest is shown (opens an idle device to find out)",
		OPT_JSON | OPT_DUMP | OPT_NO_OPEN | OPT_HELP, cmd_show,
	}, {
		"bind", "BDF...", "bind devices to " OUR_DRIVER,
		OPT_DRIVER | OPT_ALL_VFS | OPT_NUM_VFS | OPT_PERSIST | OPT_JSON |
		OPT_HELP, cmd_bind,
	}, {
		"unbind", "BDF...", "give devices back to their default driver",
		OPT_NO_DRIVER | OPT_ALL_VFS | OPT_PERSIST | OPT_JSON | OPT_HELP,
		cmd_unbind,
	}, {
		"doctor", "[BDF]", "find out why a capability is not shown, or whether it can be",
		OPT_CAP | OPT_OPEN | OPT_NO_OPEN | OPT_JSON | OPT_HELP, cmd_doctor,
	}, {
		"monitor", "[BDF...]", "print what happens: opens, closes, losses and their ends",
		OPT_JSON | OPT_HELP, cmd_monitor,
	}, {
		"report", "[BDF...]", "print what somebody needs to know to help you",
		OPT_OPEN | OPT_HELP, cmd_report,
	}, {
		"metrics", "", "print states as numbers, for Prometheus",
		OPT_HELP, cmd_metrics,
	},
};

static void print_help(void)
{
	size_t i;

	print_line(7, "Usage: vfcapctl COMMAND [OPTION...] [BDF]\n");
	print_line(0, "Shows and changes what vfcap lets guests see of VFs and VMD endpoints.\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		print_line(20, "  %-7s %-8s  %s", commands[i].name,
			   commands[i].argument, commands[i].summary);
	print_line(0, "\n\"vfcapctl COMMAND --help\" lists a command's options; vfcapctl(8) explains everything.");
	print_line(0, "-V, --version prints the version.");
}

static void print_option(const struct option_info *o)
{
	char text[NAME_SIZE];

	snprintf(text, sizeof(text), "%s--%s %s", o->option == OPT_HELP ? "-h, " : "",
		 o->name, o->argument);
	print_line(17, "  %-14s %s", text, o->help);
}

static void print_command_help(const struct command *c)
{
	size_t i;

	print_line(7, "Usage: vfcapctl %s [OPTION...]%s%s\n", c->name,
		   *c->argument ? " " : "", c->argument);
	print_line(0, "%c%s.\n", toupper(*c->summary), c->summary + 1);
	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (c->options & options[i].option)
			print_option(&options[i]);
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static enum status usage_error(const struct command *c)
{
	return fail(STATUS_USAGE, "see \"vfcapctl %s --help\"", c->name);
}

/* The option that getopt_long() has found, which may have been abbreviated */
static const struct option_info *find_option(int option)
{
	size_t i = 0;

	while (options[i].option != option)
		i++;
	return &options[i];
}

static enum status take_option(struct request *req, int option)
{
	size_t flag = find_option(option)->flag;
	char *end;

	if (flag)
		*(bool *)((char *)req + flag) = true;
	switch (option) {
	case OPT_DRIVER:
		req->driver = optarg;
		break;
	case OPT_NUM_VFS:
		req->num_vfs = strtol(optarg, &end, 10);
		if (end == optarg || *end || req->num_vfs < 0 ||
		    req->num_vfs > 0xffff)
			return fail(STATUS_USAGE, "--num-vfs %s: not a number of VFs",
				    optarg);
		break;
	case OPT_CAP:
		req->cap = cap_by_name(optarg);
		if (req->cap < 0)
			return fail(STATUS_USAGE,
				    "--cap %s: not one of pasid, pri, shdw", optarg);
		break;
	}
	return STATUS_OK;
}

/* Whether the number of addresses is as the help says */
static bool is_enough(const char *argument, size_t n)
{
	if (!n)
		return !*argument || *argument == '[';
	return *argument && (n == 1 || strstr(argument, "..."));
}

static enum status run(const struct command *c, int argc, char **argv)
{
	struct option long_options[ARRAY_SIZE(options) + 1] = {};
	struct request req = { .cap = -1 };
	enum status status;
	int option;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		long_options[i] = (struct option){
			.name = options[i].name,
			.has_arg = *options[i].argument ? required_argument : no_argument,
			.val = options[i].option,
		};
	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		/* getopt_long() has already reported an unknown option. */
		if (option == '?')
			return usage_error(c);
		if (option == 'h')
			option = OPT_HELP;
		if (!(c->options & option)) {
			fail(STATUS_USAGE, "%s has no option --%s", c->name,
			     find_option(option)->name);
			return usage_error(c);
		}
		if (option == OPT_HELP) {
			print_command_help(c);
			return STATUS_OK;
		}
		status = take_option(&req, option);
		if (status != STATUS_OK)
			return status;
	}
	req.devices = argv + optind;
	req.nr_devices = argc - optind;
	req.device = argv[optind];
	if (!is_enough(c->argument, req.nr_devices)) {
		fail(STATUS_USAGE, "%s takes %s", c->name,
		     !*c->argument ? "no argument" :
		     strstr(c->argument, "...") ? "PCI addresses" :
						  "one PCI address");
		return usage_error(c);
	}
	return c->run(&req);
}

static enum status dispatch(int argc, char **argv)
{
	const struct command *c;
	bool help = false;

	if (argc < 2)
		return fail(STATUS_USAGE, "no command; see \"vfcapctl --help\"");
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("vfcapctl " VFCAPCTL_VERSION);
		return STATUS_OK;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		if (argc == 2) {
			print_help();
			return STATUS_OK;
		}
		help = true;
		argv++;
		argc--;
	}
	c = find_command(argv[1]);
	if (!c)
		return fail(STATUS_USAGE, "unknown command \"%s\"; see \"vfcapctl --help\"",
			    argv[1]);
	if (help) {
		print_command_help(c);
		return STATUS_OK;
	}
	/* Messages of getopt_long() begin with the program's name. */
	argv[1] = argv[0];
	return run(c, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	enum status status = dispatch(argc, argv);

	if (fflush(stdout) || ferror(stdout))
		return fail(STATUS_FAILED, "cannot write the output: %s",
			    strerror(errno));
	return status;
}
