/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /init of the kernels of a rehearsal, which is understudy itself: it makes the target on the
 * scratch disks, or loads the capture kernel as arming does and brings its kernel down, or looks at
 * what the capture has left on the disks. It reads its order from /rehearsal and answers on the
 * second serial port, with lines as in state.txt.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "dump/dump.h"
#include "load/load.h"
#include "rehearse/rehearse-int.h"
#include "target/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>

#define ORDER_MAX  (64u << 10)
#define STATE_MAX  (4u << 20)
#define RECIPE_MAX (1u << 20)
#define HOG_BYTES  (16u << 20)

struct guest {
	int port;
	struct us_pool pool;
	struct us_capture_state order;
};

static void say(struct guest *g, const char *fmt, ...) us_printf(2, 3);
static void say(struct guest *g, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < t.n; i++)
		if (t.s[i] == '\n')
			t.s[i] = ' ';
	us_text_put(&t, "\n", 1);
	if (!t.failed)
		us_err_free(us_file_write_all(g->port, us_bytes_of(t.s, t.n), "the answer"));
	tcdrain(g->port);
}

static const char *order(const struct guest *g, const char *key)
{
	const char *value = us_capture_state_text(&g->order, key, 0);

	return value ? value : "";
}

static void mount_kernel(void)
{
	static const char *const kinds[][2] = { { "proc", "/proc" },
						{ "sysfs", "/sys" },
						{ "devtmpfs", "/dev" } };

	for (size_t i = 0; i < us_array_size(kinds); i++)
		(void)mount(kinds[i][0], kinds[i][1], kinds[i][0], 0, NULL);
}

static struct us_err *open_port(struct guest *g)
{
	struct termios t;

	g->port = open("/dev/ttyS1", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (g->port < 0)
		return us_err_os(errno, "/dev/ttyS1");
	if (!tcgetattr(g->port, &t)) {
		cfmakeraw(&t);
		tcsetattr(g->port, TCSANOW, &t);
	}
	return NULL;
}

static void put(const char *path, const char *value)
{
	_us_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, value, strlen(value));
}

/* The keys of the order, "BYTES NAME VOLUME", as scratch ones in our keyring; a "logon" key is what
 * a volume was opened with, and is handed to the capture kernel, where it is a "user" key. */
static struct us_err *take_keys(struct guest *g, const char *type)
{
	const char *line;

	for (size_t i = 0; (line = us_capture_state_text(&g->order, "key", i)); i++) {
		char name[256], volume[128];
		unsigned int bytes;

		if (sscanf(line, "%u %255s %127s", &bytes, name, volume) != 3)
			return us_err_new(US_ERR_BAD_DATA, "a key that is none: %s", line);
		US_TRY(us_guest_key(type, name, bytes));
		if (!strcmp(type, "logon"))
			US_TRY(us_guest_hand_key(volume, name));
	}
	return NULL;
}

/* ---- load, and crash ---- */

static struct us_err *load(struct guest *g)
{
	static const char *const initrds[] = { US_REHEARSE_INITRD };
	struct us_wanted wanted = { .purpose = US_CRASH, .cmdline = order(g, "cmdline") };
	const struct us_bytes none = { 0 };
	_us_outcome_deinit_ struct us_outcome outcome = { 0 };
	_us_initrd_free_ struct us_initrd *initrd = NULL;
	_us_plan_free_ struct us_plan *plan = NULL;
	_us_host_free_ struct us_host *host = NULL;
	struct us_image *image = NULL; /* until the end of this kernel */

	if (!us_call_parse(order(g, "call"), &wanted.call))
		return us_err_new(US_ERR_USAGE, "no such call: %s", order(g, "call"));
	US_TRY(us_host_open("/", &host));
	US_TRY(us_image_open(US_REHEARSE_KERNEL, NULL, &image));
	wanted.unpacked = !strcmp(order(g, "unpacked"), "yes");
	if (wanted.unpacked)
		US_TRY(us_image_look_deep(image, NULL, NULL));
	US_TRY(us_initrd_open(initrds, 1, none, none, false, NULL, &initrd));
	US_TRY(us_plan_make(image, initrd, host, &wanted, &plan));
	US_TRY(us_plan_commit(plan, host, NULL, &outcome));
	if (!outcome.done)
		return us_err_new(US_ERR_REFUSED, "%s: %s%s%s", outcome.call ? outcome.call : "",
				  outcome.meaning ? outcome.meaning : strerror(outcome.os_errno),
				  outcome.kernel_log && *outcome.kernel_log ? ": " : "",
				  outcome.kernel_log ? outcome.kernel_log : "");
	say(g, "loaded=%s", outcome.call ? outcome.call : "");
	return NULL;
}

static void crash_sysrq(struct guest *g)
{
	(void)g;
	put("/proc/sys/kernel/sysrq", "1");
	put("/proc/sysrq-trigger", "c");
}

