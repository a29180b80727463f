/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drop-in name makedumpfile: the options of makedumpfile 1.7.9 for Linux dumps, its exit
 * statuses (0 done, 1 not) and its last lines, so that kdump scripts run unchanged. Options that
 * only tune its way of working are taken and have no effect, for memory is bounded and files are
 * not needed in any case; what cannot be done (Xen, erasing, vmlinux files) is an error that says
 * so, with --check-params already. It has no debugging aids and reads no sadump disks.
 */
#include "cmd/cmd-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DONE   0
#define FAILED 1

#define SAYS_PROGRESS 1
#define SAYS_COMMON   2
#define SAYS_REPORT   16
#define SAYS_USUAL    7
#define LEVELS_MOST   8

struct opts {
	bool elf, flatten, rearrange, force, debug, split, reassemble, dmesg, partial, mem_usage;
	bool dry_run, stats, check_params, version, non_mmap, non_cyclic;
	const char *codec, *level, *refused, *vmlinux, *vmcoreinfo, *make_vmcoreinfo, *config;
	const char *eppic, *diskset, *vtop, *extension, *xen_syms, *xen_vmcoreinfo, *xen_start;
	const char *messages, *threads, *order, *cyclic, *block, *work_dir;
	uint64_t limit;
};

/* What the words mean. */
struct job {
	const struct opts *o;
	struct us_dump_wish wish;
	unsigned int levels[LEVELS_MOST];
	size_t n_levels;
	unsigned int says;
	FILE *talk; /* where messages go: standard output, unless the dump does */
	char **words;
	size_t n_words;
};

#define OPT(letter, name, type, arg, help, field)                                                  \
	{                                                                                          \
		letter, name, type, arg, help, offsetof(struct opts, field)                        \
	}
#define FLAG(letter, name, field, help) OPT(letter, name, US_OPT_FLAG, NULL, help, field)
#define REFUSED(letter, name, why)      OPT(letter, name, US_OPT_SET, why, NULL, refused)
#define NO_VMLINUX                                                                                 \
	"cannot act: the dump's own vmcoreinfo and BTF tell its structures; leave the option out"
#define NO_ERASE                                                                                   \
	"cannot act: understudy erases nothing inside pages; leave whole classes out with -d"
#define NO_XEN "cannot act: Xen dumps are not supported; use makedumpfile for them"

