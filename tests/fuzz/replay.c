/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usage: fuzz-NAME-replay FOLDER... runs a fuzz target over every file of a corpus, without clang's
 * libFuzzer. Each input has a heap block of its exact size, so that a sanitizer sees every step
 * outside. A corpus without files is a failure.
 */
#include "fuzz.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <string.h>

static int replay_file(const char *folder, const char *name)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	_us_free_ uint8_t *copy = NULL;
	_us_err_free_ struct us_err *err = NULL;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	err = us_file_map(path, &blob);
	if (err) {
		fprintf(stderr, "%s\n", err->text);
		return 1;
	}
	copy = malloc(blob.n);
	if (!copy && blob.n)
		return 1;
	if (blob.n)
		memcpy(copy, blob.p, blob.n);
	LLVMFuzzerTestOneInput(copy, blob.n);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int files = 0;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		_us_closedir_ DIR *dir = opendir(argv[i]);
		struct dirent *entry;

		if (!dir) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		while ((entry = readdir(dir))) {
			if (entry->d_name[0] == '.')
				continue;
			failed |= replay_file(argv[i], entry->d_name);
			files++;
		}
	}
	printf("%u inputs replayed\n", files);
	return failed || !files;
}
