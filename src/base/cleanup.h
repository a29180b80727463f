/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ownership by the cleanup attribute: a variable marked _us_x_ is released when it leaves scope.
 * us_steal() hands the value to somebody else. There are no goto chains in this tree.
 */
#ifndef US_BASE_CLEANUP_H
#define US_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void us_freep(void *p)
{
	free(*(void **)p);
}

static inline void us_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void us_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void us_closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define _us_free_     __attribute__((cleanup(us_freep)))
#define _us_close_    __attribute__((cleanup(us_closep)))
#define _us_fclose_   __attribute__((cleanup(us_fclosep)))
#define _us_closedir_ __attribute__((cleanup(us_closedirp)))

/* The value of pointer *p, which is NULL afterwards. */
#define us_steal(p)                                                                                \
	({                                                                                         \
		__typeof__(*(p)) us_stolen_ = *(p);                                                \
		*(p) = NULL;                                                                       \
		us_stolen_;                                                                        \
	})

/* The descriptor *fd, which is -1 afterwards. */
static inline int us_steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#endif
