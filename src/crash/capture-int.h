/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the capture. Processes: PID 1 only watches (memory, watchdog, the time), a worker does
 * the work, and all that may hang is done by children of the worker that are given up when their
 * time is over. What has to outlive a process is in one piece of shared memory.
 */
#ifndef US_CRASH_CAPTURE_INT_H
#define US_CRASH_CAPTURE_INT_H

#include "base/text.h"
#include "crash/capture.h"
#include "vmcore/vmcore.h"

#include <stdatomic.h>
#include <sys/types.h>

#define US_CAPTURE_STAGES  48
#define US_CAPTURE_SAMPLES 512 /* then every other one is dropped */
#define US_CAPTURE_DEVICES 64
#define US_CAPTURE_TARGETS 16
#define US_CAPTURE_NAME    128
#define US_CAPTURE_NODE    64
#define US_CAPTURE_MOUNTS  "/run/understudy/capture"

enum us_capture_held { /* ascending: the better */
		       US_HELD_NOTHING,
		       US_HELD_LOG,
		       US_HELD_PARTIAL,
		       US_HELD_WHOLE,
};

struct us_capture_shared {
	struct {
		char name[48];
		uint64_t begin_ms, end_ms; /* end 0: it did not end */
	} stages[US_CAPTURE_STAGES];
	atomic_uint n_stages;
	struct {
		uint32_t ms, available_kb, used_kb;
	} samples[US_CAPTURE_SAMPLES];
	atomic_uint n_samples;
	uint64_t sample_every_ms, memory_total_kb;
	struct {
		char node[US_CAPTURE_NODE]; /* "" until it was found or assembled */
	} devices[US_CAPTURE_DEVICES];
	struct {
		bool mounted, has_log;
		enum us_capture_held held;
	} targets[US_CAPTURE_TARGETS];
	atomic_uint nets_up; /* a bit for each net of the recipe */
	char crash[US_CAPTURE_NAME];
	char where[512]; /* the dump is */
	enum us_capture_held held;
	unsigned int holder; /* the target that has it */
	uint64_t dump_bytes, dump_pages;
	bool panics; /* the end is a panic, which brings the kernel's own log to pstore */
	atomic_uint n_notes;
	char notes[16384]; /* lines "KEY=VALUE\n" */
};

struct us_capture {
	const struct us_capture_wish *wish;
	struct us_recipe *recipe;
	struct us_capture_shared *shared;
	uint64_t deadline_ns; /* of all; CLOCK_MONOTONIC */
	int console, meminfo, watchdog;
	uint64_t petted_ns, fenced_ns;
	pid_t child;        /* that is waited for now */
	const char *mounts; /* directory for mount points */
	/* called ten times a second while PID 1 waits; NULL in other processes */
	void (*tick)(struct us_capture *c);
	/* the worker's */
	struct us_vmcore *core;
	struct us_layout *layout; /* NULL: not known */
	struct us_text log;
	size_t log_most;
	char *report;
	/* of a rehearsal (capture-stack.c): NULL and false in a capture */
	us_capture_fill_fn fill;
	void *fill_data;
	bool keys_here;
	bool frugal; /* a dump died: the next one takes as little memory as it can */
	bool blind;  /* the worker died once: the kernel's structures are left alone */
};

uint64_t us_capture_now_ns(void);
/* now + seconds, but not later than the capture's end */
uint64_t us_capture_until(const struct us_capture *c, unsigned int seconds);

/* ---- capture-tell.c ---- */
/* A line on the console; "understudy: " stands before it. */
void us_capture_say(struct us_capture *c, const char *fmt, ...) us_printf(2, 3);
/* Bytes to the console, as far as it takes them: one that is stuck holds nobody up. */
void us_capture_console(const struct us_capture *c, const void *p, size_t n);
/* A stage begins; the one before ends. */
void us_capture_stage(struct us_capture *c, const char *fmt, ...) us_printf(2, 3);
void us_capture_stages_end(struct us_capture *c);
/* A line for state.txt, which is said on the console as well. */
void us_capture_note(struct us_capture *c, const char *key, const char *fmt, ...) us_printf(3, 4);
void us_capture_sample(struct us_capture *c);
/* state.txt as it is now. */
struct us_err *us_capture_state_write(const struct us_capture *c, char **ret) us_must_check;