static const struct us_option options[] = {
	OPT('d', NULL, US_OPT_TEXT, "LEVEL",
	    "What to leave out: 1 zero, 2 cache, 4 private cache, 8 user, 16 free, added up; a "
	    "list is tried in order where there is no room",
	    level),
	OPT('c', NULL, US_OPT_SET, "zlib", "Pack pages with zlib", codec),
	OPT('l', NULL, US_OPT_SET, "lzo", "Pack pages with lzo", codec),
	OPT('p', NULL, US_OPT_SET, "snappy", "Pack pages with snappy", codec),
	OPT('z', NULL, US_OPT_SET, "zstd", "Pack pages with zstd", codec),
	FLAG('E', NULL, elf, "Write an ELF core"),
	FLAG('F', NULL, flatten, "Write the dump as a stream to standard output"),
	FLAG('R', NULL, rearrange, "Make a dump of such a stream from standard input"),
	FLAG('f', NULL, force, "Replace a file that is there"),
	OPT('L', NULL, US_OPT_SIZE, "SIZE", "Stop at this size", limit),
	OPT(0, "num-threads", US_OPT_TEXT, "N", "Threads; one per CPU if not said", threads),
	FLAG(0, "split", split, "Write several files that share the pages"),
	FLAG(0, "reassemble", reassemble, "Make one dump of such files"),
	FLAG(0, "dump-dmesg", dmesg, "Write the kernel log only"),
	FLAG(0, "partial-dmesg", partial, "With --dump-dmesg: since the last dmesg -c"),
	FLAG(0, "mem-usage", mem_usage, "Show how many pages of each kind there are"),
	FLAG(0, "dry-run", dry_run, "Do all the work and write nothing"),
	FLAG(0, "show-stats", stats, "Show what was left out, and the size"),
	OPT(0, "message-level", US_OPT_TEXT, "N",
	    "1 progress, 2 common messages, 16 statistics, added up", messages),
	FLAG('D', NULL, debug, "Show statistics"),
	FLAG(0, "check-params", check_params, "Look at the options and end"),
	FLAG('v', "version", version, "Show the version"),
	OPT('b', NULL, US_OPT_TEXT, "ORDER", "No effect: buffers have the size they need", order),
	OPT(0, "cyclic-buffer", US_OPT_TEXT, "KB", "No effect: memory is bounded", cyclic),
	OPT(0, "splitblock-size", US_OPT_TEXT, "KB", "No effect: parts share pages evenly", block),
	OPT(0, "work-dir", US_OPT_DIR, "DIR", "No effect: no work files are made", work_dir),
	FLAG(0, "non-cyclic", non_cyclic, "No effect: there is one pass only"),
	FLAG(0, "non-mmap", non_mmap, "No effect: what cannot be mapped is read"),
	OPT('x', NULL, US_OPT_TEXT, "FILE", NULL, vmlinux),
	OPT('i', NULL, US_OPT_TEXT, "FILE", NULL, vmcoreinfo),
	OPT('g', NULL, US_OPT_TEXT, "FILE", NULL, make_vmcoreinfo),
	OPT(0, "config", US_OPT_TEXT, "FILE", NULL, config),
	OPT(0, "eppic", US_OPT_TEXT, "FILE", NULL, eppic),
	OPT(0, "extension", US_OPT_TEXT, "FILE", NULL, extension),
	OPT(0, "diskset", US_OPT_TEXT, "FILE", NULL, diskset),
	OPT(0, "vtop", US_OPT_TEXT, "ADDR", NULL, vtop),
	OPT(0, "xen-syms", US_OPT_TEXT, "FILE", NULL, xen_syms),
	OPT(0, "xen-vmcoreinfo", US_OPT_TEXT, "FILE", NULL, xen_vmcoreinfo),
	OPT(0, "xen_phys_start", US_OPT_TEXT, "ADDR", NULL, xen_start),
	REFUSED('X', NULL, "-X " NO_XEN),
	REFUSED('e', NULL,
		"-e cannot act: descriptors of pages that are left out stay in the dump; leave the "
		"option out"),
	{ 0 },
};

const struct us_cmd us_cmd_makedumpfile = {
	.name = "makedumpfile",
	.args = "IN OUT...",
	.brief = "Write a smaller dump of IN to OUT",
	.options = options,
	.max_args = -1,
	.last_wins = true,
	.opts_bytes = sizeof(struct opts),
};

static struct us_err *check_refused(const struct opts *o)
{
	const struct {
		const char *given, *word, *why;
	} all[] = {
		{ o->vmlinux, "-x", NO_VMLINUX },
		{ o->vmcoreinfo, "-i", NO_VMLINUX },
		{ o->make_vmcoreinfo, "-g", NO_VMLINUX },
		{ o->config, "--config", NO_ERASE },
		{ o->eppic, "--eppic", NO_ERASE },
		{ o->extension, "--extension",
		  "cannot act: understudy loads no code; leave it out" },
		{ o->diskset, "--diskset", "cannot act: sadump disks are not supported" },
		{ o->vtop, "--vtop", "is not supported: use crash or drgn on the dump" },
		{ o->xen_syms, "--xen-syms", NO_XEN },
		{ o->xen_vmcoreinfo, "--xen-vmcoreinfo", NO_XEN },
		{ o->xen_start, "--xen_phys_start", NO_XEN },
	};