static void crash_by_module(struct guest *g)
{
	_us_close_ int fd = open(US_REHEARSE_TRAP, O_RDONLY | O_CLOEXEC);
	cpu_set_t first;

	/* the NMI of outside comes to the first CPU */
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	sched_setaffinity(0, sizeof(first), &first);
	put("/proc/sys/kernel/panic_on_oops", "1");
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		say(g, "trap_problem=%s", strerror(errno));
}

static void crash_oom(struct guest *g)
{
	(void)g;
	put("/proc/sys/vm/overcommit_memory", "1");
	put("/proc/sys/vm/panic_on_oom", "2");
	for (;;) {
		void *p = mmap(NULL, HOG_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (p == MAP_FAILED)
			continue;
		memset(p, 0x5a, HOG_BYTES);
	}
}

static void (*const crashes[US_CRASH_KINDS])(struct guest *g) = {
	[US_CRASH_SYSRQ] = crash_sysrq,
	[US_CRASH_NULL] = crash_by_module,
	[US_CRASH_LOCKUP] = crash_by_module,
	[US_CRASH_OOM] = crash_oom,
};

static struct us_err *play_crash(struct guest *g)
{
	enum us_crash_kind kind;

	if (!us_crash_kind_parse(order(g, "kind"), &kind))
		return us_err_new(US_ERR_USAGE, "no such kind of crash: %s", order(g, "kind"));
	US_TRY(take_keys(g, "logon"));
	US_TRY(load(g));
	say(g, "crash=%s", us_crash_kind_name(kind));
	crashes[kind](g);
	sleep(20);
	return us_err_new(US_ERR_OS, "this kernel did not die (%s)", us_crash_kind_name(kind));
}

/* ---- look at what was saved ---- */

static void load_modules(const struct us_recipe *recipe)
{
	for (size_t i = 0; i < recipe->n_modules; i++) {
		const struct us_recipe_module *m = &recipe->modules[i];

		if (m->target != US_RECIPE_LAST)
			us_err_free(us_module_insert(m));
	}
}

static struct us_err *copy_out(struct guest *g, const char *path)
{
	_us_blob_deinit_ struct us_blob dump = { 0 };
	_us_close_ int fd = -1;
	const char *node;
	struct us_err *err = us_guest_find(US_REHEARSE_OUT, &g->pool, &node);

	if (err) { /* nobody wants it */
		us_err_free(err);
		return NULL;
	}
	US_TRY(us_file_map(path, &dump));
	fd = open(node, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return us_err_os(errno, "opening %s", node);
	US_TRY(us_file_write_all(fd, us_blob_bytes(&dump), node));
	if (fsync(fd))
		return us_err_os(errno, "writing to %s", node);
	say(g, "copied=%zu", dump.n);
	return NULL;
}

static struct us_err *look_at_dump(struct guest *g, const char *path)
{
	_us_vmcore_free_ struct us_vmcore *core = NULL;
	struct us_verify_result verified = { 0 };
	struct us_layout *layout = NULL;
	struct us_log_stats stats;
	struct us_panic panic = { 0 };
	struct us_err *err;

	US_TRY(us_vmcore_open(&path, 1, &core));
	US_TRY(us_dump_verify(core, 0, NULL, &verified));
	say(g, "verified_pages=%" PRIu64, verified.pages);
	say(g, "verified=%s",
	    verified.bad_pages || verified.bad_sums ? "bad"
	    : verified.complete                     ? "whole"
						    : "partial");
	for (const char *const *p = verified.problems; p && *p; p++)
		say(g, "problem=%s", *p);
	us_verify_result_deinit(&verified);
	err = us_layout_find(core, &layout);
	if (!err)
		err = us_vmcore_log(core, layout, us_panic_look, &panic, &stats);
	if (err)
		say(g, "log_problem=%s", err->text);
	/* an oops in a task that must not die starts the capture kernel without a panic */
	if (panic.panic || panic.cause)
		say(g, "panic=%s", panic.panic ? panic.panic : panic.cause);
	us_err_free(err);
	us_panic_deinit(&panic);
	us_layout_free(layout);
	return NULL;
}

static struct us_err *look_at_crash(struct guest *g, const char *folder, const char **ret_dump)
{
	_us_blob_deinit_ struct us_blob state = { 0 };
	const char *name = us_pool_format(&g->pool, "%s/state.txt", folder);
	const char *dump = us_pool_format(&g->pool, "%s/dump", folder);
	struct us_err *err;
	struct stat st;

	if (!name || !dump)
		return us_err_nomem();
	err = us_file_read_at(AT_FDCWD, name, STATE_MAX, &state);
	if (err)
		say(g, "state_problem=%s", err->text);
	us_err_free(err);
	US_TRY(us_file_write_all(g->port, us_blob_bytes(&state), "the state"));
	if (stat(dump, &st)) {
		dump = us_pool_format(&g->pool, "%s/dump.incomplete", folder);
		if (!dump || stat(dump, &st))
			return us_err_new(US_ERR_NOT_FOUND, "there is no dump in %s", folder);
	}
	say(g, "dump_file_bytes=%lld", (long long)st.st_size);
	*ret_dump = dump;
	return look_at_dump(g, dump);
}

/* The dump is the device itself; what else was saved stands in the slots at its end. */
static struct us_err *look_at_raw(struct guest *g, const struct us_recipe_target *from,
				  const char *node)
{
	_us_target_close_ struct us_target *target = NULL;
	_us_blob_deinit_ struct us_blob state = { 0 };
	struct us_target_spec spec = from->spec;
	const struct us_saved *saved;
	size_t n;

	spec.path = node;
	US_TRY(us_target_open(&spec, "", 0, &target));
	US_TRY(us_target_list(target, &g->pool, &saved, &n));
	if (!n)
		return us_err_new(US_ERR_NOT_FOUND, "nothing was saved on %s", node);
	US_TRY(us_target_get(target, saved[n - 1].crash, "state.txt", STATE_MAX, &state));
	US_TRY(us_file_write_all(g->port, us_blob_bytes(&state), "the state"));
	return look_at_dump(g, node);
}

/* The crash that was saved: the only one on a new disk. */
static struct us_err *find_crash(struct guest *g, const char *folder, const char **ret)
{
	_us_closedir_ DIR *dir = opendir(folder);
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9') {
			*ret = us_pool_format(&g->pool, "%s/%s", folder, e->d_name);
			return *ret ? NULL : us_err_nomem();
		}
	return us_err_new(US_ERR_NOT_FOUND, "nothing was saved in %s", folder);
}

static struct us_err *look_at_disk(struct guest *g, struct us_recipe *recipe)
{
	const struct us_recipe_target *target = &recipe->targets[0];
	const char *node, *folder, *dump;

	US_TRY(us_guest_stack(recipe, false, &g->pool, &node));
	if (target->spec.kind == US_TARGET_RAW)
		return look_at_raw(g, target, node);
	if (mount(node, "/mnt", target->fs, MS_RDONLY, target->fs_options))
		return us_err_os(errno, "mounting %s as %s", node, target->fs);
	folder = us_pool_format(&g->pool, "/mnt%s", target->spec.path);
	if (!folder)
		return us_err_nomem();
	US_TRY(find_crash(g, folder, &folder));
	US_TRY(look_at_crash(g, folder, &dump));
	return copy_out(g, dump);
}

struct us_err *us_guest_look_here(int fd, const char *folder, struct us_pool *pool,
				  const char **ret_dump)
{
	struct guest g = { .port = fd };
	const char *dump = NULL;
	struct stat st;
	struct us_err *err = find_crash(&g, folder, &folder);

	if (!err)
		err = look_at_crash(&g, folder, &dump);
	if (err)
		say(&g, "failed=%s", err->text);
	if (dump && !stat(dump, &st))
		say(&g, "copied=%lld", (long long)st.st_size);
	us_err_free(err);
	*ret_dump = dump ? us_pool_strdup(pool, dump) : NULL;
	us_pool_deinit(&g.pool);
	return dump && !*ret_dump ? us_err_nomem() : NULL;
}

/* ---- make the target ---- */

static struct us_err *make_target(struct guest *g, struct us_recipe *recipe)
{
	const char *node;

	US_TRY(us_guest_stack(recipe, true, &g->pool, &node));
	return us_guest_subvolume(&recipe->targets[0], node);
}

/* With the modules of the capture image. */
static struct us_err *play_with_recipe(struct guest *g)
{
	_us_recipe_free_ struct us_recipe *recipe = NULL;
	_us_blob_deinit_ struct us_blob text = { 0 };

	US_TRY(us_file_read_at(AT_FDCWD, US_RECIPE_PATH, RECIPE_MAX, &text));
	US_TRY(us_recipe_parse(us_blob_bytes(&text), &recipe));
	if (!recipe->n_targets)
		return us_err_new(US_ERR_NOT_FOUND, "the recipe has no target");
	load_modules(recipe);
	US_TRY(take_keys(g, "user"));
	mkdir("/mnt", 0700);
	return strcmp(order(g, "role"), "make") ? look_at_disk(g, recipe) : make_target(g, recipe);
}

static struct us_err *play(struct guest *g)
{
	_us_blob_deinit_ struct us_blob text = { 0 };

	US_TRY(us_file_read_at(AT_FDCWD, US_REHEARSE_ORDER, ORDER_MAX, &text));
	US_TRY(us_capture_state_parse(us_blob_bytes(&text), &g->order));
	say(g, "began=%s", order(g, "role"));
	return strcmp(order(g, "role"), "crash") ? play_with_recipe(g) : play_crash(g);
}

_Noreturn void us_rehearse_guest(void)
{
	struct guest g = { .port = -1 };
	struct us_err *err;

	mount_kernel();
	err = open_port(&g);
	if (!err)
		err = play(&g);
	if (err && g.port >= 0)
		say(&g, "failed=%s", err->text);
	sync();
	if (!err)
		say(&g, "done=yes");
	us_err_free(err);
	reboot(RB_AUTOBOOT);
	_exit(1);
}
