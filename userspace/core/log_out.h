/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the two halves of the log: log.c builds lines, log_out.c brings them out. */
#ifndef CORE_LOG_OUT_H
#define CORE_LOG_OUT_H

#include <stddef.h>

#include "log.h"

enum log_format log_out_format(void);
/* Ends the line's text without bringing it out. */
void log_close(struct log_line *l);
/* One whole line with its newline; see log.h for what happens to it. Any thread. */
void log_out(const char *line, size_t n);

#endif