	if (o->refused)
		return us_err_new(US_ERR_USAGE, "%s", o->refused);
	for (size_t i = 0; i < us_array_size(all); i++)
		if (all[i].given)
			return us_err_new(US_ERR_USAGE, "%s %s", all[i].word, all[i].why);
	if (o->elf && o->flatten)
		return us_err_new(US_ERR_USAGE,
				  "-E and -F exclude each other: \"understudy dump --format elf "
				  "IN -\" streams an ELF core that needs no -R");
	if (o->elf && o->codec)
		return us_err_new(US_ERR_USAGE,
				  "-E and -%c exclude each other: pages of an ELF "
				  "core are not packed",
				  !strcmp(o->codec, "zlib")     ? 'c'
				  : !strcmp(o->codec, "lzo")    ? 'l'
				  : !strcmp(o->codec, "snappy") ? 'p'
								: 'z');
	if (o->split && (o->flatten || o->elf))
		return us_err_new(US_ERR_USAGE, "--split and %s exclude each other",
				  o->elf ? "-E" : "-F");
	if (o->dry_run && (o->dmesg || o->reassemble || o->rearrange || o->mem_usage))
		return us_err_new(US_ERR_USAGE, "--dry-run is for writing dumps only");
	return NULL;
}

/* How many words each kind of work takes. */
static struct us_err *check_words(const struct job *j)
{
	const struct opts *o = j->o;
	size_t least = 2, most = 2;
	const char *what = "IN OUT";

	if (o->rearrange) {
		least = most = 1;
		what = "OUT, with the stream on standard input";
	} else if (o->mem_usage) {
		least = most = 1;
		what = "IN, e.g. /proc/kcore";
	} else if (o->flatten && !o->dmesg) {
		least = most = 1;
		what = "IN, and writes to standard output";
	} else if (o->split || o->reassemble) {
		least = 3;
		most = SIZE_MAX;
		what = o->split ? "IN OUT OUT..." : "IN IN... OUT";
	}
	if (j->n_words < least || j->n_words > most)
		return us_err_new(US_ERR_USAGE, "this takes %s (makedumpfile --help)", what);
	return NULL;
}

static struct us_err *levels_of(struct job *j)
{
	const char *w = j->o->level ? j->o->level : "0";

	while (*w && j->n_levels < LEVELS_MOST) {
		char word[8] = { 0 };
		size_t n = strcspn(w, ",");
		uint64_t v = 0;

		memcpy(word, w, n < sizeof(word) ? n : sizeof(word) - 1);
		if (!us_text_u64(word, 10, &v) || v > 31)
			return us_err_new(US_ERR_USAGE,
					  "-d: \"%s\" is no level from 0 to 31 nor a "
					  "list of them",
					  j->o->level);
		j->levels[j->n_levels++] = (unsigned int)v;
		w += n + (w[n] == ',');
	}
	if (*w || !j->n_levels)
		return us_err_new(US_ERR_USAGE, "-d: \"%s\" is no list of at most %d levels",
				  j->o->level, LEVELS_MOST);
	return NULL;
}

static struct us_err *job_of(const struct opts *o, size_t n, char **words, struct job *j)
{
	uint64_t v = SAYS_USUAL;

	*j = (struct job){
		.o = o,
		.wish = { .codec = US_PAGE_RAW,
			  .format = o->elf       ? US_DUMP_ELF
				    : o->flatten ? US_DUMP_FLAT
						 : US_DUMP_KDUMP,
			  .limit = o->limit,
			  .overwrite = o->force },
		.talk = o->flatten ? stderr : stdout,
		.words = words,
		.n_words = n,
	};
	US_TRY(check_refused(o));
	US_TRY(check_words(j));
	US_TRY(levels_of(j));
	if (o->codec && !us_page_codec_parse(o->codec, &j->wish.codec, &j->wish.codec_level))
		return us_err_new(US_ERR_USAGE, "%s is not built in", o->codec);
	if (o->messages && (!us_text_u64(o->messages, 10, &v) || v > 31))
		return us_err_new(US_ERR_USAGE, "--message-level: \"%s\" is no number to 31",
				  o->messages);
	j->says = (unsigned int)v | (o->stats || o->debug ? SAYS_REPORT : 0);
	v = 0;
	if (o->threads && (!us_text_u64(o->threads, 10, &v) || v > 1024))
		return us_err_new(US_ERR_USAGE, "--num-threads: \"%s\" is no number to 1024",
				  o->threads);
	j->wish.jobs = (unsigned int)v;
	return NULL;
}

/* ---- what is said ---- */

