// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Error texts. libbpf and libxdp speak to standard error, many lines for one cause; here they are
 * silent and the line that says most is kept for the message of whoever called them.
 */
#include "internal.h"

#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <xdp/libxdp.h>

static _Thread_local char kept[200];
static _Thread_local bool kept_kernel; /* the kernel's own words: no other line beats them */

int words_fail(char *err, size_t err_size, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(err, err_size, format, ap);
	va_end(ap);
	return code;
}

static void keep(const char *format, va_list ap)
{
	static const char kernel[] = "Kernel error message: ";
	char line[sizeof(kept)];
	const char *text;
	bool from_kernel, named;

	vsnprintf(line, sizeof(line), format, ap);
	line[strcspn(line, "\n")] = '\0';
	text = strstr(line, kernel);
	from_kernel = text != NULL;
	named = strncmp(line, "libbpf: ", 8) == 0 || strncmp(line, "libxdp: ", 8) == 0;
	if (from_kernel)
		text += sizeof(kernel) - 1;
	else
		text = named ? line + 8 : line;
	while (*text == ' ')
		text++;
	if (!*text || kept_kernel || (kept[0] && !from_kernel))
		return;
	kept_kernel = from_kernel;
	memmove(kept, text, strlen(text) + 1);
}

static int from_libbpf(enum libbpf_print_level level, const char *format, va_list ap)
{
	if (level == LIBBPF_WARN)
		keep(format, ap);
	return 0;
}

static int from_libxdp(enum libxdp_print_level level, const char *format, va_list ap)
{
	if (level == LIBXDP_WARN)
		keep(format, ap);
	return 0;
}

void words_mute(void)
{
	libbpf_set_print(from_libbpf);
	libxdp_set_print(from_libxdp);
	words_forget();
}

void words_forget(void)
{
	kept[0] = '\0';
	kept_kernel = false;
}

const char *words_reason(int code)
{
	return kept[0] ? kept : strerror(code < 0 ? -code : code);
}
