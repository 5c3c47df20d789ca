/* Translation for programs in C and for bindings of other languages (C99; C++ programs have polymoe/translator.h).
 *
 *     polymoe_translator* translator = polymoe_load("run", NULL);
 *     const char* lines[] = {"Open the file."};
 *     polymoe_results* results = polymoe_translate(translator, lines, 1, "en", "de", NULL);
 *     if (results == NULL) return fail(polymoe_last_error());
 *     puts(polymoe_text(results, 0, 0));
 *     polymoe_results_free(results);
 *     polymoe_translator_free(translator);
 *
 * Text is UTF-8 and ends with a NUL. What fails returns NULL or -1, and polymoe_last_error() tells why; no exception
 * comes out. What is returned without const belongs to the caller, who frees it once; each *_free() takes NULL. Strings
 * that are returned live as long as what they were asked of. Indices out of range give NULL or 0.
 */
#ifndef POLYMOE_POLYMOE_H
#define POLYMOE_POLYMOE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library: "0.1.0". */
const char* polymoe_library_version(void);

/* Why the last call of the calling thread failed, in one line; "" where none did. Valid until its next call. */
const char* polymoe_last_error(void);
/* Whether it failed because it was cancelled. */
int polymoe_was_cancelled(void);

/* How a model is loaded and how it translates: names and values as text. Those of the section decode of
 * docs/configuration.md ("beam-size", "temperature", ...), of which protect is "always" or "never"; "vocabulary" (a
 * path), "precision" ("auto", "float32", "bfloat16", "float16", "int8", "int4"), "device" ("cpu", "cuda"), "threads"
 * and "verify" ("true", "false"). */
typedef struct polymoe_options polymoe_options;
polymoe_options* polymoe_options_new(void);
/* 0, or -1 for an unknown name or an invalid value. Ranges are checked by polymoe_load(). */
int polymoe_options_set(polymoe_options* options, const char* name, const char* value);
void polymoe_options_free(polymoe_options* options);

/* A model that translates. Several threads may use one at the same time. */
typedef struct polymoe_translator polymoe_translator;
/* Loads a run's folder or a checkpoint; `options` may be NULL. */
polymoe_translator* polymoe_load(const char* model, const polymoe_options* options);
/* Not while a call with it is under way. */
void polymoe_translator_free(polymoe_translator* translator);
/* The code of the language of this index; NULL past the last. */
const char* polymoe_language(const polymoe_translator* translator, size_t index);
/* Whether the model was trained for a task (NULL: "translation") in a direction, as far as is known; -1 for an unknown
 * language or task. What it writes otherwise may be of little use. */
int polymoe_is_trained(const polymoe_translator* translator, const char* source_language, const char* target_language,
                       const char* task);

/* Terms with their translations, from lines of `source TAB target`; see docs/decoding.md. */
typedef struct polymoe_glossary polymoe_glossary;
polymoe_glossary* polymoe_glossary_load(const char* path);
polymoe_glossary* polymoe_glossary_parse(const char* text);
void polymoe_glossary_free(polymoe_glossary* glossary);

/* Ends calls from another thread, or from their own listener: those that were given it fail within one step. */
typedef struct polymoe_canceller polymoe_canceller;
polymoe_canceller* polymoe_canceller_new(void);
void polymoe_cancel(polymoe_canceller* canceller);
void polymoe_canceller_free(polymoe_canceller* canceller);

/* What is asked of one call. Begin with all zero and `size`, so that later versions may add members:
 * polymoe_request request = {.size = sizeof request}; */
typedef struct polymoe_request {
  size_t size;
  const char* task;                   /* NULL: "translation" */
  const char* const* prefixes;        /* as many as lines, what their translations begin with; or NULL */
  const polymoe_glossary* glossary;   /* or NULL */
  const polymoe_canceller* canceller; /* or NULL */
  /* Receives the best translation of each line while it is made, by one thread at a time, which may be other than
   * the caller's. `text` begins with what was told before, `known` of its bytes; it is valid during the call. It must
   * not call the translator. polymoe/translator.h, RequestOptions::on_partial, says when it is called. */
  void (*on_partial)(void* user, size_t line, const char* text, size_t known, int complete);
  void* user;
  const char* const* forbidden; /* phrases that no translation holds as whole words; or NULL */
  size_t num_forbidden;
  int replace_unknowns; /* whether unknown pieces may be written and are copied from the source */
  int word_scores;      /* whether they are wanted */
  int alignments;       /* likewise */
} polymoe_request;

typedef struct polymoe_results polymoe_results;
/* Translates `count` lines; `request` may be NULL. */
polymoe_results* polymoe_translate(const polymoe_translator* translator, const char* const* lines, size_t count,
                                   const char* source_language, const char* target_language,
                                   const polymoe_request* request);
/* Scores translations that are there, one of each line, by forced decoding: results with their texts, scores, word
 * scores and nothing else. Of `request`, which may be NULL, `task` and `canceller` count. Fails where a text is longer
 * than the model reads or writes. */
polymoe_results* polymoe_score_translations(const polymoe_translator* translator, const char* const* lines,
                                            const char* const* translations, size_t count, const char* source_language,
                                            const char* target_language, const polymoe_request* request);
void polymoe_results_free(polymoe_results* results);

size_t polymoe_num_lines(const polymoe_results* results);
/* Translations of a line, the best first; at least one. */
size_t polymoe_num_translations(const polymoe_results* results, size_t line);
const char* polymoe_text(const polymoe_results* results, size_t line, size_t rank);
/* Log probability / length^length-penalty. */
double polymoe_score(const polymoe_results* results, size_t line, size_t rank);
/* Of all tokens and the end mark. */
double polymoe_log_probability(const polymoe_results* results, size_t line, size_t rank);
/* The log probability of each word, separated by spaces, and of the end mark, where they were asked for; their
 * number in `count`. NULL where there are none. */
const double* polymoe_word_scores(const polymoe_results* results, size_t line, size_t rank, size_t* count);
/* Where alignments were asked for, how much a word of the translation attends to each word of the line; the number of
 * these in `count`. NULL past the last word. */
const float* polymoe_alignment(const polymoe_results* results, size_t line, size_t rank, size_t word, size_t* count);
/* Whether it does not end by itself: it reached the greatest length. */
int polymoe_cut_off(const polymoe_results* results, size_t line, size_t rank);
/* Whether it holds the placeholders of the line, where the option "protect" asks for it. */
int polymoe_keeps_placeholders(const polymoe_results* results, size_t line, size_t rank);
/* Terms of the glossary that it lacks. */
size_t polymoe_unmet_terms(const polymoe_results* results, size_t line, size_t rank);
/* Forbidden phrases that it holds all the same, since the glossary, a prefix or a placeholder asked for them. */
size_t polymoe_forbidden_phrases(const polymoe_results* results, size_t line, size_t rank);
/* Tokens of a line that the vocabulary does not know. */
size_t polymoe_unknown_tokens(const polymoe_results* results, size_t line);
/* Whether the model read all of a line; else, with "split-sentences" "never", only its beginning. */
int polymoe_read_whole(const polymoe_results* results, size_t line);

#ifdef __cplusplus
}
#endif

#endif