static uint64_t ram_pages(const struct us_vmcore *core)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < core->n_ram; i++)
		bytes += core->ram[i].size;
	return bytes / core->page_bytes;
}

static void show_stats(FILE *f, const struct us_vmcore *core, const struct us_dump_result *r)
{
	const struct {
		const char *name;
		unsigned int level;
		uint64_t pages;
	} rows[] = {
		{ "Pages filled with zero  ", US_DUMP_ZERO, r->pages_zero },
		{ "Non-private cache pages ", US_DUMP_CACHE | US_DUMP_CACHE_PRIVATE,
		  r->scan.pages[US_CLASS_CACHE] },
		{ "Private cache pages     ", US_DUMP_CACHE_PRIVATE,
		  r->scan.pages[US_CLASS_CACHE_PRIVATE] },
		{ "User process data pages ", US_DUMP_USER, r->scan.pages[US_CLASS_USER] },
		{ "Free pages              ", US_DUMP_FREE, r->scan.pages[US_CLASS_FREE] },
		{ "Hwpoison pages          ", ~0U, r->scan.pages[US_CLASS_POISON] },
		{ "Offline pages           ", ~0U, r->scan.pages[US_CLASS_OFFLINE] },
	};
	uint64_t ram = ram_pages(core), left_out = 0, v[us_array_size(rows)];

	for (size_t i = 0; i < us_array_size(rows); i++) {
		v[i] = rows[i].level == ~0U || rows[i].level & r->level_used ? rows[i].pages : 0;
		left_out += v[i];
	}
	fprintf(f, "\nOriginal pages  : 0x%016" PRIx64 "\n  Excluded pages   : 0x%016" PRIx64 "\n",
		ram, left_out);
	for (size_t i = 0; i < us_array_size(rows); i++)
		fprintf(f, "    %s: 0x%016" PRIx64 "\n", rows[i].name, v[i]);
	fprintf(f, "  Remaining pages  : 0x%016" PRIx64 "\n", ram > left_out ? ram - left_out : 0);
	fprintf(f, "  (The number of pages is reduced to %u%%.)\n",
		ram > left_out ? (unsigned int)((ram - left_out) * 100 / ram) : 0);
	fprintf(f, "Memory Hole     : 0x%016" PRIx64 "\n",
		core->max_pfn > ram ? core->max_pfn - ram : 0);
	fprintf(f, "--------------------------------------------------\n");
	fprintf(f, "Total pages     : 0x%016" PRIx64 "\nWrite bytes     : %" PRIu64 "\n\n",
		core->max_pfn, r->bytes_out);
}

static void warn(const struct us_vmcore *core, const struct us_dump_result *r,
		 const struct us_err *blind)
{
	if (blind)
		fprintf(stderr,
			"makedumpfile: all pages are kept, for their classes are not "
			"known: %s\n",
			blind->text);
	if (r->level_used & ~(unsigned int)US_DUMP_ZERO)
		for (const char *const *n = r->scan.notes; n && *n; n++)
			fprintf(stderr, "makedumpfile: %s\n", *n);
	for (const char *const *w = core->warnings; w && *w; w++)
		fprintf(stderr, "makedumpfile: %s\n", *w);
}

static void say_saved(const struct job *j, size_t from)
{
	if (!(j->says & SAYS_COMMON))
		return;
	if (j->n_words - from > 1) {
		fprintf(j->talk, "\nThe dumpfiles are saved to ");
		for (size_t i = from; i < j->n_words; i++)
			fprintf(j->talk, "%s%s",
				i == from             ? ""
				: i == j->n_words - 1 ? ", and "
						      : ", ",
				j->words[i]);
		fprintf(j->talk, ".\n");
		return;
	}
	fprintf(j->talk, "\nThe %s is saved to %s.\n", j->o->dmesg ? "dmesg log" : "dumpfile",
		from < j->n_words ? j->words[from] : "STDOUT");
}

/* ---- the work ---- */

static struct us_err *write_once(const struct job *j, const struct us_opened *in,
				 const struct us_dump_wish *wish, struct us_progress *progress,
				 struct us_dump_result *r) us_must_check;
