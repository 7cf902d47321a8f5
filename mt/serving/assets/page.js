// The page: translates while one types.

import { get, translate } from "./api.js";
import { LanguageChoice } from "./languages.js";
import { Output } from "./output.js";
import { keep, recall } from "./storage.js";
import { markNew } from "./words.js";

const PAUSE_MS = 350; // after the last key
const ALTERNATIVES = 3;

const element = (id) => document.getElementById(id);
const [text, source, target, tag] = ["text", "source", "target", "tag"].map(element);
const choices = [source, target].map((select) => new LanguageChoice(select, element("languages")));
let settings, languages, models;
let control = new AbortController();
let timer, detected;
const output = new Output(showAlternatives);

function options(select, codes, chosen) {
  const named = codes.map((code) => {
    const name = code === "auto" ? "Detect language" : languages.find((each) => each.code === code).name;
    return new Option(name, code, false, code === chosen);
  });
  select.replaceChildren(...named);
}

// Offer the targets that the source language has; for "auto", all.
function updateTargets(chosen = target.value) {
  const entry = languages.find((each) => each.code === source.value);
  const codes = entry ? entry.targets : [...new Set(languages.flatMap((each) => each.targets))];
  options(target, codes, codes.includes(chosen) ? chosen : codes[0]);
}

// Return the model of a pair: the first one that has it.
// Return the models that may translate: with "auto", those from any language.
function modelsOf(from, to) {
  const reads = (each) => from === "auto" || each.sources.includes(from);
  return models.filter((each) => from !== to && reads(each) && each.targets.includes(to));
}

function modelOf(from, to) {
  return from === "auto" ? undefined : modelsOf(from, to)[0];
}

// Show what depends on the pair of languages.
function updatePair() {
  const from = source.value === "auto" ? detected : source.value;
  element("swap").disabled = !modelOf(target.value, from);
  for (const choice of choices) choice.refresh();
  const model = modelOf(source.value, target.value);
  const tags = model?.tags ?? [];
  element("tag-choice").hidden = !tags.length;
  const named = (model?.tag === "" ? ["", ...tags] : tags).map((name) => new Option(name || "none", name));
  const before = tag.value;
  tag.replaceChildren(...named);
  tag.value = tag.options.length && tags.includes(before) ? before : model?.tag;
}

function updateCount() {
  const length = [...text.value].length;
  const limit = settings.charLimit;
  const over = limit > 0 && length > limit;
  const shown = length.toLocaleString("en");
  element("count").textContent = limit > 0 ? `${shown} / ${limit.toLocaleString("en")}` : shown;
  element("count").classList.toggle("over", over);
  element("clear").disabled = !length;
  // The pane grows with its text.
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
  return over;
}

function showMessage(message) {
  element("message").textContent = message;
  element("message").hidden = !message;
}

function showAlternatives(part) {
  const choices = part?.alternatives ?? [];
  element("choices").hidden = !choices.length;
  if (!choices.length) return;
  element("choices-of").textContent = output.parts.length > 1 ? `of “${part.source}”` : "";
  element("alternatives").replaceChildren(
    ...choices.map((choice) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dir = "auto";
      button.append(markNew(choice, part.text));
      button.addEventListener("click", () => output.choose(part, choice));
      const item = document.createElement("li");
      item.append(button);
      return item;
    }),
  );
}

function showNothing() {
  output.clear("");
  output.box.classList.remove("old");
  showAlternatives(null);
  element("readout").replaceChildren();
  element("status").textContent = "";
  element("copy").disabled = true;
  for (const hint of ["hint-attention", "hint-unsure"]) element(hint).hidden = true;
}

