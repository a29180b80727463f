/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * popen() for a tree's conf under test: what a command said is kept in the folder KEPT_PROBES,
 * under a hash of the command with the tree's path ($srctree) taken out, and told again next time.
 * Most of conf's time goes into a hundred probes of a toolchain that always answers the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

FILE *kept_popen(const char *command, const char *mode);
int kept_pclose(FILE *f);

static uint64_t hash_command(const char *command)
{
	const char *tree = getenv("srctree");
	size_t tree_len = tree ? strlen(tree) : 0;
	uint64_t h = 14695981039346656037u;

	while (*command) {
		if (tree_len && strncmp(command, tree, tree_len) == 0) {
			command += tree_len;
			h ^= 1;
		} else {
			h ^= (unsigned char)*command++;
		}
		h *= 1099511628211u;
	}
	return h;
}

FILE *kept_popen(const char *command, const char *mode)
{
	char path[4096], fresh[4128];
	FILE *kept, *pipe;
	int c;

	(void)mode;
	snprintf(path, sizeof(path), "%s/%016llx", getenv("KEPT_PROBES"),
		 (unsigned long long)hash_command(command));
	kept = fopen(path, "r");
	if (kept)
		return kept;
	snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid());
	pipe = popen(command, "r");
	kept = fopen(fresh, "w");
	if (!pipe || !kept)
		return NULL;
	while ((c = fgetc(pipe)) != EOF)
		fputc(c, kept);
	fclose(kept);
	pclose(pipe);
	rename(fresh, path);
	return fopen(path, "r");
}

int kept_pclose(FILE *f)
{
	return fclose(f);
}