static struct us_err *write_once(const struct job *j, const struct us_opened *in,
				 const struct us_dump_wish *wish, struct us_progress *progress,
				 struct us_dump_result *r)
{
	_us_close_ int nowhere = -1;
	struct us_dump_wish dry = *wish;

	if (j->o->dry_run) {
		nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (nowhere < 0)
			return us_err_os(errno, "/dev/null");
		if (dry.format == US_DUMP_KDUMP)
			dry.format = US_DUMP_FLAT;
		return us_dump_write(in->core, in->layout, &dry, "-", nowhere, progress, r);
	}
	if (j->o->split)
		return us_dump_split(in->core, in->layout, wish, (const char *const *)j->words + 1,
				     j->n_words - 1, progress, r);
	return us_dump_write(in->core, in->layout, wish,
			     j->o->flatten ? "-" : j->words[j->n_words - 1], STDOUT_FILENO,
			     progress, r);
}

/* Is there another level to try, after one that had no room? */
static bool try_next(const struct job *j, size_t i, const char *why)
{
	if (j->o->flatten || i + 1 >= j->n_levels)
		return false;
	fprintf(stderr, "makedumpfile: %s at level %u: trying level %u\n", why, j->levels[i],
		j->levels[i + 1]);
	return true;
}

/* Level after level, as long as the dump has no room. */
static struct us_err *write_dump(const struct job *j, size_t n_in, struct us_progress *progress)
	us_must_check;
static struct us_err *write_dump(const struct job *j, size_t n_in, struct us_progress *progress)
{
	for (size_t i = 0; i < j->n_levels; i++) {
		_us_dump_result_free_ struct us_dump_result r = { 0 };
		_us_opened_deinit_ struct us_opened in = { 0 };
		const struct us_err *blind;
		struct us_dump_wish wish = j->wish;
		struct us_err *err;

		wish.level = j->o->reassemble ? 0 : j->levels[i];
		wish.stored = j->o->reassemble;
		wish.overwrite |= i > 0;
		US_TRY(us_opened_open(j->words, n_in, &in));
		wish.level = us_dumping_level(&in, wish.level, &blind);
		err = write_once(j, &in, &wish, progress, &r);
		if (err && err->code == US_ERR_NO_ROOM && try_next(j, i, err->text)) {
			us_err_free(err);
			continue;
		}
		if (err)
			return err;
		warn(in.core, &r, blind);
		if (!r.complete && try_next(j, i, r.stopped ? r.stopped : "no room"))
			continue;
		if (j->says & SAYS_REPORT)
			show_stats(j->talk, in.core, &r);
		if (!r.complete)
			return us_err_new(US_ERR_NO_ROOM,
					  "%s: %" PRIu64 " pages that were asked for are not in "
					  "the dump, which is valid without them",
					  r.stopped ? r.stopped : "the input is not complete",
					  r.pages_dropped);
		return NULL;
	}
	return NULL;
}

struct log_file {
	FILE *f;
	uint64_t from; /* first sequence number to write */
};

/* "[    1.234567] text", its further lines indented as far. */
static struct us_err *write_record(void *data, const struct us_log_record *record)
{
	struct log_file *to = data;
	int indent;

	if (record->seq < to->from)
		return NULL;
	indent = fprintf(to->f, "[%5" PRIu64 ".%06" PRIu64 "] ", record->ns / 1000000000,
			 record->ns % 1000000000 / 1000);
	for (size_t i = 0; i < record->text.n; i++) {
		uint8_t c = record->text.p[i];

		if (c == '\n')
			fprintf(to->f, "\n%*s", indent, "");
		else if (c == '\t' || (c >= 0x20 && c != 0x7f))
			fputc(c, to->f);
		else
			fprintf(to->f, "\\x%02x", c);
	}
	fputc('\n', to->f);
	return ferror(to->f) ? us_err_os(errno, "writing the log") : NULL;
}

/* The kernel's clear_seq: what dmesg -c was shown. */
static struct us_err *cleared(const struct us_vmcore *core, const struct us_layout *layout,
			      uint64_t *ret) us_must_check;
