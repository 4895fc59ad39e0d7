// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: the administrator's command for vfcap, see vfcapctl(8)
 */
#define _GNU_SOURCE
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

static const struct option long_options[] = {
	{ "help",	no_argument,		NULL, OPT_HELP },
	{ "json",	no_argument,		NULL, OPT_JSON },
	{ "dump",	no_argument,		NULL, OPT_DUMP },
	{ "no-open",	no_argument,		NULL, OPT_NO_OPEN },
	{ "driver",	required_argument,	NULL, OPT_DRIVER },
	{ "no-driver",	no_argument,		NULL, OPT_NO_DRIVER },
	{ "cap",	required_argument,	NULL, OPT_CAP },
	{ "open",	no_argument,		NULL, OPT_OPEN },
	{ "all-vfs",	no_argument,		NULL, OPT_ALL_VFS },
	{ "num-vfs",	required_argument,	NULL, OPT_NUM_VFS },
	{ "persist",	no_argument,		NULL, OPT_PERSIST },
	{ }
};

static const struct {
	int option;
	const char *text;
} option_help[] = {
	{ OPT_JSON,	 "  --json         print JSON, see vfcapctl(8) for its keys" },
	{ OPT_DUMP,	 "  --dump         print config space as \"lspci -F FILE\" reads it" },
	{ OPT_NO_OPEN,	 "  --no-open      do not open the device, only say what sysfs tells" },
	{ OPT_OPEN,	 "  --open         open the device if nobody uses it, which resets it" },
	{ OPT_DRIVER,	 "  --driver NAME  bind to this driver (default: " OUR_DRIVER ")" },
	{ OPT_NO_DRIVER, "  --no-driver    leave it without a driver" },
	{ OPT_ALL_VFS,	 "  --all-vfs      a PF stands for all its VFs" },
	{ OPT_NUM_VFS,	 "  --num-vfs N    make so many VFs first, if the PF has none" },
	{ OPT_PERSIST,	 "  --persist      at each boot, too; or no longer at boot" },
	{ OPT_CAP,	 "  --cap NAME     only this capability: pasid, pri, shdw" },
	{ OPT_HELP,	 "  -h, --help     print this" },
};

static const struct command {
	const char *name;
	const char *argument;
	const char *summary;
	int options;
	enum status (*run)(const struct request *req);
} commands[] = {
	{
		"list", "", "list PFs, VFs and VMD endpoints, and who uses them",
		OPT_JSON | OPT_HELP, cmd_list,
	}, {
		"show", "BDF", "tell what a guest is shown, for which it opens an idle device",
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
		"doctor", "[BDF]", "find out why a capability is not shown, or can be",
		OPT_CAP | OPT_OPEN | OPT_NO_OPEN | OPT_JSON | OPT_HELP, cmd_doctor,
	}, {
		"monitor", "[BDF...]", "print what happens: opens, closes, losses and their ends",
		OPT_JSON | OPT_HELP, cmd_monitor,
	}, {
		"report", "[BDF...]", "print what somebody who is to help must know",
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
	print_line(0, "Shows and mends what vfcap lets guests see of VFs and VMD endpoints.\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		print_line(20, "  %-7s %-8s  %s", commands[i].name,
			   commands[i].argument, commands[i].summary);
	print_line(0, "\n\"vfcapctl COMMAND --help\" lists a command's options, vfcapctl(8) explains all.");
	print_line(0, "-V, --version prints the version.");
}

static void print_command_help(const struct command *c)
{
	size_t i;

	print_line(7, "Usage: vfcapctl %s [OPTION...]%s%s\n", c->name,
		   *c->argument ? " " : "", c->argument);
	print_line(0, "To %s.\n", c->summary);
	for (i = 0; i < ARRAY_SIZE(option_help); i++)
		if (c->options & option_help[i].option)
			print_line(17, "%s", option_help[i].text);
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

/* What was written need not be the whole name, nor the last word. */
static const char *option_name(int option)
{
	size_t i;

	for (i = 0; long_options[i].name; i++)
		if (long_options[i].val == option)
			return long_options[i].name;
	return "?";
}

static enum status take_option(struct request *req, int option)
{
	char *end;

	switch (option) {
	case OPT_JSON:
		req->json = true;
		break;
	case OPT_DUMP:
		req->dump = true;
		break;
	case OPT_NO_OPEN:
		req->no_open = true;
		break;
	case OPT_OPEN:
		req->open = true;
		break;
	case OPT_NO_DRIVER:
		req->no_driver = true;
		break;
	case OPT_DRIVER:
		req->driver = optarg;
		break;
	case OPT_ALL_VFS:
		req->all_vfs = true;
		break;
	case OPT_PERSIST:
		req->persist = true;
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
				    "--cap %s: none of pasid, pri, shdw", optarg);
		break;
	}
	return STATUS_OK;
}

/* Whether so many addresses are what is written in the help */
static bool is_enough(const char *argument, size_t n)
{
	if (!n)
		return !*argument || *argument == '[';
	return *argument && (n == 1 || strstr(argument, "..."));
}

static enum status run(const struct command *c, int argc, char **argv)
{
	struct request req = { .cap = -1 };
	enum status status;
	int option;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		/* What is no option at all getopt has told already. */
		if (option == '?')
			return usage_error(c);
		if (option == 'h')
			option = OPT_HELP;
		if (!(c->options & option)) {
			fail(STATUS_USAGE, "%s has no option --%s", c->name,
			     option_name(option));
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
		return fail(STATUS_USAGE, "no command \"%s\"; see \"vfcapctl --help\"",
			    argv[1]);
	if (help) {
		print_command_help(c);
		return STATUS_OK;
	}
	/* What getopt says begins with the program's name. */
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
