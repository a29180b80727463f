/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Short hands for the JSON forms, and the forms that belong to no other file (docs/json.md). */
#include "report/report-int.h"

#include <ctype.h>
#include <string.h>

/* Bytes that are no UTF-8 would make the whole document unreadable: they become '?'. */
static json_object *clean_string(const char *s, size_t n)
{
	json_object *obj;
	char *copy;

	copy = strndup(s, n);
	if (!copy)
		return NULL;
	for (unsigned char *p = (unsigned char *)copy; *p;) {
		int more = *p < 0x80                 ? 0
			   : *p >= 0xc2 && *p < 0xe0 ? 1
			   : (*p & 0xf0) == 0xe0     ? 2
			   : *p >= 0xf0 && *p < 0xf5 ? 3
						     : -1;
		int i = 1;

		while (i <= more && (p[i] & 0xc0) == 0x80)
			i++;
		if (more < 0 || i <= more) {
			*p++ = '?';
			continue;
		}
		p += i;
	}
	obj = json_object_new_string(copy);
	free(copy);
	return obj;
}

void us_json_str(json_object *obj, const char *key, const char *s)
{
	json_object_object_add(obj, key, s ? clean_string(s, strlen(s)) : NULL);
}

void us_json_num(json_object *obj, const char *key, uint64_t v)
{
	json_object_object_add(obj, key, json_object_new_uint64(v));
}

void us_json_bool(json_object *obj, const char *key, bool v)
{
	json_object_object_add(obj, key, json_object_new_boolean(v));
}

void us_json_tri(json_object *obj, const char *key, enum us_tri v)
{
	json_object_object_add(obj, key,
			       v == US_UNKNOWN ? NULL : json_object_new_boolean(v == US_YES));
}

void us_json_text(json_object *obj, const char *key, struct us_bytes b)
{
	size_t n = us_bytes_trimmed(b);

	for (size_t i = 0; i < n; i++)
		if (!b.p[i]) {
			json_object_object_add(obj, key, NULL);
			return;
		}
	json_object_object_add(obj, key, n ? clean_string((const char *)b.p, n) : NULL);
}

json_object *us_json_sub(json_object *obj, const char *key)
{
	json_object *sub = json_object_new_object();

	json_object_object_add(obj, key, sub);
	return sub;
}

json_object *us_json_list(json_object *obj, const char *key)
{
	json_object *list = json_object_new_array();

	json_object_object_add(obj, key, list);
	return list;
}

json_object *us_json_item(json_object *list)
{
	json_object *item = json_object_new_object();

	json_object_array_add(list, item);
	return item;
}

void us_json_add_str(json_object *list, const char *s)
{
	json_object_array_add(list, clean_string(s, strlen(s)));
}

json_object *us_json_new(const char *what)
{
	json_object *obj = json_object_new_object();
	char schema[64];

	if (!obj)
		return NULL;
	snprintf(schema, sizeof(schema), "understudy.%s/1", what);
	us_json_str(obj, "schema", schema);
	return obj;
}

json_object *us_json_error(const struct us_err *err)
{
	static const char *const codes[] = {
		[US_ERR_NOMEM] = "no-memory",     [US_ERR_OS] = "system",
		[US_ERR_BAD_DATA] = "bad-data",   [US_ERR_UNSUPPORTED] = "unsupported",
		[US_ERR_NOT_FOUND] = "not-found", [US_ERR_NO_ROOM] = "no-room",
		[US_ERR_DENIED] = "denied",       [US_ERR_REFUSED] = "refused",
		[US_ERR_USAGE] = "usage",
	};
	json_object *obj = us_json_new("error");

	if (!obj)
		return NULL;
	us_json_str(obj, "code", codes[err->code]);
	us_json_num(obj, "errno", (uint64_t)err->os_errno);
	us_json_str(obj, "text", err->text);
	return obj;
}

struct us_err *us_json_print(FILE *f, json_object *obj)
{
	const char *s;
	bool bad;

	s = obj ? json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_NOSLASHESCAPE)
		: NULL;
	if (!s) {
		json_object_put(obj);
		return us_err_nomem();
	}
	bad = fprintf(f, "%s\n", s) < 0 || fflush(f) != 0;
	json_object_put(obj);
	return bad ? us_err_new(US_ERR_OS, "writing JSON failed") : NULL;
}