static struct us_err *cleared(const struct us_vmcore *core, const struct us_layout *layout,
			      uint64_t *ret)
{
	uint8_t raw[8];
	int64_t offset = 0;
	uint64_t at;

	if (!us_vmcoreinfo_symbol(core->info, "clear_seq", &at))
		return us_err_new(US_ERR_UNSUPPORTED,
				  "--partial-dmesg: this kernel does not say where its log was "
				  "cleared");
	(void)us_vmcoreinfo_number(core->info, "OFFSET", "latched_seq.val", &offset);
	US_TRY(us_vmcore_read_virt(core, layout, at + (uint64_t)offset, raw, sizeof(raw)));
	if (!us_le64(us_bytes_of(raw, sizeof(raw)), 0, ret))
		return us_err_nomem();
	return NULL;
}

static struct us_err *write_log(const struct job *j) us_must_check;
static struct us_err *write_log(const struct job *j)
{
	_us_opened_deinit_ struct us_opened in = { 0 };
	_us_fclose_ FILE *f = NULL;
	struct us_log_stats stats = { 0 };
	struct log_file to = { 0 };
	const char *path = j->words[1];
	int fd;

	US_TRY(us_opened_open(j->words, 1, &in));
	if (in.layout_problem)
		return us_steal(&in.layout_problem);
	if (j->o->partial)
		US_TRY(cleared(in.core, in.layout, &to.from));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (j->o->force ? O_TRUNC : O_EXCL), 0600);
	if (fd < 0)
		return us_err_os(errno, "%s", path);
	f = fdopen(fd, "w");
	if (!f) {
		close(fd);
		return us_err_nomem();
	}
	to.f = f;
	US_TRY(us_vmcore_log(in.core, in.layout, write_record, &to, &stats));
	if (fflush(f) || ferror(f))
		return us_err_os(errno, "%s", path);
	if (stats.damaged || stats.lost)
		fprintf(stderr,
			"makedumpfile: %" PRIu64 " records of the log are damaged and %" PRIu64
			" lost\n",
			stats.damaged, stats.lost);
	return NULL;
}

struct usage {
	struct us_vmcore_reader *reader;
	const struct us_vmcore *core;
	uint64_t zero, unreadable;
};

/* Zero pages among those that no class leaves out; the only ones that must be read for it. */
static struct us_err *count_zero(void *data, const struct us_run *run)
{
	static const uint8_t zeros[65536];
	struct usage *u = data;
	size_t page = u->core->page_bytes;

	if (run->class != US_CLASS_KEEP && run->class != US_CLASS_SLAB &&
	    run->class != US_CLASS_PROTECTED)
		return NULL;
	for (uint64_t pfn = run->pfn; pfn < run->pfn + run->count; pfn++) {
		struct us_bytes b = { 0 };
		struct us_err *err =
			us_vmcore_window(u->reader, pfn << u->core->page_shift, page, &b);

		if (err || b.n < page)
			u->unreadable++;
		else if (page <= sizeof(zeros) && !memcmp(b.p, zeros, page))
			u->zero++;
		us_err_free(err);
	}
	return NULL;
}

static void show_usage(const struct us_vmcore *core, const uint64_t *pages, uint64_t zero)
{
	const struct {
		const char *name;
		uint64_t pages;
		const char *out, *help;
	} rows[] = {
		{ "ZERO", zero, "yes", "Pages filled with zero" },
		{ "NON_PRI_CACHE", pages[US_CLASS_CACHE], "yes",
		  "Cache pages without private flag" },
		{ "PRI_CACHE", pages[US_CLASS_CACHE_PRIVATE], "yes",
		  "Cache pages with private flag" },
		{ "USER", pages[US_CLASS_USER], "yes", "User process pages" },
		{ "FREE", pages[US_CLASS_FREE], "yes", "Free pages" },
		{ "KERN_DATA",
		  pages[US_CLASS_KEEP] + pages[US_CLASS_SLAB] + pages[US_CLASS_PROTECTED] - zero,
		  "no", "Dumpable kernel data " },
	};
	uint64_t ram = ram_pages(core);

	printf("TYPE\t\tPAGES\t\t\tEXCLUDABLE\tDESCRIPTION\n");
	for (int i = 0; i < 70; i++)
		putchar('-');
	putchar('\n');
	for (size_t i = 0; i < us_array_size(rows); i++)
		printf("%s%s%-16" PRIu64 "\t%s\t\t%s\n", rows[i].name,
		       strlen(rows[i].name) < 8 ? "\t\t" : "\t", rows[i].pages, rows[i].out,
		       rows[i].help);
	printf("\npage size:\t\t%-16u\nTotal pages on system:\t%-16" PRIu64
	       "\nTotal size on system:\t%-16" PRIu64 " Byte\n",
	       core->page_bytes, ram, ram * core->page_bytes);
}

