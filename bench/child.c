/*
 * A stdio MCP server that does next to nothing, so that what is measured is the bridge in front of it.
 * It takes what bridges send (one JSON object a line, no trickery) and scans it instead of parsing it.
 * Tools: `echo` answers its own params at once, `large` adds 64 KiB of text, `progress` says so three times first.
 * child.mjs does the same where there is no compiler.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE 65536

typedef struct { const char *at; int length; } Span;

/* Behind the string that begins at p. */
static const char *past_string(const char *p) {
  for (p++; *p && *p != '"'; p++) if (*p == '\\' && p[1]) p++;
  return *p ? p + 1 : p;
}

/* Behind the value that begins at p. */
static const char *past_value(const char *p) {
  if (*p == '"') return past_string(p);
  int depth = 0;
  while (*p) {
    if (*p == '"') { p = past_string(p); continue; }
    if (*p == '{' || *p == '[') depth++;
    else if (*p == '}' || *p == ']') { if (--depth < 0) break; }
    else if (*p == ',' && depth == 0) break;
    p++;
  }
  return p;
}

/* The member `key` of the object that begins at p; nowhere where it has none. */
static Span member(const char *p, const char *key) {
  size_t length = strlen(key);
  if (!p || *p != '{') return (Span){ NULL, 0 };
  for (p++; *p && *p != '}'; ) {
    while (*p == ' ' || *p == ',') p++;
    if (*p != '"') break;
    const char *name = p + 1;
    p = past_string(p);
    int found = (size_t)(p - 1 - name) == length && !strncmp(name, key, length);
    while (*p == ' ' || *p == ':') p++;
    const char *value = p;
    p = past_value(p);
    if (found) return (Span){ value, (int)(p - value) };
  }
  return (Span){ NULL, 0 };
}

static int is(Span value, const char *text) {
  return value.at && value.length == (int)strlen(text) + 2 && !strncmp(value.at + 1, text, value.length - 2);
}

static void call(Span id, Span params, const char *large) {
  Span name = member(params.at, "name");
  if (is(name, "progress")) {
    Span token = member(member(params.at, "_meta").at, "progressToken");
    for (int step = 1; token.at && step <= 3; step++) {
      printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":%.*s,\"progress\":%d,\"total\":3}}\n",
        token.length, token.at, step);
      fflush(stdout);
    }
  }
  printf("{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"%s\"}],\"structuredContent\":{\"pid\":%d,\"params\":%.*s}}}\n",
    id.length, id.at, is(name, "large") ? large : "ok", getpid(), params.at ? params.length : 4, params.at ? params.at : "null");
}

int main(void) {
  char *large = malloc(LARGE + 1), *line = NULL;
  size_t capacity = 0;
  ssize_t length;
  memset(large, 'x', LARGE);
  large[LARGE] = 0;
  setvbuf(stdout, NULL, _IOFBF, 1 << 17);
  while ((length = getline(&line, &capacity, stdin)) > 0) {
    if (line[length - 1] == '\n') line[length - 1] = 0;
    Span id = member(line, "id"), method = member(line, "method"), params = member(line, "params");
    if (!id.at || !method.at) continue;
    if (is(method, "tools/call")) call(id, params, large);
    else {
      printf("{\"jsonrpc\":\"2.0\",\"id\":%.*s,", id.length, id.at);
      if (is(method, "initialize")) printf("\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}\n");
      else if (is(method, "ping")) printf("\"result\":{}}\n");
      else if (is(method, "tools/list")) printf("\"result\":{\"tools\":[{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\"}},{\"name\":\"large\",\"inputSchema\":{\"type\":\"object\"}},{\"name\":\"progress\",\"inputSchema\":{\"type\":\"object\"}}]}}\n");
      else printf("\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}\n");
    }
    fflush(stdout);
  }
  return 0;
}
