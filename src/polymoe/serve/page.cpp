#include "polymoe/serve/page.h"

namespace polymoe {
namespace {

constexpr const char* kPage = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>polymoe: translate</title>
<style>
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #f2f4f7; --line: #8a94a3; --accent: #0b57d0;
  --on-accent: #fff; --error: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --paper: #14171b; --soft: #1f242b; --line: #7b8696;
  --accent: #a8c7fa; --on-accent: #0b1e3f; --error: #f2b8b5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 1.5rem 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.25rem; margin: 0 0 1rem; }
form { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
label { display: block; font-weight: 600; margin-bottom: .25rem; }
select, textarea, input, output, button { font: inherit; color: inherit; background: var(--soft);
  border: 1px solid var(--line); border-radius: .375rem; padding: .5rem; }
select { width: 100%; margin-bottom: .5rem; }
textarea, output { display: block; width: 100%; min-height: 12rem; white-space: pre-wrap; overflow-wrap: anywhere; }
textarea { resize: vertical; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.row { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; }
button { cursor: pointer; }
button[type=submit] { background: var(--accent); color: var(--on-accent); border-color: var(--accent);
  padding: .5rem 1.25rem; font-weight: 600; }
#status { min-height: 1.5em; }
#status.error { color: var(--error); font-weight: 600; }
[hidden] { display: none !important; }
</style>
</head>
<body>
<main>
<h1>Translate</h1>
<form id="form">
  <div>
    <label for="source">From</label>
    <select id="source"></select>
    <label for="text">Text</label>
    <textarea id="text" dir="auto" autofocus spellcheck="false"></textarea>
  </div>
  <div>
    <label for="target">Into</label>
    <select id="target"></select>
    <label for="result">Translation</label>
    <output id="result" dir="auto" for="text source target"></output>
  </div>
  <div class="row">
    <button type="submit">Translate</button>
    <button type="button" id="swap">Swap languages</button>
    <button type="button" id="copy">Copy translation</button>
    <span id="keybox" hidden><label for="key" style="display:inline">API key</label>
      <input id="key" type="password" autocomplete="off"></span>
  </div>
  <p id="status" class="row" role="status" aria-live="polite"></p>
</form>
</main>
<noscript>This page needs JavaScript. The same is at <code>POST /translate</code>.</noscript>
<script>
const at = id => document.getElementById(id);
let languages = [];
function say(message, isError) {
  at("status").textContent = message;
  at("status").className = isError ? "row error" : "row";
}
function fill(select, list, chosen) {
  select.replaceChildren(...list.map(([code, name]) => new Option(name, code, false, code === chosen)));
}
function targets() {
  const source = languages.find(l => l.code === at("source").value);
  const codes = source ? source.targets : languages.map(l => l.code);
  fill(at("target"), languages.filter(l => codes.includes(l.code)).map(l => [l.code, l.name]), at("target").value);
}
async function ask(path, body) {
  const response = await fetch(path, body && { method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || response.statusText);
  return answer;
}
async function translate() {
  const q = at("text").value;
  if (!q.trim()) { at("result").textContent = ""; return say("Write or paste a text first."); }
  say("Translating…");
  try {
    const answer = await ask("translate",
      { q, source: at("source").value, target: at("target").value, format: "text", api_key: at("key").value });
    at("result").textContent = answer.translatedText;
    at("result").lang = at("target").value.replace("_", "-");
    const found = answer.detectedLanguage && languages.find(l => l.code === answer.detectedLanguage.language);
    say([found ? "Detected: " + found.name + "." : "", ...(answer.warnings || [])].join(" "));
  } catch (error) { say(error.message, true); }
}
at("form").addEventListener("submit", event => { event.preventDefault(); translate(); });
at("text").addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) translate();
});
at("source").addEventListener("change", targets);
at("swap").addEventListener("click", () => {
  const source = at("source").value, target = at("target").value;
  if (source === "auto") return say("Choose the language of the text first.");
  at("source").value = target; targets(); at("target").value = source;
  if (at("result").textContent) { at("text").value = at("result").textContent; at("result").textContent = ""; }
});
at("copy").addEventListener("click", async () => {
  try { await navigator.clipboard.writeText(at("result").textContent); say("Copied."); }
  catch { say("The browser does not allow it; select the text instead.", true); }
});
(async () => {
  try {
    const settings = await ask("frontend/settings");
    at("keybox").hidden = !settings.keyRequired;
    languages = await ask("languages");
    fill(at("source"), [["auto", "Detect language"], ...languages.map(l => [l.code, l.name])], "auto");
    targets();
    const params = new URLSearchParams(location.search);
    for (const id of ["source", "target"]) if (params.get(id)) { at(id).value = params.get(id); targets(); }
    if (params.get("q")) { at("text").value = params.get("q"); translate(); }
  } catch (error) { say(error.message, true); }
})();
</script>
</body>
</html>
)html";

}  // namespace

ApiResponse page() {
  return {.body = kPage,
          .content_type = "text/html; charset=utf-8",
          .headers = {{"Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
                       "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
                      {"Referrer-Policy", "no-referrer"}}};
}

}  // namespace polymoe