/* ---- capture-guard.c ---- */
typedef struct us_err *(*us_guard_fn)(struct us_capture *c, void *data);
/*
 * fn in a child process, which is killed when its time is over and abandoned if it does not die.
 * Its error comes back; its memory does not. A child that dies by itself is US_ERR_OS.
 */
struct us_err *us_guard(struct us_capture *c, const char *what, uint64_t deadline_ns,
			us_guard_fn fn, void *data) us_must_check;
/* True if err says that the child died. */
bool us_guard_died(const struct us_err *err);
/* PID 1's children only: whom the kernel ends first when memory is out. */
void us_capture_oom_score(const struct us_capture *c, int score);
/* A program with its words, until the deadline; its status if it is not 0 is an error. */
struct us_err *us_guard_program(struct us_capture *c, const char *const *words,
				uint64_t deadline_ns) us_must_check;

/* ---- capture-boot.c: what only PID 1 does ---- */
void us_capture_mount_kernel(struct us_capture *c);
void us_capture_watchdog_open(struct us_capture *c);
void us_capture_watchdog_pet(struct us_capture *c);
void us_capture_load_modules(struct us_capture *c, int target);
/* The end of the log where only it can go: pstore and the console. */
void us_capture_last_words(struct us_capture *c, struct us_bytes log);
_Noreturn void us_capture_finish(struct us_capture *c);

/* ---- capture-find.c: devices ---- */
/* The node of a device of the recipe and of all that it lies on, found or assembled. Waits. */
struct us_err *us_capture_device(struct us_capture *c, const char *name, uint64_t deadline_ns,
				 const char **ret_node) us_must_check;
/* A node of an assembled device, which is not looked at yet. */
struct us_err *us_capture_dm(struct us_capture *c, const struct us_recipe_device *d,
			     uint64_t deadline_ns, char ret_node[US_CAPTURE_NODE]) us_must_check;
struct us_err *us_capture_md(struct us_capture *c, const struct us_recipe_device *d,
			     uint64_t deadline_ns, char ret_node[US_CAPTURE_NODE]) us_must_check;
/* capture-dm.c's part that speaks to the kernel only through io; number: "MAJOR:MINOR" of a device
 * of the recipe. */
struct us_dm_io {
	int (*call)(void *data, unsigned long request, void *arg); /* as ioctl(2) */
	void *data;
};
typedef struct us_err *(*us_dm_number_fn)(struct us_capture *c, const char *name, char ret[32]);
struct us_err *us_dm_assemble(struct us_capture *c, const struct us_dm_io *io,
			      const struct us_recipe_device *d, us_dm_number_fn number,
			      unsigned int *ret_minor) us_must_check;
/* True if all marks of d stand on the device that is open as fd. */
bool us_capture_marks_hold(const struct us_recipe_device *d, int fd);

/* ---- capture-net.c ---- */
/* The recipe's networks, those that are not up yet; one that is up is enough. */
struct us_err *us_capture_net(struct us_capture *c, uint64_t deadline_ns) us_must_check;
/* The network as early as can be, if a cluster waits to be told. */
void us_capture_fence_begin(struct us_capture *c);
/* Tells the cluster's nodes, every few seconds, that we are busy; never waits. */
void us_capture_fence(struct us_capture *c);
/* Tells what became of the dump. */
void us_capture_webhook(struct us_capture *c);

/* ---- capture-save.c ---- */
/* The log, the report and the state to one target: bring it up, and write. */
struct us_err *us_capture_put_log(struct us_capture *c, unsigned int target) us_must_check;
struct us_err *us_capture_put_state(struct us_capture *c, unsigned int target) us_must_check;
struct us_err *us_capture_put_dump(struct us_capture *c, unsigned int target) us_must_check;

#endif
