// The translation: its parts, their words, and the source words that each looks at.

import { fill, gap, locate } from "./words.js";

const UNSURE = Math.log(0.5); // log-probability of a word below which it is underlined
const SHOWN = 3; // source words in the readout

const WARNINGS = {
  repetition: "it repeats itself",
  short: "it is much shorter than expected",
  copy: "it copies the source",
  "placeholder lost": "a placeholder is missing",
  "placeholder invented": "it has a placeholder that the source has not",
};

const element = (id) => document.getElementById(id);

// Return a word without the punctuation that touches it.
const bare = (word) => word.replace(/^\p{P}+|\p{P}+$/gu, "") || word;

// Return what is wrong with a part, or "".
function doubt(part) {
  const reasons = (part.warnings ?? []).map((warning) => WARNINGS[warning]);
  if (part.complete === false) reasons.push("it was cut off at the maximum length");
  return reasons.length ? `This may be wrong: ${reasons.join(", ")}.` : "";
}

export class Output {
  // `onSelect(part)` is called with the part that the reader looks at, or null.
  constructor(onSelect) {
    this.box = element("output");
    this.onSelect = onSelect;
    this.clear("");
    this.box.addEventListener("pointerover", (event) => this.point(event.target));
    this.box.addEventListener("click", (event) => this.point(event.target));
    this.box.addEventListener("pointerleave", () => this.select(null));
    this.box.addEventListener("blur", () => this.select(null));
    this.box.addEventListener("keydown", (event) => this.move(event));
  }

  clear(source) {
    this.source = source; // the text that is translated, as it stands in its pane
    this.cursor = 0; // in the source, behind the last part
    this.parts = [];
    this.words = []; // all words: { element, part, place }
    this.selected = null;
    this.box.replaceChildren();
    element("mirror").replaceChildren();
  }

  get text() {
    return this.parts.map((part) => part.before + part.text).join("");
  }

  add(details) {
    const last = this.parts.at(-1);
    const lines = last ? details.line - last.line : 0;
    const line = this.parts.filter((part) => part.line === details.line).map((part) => part.text).join("");
    const space = line && details.text ? gap(line + details.text) : "";
    const before = lines ? "\n".repeat(lines) : space;
    const part = { ...details, before, element: document.createElement("span") };
    part.element.className = "part";
    this.parts.push(part);
    this.locateSource(part);
    this.show(part);
    this.box.append(before, part.element);
  }

  // Find the words of the part in the pane of the source, where they are highlighted.
  locateSource(part) {
    const units = part.attention?.source ?? part.source.split(" ");
    part.places = locate(units, this.source, this.cursor);
    this.cursor = part.places.findLast((place) => place)?.[1] ?? this.cursor;
  }

  show(part) {
    part.element.replaceChildren();
    part.element.title = doubt(part);
    part.element.classList.toggle("doubtful", Boolean(part.element.title));
    const units = part.attention?.target ?? part.words?.map((word) => word.text) ?? [];
    const places = part.chosen ? [] : locate(units, part.text);
    const elements = fill(part.element, part.text, places, "span", "word");
    elements.forEach((word, place) => {
      if (!word) return;
      this.words.push({ element: word, part, place });
      const logProb = part.words?.[place]?.logProb;
      word.classList.toggle("unsure", logProb < UNSURE);
      if (logProb !== undefined) word.title = `probability ${Math.exp(logProb).toFixed(2)}`;
    });
  }

  // Put another translation in place of a part.
  choose(part, text) {
    part.alternatives = [part.text, ...part.alternatives.filter((other) => other !== text)];
    Object.assign(part, { text, chosen: true, warnings: [], complete: true });
    this.words = this.words.filter((word) => word.part !== part);
    this.select(null);
    this.show(part);
    this.onSelect(part);
  }

  point(target) {
    const word = this.words.find((each) => each.element === target);
    if (word) return this.select(word);
    const part = this.parts.find((each) => each.element.contains(target));
    if (part) this.onSelect(part);
  }

  // Select a word, and show where the model looked; null: none.
  select(word) {
    this.selected?.element.classList.remove("selected");
    this.selected = word;
    element("mirror").replaceChildren();
    element("readout").replaceChildren();
    if (!word) return;
    word.element.classList.add("selected");
    this.onSelect(word.part);
    const weights = word.part.attention?.weights[word.place];
    if (!weights) return;
    const marks = fill(element("mirror"), this.source, word.part.places, "mark", "");
    const most = Math.max(...weights, 0.001);
    marks.forEach((mark, i) => mark?.style.setProperty("--strength", weights[i] / most));
    const order = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, SHOWN);
    const named = order.map((i) => `${bare(word.part.attention.source[i])} ${Math.round(100 * weights[i])}\u00a0%`);
    const name = document.createElement("b");
    name.textContent = bare(word.part.attention.target[word.place]);
    element("readout").append(name, " looks at ", named.join(" · "));
  }

  // Arrow keys move from word to word.
  move(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || !this.words.length) return;
    event.preventDefault();
    const place = this.words.indexOf(this.selected);
    const next = place < 0 ? (step > 0 ? 0 : this.words.length - 1) : place + step;
    this.select(this.words[Math.min(Math.max(next, 0), this.words.length - 1)]);
  }
}