async function update() {
  clearTimeout(timer);
  control.abort();
  showMessage("");
  const written = text.value;
  if (updateCount()) return showMessage("The text is too long.");
  if (!written.trim()) return showNothing();
  control = new AbortController();
  const { signal } = control;
  const model = modelOf(source.value, target.value);
  const able = model ? [model] : modelsOf(source.value, target.value);
  const attends = able.length > 0 && able.every((each) => each.attention);
  const started = performance.now();
  let isNew = true;
  output.box.classList.add("old");
  element("status").textContent = "Translating …";
  const start = () => {
    output.clear(written);
    output.box.classList.remove("old");
    showAlternatives(null);
    isNew = false;
  };
  try {
    const answer = await translate(
      {
        q: written,
        source: source.value,
        target: target.value,
        alternatives: able.length ? Math.min(ALTERNATIVES, ...able.map((each) => each.alternatives)) : 0,
        scores: able.length > 0 && able.every((each) => each.models.length === 1),
        attention: attends,
        tag: model?.tags.length ? tag.value : undefined,
        api_key: element("key").value,
      },
      (part) => {
        if (signal.aborted) return;
        if (isNew) start();
        output.add(part);
      },
      signal,
    );
    const seconds = (performance.now() - started) / 1000;
    detected = answer.detectedLanguage?.language;
    const name = languages.find((each) => each.code === detected)?.name;
    element("status").textContent = `${name ? `${name}, ` : ""}${seconds.toFixed(1)} s`;
    element("copy").disabled = false;
    element("hint-attention").hidden = !attends;
    element("hint-unsure").hidden = !output.box.querySelector(".unsure");
    showAlternatives(output.parts.length === 1 ? output.parts[0] : null);
    updatePair();
  } catch (error) {
    if (signal.aborted) return; // by the next translation
    element("status").textContent = "";
    output.box.classList.add("old");
    showMessage(error.message);
  }
}

function updateSoon() {
  clearTimeout(timer);
  timer = setTimeout(update, PAUSE_MS);
  element("status").textContent = ""; // which was that of another text
  updateCount();
  output.select(null);
}

function swap() {
  if (element("swap").disabled) return;
  const [from, to] = [source.value === "auto" ? detected : source.value, target.value];
  const translated = output.text;
  source.value = to;
  updateTargets(from);
  updatePair();
  text.value = translated;
  update();
}

async function copy() {
  try {
    await navigator.clipboard.writeText(output.text);
  } catch { // not allowed, as on plain HTTP from another computer
    getSelection().selectAllChildren(output.box);
    document.execCommand("copy");
    getSelection().removeAllRanges();
  }
  element("copy").textContent = "Copied";
  setTimeout(() => (element("copy").textContent = "Copy"), 1500);
}

function clear() {
  text.value = "";
  text.focus();
  update();
}

function listen() {
  text.addEventListener("input", updateSoon);
  source.addEventListener("change", () => (updateTargets(), updatePair(), update()));
  target.addEventListener("change", () => (updatePair(), update()));
  tag.addEventListener("change", update);
  element("swap").addEventListener("click", swap);
  element("clear").addEventListener("click", clear);
  element("copy").addEventListener("click", copy);
  element("key").addEventListener("change", () => {
    keep("sessionStorage", "key", element("key").value);
    update();
  });
  element("key-form").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("resize", updateCount);
  addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) update();
    else if (event.altKey && event.code === "KeyS") swap();
    else if (event.altKey && event.code === "KeyC") copy();
    else if (event.key === "Escape" && document.activeElement === text) clear();
    else return;
    event.preventDefault();
  });
}

async function begin() {
  try {
    const paths = ["/frontend/settings", "/languages", "/models"];
    [settings, languages, models] = await Promise.all(paths.map(get));
  } catch {
    return showMessage("The server cannot be reached. Reload the page to try again.");
  }
  const sources = languages.filter((each) => each.targets.length).map((each) => each.code);
  options(source, settings.detection && sources.length > 1 ? ["auto", ...sources] : sources, settings.language.source.code);
  updateTargets(settings.language.target.code);
  element("key-form").hidden = !settings.keyRequired;
  element("key").value = recall("sessionStorage", "key") ?? "";
  showNothing();
  updatePair();
  listen();
  update();
}

begin();
