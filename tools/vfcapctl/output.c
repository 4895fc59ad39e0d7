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
#define MIN_LAST	30	/* the last column is not made narrower */

enum status fail(enum status status, const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fputs("vfcapctl: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
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

/* 0: no terminal, lines may be as long as they are */
static size_t terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return 0;
	return size.ws_col;
}

static void *must(void *memory)
{
	if (!memory) {
		fail(STATUS_FAILED, "out of memory");
		exit(STATUS_FAILED);
	}
	return memory;
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
	char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	add_cell(t, color, must(text));
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

static void print_padded(const char *text, size_t len, size_t width,
			 const char *code)
{
	printf("%s%.*s%s", code ?: "", (int)len, text, code ? "\033[0m" : "");
	while (len++ < width)
		putchar(' ');
}

/* How much of the text goes to a line of this width; 0: no limit */
static size_t line_length(const char *text, size_t width)
{
	size_t len = strcspn(text, "\n"), cut;

	if (!width || len <= width)
		return len;
	for (cut = width; cut && text[cut] != ' '; cut--)
		;
	return cut ?: width;
}

static void print_last(const struct cell *c, size_t indent, size_t width,
		       const char *code)
{
	const char *text = c->text;
	size_t len;

	for (;;) {
		len = line_length(text, width);
		print_padded(text, len, 0, code);
		putchar('\n');
		text += len;
		if (*text)
			text++;		/* the space, or the newline */
		if (!*text)
			return;
		print_padded("", 0, indent, NULL);
	}
}

void table_print(struct table *t)
{
	size_t widths[MAX_COLUMNS] = {}, indent = 0, total = terminal_width(), i;
	bool color = wants_color();

	for (i = 0; i < t->nr_cells; i++) {
		size_t len = strlen(t->cells[i].text);

		if (len > widths[i % t->columns])
			widths[i % t->columns] = len;
	}
	for (i = 0; i < t->columns - 1; i++)
		indent += widths[i] + 2;
	total = total > indent + MIN_LAST ? total - indent : 0;

	for (i = 0; i < t->nr_cells; i++) {
		const struct cell *c = &t->cells[i];
		const char *code = color ? color_codes[c->color] : NULL;
		size_t column = i % t->columns;

		if (column == t->columns - 1)
			print_last(c, indent, total, code);
		else
			print_padded(c->text, strlen(c->text),
				     widths[column] + 2, code);
		free(c->text);
	}
	free(t->cells);
	free(t);
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
