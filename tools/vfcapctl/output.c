// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfcapctl: messages, tables and JSON
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <json-c/json.h>

#include "vfcapctl.h"

#define MAX_COLUMNS	8
#define MIN_LAST	30	/* the last column is not made narrower than this */

void *must(void *memory)
{
	if (!memory) {
		fail(STATUS_FAILED, "out of memory");
		exit(STATUS_FAILED);
	}
	return memory;
}

/* 0: not a terminal, lines may have any length */
static size_t terminal_width(int fd)
{
	struct winsize size;

	if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &size))
		return 0;
	return size.ws_col;
}

/* How much of the text fits in a line of this width; 0: no limit */
static size_t line_length(const char *text, size_t width)
{
	size_t len = strcspn(text, "\n"), cut;

	if (!width || len <= width)
		return len;
	for (cut = width; cut && text[cut] != ' '; cut--)
		;
	return cut ?: width;
}

static void pad(FILE *f, size_t n)
{
	while (n--)
		putc(' ', f);
}

/*
 * Print a text that begins in column @start and continues in column @indent, in lines that
 * end before column @end, or are not wrapped if that is 0
 */
static void print_wrapped(FILE *f, const char *text, size_t start, size_t indent,
			  size_t end, const char *code)
{
	size_t len;

	for (;;) {
		len = line_length(text, end > start ? end - start : 0);
		fprintf(f, "%s%.*s%s\n", code ?: "", (int)len, text,
			code ? "\033[0m" : "");
		text += len;
		/* The space at which it was cut, or the newline */
		if (*text == ' ' || *text == '\n')
			text++;
		if (!*text)
			return;
		start = indent;
		pad(f, indent);
	}
}

static char *format(const char *fmt, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	return must(text);
}

enum status fail(enum status status, const char *fmt, ...)
{
	static const char name[] = "vfcapctl: ";
	va_list args;
	char *text;

	fflush(stdout);
	va_start(args, fmt);
	text = format(fmt, args);
	va_end(args);
	fputs(name, stderr);
	print_wrapped(stderr, text, sizeof(name) - 1, sizeof(name) - 1,
		      terminal_width(STDERR_FILENO), NULL);
	free(text);
	return status;
}

void print_line(size_t indent, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = format(fmt, args);
	va_end(args);
	print_wrapped(stdout, text, 0, indent, terminal_width(STDOUT_FILENO),
		      NULL);
	free(text);
}

enum status status_of_errno(int err)
{
	switch (err) {
	case EACCES:
	case EPERM:
		return STATUS_PERMISSION;
	case EBUSY:
		return STATUS_BUSY;
	default:
		return STATUS_FAILED;
	}
}

struct cell {
	char *text;
	enum color color;
};

struct table {
	size_t columns;
	size_t nr_cells;
	size_t size;
	struct cell *cells;
};

static const char * const color_codes[] = {
	[GREEN]		= "\033[32m",
	[RED]		= "\033[31m",
	[YELLOW]	= "\033[33m",
	[DIM]		= "\033[2m",
	[BOLD]		= "\033[1m",
};

/* A terminal that takes colours, and whose owner wants them */
static bool wants_color(void)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") &&
	       !(no_color && *no_color);
}

static void add_cell(struct table *t, enum color color, char *text)
{
	if (t->nr_cells == t->size) {
		t->size = t->size * 2 + 16;
		t->cells = must(reallocarray(t->cells, t->size,
					     sizeof(*t->cells)));
	}
	t->cells[t->nr_cells++] = (struct cell){ text, color };
}

void table_cell(struct table *t, enum color color, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_cell(t, color, format(fmt, args));
	va_end(args);
}

struct table *table_new(const char * const *headers, size_t columns)
{
	struct table *t = must(calloc(1, sizeof(*t)));
	size_t i;

	t->columns = columns;
	for (i = 0; i < columns; i++)
		table_cell(t, BOLD, "%s", headers[i]);
	return t;
}

/* If a row does not fit, each cell gets a line of its own, behind its header. */
static void print_record(const struct table *t, const struct cell *row,
			 size_t width, bool color)
{
	size_t i;

	for (i = 0; i < t->columns; i++) {
		const char *header = t->cells[i].text;
		const char *code = color ? color_codes[row[i].color] : NULL;
		size_t start = strlen(header) + 4;

		if (!i) {
			print_wrapped(stdout, row[i].text, 0, 0, width, code);
			continue;
		}
		printf("  %s: ", header);
		print_wrapped(stdout, row[i].text, start, 4, width, code);
	}
}

static void print_row(const struct table *t, const struct cell *row,
		      const size_t *widths, size_t indent, size_t width,
		      bool color)
{
	size_t i;

	for (i = 0; i < t->columns; i++) {
		const char *code = color ? color_codes[row[i].color] : NULL;

		if (i == t->columns - 1) {
			print_wrapped(stdout, row[i].text, indent, indent, width,
				      code);
			break;
		}
		printf("%s%s%s", code ?: "", row[i].text, code ? "\033[0m" : "");
		pad(stdout, widths[i] + 2 - strlen(row[i].text));
	}
}

void table_print(struct table *t)
{
	size_t widths[MAX_COLUMNS] = {}, indent = 0, i;
	size_t width = terminal_width(STDOUT_FILENO);
	bool color = wants_color(), narrow;

	for (i = 0; i < t->nr_cells; i++) {
		size_t len = strlen(t->cells[i].text);

		if (len > widths[i % t->columns])
			widths[i % t->columns] = len;
	}
	for (i = 0; i < t->columns - 1; i++)
		indent += widths[i] + 2;
	/* The last column needs its own width, or less if it can be wrapped and still be read. */
	if (widths[i] > MIN_LAST)
		widths[i] = MIN_LAST;
	narrow = width && indent + widths[i] > width;

	for (i = narrow ? t->columns : 0; i < t->nr_cells; i += t->columns) {
		if (narrow)
			print_record(t, &t->cells[i], width, color);
		else
			print_row(t, &t->cells[i], widths, indent, width, color);
	}
	for (i = 0; i < t->nr_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

struct json_object *json_new(void)
{
	struct json_object *o = json_object_new_object();

	json_set_number(o, "version", 2);
	return o;
}

void json_print(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
					       JSON_C_TO_STRING_SPACED |
					       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

void json_set_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value && *value ?
			       json_object_new_string(value) : NULL);
}

void json_set_number(struct json_object *o, const char *key, long value)
{
	json_object_object_add(o, key, value >= 0 ?
			       json_object_new_int64(value) : NULL);
}

void json_set_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

/* As text: JSON itself has no hexadecimal numbers. */
void json_set_hex(struct json_object *o, const char *key, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%#lx", value);
	json_set_text(o, key, value >= 0 ? text : NULL);
}

void json_set_id(struct json_object *o, const char *key, unsigned int id)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%04x", id);
	json_set_text(o, key, text);
}
