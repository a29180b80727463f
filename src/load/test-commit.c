/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving a plan to a kernel that is only played: what arrives at each call, what a refusal is said
 * to mean, and that a refused crash load leaves the machine as armed as it was.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "load/test-made.h"
#include "purgatory/purgatory.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

/* A kernel that answers from a list and keeps its state in files, as the real one does. */
struct played {
	char dir[32];
	int answers[8];
	size_t calls;
	bool frees_first; /* like a real crash load: the armed image goes before the new one is seen */
	bool no_crash_dump;
	uint64_t flags, entry;
	char cmdline[64];
	uint8_t kernel_head[4];
	ssize_t initrd_bytes;
	uint8_t digest[32], said[32]; /* of the segments as they arrive; in the purgatory */
	uint8_t seed_sum;
};

static void state(const struct played *k, const char *name, bool loaded)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/sys/kernel/%s", k->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%d\n", loaded);
	fclose(f);
}

/* One answer, and the state that follows from it. */
static int answer(struct played *k, bool crash, bool unload)
{
	int os_errno = k->answers[k->calls < 8 ? k->calls : 7];

	k->calls++;
	if (crash && !unload && k->frees_first)
		state(k, "kexec_crash_loaded", false);
	if (!os_errno)
		state(k, crash && !k->no_crash_dump ? "kexec_crash_loaded" : "kexec_loaded",
		      !unload);
	return os_errno;
}

static int play_file(void *data, int kernel, int initrd, size_t n, const char *cmdline,
		     uint64_t flags)
{
	struct played *k = data;

	k->flags = flags;
	if (cmdline) {
		assert_int_equal(cmdline[n - 1], '\0');
		snprintf(k->cmdline, sizeof(k->cmdline), "%s", cmdline);
	}
	if (kernel >= 0)
		assert_int_equal(pread(kernel, k->kernel_head, 4, 0x202), 4);
	k->initrd_bytes = initrd >= 0 ? lseek(initrd, 0, SEEK_END) : -1;
	return answer(k, flags & US_KEXEC_FILE_ON_CRASH, flags & US_KEXEC_FILE_UNLOAD);
}

/* As the purgatory will see it. */
static void hash(struct played *k, size_t n, const struct us_kexec_segment *s)
{
	struct us_purgatory_params params = { 0 };
	EVP_MD_CTX *sha = EVP_MD_CTX_new();

	for (size_t i = 0; i < n; i++)
		if (s[i].mem == k->entry)
			memcpy(&params, (const uint8_t *)s[i].buf + US_PURGATORY_PARAMS_OFFSET,
			       sizeof(params));
	assert_int_equal(EVP_DigestInit_ex(sha, EVP_sha256(), NULL), 1);
	for (uint32_t r = 0; r < params.n_regions; r++)
		for (size_t i = 0; i < n; i++)
			if (s[i].mem == params.regions[r].start) {
				assert_int_equal(s[i].bufsz, params.regions[r].bytes);
				EVP_DigestUpdate(sha, s[i].buf, s[i].bufsz);
			}
	EVP_DigestFinal_ex(sha, k->digest, NULL);
	EVP_MD_CTX_free(sha);
	memcpy(k->said, params.digest, 32);
}

static int play_load(void *data, uint64_t entry, size_t n, const struct us_kexec_segment *segments,
		     uint64_t flags)
{
	struct played *k = data;

	k->flags = flags;
	k->entry = entry;
	if (n)
		hash(k, n, segments);
	for (size_t i = 0; i < n; i++) {
		uint8_t *rng = us_x86_page_rng((uint8_t *)segments[i].buf, segments[i].bufsz,
					       segments[i].mem);

		for (size_t b = 0; rng && b < US_RNG_SEED_BYTES; b++)
			k->seed_sum |= rng[b];
	}
	return answer(k, flags & US_KEXEC_ON_CRASH, !n);
}

struct made {
	struct played kernel;
	uint8_t file[MADE_BYTES];
	char path[64];
	struct us_image *image;
	struct us_host host;
	struct us_initrd initrd;
	struct us_plan *plan;
	struct us_outcome out;
};

