/* Translates standard input, a sentence a line, and writes each translation while it is made.
 *
 * Usage: translate_c MODEL SOURCE-LANGUAGE TARGET-LANGUAGE [OPTION VALUE]...   options: beam-size, precision,
 * threads...
 */
#define _POSIX_C_SOURCE 200809L /* getline */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <polymoe/polymoe.h>

static int fail(void) {
  fprintf(stderr, "translate_c: %s\n", polymoe_last_error());
  return 1;
}

static void write_more(void* user, size_t line, const char* text, size_t known, int complete) {
  (void)line;
  fputs(text + known, (FILE*)user);
  if (complete) fputc('\n', (FILE*)user);
  fflush((FILE*)user);
}

static int translate(const polymoe_translator* translator, const char* source, const char* target) {
  char* buffer = NULL;
  size_t room = 0;
  int status = 0;
  while (getline(&buffer, &room, stdin) >= 0) {
    const char* line = buffer;
    polymoe_results* results;
    polymoe_request request = {.size = sizeof request};
    request.on_partial = write_more;
    request.user = stdout;
    buffer[strcspn(buffer, "\n")] = '\0';
    results = polymoe_translate(translator, &line, 1, source, target, &request);
    if (results == NULL) {
      status = fail();
      break;
    }
    if (polymoe_unknown_tokens(results, 0) > 0) fprintf(stderr, "translate_c: unknown characters in: %s\n", line);
    polymoe_results_free(results);
  }
  free(buffer);
  return status;
}

int main(int count, char** values) {
  polymoe_options* options = polymoe_options_new();
  polymoe_translator* translator;
  int i, status;
  if (count < 4) {
    fputs("usage: translate_c MODEL SOURCE-LANGUAGE TARGET-LANGUAGE [OPTION VALUE]...\n", stderr);
    return 2;
  }
  for (i = 4; i + 1 < count; i += 2) {
    if (polymoe_options_set(options, values[i], values[i + 1]) != 0) return fail();
  }
  translator = polymoe_load(values[1], options);
  polymoe_options_free(options);
  if (translator == NULL) return fail();
  status = translate(translator, values[2], values[3]);
  polymoe_translator_free(translator);
  return status;
}