static struct us_err *mem_usage(const struct job *j, struct us_progress *progress) us_must_check;
static struct us_err *mem_usage(const struct job *j, struct us_progress *progress)
{
	_us_opened_deinit_ struct us_opened in = { 0 };
	struct us_scan scan = { 0 };
	struct usage u = { 0 };
	struct us_err *err;

	US_TRY(us_opened_open(j->words, 1, &in));
	if (in.layout_problem)
		return us_steal(&in.layout_problem);
	u.core = in.core;
	US_TRY(us_vmcore_reader_new(in.core, &u.reader));
	err = us_vmcore_scan(in.core, in.layout, count_zero, &u, progress, &scan);
	us_vmcore_reader_free(u.reader);
	if (err)
		return err;
	show_usage(in.core, scan.pages, u.zero);
	us_scan_deinit(&scan);
	return NULL;
}

static struct us_err *work(const struct job *j, struct us_progress *progress) us_must_check;
static struct us_err *work(const struct job *j, struct us_progress *progress)
{
	const struct opts *o = j->o;
	uint64_t bytes;

	if (o->rearrange)
		return us_dump_rearrange(STDIN_FILENO, j->words[0], o->force, progress, &bytes);
	if (o->dmesg)
		return write_log(j);
	if (o->mem_usage)
		return mem_usage(j, progress);
	return write_dump(j, o->reassemble ? j->n_words - 1 : 1, progress);
}

static int run(const struct opts *o, size_t n, char **words)
{
	struct us_progress_line line;
	struct job j = { 0 };
	struct us_err *err;

	if (o->version) {
		printf("makedumpfile: version 1.7.9 (understudy %s)\n"
		       "lzo\tenabled\nsnappy\tenabled\nzstd\tenabled\n",
		       US_VERSION);
		return DONE;
	}
	err = job_of(o, n, words, &j);
	if (!err && !o->check_params) {
		us_progress_line_init(&line, stderr);
		line.draws &= !!(j.says & SAYS_PROGRESS);
		err = work(&j, &line.p);
		us_progress_line_end(&line);
	}
	if (err) {
		fprintf(stderr, "makedumpfile: %s\n", err->text);
		us_err_free(err);
		fprintf(j.talk, "\nmakedumpfile Failed.\n");
		return FAILED;
	}
	if (o->check_params || o->mem_usage)
		return DONE;
	say_saved(&j, o->rearrange ? 0 : o->reassemble ? n - 1 : 1);
	if (j.says & SAYS_COMMON)
		fprintf(j.talk, "\nmakedumpfile Completed.\n");
	return fflush(j.talk) ? FAILED : DONE;
}

int us_compat_makedumpfile(int argc, char **argv)
{
	struct opts o = { 0 };
	bool wants_help = false;
	struct us_err *err;
	int n = 0, status;

	err = us_options_parse(&us_cmd_makedumpfile, argc, argv, &o, &n, &wants_help);
	if (err) {
		fprintf(stderr, "makedumpfile: %s\n", err->text);
		us_err_free(err);
		printf("\nmakedumpfile Failed.\n");
		status = FAILED;
	} else if (wants_help) {
		us_options_help(&us_cmd_makedumpfile, "makedumpfile");
		status = DONE;
	} else {
		status = run(&o, (size_t)n, argv + 1);
	}
	us_options_free(&us_cmd_makedumpfile, &o);
	return status;
}