static void begin(struct made *m, enum us_call call, enum us_purpose purpose)
{
	struct us_wanted wanted = { .call = call, .purpose = purpose, .cmdline = "quiet" };
	char path[128];

	memset(m, 0, sizeof(*m));
	strcpy(m->kernel.dir, "/tmp/us-commit-XXXXXX");
	assert_non_null(mkdtemp(m->kernel.dir));
	snprintf(path, sizeof(path), "%s/sys", m->kernel.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/sys/kernel", m->kernel.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	state(&m->kernel, "kexec_loaded", false);
	state(&m->kernel, "kexec_crash_loaded", false);
	made_file(m->file);
	snprintf(m->path, sizeof(m->path), "%s/vmlinuz", m->kernel.dir);
	assert_null(us_file_replace(m->path, us_bytes_of(m->file, sizeof(m->file))));
	assert_null(us_image_open(m->path, NULL, &m->image));
	made_host(&m->host, US_GIB);
	made_crash(&m->host, 0x10000000, 256 * US_MIB);
	m->host.root_fd = open(m->kernel.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	m->host.act = (struct us_act){ .kexec_load = play_load,
				       .kexec_file_load = play_file,
				       .data = &m->kernel };
	m->initrd.bytes = us_bytes_of(m->file, 777);
	assert_null(us_plan_make(m->image, &m->initrd, &m->host, &wanted, &m->plan));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void end(struct made *m)
{
	us_outcome_deinit(&m->out);
	us_plan_free(m->plan);
	us_image_free(m->image);
	close(m->host.root_fd);
	made_host_end(&m->host);
	assert_int_equal(nftw(m->kernel.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void test_file_call_gets_the_file_itself(void **state_)
{
	struct made m;

	(void)state_;
	begin(&m, US_CALL_FILE, US_REBOOT);
	assert_null(us_plan_commit(m.plan, &m.host, NULL, &m.out));
	assert_true(m.out.done);
	assert_int_equal(m.kernel.calls, 1);
	assert_memory_equal(m.kernel.kernel_head, "HdrS", 4);
	assert_int_equal(m.kernel.initrd_bytes, 777);
	assert_string_equal(m.kernel.cmdline, "quiet");
	assert_string_equal(m.out.call, "kexec_file_load");
	end(&m);
}

static void test_load_call_gets_a_sealed_purgatory_and_a_seed(void **state_)
{
	struct made m;

	(void)state_;
	begin(&m, US_CALL_LOAD, US_REBOOT);
	assert_null(us_plan_commit(m.plan, &m.host, NULL, &m.out));
	assert_true(m.out.done);
	assert_int_equal(m.kernel.entry, m.plan->entry);
	assert_int_equal(m.kernel.flags, 0x3e0000);
	assert_memory_equal(m.kernel.digest, m.kernel.said, 32);
	assert_true(m.kernel.seed_sum != 0);
	end(&m);
}

static void test_refusal_is_explained_and_not_tried_otherwise(void **state_)
{
	struct made m;

	(void)state_;
	begin(&m, US_CALL_FILE, US_REBOOT);
	m.kernel.answers[0] = ENOEXEC;
	assert_null(us_plan_commit(m.plan, &m.host, NULL, &m.out));
	assert_false(m.out.done);
	assert_int_equal(m.kernel.calls, 1);
	assert_int_equal(m.out.os_errno, ENOEXEC);
	assert_non_null(strstr(m.out.meaning, "no loader"));
	end(&m);
}

static void test_refused_crash_load_brings_the_previous_one_back(void **state_)
{
	struct made m;

	(void)state_;
	begin(&m, US_CALL_FILE, US_CRASH);
	state(&m.kernel, "kexec_crash_loaded", true);
	m.kernel.frees_first = true;
	m.kernel.answers[0] = EADDRNOTAVAIL;
	assert_null(us_plan_commit(m.plan, &m.host, m.plan, &m.out));
	assert_false(m.out.done);
	assert_int_equal(m.kernel.calls, 2);
	assert_int_equal(m.out.armed, US_YES);
	assert_non_null(strstr(m.out.armed_with, "previous image"));
	end(&m);
}

static void test_refused_crash_load_says_when_nothing_is_armed(void **state_)
{
	struct made m;

	(void)state_;
	begin(&m, US_CALL_FILE, US_CRASH);
	state(&m.kernel, "kexec_crash_loaded", true);
	m.kernel.frees_first = true;
	m.kernel.answers[0] = m.kernel.answers[1] = ENOMEM;
	assert_null(us_plan_commit(m.plan, &m.host, m.plan, &m.out));
	assert_int_equal(m.out.armed, US_NO);
	assert_non_null(strstr(m.out.armed_with, "could not be loaded again"));
	us_outcome_deinit(&m.out);
	/* refused before anything was freed */
	state(&m.kernel, "kexec_crash_loaded", true);
	m.kernel.frees_first = false;
	m.kernel.calls = 0;
	m.kernel.answers[0] = EPERM;
	assert_null(us_plan_commit(m.plan, &m.host, m.plan, &m.out));
	assert_int_equal(m.kernel.calls, 1);
	assert_int_equal(m.out.armed, US_YES);
	end(&m);
}

static void test_nothing_is_put_back_that_was_not_armed(void **state_)
{
	struct made m;

	(void)state_;
	begin(&m, US_CALL_FILE, US_CRASH);
	m.kernel.answers[0] = EADDRNOTAVAIL;
	assert_null(us_plan_commit(m.plan, &m.host, m.plan, &m.out));
	assert_int_equal(m.kernel.calls, 1);
	assert_string_equal(m.out.armed_with, "none");
	end(&m);
}

static void test_crash_image_taken_as_an_ordinary_one_is_found_out(void **state_)
{
	struct made m;

	(void)state_;
	begin(&m, US_CALL_LOAD, US_CRASH);
	m.kernel.no_crash_dump = true;
	assert_null(us_plan_commit(m.plan, &m.host, NULL, &m.out));
	assert_false(m.out.done);
	assert_int_equal(m.kernel.calls, 2); /* loaded, and unloaded again */
	assert_non_null(strstr(m.out.meaning, "CONFIG_CRASH_DUMP"));
	assert_int_equal(m.host.kexec_loaded.v, 0);
	end(&m);
}

static void test_plan_without_room_is_never_tried(void **state_)
{
	struct us_err *err;
	struct made m;

	(void)state_;
	begin(&m, US_CALL_LOAD, US_REBOOT);
	m.plan->no_room = "no room for the kernel";
	err = us_plan_commit(m.plan, &m.host, NULL, &m.out);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NO_ROOM);
	assert_int_equal(m.kernel.calls, 0);
	us_err_free(err);
	end(&m);
}

static void test_recording_needs_no_state(void **state_)
{
	struct made m;

	(void)state_;
	begin(&m, US_CALL_LOAD, US_REBOOT);
	m.host.act.recording = true;
	m.kernel.no_crash_dump = true;
	assert_null(us_plan_commit(m.plan, &m.host, NULL, &m.out));
	assert_true(m.out.done);
	end(&m);
}

static void test_unload_uses_the_call_that_exists(void **state_)
{
	struct made m;

	(void)state_;
	begin(&m, US_CALL_FILE, US_REBOOT);
	m.kernel.answers[0] = ENOSYS;
	assert_null(us_unload(&m.host, US_CRASH, US_CALL_AUTO, &m.out));
	assert_true(m.out.done);
	assert_int_equal(m.kernel.calls, 2);
	assert_string_equal(m.out.call, "kexec_load");
	assert_int_equal(m.kernel.flags, 0x3e0001);
	us_outcome_deinit(&m.out);
	/* a refusal is no reason to try the other call */
	m.kernel.calls = 0;
	m.kernel.answers[0] = EPERM;
	assert_null(us_unload(&m.host, US_REBOOT, US_CALL_AUTO, &m.out));
	assert_false(m.out.done);
	assert_int_equal(m.kernel.calls, 1);
	end(&m);
}

static void test_one_errno_has_the_meaning_that_the_facts_give(void **state_)
{
	struct made m;
	const char *plain;

	(void)state_;
	begin(&m, US_CALL_FILE, US_REBOOT);
	plain = us_errno_meaning(m.plan, &m.host, US_CALL_LOAD, EPERM);
	m.host.lockdown.v = "integrity";
	assert_non_null(
		strstr(us_errno_meaning(m.plan, &m.host, US_CALL_LOAD, EPERM), "locked down"));
	assert_null(strstr(plain, "locked down and takes"));
	m.host.load_disabled.v = 1;
	assert_non_null(strstr(us_errno_meaning(m.plan, &m.host, US_CALL_LOAD, EPERM),
			       "kexec_load_disabled"));
	m.host.cap_sys_boot.v = US_NO;
	assert_non_null(
		strstr(us_errno_meaning(m.plan, &m.host, US_CALL_FILE, EPERM), "CAP_SYS_BOOT"));
	assert_non_null(strstr(us_errno_meaning(m.plan, &m.host, US_CALL_FILE, 524), "524"));
	assert_non_null(strstr(us_errno_meaning(m.plan, &m.host, US_CALL_FILE, ENODATA), "none"));
	assert_non_null(strstr(us_errno_meaning(m.plan, &m.host, US_CALL_FILE, EDOM), "no meaning"));
	end(&m);
}

static void test_what_is_armed_is_kept_and_found_again(void **state_)
{
	_us_initrd_free_ struct us_initrd *initrd = NULL;
	_us_image_free_ struct us_image *image = NULL;
	_us_plan_free_ struct us_plan *again = NULL;
	struct us_err *err;
	char path[128];
	struct made m;

	(void)state_;
	begin(&m, US_CALL_LOAD, US_CRASH);
	m.initrd.bytes.n = 0; /* these bytes are no archive; an image alone is a whole set */
	snprintf(path, sizeof(path), "%s/run", m.kernel.dir);
	assert_null(us_armed_save(m.plan, path));
	assert_null(us_armed_load(path, &m.host, NULL, NULL, &again, &image, &initrd));
	assert_int_equal(again->call, US_CALL_LOAD);
	assert_int_equal(again->purpose, US_CRASH);
	assert_string_equal(again->wanted.cmdline, "quiet");
	assert_int_equal(image->file.n, MADE_BYTES);
	assert_null(initrd);
	us_plan_free(us_steal(&again));
	us_image_free(us_steal(&image));
	/* a copy that changed is not trusted */
	snprintf(path, sizeof(path), "%s/run/armed/kernel", m.kernel.dir);
	m.file[2000] ^= 1;
	assert_null(us_file_replace(path, us_bytes_of(m.file, sizeof(m.file))));
	snprintf(path, sizeof(path), "%s/run", m.kernel.dir);
	err = us_armed_load(path, &m.host, NULL, NULL, &again, &image, &initrd);
	assert_non_null(err);
	assert_non_null(strstr(err->text, "changed since"));
	us_err_free(err);
	end(&m);
}

static void test_what_is_forgotten_costs_no_memory(void **state)
{
	char path[128], file[160];
	struct made m;

	(void)state;
	begin(&m, US_CALL_LOAD, US_CRASH);
	snprintf(path, sizeof(path), "%s/run", m.kernel.dir);
	assert_null(us_armed_save(m.plan, path));
	snprintf(file, sizeof(file), "%s/armed", path);
	assert_int_equal(rmdir(file), -1);
	us_armed_forget(path);
	us_armed_forget(path); /* nothing there is fine too */
	assert_int_equal(rmdir(file), 0);
	end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_call_gets_the_file_itself),
		cmocka_unit_test(test_load_call_gets_a_sealed_purgatory_and_a_seed),
		cmocka_unit_test(test_refusal_is_explained_and_not_tried_otherwise),
		cmocka_unit_test(test_refused_crash_load_brings_the_previous_one_back),
		cmocka_unit_test(test_refused_crash_load_says_when_nothing_is_armed),
		cmocka_unit_test(test_nothing_is_put_back_that_was_not_armed),
		cmocka_unit_test(test_crash_image_taken_as_an_ordinary_one_is_found_out),
		cmocka_unit_test(test_plan_without_room_is_never_tried),
		cmocka_unit_test(test_recording_needs_no_state),
		cmocka_unit_test(test_unload_uses_the_call_that_exists),
		cmocka_unit_test(test_one_errno_has_the_meaning_that_the_facts_give),
		cmocka_unit_test(test_what_is_armed_is_kept_and_found_again),
		cmocka_unit_test(test_what_is_forgotten_costs_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
